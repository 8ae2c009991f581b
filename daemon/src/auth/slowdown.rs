//! Guessing passwords is made slow without locking anybody out: only failures wait, and only for
//! the source and name that failed before. A right password is never delayed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::guard::{Recent, Source};

/// Failures that cost nothing: people mistype.
const FREE: u32 = 3;

/// The first delay; each further failure doubles it up to the longest.
const STEP: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_millis(800);

/// Failures are forgotten after this long without another.
const FORGET: Duration = Duration::from_secs(15 * 60);

/// Pairs of source and name that are remembered, at least.
const REMEMBERED: usize = 16_384;

/// Passwords of one source that may be in the works at once.
const AT_ONCE: u32 = 32;

#[derive(Debug, Default)]
struct Failures {
    count: u32,
    last: Option<Timestamp>,
}

#[derive(Debug)]
struct State {
    failures: Recent<(Source, String), Failures>,
    /// Sources with attempts under way; as many entries as there are attempts, at most.
    busy: std::collections::HashMap<Source, u32>,
}

/// Remembers failures and bounds attempts.
#[derive(Debug, Clone)]
pub(super) struct Slowdown {
    state: Arc<Mutex<State>>,
}

/// A password attempt under way; gives its place back when it is dropped.
#[derive(Debug)]
pub(super) struct Attempt {
    slowdown: Slowdown,
    source: Source,
}

impl Slowdown {
    pub(super) fn new() -> Self {
        let failures = Recent::new(REMEMBERED);
        let state = State { failures, busy: std::collections::HashMap::new() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Takes a place for an attempt; none when the source has too many under way.
    pub(super) fn attempt(&self, source: Source) -> Option<Attempt> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let count = state.busy.entry(source).or_default();
        if *count >= AT_ONCE {
            return None;
        }
        *count += 1;
        Some(Attempt { slowdown: self.clone(), source })
    }

    /// Counts a failure and says how long its answer has to wait.
    pub(super) fn failed(&self, source: Source, name: &str, now: Timestamp) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = state.failures.touch(&(source, key(name)));
        if failures.last.is_some_and(|last| now.since(last) > FORGET) {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = Some(now);
        match failures.count.checked_sub(FREE + 1) {
            None => Duration::ZERO,
            Some(beyond) => STEP.saturating_mul(1 << beyond.min(10)).min(LONGEST),
        }
    }

    /// Forgets the failures after a success.
    pub(super) fn succeeded(&self, source: Source, name: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures.forget(&(source, key(name)));
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut state = self.slowdown.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = state.busy.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                state.busy.remove(&self.source);
            }
        }
    }
}

/// Names are whatever was typed, so what is remembered of one is bounded.
fn key(name: &str) -> String {
    name.chars().take(64).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_repeated_failures_of_one_source_and_name_wait() {
        let slowdown = Slowdown::new();
        let now = Timestamp::from_millis(0);
        let here = Source::from("10.0.0.1".parse::<std::net::IpAddr>().unwrap());
        let there = Source::from("10.0.0.2".parse::<std::net::IpAddr>().unwrap());
        let delays: Vec<_> = (0..10).map(|_| slowdown.failed(here, "Alice", now)).collect();
        assert_eq!(delays.first(), Some(&Duration::ZERO));
        assert_eq!(delays.last(), Some(&LONGEST));
        assert!(delays.is_sorted());
        assert_eq!(slowdown.failed(there, "alice", now), Duration::ZERO);
        assert_eq!(slowdown.failed(here, "bob", now), Duration::ZERO);
        assert_eq!(slowdown.failed(here, "alice", now), LONGEST);
        slowdown.succeeded(here, "ALICE");
        assert_eq!(slowdown.failed(here, "alice", now), Duration::ZERO);
    }

    #[test]
    fn attempts_of_one_source_are_bounded() {
        let slowdown = Slowdown::new();
        let here = Source::from("10.0.0.1".parse::<std::net::IpAddr>().unwrap());
        let held: Vec<_> = (0..AT_ONCE).map(|_| slowdown.attempt(here).unwrap()).collect();
        assert!(slowdown.attempt(here).is_none());
        drop(held);
        assert!(slowdown.attempt(here).is_some());
    }
}
