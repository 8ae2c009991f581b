//! How often something happened lately, by who did it.

use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Recent;

/// Counted over this long.
const MINUTE: Duration = Duration::from_secs(60);

/// Who is remembered, at least.
const KNOWN: usize = 16_384;

/// Counts by the minute, for a bounded number of keys.
#[derive(Debug)]
pub struct Rate<K>(Mutex<Recent<K, Option<(Instant, u64)>>>);

impl<K: Hash + Eq + Clone> Default for Rate<K> {
    fn default() -> Self {
        Self(Mutex::new(Recent::new(KNOWN)))
    }
}

impl<K: Hash + Eq + Clone> Rate<K> {
    /// Counts one more.
    ///
    /// # Errors
    /// With the time to wait, when there were `limit` in this minute already.
    pub fn take(&self, key: &K, limit: u64) -> Result<(), Duration> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = table.touch(key);
        let (since, count) = match *window {
            Some((since, count)) if since.elapsed() < MINUTE => (since, count),
            _ => (Instant::now(), 0),
        };
        if count >= limit {
            return Err(MINUTE.saturating_sub(since.elapsed()));
        }
        *window = Some((since, count + 1));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_minute_has_a_limit_for_each() {
        let rate = Rate::default();
        for _ in 0..3 {
            assert_eq!(rate.take(&1, 3), Ok(()));
        }
        assert_eq!(rate.take(&1, 3), Err(MINUTE));
        assert_eq!(rate.take(&2, 3), Ok(()));
        tokio::time::advance(MINUTE).await;
        assert_eq!(rate.take(&1, 3), Ok(()));
    }
}
