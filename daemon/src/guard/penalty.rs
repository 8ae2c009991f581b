//! What sources did wrong, and what they get for it: first late refusals, then no logins for a while,
//! in the end no answer. Points halve with time, so a source that stops is forgiven.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::{Recent, Source};
use crate::config::Guarding;

/// The longest that a refusal is held back.
const SLOWEST: Duration = Duration::from_secs(2);

/// From where somebody proved who they are, nobody is closed without an answer for so long.
const VOUCHED: u32 = 24 * 3600;

/// A source with fewer points than this has made good for its blocks.
const FORGIVEN: f32 = 1.0;

/// A kind of misdeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Misdeed {
    /// A failed proof of identity.
    BadCredential,
    /// A page of another origin.
    BadOrigin,
    /// A request or a frame that breaks its protocol.
    BadFrames,
    /// Something beyond a limit.
    Flooding,
    /// A connection that ended before it asked for anything.
    EarlyHangUp,
}

impl Misdeed {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::BadCredential, Self::BadOrigin, Self::BadFrames, Self::Flooding, Self::EarlyHangUp];

    /// Its name in evidence.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadCredential => "bad_credential",
            Self::BadOrigin => "bad_origin",
            Self::BadFrames => "bad_frames",
            Self::Flooding => "flooding",
            Self::EarlyHangUp => "early_hang_up",
        }
    }

    fn points(self, policy: &Guarding) -> f32 {
        match self {
            Self::BadCredential => policy.points.bad_credential,
            Self::BadOrigin => policy.points.bad_origin,
            Self::BadFrames => policy.points.bad_frames,
            Self::Flooding => policy.points.flooding,
            Self::EarlyHangUp => policy.points.early_hang_up,
        }
    }
}

/// How a source is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// As everybody.
    Free,
    /// Refusals are held back for so long.
    Slowed(Duration),
    /// Nobody unknown logs in from there for so long.
    Blocked(Duration),
    /// The same, and its connections are not answered.
    Closed(Duration),
}

/// A source's treatment has just got worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Whose.
    pub source: Source,
    /// What it is now.
    pub treatment: Treatment,
    /// How often it did what, in the order of [`Misdeed::ALL`], since it was last forgiven.
    pub counts: [u16; 5],
}

/// What is known of one source. Seconds count from the beginning of the table; 0 is never.
#[derive(Debug, Clone, Copy, Default)]
struct Record {
    points: f32,
    at: u32,
    blocked_until: u32,
    good_at: u32,
    counts: [u16; 5],
    blocks: u8,
    /// The worst that was told of it: 1 slowed, 2 blocked, 3 closed.
    told: u8,
}

/// The sources that did something wrong lately, in bounded memory.
#[derive(Debug)]
pub(super) struct Penalties {
    records: Recent<Source, Record>,
    start: Instant,
}

impl Penalties {
    pub(super) fn new(sources: usize) -> Self {
        // One second early, so that 0 can stand for never.
        let now = Instant::now();
        let start = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
        Self { records: Recent::new(sources), start }
    }

    /// Counts misdeeds, each for `share` of its points. Answers when that made the treatment worse.
    pub(super) fn add(
        &mut self,
        source: IpAddr,
        misdeed: Misdeed,
        share: f32,
        policy: &Guarding,
    ) -> Option<Step> {
        if !policy.penalties || is_exempt(source, policy) {
            return None;
        }
        let (now, source) = (self.now(), Source::from(source));
        let record = self.records.touch(&source);
        record.decay(now, policy);
        if record.points < FORGIVEN {
            *record = Record { good_at: record.good_at, at: now, ..Record::default() };
        }
        record.points = (record.points + misdeed.points(policy) * share).min(2.0 * policy.close_at);
        if let Some(count) = record.counts.get_mut(misdeed as usize) {
            *count = count.saturating_add(1);
        }
        if record.points >= policy.block_at && record.blocked_until <= now {
            let block = policy.block.saturating_mul(1 << record.blocks.min(16));
            record.blocked_until = now.saturating_add(seconds(block.min(policy.block_longest)));
            record.blocks = record.blocks.saturating_add(1);
            record.told = record.told.min(1);
        }
        let treatment = record.treatment(now, policy);
        let severity = match treatment {
            Treatment::Free => 0,
            Treatment::Slowed(_) => 1,
            Treatment::Blocked(_) => 2,
            Treatment::Closed(_) => 3,
        };
        let worse = severity > record.told;
        record.told = record.told.max(severity);
        worse.then_some(Step { source, treatment, counts: record.counts })
    }

    /// Somebody proved who they are.
    pub(super) fn good(&mut self, source: IpAddr) {
        let (now, source) = (self.now(), Source::from(source));
        self.records.touch(&source).good_at = now;
    }

    /// How a source is treated now.
    pub(super) fn treatment(&self, source: IpAddr, policy: &Guarding) -> Treatment {
        if !policy.penalties || is_exempt(source, policy) {
            return Treatment::Free;
        }
        let Some(record) = self.records.peek(&Source::from(source)) else {
            return Treatment::Free;
        };
        let (now, mut record) = (self.now(), *record);
        record.decay(now, policy);
        record.treatment(now, policy)
    }

    fn now(&self) -> u32 {
        seconds(self.start.elapsed())
    }
}

impl Record {
    fn decay(&mut self, now: u32, policy: &Guarding) {
        let passed = f64::from(now.saturating_sub(self.at));
        let halves = passed / policy.half_life.as_secs_f64().max(1.0);
        self.points = (f64::from(self.points) * 0.5_f64.powf(halves)) as f32;
        self.at = now;
    }

    fn treatment(&self, now: u32, policy: &Guarding) -> Treatment {
        if self.blocked_until > now {
            let left = Duration::from_secs(u64::from(self.blocked_until - now));
            let vouched = self.good_at > 0 && now.saturating_sub(self.good_at) < VOUCHED;
            if self.points >= policy.close_at && !vouched {
                return Treatment::Closed(left);
            }
            return Treatment::Blocked(left);
        }
        if self.points < policy.slow_at {
            return Treatment::Free;
        }
        let span = (policy.block_at - policy.slow_at).max(1.0);
        let part = ((self.points - policy.slow_at) / span).clamp(0.05, 1.0);
        Treatment::Slowed(SLOWEST.mul_f32(part))
    }
}

fn is_exempt(source: IpAddr, policy: &Guarding) -> bool {
    policy.exempt.iter().any(|network| network.contains(&source))
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn policy() -> Guarding {
        let default = Guarding::default();
        Guarding { slow_at: 10.0, block_at: 20.0, close_at: 40.0, ..default }
    }

    fn times(penalties: &mut Penalties, count: usize, misdeed: Misdeed) -> Vec<Treatment> {
        let policy = policy();
        let steps = (0..count).filter_map(|_| penalties.add(HERE, misdeed, 1.0, &policy));
        steps.map(|step| step.treatment).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn it_gets_worse_by_steps_and_is_forgiven() {
        let policy = policy();
        let mut penalties = Penalties::new(10);
        assert!(times(&mut penalties, 9, Misdeed::BadCredential).is_empty());
        assert_eq!(penalties.treatment(HERE, &policy), Treatment::Free);
        let steps = times(&mut penalties, 11, Misdeed::BadCredential);
        assert!(matches!(steps[..], [Treatment::Slowed(_), Treatment::Blocked(_)]), "{steps:?}");
        assert_eq!(penalties.treatment(HERE, &policy), Treatment::Blocked(policy.block));
        let steps = times(&mut penalties, 10, Misdeed::Flooding);
        assert!(matches!(steps[..], [Treatment::Closed(_)]), "{steps:?}");
        // Elsewhere, nobody is worse off.
        let there = "192.0.2.2".parse().unwrap();
        assert_eq!(penalties.treatment(there, &policy), Treatment::Free);
        tokio::time::advance(policy.half_life * 8).await;
        assert_eq!(penalties.treatment(HERE, &policy), Treatment::Free);
        assert!(times(&mut penalties, 1, Misdeed::BadOrigin).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_on_waits_longer_each_time() {
        let policy = policy();
        let mut penalties = Penalties::new(10);
        times(&mut penalties, 20, Misdeed::BadFrames);
        tokio::time::advance(policy.block + Duration::from_secs(1)).await;
        assert!(matches!(penalties.treatment(HERE, &policy), Treatment::Slowed(_)));
        let steps = times(&mut penalties, 20, Misdeed::BadFrames);
        let blocked = steps.iter().find(|step| matches!(step, Treatment::Blocked(_)));
        assert_eq!(blocked, Some(&Treatment::Blocked(policy.block * 2)));
    }

    #[tokio::test(start_paused = true)]
    async fn where_somebody_is_known_connections_are_answered() {
        let policy = policy();
        let mut penalties = Penalties::new(10);
        penalties.good(HERE);
        times(&mut penalties, 100, Misdeed::EarlyHangUp);
        assert!(matches!(penalties.treatment(HERE, &policy), Treatment::Blocked(_)));
        tokio::time::advance(Duration::from_secs(u64::from(VOUCHED))).await;
        times(&mut penalties, 100, Misdeed::EarlyHangUp);
        assert!(matches!(penalties.treatment(HERE, &policy), Treatment::Closed(_)));
    }

    #[test]
    fn exempt_networks_and_a_switch() {
        let exempt = Guarding { exempt: vec!["192.0.2.0/24".parse().unwrap()], ..policy() };
        let off = Guarding { penalties: false, ..policy() };
        let mut penalties = Penalties::new(10);
        for policy in [&exempt, &off] {
            for _ in 0..100 {
                assert_eq!(penalties.add(HERE, Misdeed::Flooding, 1.0, policy), None);
            }
        }
        assert_eq!(penalties.treatment(HERE, &policy()), Treatment::Free);
    }

    #[test]
    fn a_million_sources_fit_into_64_mib() {
        let policy = Guarding::default();
        let mut penalties = Penalties::new(policy.sources);
        for number in 0..1_000_000_u128 {
            let source = IpAddr::V6(Ipv6Addr::from_bits(number << 64));
            penalties.add(source, Misdeed::BadCredential, 1.0, &policy);
        }
        let bytes = penalties.records.bytes();
        assert!(bytes <= 64 << 20, "{bytes} bytes");
        // And it remembers as many as it promised.
        let remembered = (0..1_000_000_u128).filter(|number| {
            let source = IpAddr::V6(Ipv6Addr::from_bits(number << 64));
            penalties.records.peek(&Source::from(source)).is_some()
        });
        assert!(remembered.count() >= policy.sources);
    }
}
