//! What a person types to run, to test and to measure Gangplank from its sources: `cargo xtask up`,
//! `cargo xtask test`, `cargo xtask bench`, `cargo xtask soak`, `cargo xtask screenshots`, `cargo xtask
//! release`.
//!
//! Nothing here writes into the source tree, save the pictures of `screenshots`, what
//! `bench --write-docs` says, and what `release` is told to write; everything made lies below Cargo's target directory.

mod apt;
mod bench;
mod bound;
mod cargo;
mod console;
mod node;
mod release;
mod screenshots;
mod soak;
mod test;
mod up;
mod workspace;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Runs and tests Gangplank from its sources.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build everything, start a daemon with an agent for this machine, and say how to log in.
    Up {
        /// Build with optimisation: slower to build, faster to run.
        #[arg(long)]
        release: bool,
        /// Where daemon and agent keep their files [default: gangplank/ in the target directory].
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Run every test: Rust, end to end, console and browser.
    Test {
        /// Run only the Rust tests whose name contains this.
        filter: Option<String>,
    },
    /// Measure the shipped programs beside the OpenSSH client and other relays.
    Bench(bench::Options),
    /// Run the tests that find more the longer they run.
    #[command(subcommand)]
    Soak(soak::Soak),
    /// Make keys for releases, and sign them: see docs/updating.md.
    #[command(subcommand)]
    Release(release::Release),
    /// Take the pictures in docs/images with a real browser.
    Screenshots,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Up { release, data_dir } => up::run(release, data_dir),
        Task::Test { filter } => test::run(filter.as_deref()),
        Task::Bench(options) => bench::run(options),
        Task::Soak(soak) => soak::run(&soak),
        Task::Release(release) => release::run(&release),
        Task::Screenshots => screenshots::run().map(|()| ExitCode::SUCCESS),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Says which step begins.
fn step(what: &str) {
    println!("==> {what}");
}

/// What a task comes to.
type Outcome = Result<ExitCode>;
