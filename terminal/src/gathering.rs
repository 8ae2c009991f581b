//! When output goes out: a person's at once, a stream's in whole TLS records.
//!
//! A system call and a wake-up for each packet of an SSH server cost more than all else that is done
//! to it. So the middle of a stream waits for more, but never long, and never for anything small: a
//! key's echo and the last line of a long listing go at once.

use std::time::Duration;

use tokio::time::Instant;

/// Bytes gathered before they are written: with one more packet, a TLS record.
pub const GATHERED: usize = 12 << 10;

/// Pieces of a stream follow each other within this time; what was gathered waits no longer.
const PAUSE: Duration = Duration::from_millis(1);

/// Pieces of a stream have at least this many bytes.
const STREAMED: usize = 2048;

/// What was written and not flushed, in one socket.
#[derive(Debug, Default)]
pub struct Gathering {
    /// Something waits that isn't the middle of a stream.
    urgent: bool,
    streams: bool,
    streamed_at: Option<Instant>,
    until: Option<Instant>,
}

impl Gathering {
    /// Output was written.
    pub fn output(&mut self, len: usize) {
        if len < STREAMED {
            self.urgent = true;
            return;
        }
        let now = Instant::now();
        self.streams = self.streamed_at.is_some_and(|before| now - before < PAUSE);
        self.streamed_at = Some(now);
    }

    /// Something else was written.
    pub fn other(&mut self) {
        self.urgent = true;
    }

    /// Whether what was written may wait for more.
    pub fn waits(&mut self) -> bool {
        let now = Instant::now();
        self.streams && !self.urgent && *self.until.get_or_insert(now + PAUSE) > now
    }

    /// Until when it waits.
    #[must_use]
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Everything was flushed.
    pub fn flushed(&mut self) {
        (self.urgent, self.streams, self.until) = (false, false, None);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_the_middle_of_a_stream_waits_and_not_for_long() {
        let mut gathering = Gathering::default();
        gathering.output(4096);
        assert!(!gathering.waits(), "a first piece may be the only one");
        gathering.flushed();
        gathering.output(4096);
        assert!(gathering.waits());
        gathering.output(4096);
        assert!(gathering.waits());
        advance(PAUSE).await;
        assert!(!gathering.waits());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_small_takes_the_stream_along() {
        let mut gathering = Gathering::default();
        gathering.output(4096);
        gathering.output(4096);
        gathering.output(1);
        gathering.output(4096);
        assert!(!gathering.waits());
        gathering.flushed();
        gathering.output(4096);
        assert!(gathering.waits());
        gathering.other();
        assert!(!gathering.waits());
    }
}
