//! `cargo xtask soak`: the tests that find more the longer they run, for as long as somebody wants.

mod fuzz;

use std::process::ExitCode;

use clap::Subcommand;

use crate::{Outcome, cargo, node::Node, step, test};

/// What to run.
#[derive(Debug, Subcommand)]
pub(crate) enum Soak {
    /// Simulate histories of terminals: cuts, delays, restarts, slow and replaced pages. Time and
    /// chance come from a seed: one that goes wrong is printed, and `--seed` tells it again.
    Sim {
        /// How many histories [default: a million, or one that is told where only a seed is given].
        #[arg(long)]
        histories: Option<u64>,
        /// The first one's seed.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Kill the daemon under a terminal that is busy, again and again.
    Kills {
        /// How often.
        #[arg(long, default_value_t = 50)]
        count: u64,
    },
    /// Kill daemon and agent while they have commands to run, again and again, and check that none was
    /// lost and none ran twice.
    Jobs {
        /// How often.
        #[arg(long, default_value_t = 200)]
        count: u64,
    },
    /// Open and close terminals, straight and through an agent, and look for what is left behind.
    Cycles {
        /// How many of each.
        #[arg(long, default_value_t = 2_000)]
        count: u64,
    },
    /// Attack a daemon with a control group beside it, each attack so many times as long.
    Attacks {
        /// How many times.
        #[arg(long, default_value_t = 10)]
        count: u64,
    },
    /// Pull the cable of an agent with a busy terminal: packets vanish, nobody is told.
    Cut {
        /// For how long.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Look for bytes that break codecs and state machines, with libFuzzer and a nightly compiler.
    /// What it learns stays in the target directory, and the next run goes on from there.
    Fuzz {
        /// Run this target only, such as `link`.
        target: Option<String>,
        /// How long to run each target.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
}

/// Runs it.
pub(crate) fn run(soak: &Soak) -> Outcome {
    match soak {
        Soak::Sim { histories, seed } => {
            let mut variables = Vec::new();
            let count = histories.or(seed.is_none().then_some(1_000_000));
            variables.extend(count.map(|count| ("GANGPLANK_SIM_HISTORIES", count)));
            variables.extend(seed.map(|seed| ("GANGPLANK_SIM_SEED", seed)));
            step("Simulating");
            let arguments = ["--package", "terminal", "--lib", "simulation"];
            cargo_test(&Node::provide()?, &arguments, &variables)
        }
        Soak::Kills { count } => {
            end_to_end(&["--test", "resume"], ("GANGPLANK_SOAK_KILLS", *count))
        }
        Soak::Jobs { count } => {
            let test = ["--test", "jobs", "random_deaths"];
            end_to_end(&test, ("GANGPLANK_SOAK_JOB_KILLS", *count))
        }
        Soak::Attacks { count } => {
            end_to_end(&["--test", "attacks"], ("GANGPLANK_SOAK_ATTACKS", *count))
        }
        Soak::Cycles { count } => {
            end_to_end(&["--test", "cycles"], ("GANGPLANK_SOAK_CYCLES", *count))
        }
        Soak::Cut { seconds } => {
            end_to_end(&["--test", "network"], ("GANGPLANK_SOAK_CUT", *seconds))
        }
        Soak::Fuzz { target, seconds } => fuzz::run(target.as_deref(), *seconds),
    }
}

/// Runs tests of the programs as they are shipped.
fn end_to_end(test: &[&str], variable: (&str, u64)) -> Outcome {
    let node = Node::provide()?;
    test::provide()?;
    step("Building what is shipped");
    cargo::build(&node, &["--release", "--package", "daemon", "--package", "agent", "--bins"])?;
    step("Soaking");
    let arguments = [&["--package", "tests"], test].concat();
    cargo_test(&node, &arguments, &[variable])
}

fn cargo_test(node: &Node, arguments: &[&str], variables: &[(&str, u64)]) -> Outcome {
    let mut command = cargo::command(node)?;
    command.args(["test", "--quiet", "--release"]).args(arguments).args(["--", "--nocapture"]);
    command.envs(variables.iter().map(|(name, value)| (name, value.to_string())));
    let success = command.status()?.success();
    Ok(if success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
