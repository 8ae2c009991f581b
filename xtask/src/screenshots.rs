//! `cargo xtask screenshots`: the pictures of the documents, from a real browser.

use anyhow::{Result, ensure};

use crate::{
    apt::{self, Need},
    cargo,
    node::Node,
    step, workspace,
};

/// Takes all pictures anew.
pub(crate) fn run() -> Result<()> {
    apt::provide(&[
        Need { program: "certutil", package: "libnss3-tools" },
        Need { program: "chromium", package: "chromium" },
    ])?;
    let node = Node::provide()?;
    step("Building");
    cargo::build(&node, &["--workspace", "--all-targets"])?;
    let images = workspace::root()?.join("docs/images");
    step(&format!("Taking pictures into {}", images.display()));
    let mut command = cargo::command(&node)?;
    command.args(["run", "--quiet", "--package", "tests", "--example", "screenshots"]);
    let status = command.arg("--").arg(&images).status()?;
    ensure!(status.success(), "not all pictures could be taken");
    Ok(())
}
