//! A rate as a bucket that fills with time: so much at once, so much a second after that.

use std::time::Duration;

use tokio::time::Instant;

/// Room for `most` units, which comes back within `span`.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    left: f64,
    most: f64,
    span: f64,
    at: Instant,
}

impl Pace {
    /// A full bucket.
    #[must_use]
    pub fn new(most: u64, span: Duration) -> Self {
        let most = most as f64;
        Self { left: most, most, span: span.as_secs_f64().max(0.001), at: Instant::now() }
    }

    /// Takes units, if there is room for them.
    pub fn take(&mut self, units: u64) -> bool {
        self.fill();
        let fits = self.left >= units as f64;
        if fits {
            self.left -= units as f64;
        }
        fits
    }

    /// Takes units, which may go into debt, and says how long to wait before the next.
    pub fn owe(&mut self, units: u64) -> Duration {
        self.fill();
        self.left -= units as f64;
        Duration::from_secs_f64((-self.left).max(0.0) / self.most.max(1.0) * self.span)
    }

    fn fill(&mut self) {
        let now = Instant::now();
        let passed = now.duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed / self.span * self.most).min(self.most);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn room_comes_back_with_time() {
        let mut pace = Pace::new(60, Duration::from_secs(60));
        assert!((0..60).all(|_| pace.take(1)));
        assert!(!pace.take(1));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(pace.take(2) && !pace.take(1));
    }

    #[tokio::test(start_paused = true)]
    async fn debts_are_waited_for() {
        let mut pace = Pace::new(1000, Duration::from_secs(1));
        assert_eq!(pace.owe(1000), Duration::ZERO);
        let wait = pace.owe(500);
        assert!(wait > Duration::from_millis(490) && wait <= Duration::from_millis(510));
        tokio::time::advance(wait).await;
        assert!(pace.owe(0) < Duration::from_millis(1));
    }
}
