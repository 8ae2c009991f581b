//! Signals that this process was started to ignore, as by `nohup` or in a script's background.
//!
//! A program inherits what its parent ignores, and a shell in which no key interrupts anything is of
//! no use. exec(2) gives back to their default the signals that are caught, so the ignored ones are
//! caught here, to no effect for this process.

use std::fs;
use std::sync::Once;

use tokio::signal::unix::{SignalKind, signal};

/// Signals that a terminal's keys and its hang-up send: HUP, INT, QUIT, TERM, TSTP, TTIN, TTOU.
const OF_TERMINALS: [i32; 7] = [1, 2, 3, 15, 20, 21, 22];

/// Catches what is ignored, once. Must be called in a Tokio runtime.
pub(crate) fn catch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ignored = ignored();
        for number in OF_TERMINALS.into_iter().filter(|number| ignored >> (number - 1) & 1 == 1) {
            // The handler stays when its stream is dropped, which is all that is wanted of it.
            if let Err(error) = signal(SignalKind::from_raw(number)) {
                tracing::warn!(%error, number, "shells will ignore a signal as this process does");
            }
        }
    });
}

/// The mask of ignored signals, bit 0 for signal 1 (proc_pid_status(5)).
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
