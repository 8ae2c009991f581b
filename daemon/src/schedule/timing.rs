//! When it is a host's turn.

use std::time::Duration;

use gangplank_proto::id::{HostId, ScheduleId};
use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;

/// The turns of a schedule: from a first moment on, every so often, and each host at its own place within
/// the jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// The first moment.
    pub starts_at: Timestamp,
    /// From one turn of a host to its next.
    pub every: Duration,
    /// Over how long the hosts of one turn are spread.
    pub jitter: Duration,
}

impl Timing {
    /// A host's latest turn up to `now`; none before its first.
    #[must_use]
    pub fn latest(&self, schedule: ScheduleId, host: HostId, now: Timestamp) -> Option<Timestamp> {
        let first = self.first(schedule, host);
        if now < first {
            return None;
        }
        let every = self.every.as_millis().max(1);
        let turns = now.since(first).as_millis() / every;
        let passed = u64::try_from(turns.saturating_mul(every)).unwrap_or(u64::MAX);
        Some(first.plus(Duration::from_millis(passed)))
    }

    /// A host's next turn after `now`.
    #[must_use]
    pub fn next(&self, schedule: ScheduleId, host: HostId, now: Timestamp) -> Timestamp {
        match self.latest(schedule, host, now) {
            Some(latest) => latest.plus(self.every),
            None => self.first(schedule, host),
        }
    }

    /// A host's first turn: always at the same place of the jitter, so that it is scanned at the same
    /// time of each day.
    fn first(&self, schedule: ScheduleId, host: HostId) -> Timestamp {
        let mut hasher = Sha256::new();
        hasher.update(schedule.uuid().as_bytes());
        hasher.update(host.uuid().as_bytes());
        let hash: [u8; 32] = hasher.finalize().into();
        let [a, b, c, d, ..] = hash;
        let place = f64::from(u32::from_be_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0);
        self.starts_at.plus(self.jitter.mul_f64(place))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    proptest! {
        #[test]
        fn turns_are_even_and_a_host_keeps_its_place(
            every in 1_000_u64..100_000_000,
            jitter in 0_u64..=1_000,
            passed in 0_u64..10_000_000_000,
        ) {
            let every = Duration::from_millis(every);
            let jitter = Duration::from_millis(jitter);
            let timing = Timing { starts_at: START, every, jitter };
            let (schedule, host) = (ScheduleId::new(), HostId::new());
            let now = START.plus(Duration::from_millis(passed));
            let next = timing.next(schedule, host, now);
            prop_assert!(next > now);
            match timing.latest(schedule, host, now) {
                None => prop_assert!(passed < 1_000),
                Some(latest) => {
                    prop_assert!(latest <= now);
                    prop_assert_eq!(latest.plus(every), next);
                    let place = latest.since(START).as_millis() % every.as_millis();
                    prop_assert!(place <= jitter.as_millis());
                }
            }
        }
    }

    #[test]
    fn hosts_are_spread_over_the_jitter() {
        let hour = Duration::from_secs(3600);
        let timing = Timing { starts_at: START, every: 24 * hour, jitter: hour };
        let schedule = ScheduleId::new();
        let early = START.plus(hour / 2);
        let before =
            (0..1000).filter(|_| timing.latest(schedule, HostId::new(), early).is_some()).count();
        assert!((400..600).contains(&before), "{before} of 1000 in the first half");
    }
}
