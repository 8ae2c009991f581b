//! How long a host takes to answer a key: from short input to the next output.

use std::time::Duration;

use tokio::time::Instant;

/// Longer input is a paste, whose echo says nothing of a key's.
const KEY: usize = 32;

/// What answers later than this answers something else.
const LATE: Duration = Duration::from_secs(2);

/// The delay of the last key that was answered.
#[derive(Debug, Default)]
pub(crate) struct Echo {
    typed: Option<Instant>,
    last: Option<Duration>,
}

impl Echo {
    /// Input of `len` bytes goes to the host.
    pub(crate) fn typed(&mut self, len: usize) {
        self.typed = (len <= KEY).then(Instant::now);
    }

    /// The host said something.
    pub(crate) fn said(&mut self) {
        if let Some(typed) = self.typed.take() {
            self.last = Some(typed.elapsed()).filter(|delay| *delay < LATE).or(self.last);
        }
    }

    /// The last delay, in microseconds.
    pub(crate) fn micros(&self) -> Option<u64> {
        self.last.map(|delay| u64::try_from(delay.as_micros()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_key_s_prompt_answer_counts() {
        let mut echo = Echo::default();
        echo.said();
        assert_eq!(echo.micros(), None);
        echo.typed(1);
        tokio::time::advance(Duration::from_millis(3)).await;
        echo.said();
        assert_eq!(echo.micros(), Some(3_000));
        echo.typed(1000);
        echo.said();
        echo.typed(1);
        tokio::time::advance(Duration::from_secs(5)).await;
        echo.said();
        assert_eq!(echo.micros(), Some(3_000));
    }
}
