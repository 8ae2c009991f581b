//! What one source or one person may have open or get wrong at a time, and what is written down of
//! those who were refused.

use std::collections::HashMap;
use std::hash::{Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use gangplank_proto::id::UserId;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::logins::Logins;
use super::news::{News, Post};
use super::penalty::{Misdeed, Penalties, Treatment};
use super::{Pace, Recent, Source};
use crate::config::{Guarding, Limits};

/// Sources whose failures are remembered, at least.
const SOURCES: usize = 16_384;

/// Failures are counted over this long.
const MINUTE: Duration = Duration::from_secs(60);

/// Different refusals that are summed apart in one minute; what is beyond is summed as `other`.
const SUMS: usize = 4096;

/// Limits against peers. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct Guard {
    state: Arc<Mutex<State>>,
    policy: Arc<ArcSwap<Guarding>>,
    /// The part of its points that a bad credential counts, so that whoever allows more failures
    /// is not blocked by them either.
    share: Arc<ArcSwap<f32>>,
    pub(super) hasher: RandomState,
}

#[derive(Debug)]
pub(super) struct State {
    failures: Recent<Source, Failures>,
    anonymous: HashMap<Source, u64>,
    users: HashMap<UserId, u64>,
    tickets: Recent<UserId, Option<Pace>>,
    sums: HashMap<(Option<Source>, &'static str), u64>,
    pub(super) penalties: Penalties,
    pub(super) logins: Logins,
    pub(super) post: Post,
}

impl Default for Guard {
    fn default() -> Self {
        Self::new(Guarding::default(), &Limits::default())
    }
}

#[derive(Debug, Default)]
struct Failures {
    since: Option<Instant>,
    count: u64,
}

/// A socket whose peer has not proved who it is; gives its place back when it is dropped.
#[derive(Debug)]
pub struct Anonymous {
    guard: Guard,
    source: Source,
}

/// A socket of a user; gives its place back when it is dropped.
#[derive(Debug)]
pub struct UserSocket {
    guard: Guard,
    user: UserId,
}

/// Refusals of one kind from one source since the last look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// From where; nothing when there were too many sources to keep apart.
    pub source: Option<IpAddr>,
    /// What was refused.
    pub what: &'static str,
    /// How often.
    pub count: u64,
}

impl Guard {
    /// A guard that follows a policy.
    #[must_use]
    pub fn new(policy: Guarding, limits: &Limits) -> Self {
        let state = State {
            failures: Recent::new(SOURCES),
            anonymous: HashMap::new(),
            users: HashMap::new(),
            tickets: Recent::new(SOURCES),
            sums: HashMap::new(),
            penalties: Penalties::new(policy.sources),
            logins: Logins::default(),
            post: Post::default(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            policy: Arc::new(ArcSwap::from_pointee(policy)),
            share: Arc::new(ArcSwap::from_pointee(share(limits))),
            hasher: RandomState::new(),
        }
    }

    /// Follows another policy from now on. The size of its table stays.
    pub fn configure(&self, policy: Guarding, limits: &Limits) {
        self.policy.store(Arc::new(policy));
        self.share.store(Arc::new(share(limits)));
    }

    pub(super) fn policy(&self) -> Arc<Guarding> {
        self.policy.load_full()
    }

    /// Counts a misdeed of a source.
    pub fn misdeed(&self, source: IpAddr, misdeed: Misdeed) {
        let policy = self.policy.load();
        let share = if misdeed == Misdeed::BadCredential { **self.share.load() } else { 1.0 };
        let mut state = self.lock();
        if let Some(step) = state.penalties.add(source, misdeed, share, &policy) {
            state.post.tell(News::Source(step));
        }
    }

    /// How a source is treated.
    #[must_use]
    pub fn treatment(&self, source: IpAddr) -> Treatment {
        self.lock().penalties.treatment(source, &self.policy.load())
    }

    /// How long a refusal to a source is held back.
    #[must_use]
    pub fn hold_back(&self, source: IpAddr) -> Duration {
        match self.treatment(source) {
            Treatment::Slowed(wait) => wait,
            _ => Duration::ZERO,
        }
    }

    /// The news, for the one who writes them down; nothing the second time.
    #[must_use]
    pub fn take_news(&self) -> Option<mpsc::Receiver<News>> {
        self.lock().post.take()
    }

    /// How many news there was no room for since the last look.
    #[must_use]
    pub fn take_lost(&self) -> u64 {
        self.lock().post.take_lost()
    }

    /// Whether a user may have another ticket, out of so many a minute.
    #[must_use]
    pub fn ticket(&self, user: UserId, per_minute: u64) -> bool {
        let mut state = self.lock();
        let pace = state.tickets.touch(&user);
        pace.get_or_insert_with(|| Pace::new(per_minute, MINUTE)).take(1)
    }

    /// How long a source has to wait that failed `limit` times within a minute.
    #[must_use]
    pub fn failures(&self, source: IpAddr, limit: u64) -> Option<Duration> {
        let state = self.lock();
        let failures = state.failures.peek(&Source::from(source))?;
        let left = MINUTE.checked_sub(failures.since?.elapsed())?;
        (failures.count >= limit).then_some(left)
    }

    /// Counts a failed proof of identity, which is a refusal too.
    pub fn failed(&self, source: IpAddr, what: &'static str) {
        {
            let mut state = self.lock();
            let failures = state.failures.touch(&Source::from(source));
            if failures.since.is_none_or(|since| since.elapsed() >= MINUTE) {
                *failures = Failures { since: Some(Instant::now()), count: 0 };
            }
            failures.count += 1;
        }
        self.misdeed(source, Misdeed::BadCredential);
        self.refused(source, what);
    }

    /// Counts a refusal of somebody unknown, for the audit.
    pub fn refused(&self, source: IpAddr, what: &'static str) {
        let mut state = self.lock();
        let key = (Some(Source::from(source)), what);
        let key = if state.sums.len() < SUMS || state.sums.contains_key(&key) {
            key
        } else {
            (None, "other")
        };
        *state.sums.entry(key).or_default() += 1;
    }

    /// Takes up to `most` sums of refusals; the others wait.
    #[must_use]
    pub fn take_sums(&self, most: usize) -> Vec<Sum> {
        let mut state = self.lock();
        let keys: Vec<_> = state.sums.keys().take(most).copied().collect();
        let sums: Vec<_> = keys.iter().filter_map(|key| state.sums.remove_entry(key)).collect();
        drop(state);
        let sum = |((source, what), count): ((Option<Source>, _), _)| Sum {
            source: source.map(Source::ip),
            what,
            count,
        };
        sums.into_iter().map(sum).collect()
    }

    /// Takes a place for a socket whose peer has not proved who it is.
    #[must_use]
    pub fn anonymous(&self, source: IpAddr, limit: u64) -> Option<Anonymous> {
        let source = Source::from(source);
        take(&mut self.lock().anonymous, source, limit)
            .then(|| Anonymous { guard: self.clone(), source })
    }

    /// Takes a place for a socket of a user.
    #[must_use]
    pub fn user_socket(&self, user: UserId, limit: u64) -> Option<UserSocket> {
        take(&mut self.lock().users, user, limit).then(|| UserSocket { guard: self.clone(), user })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a bad credential counts of its points.
fn share(limits: &Limits) -> f32 {
    1000.0 / (limits.auth_failures_per_minute_per_ip.max(1000) as f32)
}

fn take<K: Hash + Eq>(counts: &mut HashMap<K, u64>, key: K, limit: u64) -> bool {
    let count = counts.entry(key).or_default();
    let room = *count < limit;
    if room {
        *count += 1;
    }
    room
}

fn give<K: Hash + Eq>(counts: &mut HashMap<K, u64>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Drop for Anonymous {
    fn drop(&mut self) {
        give(&mut self.guard.lock().anonymous, &self.source);
    }
}

impl Drop for UserSocket {
    fn drop(&mut self) {
        give(&mut self.guard.lock().users, &self.user);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[tokio::test(start_paused = true)]
    async fn failures_count_for_a_minute() {
        let guard = Guard::default();
        for _ in 0..3 {
            assert_eq!(guard.failures(HERE, 3), None);
            guard.failed(HERE, "login");
        }
        assert_eq!(guard.failures(HERE, 3), Some(MINUTE));
        assert_eq!(guard.failures("192.0.2.2".parse().unwrap(), 3), None);
        tokio::time::advance(MINUTE).await;
        assert!(guard.failures(HERE, 3).is_none_or(|left| left.is_zero()));
        guard.failed(HERE, "login");
        assert_eq!(guard.failures(HERE, 3), None);
        assert_eq!(guard.take_sums(9), [Sum { source: Some(HERE), what: "login", count: 4 }]);
        assert!(guard.take_sums(9).is_empty());
    }

    #[test]
    fn places_come_back() {
        let guard = Guard::default();
        let first = guard.anonymous(HERE, 1).unwrap();
        assert!(guard.anonymous(HERE, 1).is_none());
        drop(first);
        assert!(guard.anonymous(HERE, 1).is_some());
        let user = UserId::new();
        let socket = guard.user_socket(user, 1).unwrap();
        assert!(guard.user_socket(user, 1).is_none());
        drop(socket);
        assert!(guard.lock().users.is_empty());
    }
}
