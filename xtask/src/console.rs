//! Type check, lint and unit tests of the console, in a copy below the target directory.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{node::Node, step, workspace};

/// What never belongs into the copy.
const LEFT_OUT: &[&str] = &["node_modules", "dist"];

/// How many checks and tests passed and failed.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Count {
    /// One check.
    fn one(passed: bool) -> Self {
        Self { passed: u64::from(passed), failed: u64::from(!passed) }
    }

    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

/// Runs everything that the console has.
pub(crate) fn test(node: &Node) -> Result<Count> {
    let work = workspace::target()?.join("gangplank-console");
    refresh(&workspace::root()?.join("daemon/console"), &work)?;
    step("Console: packages");
    let installed = npm(node, &work, &["ci", "--ignore-scripts", "--loglevel=error"])?.status()?;
    ensure!(installed.success(), "npm could not fetch the console's packages");

    step("Console: types");
    let types =
        Count::one(npm(node, &work, &["run", "--silent", "typecheck"])?.status()?.success());
    step("Console: lint");
    let lint = Count::one(npm(node, &work, &["run", "--silent", "lint"])?.status()?.success());
    step("Console: tests");
    Ok(types.and(lint).and(units(node, &work)?))
}

/// Runs the unit tests, for people and for counting.
fn units(node: &Node, work: &Path) -> Result<Count> {
    let report = work.join("report.json");
    let output = format!("--outputFile.json={}", report.display());
    let arguments =
        ["run", "--silent", "test", "--", "--reporter=default", "--reporter=json", &output];
    // The copy lies elsewhere than what the daemon's own tests read as well.
    let fixtures = workspace::root()?.join("proto/fixtures/channels");
    let status = npm(node, work, &arguments)?.env("GANGPLANK_FIXTURES", fixtures).status()?;
    let text = fs::read_to_string(&report)
        .context("the console's tests ended without a report of their results")?;
    let report: Value = serde_json::from_str(&text)?;
    let number = |key: &str| report.get(key).and_then(Value::as_u64).unwrap_or(0);
    let count = Count { passed: number("numPassedTests"), failed: number("numFailedTests") };
    // A suite that doesn't even load fails without a failed test.
    Ok(if status.success() || count.failed > 0 { count } else { count.and(Count::one(false)) })
}

fn npm(node: &Node, work: &Path, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(work);
    node.put_on_path(&mut command)?;
    Ok(command)
}

/// Makes `to` a copy of `from`, keeping the packages that were fetched before.
fn refresh(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(to)? {
        let path = entry?.path();
        if !left_out(&path) {
            if path.is_dir() { fs::remove_dir_all(&path)? } else { fs::remove_file(&path)? }
        }
    }
    copy(from, to).with_context(|| format!("copying {}", from.display()))
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path: PathBuf = entry?.path();
        let Some(name) = path.file_name().filter(|_| !left_out(&path)) else { continue };
        if path.is_dir() {
            copy(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

fn left_out(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| LEFT_OUT.contains(&name))
}
