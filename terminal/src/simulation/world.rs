//! What all parts of a history share: what went wrong, and what was told of it.

use std::sync::{LazyLock, Mutex};

use bytes::Bytes;
use tokio::time::Instant;

use super::random::Random;

/// The bytes of every stream repeat after so many; a prime, so that no round number of them that is
/// lost or doubled looks right.
const PERIOD: usize = 65_521;

/// Longest run of bytes that is asked for.
const LONGEST: usize = 1 << 20;

static BYTES: LazyLock<Bytes> = LazyLock::new(|| {
    let mut random = Random::new(1);
    let period: Vec<u8> = (0..PERIOD).map(|_| random.next() as u8).collect();
    period.iter().copied().cycle().take(PERIOD + LONGEST).collect()
});

/// What a stream has at `offset`: output and input alike say where they belong.
pub(super) fn bytes(offset: u64, len: usize) -> Bytes {
    let start = (offset % PERIOD as u64) as usize;
    BYTES.slice(start..start + len)
}

/// One history's.
#[derive(Debug)]
pub(super) struct World {
    born: Instant,
    tells: bool,
    faults: Mutex<Vec<String>>,
}

impl World {
    pub(super) fn new(tells: bool) -> Self {
        Self { born: Instant::now(), tells, faults: Mutex::default() }
    }

    pub(super) fn born(&self) -> Instant {
        self.born
    }

    /// Something that must not be.
    pub(super) fn fault(&self, what: String) {
        self.note(|| format!("FAULT: {what}"));
        self.faults.lock().unwrap().push(format!("{:?}: {what}", self.born.elapsed()));
    }

    /// Something worth reading when a history is told again.
    pub(super) fn note(&self, what: impl FnOnce() -> String) {
        if self.tells {
            println!("{:>14?} {}", self.born.elapsed(), what());
        }
    }

    pub(super) fn faults(&self) -> Vec<String> {
        self.faults.lock().unwrap().clone()
    }
}
