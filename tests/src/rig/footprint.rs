//! What a process holds of its machine.

use std::{fs, time::Duration};

use crate::eventually;

/// How long a process has to come back to what it held before.
const SOON: Duration = Duration::from_secs(30);

/// Files that may stay open beside those of before: connections of the store, which come and go.
const FILES: usize = 12;

/// What may stay in memory, in bytes: what the allocator keeps.
const MEMORY: u64 = 64 << 20;

/// What a process holds.
#[derive(Debug, Clone, Copy)]
pub struct Footprint {
    /// Open files.
    pub files: usize,
    /// Memory, in bytes.
    pub memory: u64,
}

impl Footprint {
    /// What a process holds now.
    ///
    /// # Panics
    /// When it doesn't run.
    pub fn of(pid: i32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        let kib = line.split_whitespace().next().and_then(|text| text.parse::<u64>().ok());
        let files = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        Self { files, memory: kib.expect("a number") << 10 }
    }

    /// Waits until the process holds hardly more than it did then.
    ///
    /// # Panics
    /// When it keeps more.
    pub async fn is_back(self, pid: i32) {
        let mut now = Self::of(pid);
        let back = eventually::until(SOON, "the process to give back what it held", || {
            now = Self::of(pid);
            let (files, memory) = (self.files + FILES, self.memory + MEMORY);
            std::future::ready((now.files <= files && now.memory <= memory).then_some(()))
        });
        back.await;
        eprintln!("footprint: {self:?} before, {now:?} after");
    }
}
