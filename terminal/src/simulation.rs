//! Histories of terminals that nobody could wait for: cuts, delays, restarts of the daemon, pages
//! that are slow, asleep, replaced or away for long. Time and chance come from a seed, so a history
//! that goes wrong goes wrong again.
//!
//! Keeper, terminal, link, queues and channels are the real ones. The shell is simulated, and what
//! stands above this crate is written down again: see [`daemon`], [`bridge`] and [`page`].

mod agent;
mod bridge;
mod daemon;
mod history;
mod line;
mod page;
mod random;
pub(crate) mod shell;
mod world;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Histories where nobody asks for more.
const HISTORIES: u64 = 2_000;

/// Reads a number from the environment.
fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn every_history_ends_well() {
    let first = number("GANGPLANK_SIM_SEED");
    let count = number("GANGPLANK_SIM_HISTORIES");
    let tells = first.is_some() && count.is_none();
    let count = count.unwrap_or(if tells { 1 } else { HISTORIES });
    let first = first.unwrap_or(0);
    let mut failed = 0;
    for seed in first..first + count {
        let faults = catch_unwind(AssertUnwindSafe(|| history::run(seed, tells)))
            .unwrap_or_else(|_| vec!["a part of it panicked".to_owned()]);
        if !faults.is_empty() {
            failed += 1;
            println!("history {seed} went wrong:");
            faults.iter().for_each(|fault| println!("    {fault}"));
            println!("    to see it again: cargo xtask soak sim --seed {seed}");
        }
        assert!(failed < 10, "10 of {} histories went wrong", seed - first + 1);
    }
    assert_eq!(failed, 0, "of {count} histories");
}
