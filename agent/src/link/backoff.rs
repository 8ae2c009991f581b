//! When to try again after a link was lost or refused. Pure: time and randomness come in as
//! arguments, so a whole fleet's reconnect storm can be played through in a test.

use std::time::Duration;

/// A link that held this long was a good one; what went wrong before it is forgotten.
const STABLE: Duration = Duration::from_secs(60);

/// Longest wait of the growing kind.
const CAP: Duration = Duration::from_secs(60);

/// First cap of the growing kind; it doubles with each failure.
const BASE: Duration = Duration::from_secs(1);

/// No wait is shorter, so that a server that refuses at once isn't hammered.
const FLOOR: Duration = Duration::from_millis(200);

/// Shortest wait after a refused credential or a replaced link; the longest is twice that.
const SLOW: Duration = Duration::from_secs(60);

/// Why there is no link now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It broke, ended, or never came about.
    Broken,
    /// The server stops or is busy, and said when to come back.
    RetryIn(Duration),
    /// The server doesn't know this host or its key.
    Refused,
    /// Another agent with the same credential took its place.
    Replaced,
}

/// Counts failures and says how long to wait.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait before the next attempt. `lived` is how long the lost link was up, zero when it
    /// never was; `holding` says whether terminals wait for it; `random` is uniform in 0..1.
    pub fn next(&mut self, loss: Loss, lived: Duration, holding: bool, random: f64) -> Duration {
        if lived >= STABLE {
            self.failures = 0;
        }
        let doublings = self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        match loss {
            Loss::Refused | Loss::Replaced => SLOW.mul_f64(1.0 + random),
            // All agents are told the same: they spread by up to a fifth.
            Loss::RetryIn(wait) => wait.max(FLOOR).mul_f64(1.0 + random / 5.0),
            Loss::Broken if holding => FLOOR + (BASE - FLOOR).mul_f64(random),
            Loss::Broken => {
                let cap = BASE.saturating_mul(1 << doublings).min(CAP);
                cap.mul_f64(random).max(FLOOR)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Duration = Duration::ZERO;

    #[test]
    fn waits_grow_to_a_minute_and_are_spread_over_all_of_it() {
        let mut backoff = Backoff::default();
        let caps: Vec<u64> =
            (0..9).map(|_| backoff.next(Loss::Broken, NEVER, false, 1.0).as_secs()).collect();
        assert_eq!(caps, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backoff.next(Loss::Broken, NEVER, false, 0.5), Duration::from_secs(30));
        assert_eq!(backoff.next(Loss::Broken, NEVER, false, 0.0), FLOOR);
    }

    #[test]
    fn a_stable_minute_forgets_failures() {
        let mut backoff = Backoff { failures: 9 };
        let short = Duration::from_secs(59);
        assert_eq!(backoff.next(Loss::Broken, short, false, 1.0), CAP);
        assert_eq!(backoff.next(Loss::Broken, STABLE, false, 1.0), BASE);
    }

    #[test]
    fn while_terminals_wait_it_hurries() {
        let mut backoff = Backoff { failures: 9 };
        assert_eq!(backoff.next(Loss::Broken, NEVER, true, 0.0), Duration::from_millis(200));
        assert_eq!(backoff.next(Loss::Broken, NEVER, true, 1.0), Duration::from_secs(1));
    }

    #[test]
    fn the_server_s_wish_is_honoured_and_refusals_are_slow() {
        let mut backoff = Backoff::default();
        let wish = Loss::RetryIn(Duration::from_secs(5));
        assert_eq!(backoff.next(wish, NEVER, true, 0.0), Duration::from_secs(5));
        assert_eq!(backoff.next(wish, NEVER, false, 1.0), Duration::from_secs(6));
        for loss in [Loss::Refused, Loss::Replaced] {
            assert_eq!(backoff.next(loss, NEVER, true, 0.0), Duration::from_secs(60));
        }
    }

    /// Ten thousand agents that lose their daemon at once do not come back at once.
    #[test]
    fn a_storm_is_spread() {
        let agents = 10_000u32;
        let mut seconds = [0u32; 61];
        for agent in 0..agents {
            let mut backoff = Backoff { failures: 6 };
            let random = f64::from(agent) / f64::from(agents);
            let wait = backoff.next(Loss::Broken, NEVER, false, random);
            if let Some(second) =
                usize::try_from(wait.as_secs()).ok().and_then(|s| seconds.get_mut(s))
            {
                *second += 1;
            }
        }
        assert!(seconds.iter().all(|count| *count < 200), "{seconds:?}");
    }
}
