//! The memory that the limits add up to, so that they are refused at the start rather than found out
//! under load.

use super::Limits;
use super::value::show_size;

/// Program, database caches, registry, buffers of the runtime.
const BASE: u64 = 96 << 20;

/// Events that many subscribers are about to be told.
const EVENTS: u64 = crate::event::ALL_BYTES as u64;

/// The guard's tables of addresses, credentials and logins, full.
const GUARD: u64 = 32 << 20;

/// One argon2 hash.
const HASH: u64 = 19 << 20;

/// Reports of PatchMon's agents that are read at once, each with what it is read into.
const UPLOADS: u64 = (crate::patchmon::UPLOADS * crate::patchmon::LARGEST) as u64 * 4;

/// TLS, HTTP and WebSocket state of one connection, with its task.
const CONNECTION: u64 = 48 << 10;

/// SSH and PTY state of one terminal, with its tasks and channel buffers.
const TERMINAL: u64 = 256 << 10;

/// What waits on a terminal's way through a gateway: two buffers of 64 KiB, what was written and is
/// not confirmed, and a window in each direction of the link.
const GATEWAY: u64 = (2 * 64 + 3 * 256) << 10;

/// Words about jobs that wait to be taken, of an agent that says as many as it may.
const JOB_WORDS: u64 = crate::link::jobs::WAITING as u64;

/// One connection in this many is taken to be in the middle of a message of full size, and behind
/// with all its words about jobs; what the others have fits into their own share.
const LARGE_MESSAGES: u64 = 64;

/// Connections when the key says 0.
const MOST_CONNECTIONS: u64 = 32_768;

/// Terminals when the key says 0.
const MOST_TERMINALS: u64 = 1024;

/// What the limits add up to, and what the machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Bytes when every limit is reached at once.
    pub worst: u64,
    /// Bytes that this process may use: the machine's, or its control group's when that is less.
    pub machine: Option<u64>,
}

impl Budget {
    /// Whether the limits fit. What is unknown is taken to be enough.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.machine.is_none_or(|machine| self.worst <= machine)
    }
}

impl std::fmt::Display for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "worst case {}", in_mib(self.worst))?;
        match self.machine {
            Some(machine) => write!(f, " of {}", in_mib(machine)),
            None => f.write_str(", machine unknown"),
        }
    }
}

fn in_mib(bytes: u64) -> String {
    show_size((bytes >> 20) << 20)
}

/// Fills in the limits that follow from the machine and adds all of them up.
pub(super) fn settle(limits: &mut Limits, machine: Option<u64>) -> Budget {
    let per_connection = CONNECTION + (limits.message + JOB_WORDS) / LARGE_MESSAGES;
    let per_terminal = TERMINAL + GATEWAY + limits.replay_ring + 2 * limits.terminal_window;
    let quarter = machine.map_or(u64::MAX, |machine| machine / 4);
    if limits.connections == 0 {
        limits.connections = (quarter / per_connection).clamp(64, MOST_CONNECTIONS);
    }
    if limits.terminals == 0 {
        limits.terminals = (quarter / per_terminal).clamp(8, MOST_TERMINALS);
    }
    let hashes = std::thread::available_parallelism().map_or(1, |n| n.get().div_ceil(2));
    let worst = BASE
        .saturating_add(GUARD)
        .saturating_add(UPLOADS)
        .saturating_add(EVENTS)
        .saturating_add(HASH.saturating_mul(u64::try_from(hashes).unwrap_or(1)))
        .saturating_add(per_connection.saturating_mul(limits.connections))
        .saturating_add(per_terminal.saturating_mul(limits.terminals));
    Budget { worst, machine }
}

/// Bytes that this process may use, as far as the system tells.
pub(super) fn machine() -> Option<u64> {
    let installed = nix::sys::sysinfo::sysinfo().ok().map(|info| info.ram_total());
    [installed, control_group()].into_iter().flatten().min()
}

/// The limit of this process's control group (version 2), or of the container that it sees as root.
fn control_group() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let limit = |path: &str| {
        std::fs::read_to_string(format!("/sys/fs/cgroup{path}/memory.max"))
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    };
    limit(path).or_else(|| limit(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_follow_from_the_machine_fit_it() {
        for machine in [1 << 30, 2 << 30, 24 << 30_u64] {
            let mut limits = Limits::default();
            let budget = settle(&mut limits, Some(machine));
            assert!(budget.fits(), "{budget}");
            assert!(limits.connections >= 64 && limits.terminals >= 8);
        }
        let mut greedy = Limits { connections: 1_000_000, ..Limits::default() };
        let budget = settle(&mut greedy, Some(2 << 30));
        assert!(!budget.fits(), "{budget}");
    }
}
