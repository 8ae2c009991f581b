//! Calling Cargo, with its own progress on the terminal.

use std::{env, ffi::OsString, process::Command};

use anyhow::{Result, ensure};

use crate::{node::Node, workspace};

/// A call of the Cargo that runs this program, with the console's Node on the path.
pub(crate) fn command(node: &Node) -> Result<Command> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.current_dir(workspace::root()?);
    node.put_on_path(&mut command)?;
    Ok(command)
}

/// Builds, and fails with Cargo's own words already on the terminal.
pub(crate) fn build(node: &Node, arguments: &[&str]) -> Result<()> {
    let status = command(node)?.arg("build").args(arguments).status()?;
    ensure!(status.success(), "the build failed");
    Ok(())
}
