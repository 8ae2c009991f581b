//! `cargo xtask bench`: the shipped programs beside their peers, measured in one run.

mod peers;

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Args;

use crate::{
    Outcome,
    apt::{self, Need},
    cargo,
    node::Node,
    step, workspace,
};

/// What the load generator runs beside our own programs.
const NEEDS: &[Need] = &[
    Need { program: "cc", package: "gcc" },
    Need { program: "chpasswd", package: "passwd" },
    Need { program: "setpriv", package: "util-linux" },
    Need { program: "ssh", package: "openssh-client" },
    Need { program: "sshd", package: "openssh-server" },
    Need { program: "strip", package: "binutils" },
];

/// How to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What is measured: terminals, jobs, or channels.
    #[arg(default_value = "terminals", value_parser = ["terminals", "jobs", "channels"])]
    suite: String,
    /// How often each figure is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Look whether it works, in seconds; the numbers mean nothing.
    #[arg(long)]
    quick: bool,
    /// Measure these figures only, by the names of their plots in docs/performance.
    #[arg(long, value_name = "FIGURE", value_delimiter = ',')]
    only: Vec<String>,
    /// Fetch the peers first: webssh by pip, wetty and ws by npm, shellinabox by apt-get, into the target
    /// directory. One that can't be fetched is missing in the tables, which say so.
    #[arg(long)]
    install_peers: bool,
    /// Where the results go [default: bench/results.json in the target directory].
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write docs/performance.md, or that of jobs or channels, and the plots.
    #[arg(long)]
    write_docs: bool,
}

/// Measures.
pub(crate) fn run(options: Options) -> Outcome {
    apt::provide(NEEDS)?;
    let node = Node::provide()?;
    step("Building what is shipped, and the load generator");
    // Apart from each other, so that the programs are built as a release builds them.
    cargo::build(&node, &["--release", "--package", "daemon", "--package", "agent", "--bins"])?;
    cargo::build(&node, &["--release", "--package", "tests", "--bins"])?;
    let directory = workspace::target()?.join("bench");
    let peers = directory.join("peers");
    fs::create_dir_all(&peers)?;
    if options.install_peers {
        peers::install(&node, &peers);
    }
    step("Measuring");
    let json = options.json.unwrap_or_else(|| directory.join("results.json"));
    let mut command = cargo::command(&node)?;
    command.args(["run", "--quiet", "--release", "--package", "tests", "--bin", "bench", "--"]);
    command.arg(&options.suite);
    command.arg("--rounds").arg(options.rounds.to_string());
    command.arg("--peers").arg(peers).arg("--json").arg(&json);
    command.args(options.quick.then_some("--quick"));
    command.args(options.write_docs.then_some("--write-docs"));
    if !options.only.is_empty() {
        command.arg("--only").arg(options.only.join(","));
    }
    let status = command.status()?;
    if status.success() {
        println!("Results in {}", json.display());
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
