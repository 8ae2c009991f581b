//! Log lines that strangers can cause: one a second, with the number of those left out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

const EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Quiet(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    last: Option<Instant>,
    left_out: u64,
}

impl Quiet {
    /// Whether to say it now, and then how often it wasn't said since the last time.
    pub(super) fn say(&self, now: Instant) -> Option<u64> {
        // Nothing awaits under this lock.
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.last.is_some_and(|last| now.duration_since(last) < EVERY) {
            said.left_out += 1;
            return None;
        }
        said.last = Some(now);
        Some(std::mem::take(&mut said.left_out))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_becomes_a_line_a_second_with_its_size() {
        let quiet = Quiet::default();
        let start = Instant::now();
        let said: Vec<_> =
            (0..40).filter_map(|n| quiet.say(start + Duration::from_millis(n * 50))).collect();
        assert_eq!(said, [0, 19]);
    }
}
