//! What a browser was asked to sign and has not signed yet: kept here and nowhere else, used once,
//! for a few minutes, and never more than so many, whoever asks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gangplank_proto::secret::Secret;

use crate::clock::Timestamp;
use crate::guard::Source;
use crate::random::{self, RandomError};

/// How long a person may take.
pub(super) const LIFE: Duration = Duration::from_secs(5 * 60);

/// Challenges at once, and those of one source; the oldest goes.
const MOST: usize = 4096;
const MOST_OF_ONE: usize = 32;

#[derive(Debug)]
struct Entry<T> {
    hash: String,
    source: Source,
    at: Timestamp,
    what: T,
}

/// Open challenges, the oldest first.
#[derive(Debug)]
pub(crate) struct Challenges<T>(Arc<Mutex<VecDeque<Entry<T>>>>);

impl<T> Clone for Challenges<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Challenges<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Challenges<T> {
    /// Keeps what belongs to a challenge. The name under which it is asked for again.
    pub(crate) fn keep(
        &self,
        source: Source,
        now: Timestamp,
        what: T,
    ) -> Result<Secret, RandomError> {
        let name = random::token()?;
        let hash = random::token_hash(name.expose());
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while open.front().is_some_and(|first| now.since(first.at) >= LIFE) {
            open.pop_front();
        }
        if open.iter().filter(|entry| entry.source == source).count() >= MOST_OF_ONE
            && let Some(oldest) = open.iter().position(|entry| entry.source == source)
        {
            open.remove(oldest);
        }
        if open.len() >= MOST {
            open.pop_front();
        }
        open.push_back(Entry { hash, source, at: now, what });
        Ok(name)
    }

    /// Takes what was kept under a name, this once.
    pub(crate) fn take(&self, name: &str, now: Timestamp) -> Option<T> {
        let hash = random::token_hash(name);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = open.iter().position(|entry| entry.hash == hash)?;
        let entry = open.remove(place)?;
        (now.since(entry.at) < LIFE).then_some(entry.what)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_taken_once_and_in_time() {
        let open = Challenges::default();
        let here = Source::from("10.0.0.1".parse::<std::net::IpAddr>().unwrap());
        let start = Timestamp::from_millis(0);
        let first = open.keep(here, start, 1).unwrap();
        assert_eq!(open.take(first.expose(), start), Some(1));
        assert_eq!(open.take(first.expose(), start), None);
        let late = open.keep(here, start, 2).unwrap();
        assert_eq!(open.take(late.expose(), start.plus(LIFE)), None);
    }

    #[test]
    fn one_source_pushes_out_its_own_only() {
        let open = Challenges::default();
        let source = |last: u8| Source::from(std::net::IpAddr::from([10, 0, 0, last]));
        let start = Timestamp::from_millis(0);
        let mine = open.keep(source(1), start, 0).unwrap();
        for number in 0..1000 {
            open.keep(source(2), start, number).unwrap();
        }
        assert_eq!(open.0.lock().unwrap().len(), MOST_OF_ONE + 1);
        assert_eq!(open.take(mine.expose(), start), Some(0));
    }
}
