//! How long to pause after accept failed.

use std::io;
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);

/// Doubles the pause with every failure of our own until accept succeeds again.
#[derive(Debug, Default)]
pub(super) struct Backoff(Option<Duration>);

impl Backoff {
    pub(super) fn reset(&mut self) {
        self.0 = None;
    }

    /// How long to wait after `error`: `None` where only the one connection failed. Anything
    /// else (no descriptors, no memory) fails again at once, so it has to be waited for.
    pub(super) fn after(&mut self, error: &io::Error) -> Option<Duration> {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return None;
        }
        let pause = self.0.map_or(FIRST, |last| (last * 2).min(LONGEST));
        self.0 = Some(pause);
        Some(pause)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn our_own_failures_pause_longer_and_longer_up_to_a_second() {
        const EMFILE: i32 = 24;
        let mut backoff = Backoff::default();
        let error = io::Error::from_raw_os_error(EMFILE);
        let pauses: Vec<_> = (0..9).map(|_| backoff.after(&error).unwrap().as_millis()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(backoff.after(&io::ErrorKind::ConnectionAborted.into()), None);
        backoff.reset();
        assert_eq!(backoff.after(&error), Some(FIRST));
    }
}
