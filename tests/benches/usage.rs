//! What processes use, out of /proc.

use std::{fs, time::Duration};

use nix::unistd::Pid;

/// CPU time of the threads that some processes have now.
pub(crate) fn cpu(processes: &[Pid]) -> Duration {
    processes.iter().map(|process| cpu_below(&format!("/proc/{process}/task"))).sum()
}

/// CPU time of this process.
pub(crate) fn own_cpu() -> Duration {
    cpu_below("/proc/self/task")
}

/// A process that ends meanwhile has used nothing.
fn cpu_below(tasks: &str) -> Duration {
    let Ok(tasks) = fs::read_dir(tasks) else { return Duration::ZERO };
    let used = |task: fs::DirEntry| -> Option<u64> {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    };
    Duration::from_nanos(tasks.flatten().filter_map(used).sum())
}

/// Resident memory of some processes, in bytes.
pub(crate) fn resident(processes: &[Pid]) -> u64 {
    let of = |process: &Pid| -> Option<u64> {
        // Unlike `status`, whose numbers lag behind by some pages a CPU.
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:"))?;
        line.trim().split(' ').next()?.parse::<u64>().ok()
    };
    processes.iter().filter_map(of).sum::<u64>() << 10
}

/// A process and all below it.
pub(crate) fn descendants(root: Pid) -> Vec<Pid> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        let Ok(threads) = fs::read_dir(format!("/proc/{parent}/task")) else { continue };
        for thread in threads.flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().flat_map(str::parse).map(Pid::from_raw));
        }
    }
    found
}
