//! Fetching the peers from their own registries, below the target directory.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::{apt, node::Node, step};

/// Fetches each peer that isn't there yet, and names those that can't be had.
pub(super) fn install(node: &Node, directory: &Path) {
    for (name, program) in [
        ("webssh", "bin/wssh"),
        ("wetty", "node_modules/.bin/wetty"),
        ("ws", "node_modules/ws/package.json"),
        ("shellinabox", "usr/bin/shellinaboxd"),
    ] {
        let to = directory.join(name);
        if to.join(program).is_file() {
            continue;
        }
        step(&format!("Fetching {name}"));
        let fetched = fs::create_dir_all(&to).map_err(Into::into).and_then(|()| match name {
            "webssh" => webssh(&to),
            // A part of it is compiled, which takes a C++ compiler.
            "wetty" => npm(node, &to, "wetty@3.2.0"),
            "ws" => npm(node, &to, "ws@8.23.0"),
            _ => shellinabox(&to),
        });
        if let Err(error) = fetched {
            eprintln!("{name} can't be had here: {error:#}");
        }
    }
}

fn webssh(to: &Path) -> Result<()> {
    succeed(Command::new("python3").args(["-m", "venv"]).arg(to))?;
    let mut pip = Command::new(to.join("bin/pip"));
    succeed(pip.args(["install", "--quiet", "--disable-pip-version-check", "webssh==1.6.3"]))
}

fn npm(node: &Node, to: &Path, package: &str) -> Result<()> {
    let mut npm = Command::new("npm");
    node.put_on_path(&mut npm)?;
    npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(to);
    succeed(npm.arg(package))
}

/// Unpacked, not installed: as a package it would start a server of its own.
fn shellinabox(to: &Path) -> Result<()> {
    ensure!(apt::find("apt-get").is_some(), "it is a package of Debian");
    succeed(Command::new("apt-get").args(["download", "--quiet", "shellinabox"]).current_dir(to))?;
    let package = fs::read_dir(to)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let package = package.context("nothing was downloaded")?;
    succeed(Command::new("dpkg-deb").arg("--extract").arg(package).arg(to))
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}
