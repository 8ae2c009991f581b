//! How far a terminal got, for whoever lists it while its task runs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gangplank_proto::fact::HeldSession;
use gangplank_proto::id::SessionId;
use tokio::time::Instant;

/// Counters that the terminal's task writes and anybody reads.
#[derive(Debug)]
pub(crate) struct Progress {
    born: Instant,
    opened: AtomicBool,
    attached: AtomicBool,
    output: AtomicU64,
    input: AtomicU64,
    /// Milliseconds after `born`.
    said: AtomicU64,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            born: Instant::now(),
            opened: AtomicBool::new(false),
            attached: AtomicBool::new(true),
            output: AtomicU64::new(0),
            input: AtomicU64::new(0),
            said: AtomicU64::new(0),
        }
    }

    pub(crate) fn opened(&self) {
        self.opened.store(true, Ordering::Relaxed);
    }

    pub(crate) fn attached(&self, attached: bool) {
        self.attached.store(attached, Ordering::Relaxed);
    }

    /// Output up to `offset` was made just now.
    pub(crate) fn output(&self, offset: u64) {
        self.output.store(offset, Ordering::Relaxed);
        self.said.store(self.age(), Ordering::Relaxed);
    }

    /// Input up to `offset` was taken.
    pub(crate) fn input(&self, offset: u64) {
        self.input.store(offset, Ordering::Relaxed);
    }

    /// Where the terminal is, once it is open.
    pub(crate) fn held(&self, session_id: SessionId) -> Option<HeldSession> {
        self.opened.load(Ordering::Relaxed).then(|| HeldSession {
            session_id,
            offset: self.output.load(Ordering::Relaxed),
            input_offset: self.input.load(Ordering::Relaxed),
            quiet_ms: Some(self.age().saturating_sub(self.said.load(Ordering::Relaxed))),
        })
    }

    fn age(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
