//! The time of day as an argument, so that expiry can be tested without waiting for it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment: milliseconds since 1970 in UTC. Written as RFC 3339 wherever people or programs read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment so many milliseconds after 1970.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970, as the store keeps them.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, never negative, as tokens and HTTP headers want them.
    #[must_use]
    pub fn seconds(self) -> u64 {
        u64::try_from(self.0 / 1000).unwrap_or(0)
    }

    /// This moment and a while later; saturates at the end of time.
    #[must_use]
    pub fn plus(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This moment and a while before; saturates at the beginning of time.
    #[must_use]
    pub fn minus(self, wait: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long ago `earlier` was; zero if it is yet to come.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .ok()
            .and_then(|moment| moment.format(&Rfc3339).ok());
        // Outside of the years 0 to 9999 RFC 3339 has no form; the number is better than a failure.
        match text {
            Some(text) => f.write_str(&text),
            None => self.0.fmt(f),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let moment = OffsetDateTime::parse(&text, &Rfc3339).map_err(serde::de::Error::custom)?;
        i64::try_from(moment.unix_timestamp_nanos() / 1_000_000)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

/// Where the time of day comes from. Cheap to clone; clones of a manual clock move together.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `start` until it is [advanced](Self::advance), for tests.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(start.0))))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::Manual(millis) => Timestamp(millis.load(Ordering::SeqCst)),
            Source::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(0).plus(since)
            }
        }
    }

    /// Moves a manual clock on; the machine's clock does not obey.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(millis) = &self.0 {
            millis.store(self.now().plus(by).0, Ordering::SeqCst);
        }
    }
}

/// How far the time of day may be from the time that went by before it was set: more than what
/// sleeping and slewing make of it.
const JUMP: Duration = Duration::from_secs(5);

/// Notices when the time of day is set.
#[derive(Debug)]
pub struct Jumps {
    clock: Clock,
    seen: (Instant, Timestamp),
}

impl Jumps {
    /// Looks for the first time.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let seen = (Instant::now(), clock.now());
        Self { clock, seen }
    }

    /// By how many milliseconds the time of day was set since the last look, back if they are
    /// negative.
    pub fn look(&mut self) -> Option<i64> {
        let (then, before) = std::mem::replace(&mut self.seen, (Instant::now(), self.clock.now()));
        let (now, after) = self.seen;
        let went_by = i64::try_from((now - then).as_millis()).unwrap_or(i64::MAX);
        let jump = after.0.saturating_sub(before.0).saturating_sub(went_by);
        (u128::from(jump.unsigned_abs()) >= JUMP.as_millis()).then_some(jump)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_reads_as_rfc_3339() {
        let moment = Timestamp::from_millis(1_700_000_000_123);
        assert_eq!(moment.to_string(), "2023-11-14T22:13:20.123Z");
        let json = serde_json::to_string(&moment).unwrap();
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), moment);
    }

    #[test]
    fn a_manual_clock_stands_until_moved() {
        let clock = Clock::manual(Timestamp::from_millis(5));
        let twin = clock.clone();
        clock.advance(Duration::from_millis(7));
        assert_eq!(twin.now(), Timestamp::from_millis(12));
    }

    #[test]
    fn only_what_no_time_explains_is_a_jump() {
        let clock = Clock::manual(Timestamp::from_millis(0));
        let mut jumps = Jumps::new(clock.clone());
        assert_eq!(jumps.look(), None);
        clock.advance(Duration::from_secs(2));
        assert_eq!(jumps.look(), None);
        clock.advance(Duration::from_secs(3600));
        assert!((3_590_000..=3_600_000).contains(&jumps.look().unwrap()));
        assert_eq!(jumps.look(), None, "once");
    }
}
