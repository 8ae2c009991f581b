//! Counting those whom nobody knows yet, by where they come from.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::guard::{Guard, Misdeed, Treatment};

/// Where a connection comes from, as far as limits care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    V4(Ipv4Addr),
    /// The first 64 bits: one customer has at least those.
    V6(u64),
}

impl From<IpAddr> for Source {
    fn from(addr: IpAddr) -> Self {
        match addr.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4),
            IpAddr::V6(v6) => Self::V6((v6.to_bits() >> 64) as u64),
        }
    }
}

/// The counts of one daemon, over all its listeners. Its size is bounded by the limits it is
/// asked with.
#[derive(Debug, Default)]
pub struct Admissions {
    counts: Mutex<Counts>,
    guard: Guard,
}

#[derive(Debug, Default)]
struct Counts {
    pending: usize,
    by_source: HashMap<Source, usize>,
    connections: usize,
}

impl Admissions {
    /// Counts of a daemon whose guard is told who misbehaves.
    #[must_use]
    pub fn new(guard: Guard) -> Self {
        Self { counts: Mutex::default(), guard }
    }

    /// Whether nothing that comes from a source is answered now.
    pub(super) fn is_closed(&self, source: IpAddr) -> bool {
        matches!(self.guard.treatment(source), Treatment::Closed(_))
    }

    /// Something that a source should not have done.
    pub(super) fn misdeed(&self, source: IpAddr, misdeed: Misdeed) {
        self.guard.misdeed(source, misdeed);
    }

    /// Admits one connection, or nothing when there are `connections` already.
    pub(super) fn place(self: &Arc<Self>, connections: usize) -> Option<Place> {
        let mut counts = self.counts();
        if counts.connections >= connections {
            return None;
        }
        counts.connections += 1;
        Some(Place { admissions: Arc::clone(self) })
    }

    /// Counts somebody from `source` (`None`: from a place that has no limit of its own) who isn't
    /// authenticated, or nothing when a limit is reached.
    pub(super) fn admit(
        self: &Arc<Self>,
        source: Option<IpAddr>,
        per_source: usize,
        pending: usize,
    ) -> Option<Admission> {
        let source = source.map(Source::from);
        let mut counts = self.counts();
        if counts.pending >= pending {
            return None;
        }
        if let Some(source) = source {
            let count = counts.by_source.get(&source).copied().unwrap_or(0);
            if count >= per_source {
                return None;
            }
            counts.by_source.insert(source, count + 1);
        }
        counts.pending += 1;
        drop(counts);
        Some(Admission { admissions: Arc::clone(self), source, released: AtomicBool::new(false) })
    }

    /// How many connections aren't authenticated now.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.counts().pending
    }

    /// How many connections there are now, upgraded ones included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.counts().connections
    }

    fn release(&self, source: Option<Source>) {
        let mut counts = self.counts();
        counts.pending = counts.pending.saturating_sub(1);
        let Some(source) = source else { return };
        if let Entry::Occupied(mut entry) = counts.by_source.entry(source) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        // Nothing awaits under this lock, and no holder can leave the counts half changed.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place among those not yet authenticated. The gate finds it as
/// `Arc<Admission>` in a request's extensions and lets go of it once the request has proved who
/// it is from; a successful upgrade and the connection's end do so by themselves.
#[derive(Debug)]
pub struct Admission {
    admissions: Arc<Admissions>,
    source: Option<Source>,
    released: AtomicBool,
}

impl Admission {
    /// The connection is authenticated and no longer counts; doing so again changes nothing.
    pub fn release(&self) {
        if !self.released.swap(true, Ordering::AcqRel) {
            self.admissions.release(self.source);
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.release();
    }
}

/// One connection's place among all; lives as long as its socket, past an upgrade too.
#[derive(Debug)]
pub(super) struct Place {
    admissions: Arc<Admissions>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.admissions.counts();
        counts.connections = counts.connections.saturating_sub(1);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn sources_are_counted_apart_and_forgotten() {
        let admissions = Arc::new(Admissions::default());
        let first = admissions.admit(ip("192.0.2.1"), 2, 9).unwrap();
        let second = admissions.admit(ip("::ffff:192.0.2.1"), 2, 9).unwrap();
        assert!(admissions.admit(ip("192.0.2.1"), 2, 9).is_none());
        let other = admissions.admit(ip("192.0.2.2"), 2, 9).unwrap();
        first.release();
        first.release();
        drop(first);
        assert_eq!(admissions.pending(), 2);
        assert!(admissions.admit(ip("192.0.2.1"), 2, 9).is_some());
        drop((second, other));
        assert_eq!(admissions.pending(), 0);
        assert!(admissions.counts().by_source.is_empty());
    }

    #[test]
    fn a_v6_network_of_64_bits_is_one_source() {
        let admissions = Arc::new(Admissions::default());
        let _one = admissions.admit(ip("2001:db8:0:1::1"), 1, 9).unwrap();
        assert!(admissions.admit(ip("2001:db8:0:1:ffff::2"), 1, 9).is_none());
        assert!(admissions.admit(ip("2001:db8:0:2::1"), 1, 9).is_some());
    }

    #[test]
    fn all_sources_together_are_bounded_too() {
        let admissions = Arc::new(Admissions::default());
        let _one = admissions.admit(ip("192.0.2.1"), 9, 2).unwrap();
        let _two = admissions.admit(None, 9, 2).unwrap();
        assert!(admissions.admit(ip("192.0.2.2"), 9, 2).is_none());
        let place = admissions.place(1).unwrap();
        assert!(admissions.place(1).is_none());
        drop(place);
        assert!(admissions.place(1).is_some());
    }
}
