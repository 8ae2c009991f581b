//! `cargo xtask soak fuzz`: libFuzzer looks for bytes that break the targets of `tests/fuzz`.
//!
//! cargo-fuzz builds the targets; they are run without it, because it would put what they find into
//! the source tree.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    Outcome,
    apt::{self, Need},
    step, workspace,
};

/// The cargo-fuzz that is installed.
const VERSION: &str = "0.13.2";

/// The package of the targets, in the workspace.
const PACKAGE: &str = "tests/fuzz";

/// Longest input, in bytes: somewhat beyond a piece of channel data.
const LONGEST: u32 = 17_000;

/// An input that takes longer, in seconds, is a find.
const SLOW: u32 = 10;

/// Runs one target, or each in turn, for so many seconds.
pub(super) fn run(only: Option<&str>, seconds: u64) -> Outcome {
    let package = workspace::root()?.join(PACKAGE);
    let targets = targets(&package, only)?;
    apt::provide(&[Need { program: "c++", package: "g++" }])?;
    let platform = nightly()?;
    let directory = workspace::target()?.join("fuzz");
    let programs = build(&package, &directory, &platform)?;
    let mut broken = Vec::new();
    for target in targets {
        step(&format!("Fuzzing {target} for {seconds} s"));
        let mut command = Command::new(programs.join(&target));
        // As cargo-fuzz has it: Rust's own way of linking looks like a violation.
        command.env("ASAN_OPTIONS", "detect_odr_violation=0");
        // The first directory is where libFuzzer keeps what it learns.
        command.arg(made(directory.join("corpus").join(&target))?);
        command.args(Some(package.join("seeds").join(&target)).filter(|seeds| seeds.is_dir()));
        let finds = made(directory.join("finds").join(&target))?;
        command.arg(format!("-artifact_prefix={}/", finds.display()));
        command.arg(format!("-max_total_time={seconds}"));
        command.arg(format!("-max_len={LONGEST}")).arg(format!("-timeout={SLOW}"));
        if !command.status()?.success() {
            println!("{target} is broken. To see it again, give a file in {} to", finds.display());
            println!("  {}", programs.join(&target).display());
            broken.push(target);
        }
    }
    println!();
    if broken.is_empty() {
        println!("Nothing found.");
        return Ok(ExitCode::SUCCESS);
    }
    println!("Broken: {}", broken.join(", "));
    Ok(ExitCode::FAILURE)
}

/// The targets to run, in the order of their names.
fn targets(package: &Path, only: Option<&str>) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for file in fs::read_dir(package.join("fuzz_targets"))? {
        all.extend(file?.path().file_stem().and_then(|name| name.to_str()).map(str::to_owned));
    }
    all.sort_unstable();
    let Some(only) = only else { return Ok(all) };
    ensure!(all.iter().any(|name| name == only), "no such target; there are {}", all.join(", "));
    Ok(vec![only.to_owned()])
}

/// The platform of the nightly compiler.
fn nightly() -> Result<String> {
    let output = Command::new("rustup").args(["run", "nightly", "rustc", "-vV"]).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    let text = String::from_utf8(text.unwrap_or_default())?;
    let platform = text.lines().find_map(|line| line.strip_prefix("host: "));
    platform.map(str::to_owned).context(
        "fuzzing needs Rust's nightly toolchain. Type: \
         rustup toolchain install nightly --profile minimal",
    )
}

/// Builds all targets and answers where they are.
fn build(package: &Path, directory: &Path, platform: &str) -> Result<PathBuf> {
    let tool = tool()?;
    step("Building the fuzz targets");
    let build = directory.join("build");
    let mut command = Command::new("rustup");
    command.args(["run", "nightly"]).arg(tool).args(["fuzz", "build", "--features", "libfuzzer"]);
    command.args(["--target", platform, "--fuzz-dir"]).arg(package);
    command.arg("--target-dir").arg(&build).current_dir(package);
    // This very program is run by another toolchain's Cargo.
    command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    // A release is optimised as a whole, which takes long and finds nothing.
    command.env("CARGO_PROFILE_RELEASE_LTO", "off");
    command.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    command.env("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only");
    command.env("CARGO_PROFILE_RELEASE_STRIP", "none");
    ensure!(command.status()?.success(), "the build failed");
    Ok(build.join(platform).join("release"))
}

/// cargo-fuzz, below the target directory.
fn tool() -> Result<PathBuf> {
    let root = workspace::target()?.join("cargo-fuzz");
    let tool = root.join("bin/cargo-fuzz");
    if !tool.is_file() {
        step("Installing cargo-fuzz");
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["install", "--quiet", "--locked", "cargo-fuzz", "--version", VERSION]);
        let status = command.arg("--root").arg(&root).status()?;
        ensure!(status.success(), "cargo-fuzz {VERSION} could not be installed");
    }
    Ok(tool)
}

fn made(directory: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&directory)?;
    Ok(directory)
}
