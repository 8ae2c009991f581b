//! How far a terminal got, for whoever lists it while its task runs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gangplank_proto::fact::HeldSession;
use gangplank_proto::id::SessionId;
use tokio::time::Instant;

/// Counters that the terminal's task writes and anybody reads.
#[derive(Debug)]
pub(crate) struct Progress {
    born: Instant,
    opened: AtomicBool,
    attached: AtomicBool,
    lasting: AtomicBool,
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
            lasting: AtomicBool::new(false),
            output: AtomicU64::new(0),
            input: AtomicU64::new(0),
            said: AtomicU64::new(0),
        }
    }

    /// One that another program has brought so far, and nobody shows.
    pub(crate) fn resumed(output: u64, input: u64, quiet: Duration) -> Self {
        let now = Instant::now();
        Self {
            born: now.checked_sub(quiet).unwrap_or(now),
            attached: AtomicBool::new(false),
            output: AtomicU64::new(output),
            input: AtomicU64::new(input),
            ..Self::new()
        }
    }

    /// It is open; whether it can outlive this program.
    pub(crate) fn opened(&self, lasting: bool) {
        self.lasting.store(lasting, Ordering::Relaxed);
        self.opened.store(true, Ordering::Relaxed);
    }

    /// Whether it can outlive this program.
    pub(crate) fn lasts(&self) -> bool {
        self.lasting.load(Ordering::Relaxed)
    }

    /// Time since its last output.
    pub(crate) fn quiet(&self) -> Duration {
        Duration::from_millis(self.age().saturating_sub(self.said.load(Ordering::Relaxed)))
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
            quiet_ms: u64::try_from(self.quiet().as_millis()).ok(),
        })
    }

    fn age(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
