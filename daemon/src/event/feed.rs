//! Who listens to what. A topic that nobody listens to costs nothing here.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gangplank_proto::id::TenantId;
use tokio::sync::watch;

use super::Topic;
use super::frame::{Form, Frame};
use super::tail::{Tail, Taken};

/// All topics that somebody listens to.
#[derive(Debug, Default)]
pub struct Feeds {
    feeds: Mutex<HashMap<(TenantId, Topic), Arc<Feed>>>,
    /// Bytes of all tails.
    bytes: AtomicUsize,
}

/// One topic of a tenant.
#[derive(Debug)]
pub(super) struct Feed {
    /// The latest number heard of since somebody listens.
    latest: watch::Sender<u64>,
    tail: Mutex<Tail>,
    /// Held by whoever reads for all of them what is new.
    pub(super) reading: tokio::sync::Mutex<()>,
}

impl Feed {
    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feeds {
    fn lock(&self) -> MutexGuard<'_, HashMap<(TenantId, Topic), Arc<Feed>>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of a committed event.
    pub fn tell(&self, tenant: TenantId, topic: Topic, seq: u64) {
        self.announce(tenant, topic, seq, std::iter::empty());
    }

    /// Tells of committed events, whose frames are at hand.
    pub(super) fn announce(
        &self,
        tenant: TenantId,
        topic: Topic,
        seq: u64,
        frames: impl Iterator<Item = Frame>,
    ) {
        let Some(feed) = self.lock().get(&(tenant, topic)).map(Arc::clone) else { return };
        if feed.latest.receiver_count() > 0 {
            let mut tail = feed.tail();
            for frame in frames {
                tail.put(frame, &self.bytes);
            }
        }
        feed.latest.send_if_modified(|latest| {
            let newer = seq > *latest;
            *latest = seq.max(*latest);
            newer
        });
    }

    /// Tells when there is more.
    pub(super) fn subscribe(&self, tenant: TenantId, topic: Topic) -> watch::Receiver<u64> {
        let mut feeds = self.lock();
        Self::sweep(&mut feeds, &self.bytes);
        feeds.entry((tenant, topic)).or_insert_with(Feed::new).latest.subscribe()
    }

    /// Listens as one of `most` at most.
    pub(super) fn listen(
        self: &Arc<Self>,
        tenant: TenantId,
        topic: Topic,
        most: u64,
    ) -> Option<Listener> {
        let mut feeds = self.lock();
        let feed = Arc::clone(feeds.entry((tenant, topic)).or_insert_with(Feed::new));
        // Counted by what is alive, so that nobody who left is counted.
        if feed.latest.receiver_count() as u64 >= most {
            return None;
        }
        let latest = Some(feed.latest.subscribe());
        Some(Listener { feeds: Arc::clone(self), feed, latest, tenant, topic })
    }

    /// Forgets topics that were left by those who subscribed without more.
    fn sweep(feeds: &mut HashMap<(TenantId, Topic), Arc<Feed>>, bytes: &AtomicUsize) {
        feeds.retain(|_, feed| {
            let heard = feed.latest.receiver_count() > 0;
            if !heard {
                feed.tail().clear(bytes);
            }
            heard
        });
    }

    /// Forgets a topic whose last listener left.
    fn left(&self, tenant: TenantId, topic: Topic) {
        let mut feeds = self.lock();
        let key = (tenant, topic);
        if feeds.get(&key).is_some_and(|feed| feed.latest.receiver_count() == 0)
            && let Some(feed) = feeds.remove(&key)
        {
            feed.tail().clear(&self.bytes);
        }
    }
}

impl Feed {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            latest: watch::Sender::new(0),
            tail: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        })
    }
}

/// One who listens to a topic of a tenant, and is counted.
#[derive(Debug)]
pub struct Listener {
    feeds: Arc<Feeds>,
    pub(super) feed: Arc<Feed>,
    /// There until it is dropped.
    latest: Option<watch::Receiver<u64>>,
    pub(super) tenant: TenantId,
    pub(super) topic: Topic,
}

impl Listener {
    /// Waits until there is more. Cancel safe.
    pub async fn changed(&mut self) {
        if let Some(latest) = &mut self.latest {
            // The sender lives as long as its listeners, so a wait ends by news only.
            let _ = latest.changed().await;
        }
    }

    /// The latest number heard of; what was heard counts as known.
    pub(super) fn latest(&mut self) -> u64 {
        self.latest.as_mut().map_or(0, |latest| *latest.borrow_and_update())
    }

    pub(super) fn end(&self) -> Option<u64> {
        self.feed.tail().end()
    }

    pub(super) fn take(&self, after: u64, form: Form) -> Taken {
        self.feed.tail().after(after, form)
    }

    pub(super) fn put(&self, frames: impl Iterator<Item = Frame>) {
        let mut tail = self.feed.tail();
        for frame in frames {
            tail.put(frame, &self.feeds.bytes);
        }
    }

    pub(super) fn forget(&self) {
        self.feed.tail().clear(&self.feeds.bytes);
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.latest = None;
        self.feeds.left(self.tenant, self.topic);
    }
}
