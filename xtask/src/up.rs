//! `cargo xtask up`: from the sources to a terminal in the browser.
//!
//! Everything lies in one directory: `daemon/` (its data), `agent/` (configuration and state),
//! `password`, `port` and the two logs. A second run finds them and makes nothing anew.

mod agent;
mod daemon;

use std::{
    fs::{self, File, TryLockError},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use nix::sys::signal::{SigSet, Signal};
use sha2::{Digest as _, Sha256};

use crate::{
    Outcome,
    apt::{self, Need},
    cargo,
    node::Node,
    step, workspace,
};

/// Builds, starts, enrols, and waits for Ctrl-C.
pub(crate) fn run(release: bool, data_dir: Option<PathBuf>) -> Outcome {
    let directory = match data_dir {
        Some(directory) => std::path::absolute(directory)?,
        None => workspace::target()?.join("gangplank"),
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    let _lock = only_one(&directory)?;

    apt::provide(&[
        Need { program: "cc", package: "gcc" },
        Need { program: "setpriv", package: "util-linux" },
    ])?;
    let node = Node::provide()?;
    step(&format!("Building the console and both programs (Node {})", node.version()));
    let profile = if release { "release" } else { "debug" };
    cargo::build(&node, if release { &["--release"] } else { &[] })?;
    let programs = workspace::target()?.join(profile);

    // From here on a signal is an event of ours: everything started is stopped in order.
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGCHLD] {
        signals.add(signal);
    }
    signals.thread_block()?;

    step("Starting the daemon");
    let mut daemon = daemon::Daemon::start(&programs, &directory)?;
    let mut agent = agent::Agent::start(&programs, &directory, &daemon)?;
    welcome(&directory, &daemon)?;

    loop {
        let signal = signals.wait()?;
        if signal != Signal::SIGCHLD {
            println!();
            step("Stopping");
            drop(agent);
            drop(daemon);
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(end) = daemon.bound().ended()?.or(agent.bound().ended()?) {
            bail!("{end}; its log is in {}", directory.display());
        }
    }
}

/// Two runs on the same files would fight over them.
fn only_one(directory: &Path) -> Result<File> {
    let path = directory.join("lock");
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another `cargo xtask up` is running on {}: use that one, stop it, or name another \
             directory with --data-dir",
            directory.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).context(path.display().to_string()),
    }
}

/// Says everything that a person needs to open a terminal.
fn welcome(directory: &Path, daemon: &daemon::Daemon) -> Result<()> {
    let password = fs::read_to_string(directory.join("password")).map_or_else(
        |_| "the one you set; `gangplankd user passwd admin` sets another".to_owned(),
        |text| text.trim().to_owned(),
    );
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    println!();
    println!("  Gangplank is running.");
    println!();
    println!("    URL       {}", daemon.url());
    println!("    User      {}", daemon.username());
    println!("    Password  {password}");
    println!("    CA        {}", daemon.ca().display());
    println!("              SHA-256 {}", fingerprint(daemon.ca())?);
    println!();
    println!("  Open the URL, log in, and choose \"Terminal\" on the host {}.", host.trim());
    println!("  Your browser doesn't know the CA yet: add the file above to its authorities, or");
    println!("  compare the fingerprint in its warning and go on.");
    println!();
    println!("  Ctrl-C stops everything.");
    Ok(())
}

/// SHA-256 of a certificate, as browsers show it.
fn fingerprint(file: &Path) -> Result<String> {
    let pem = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let body: String = pem
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .skip(1)
        .take_while(|line| !line.starts_with("-----END"))
        .collect();
    let digest = Sha256::digest(STANDARD.decode(body).context("the CA's file is no PEM")?);
    let hex: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    Ok(hex.join(":"))
}
