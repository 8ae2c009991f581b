//! Which agents are here: host → live link. A newer connection of the same agent takes the place
//! of an older one, and an old connection's late goodbye can't remove its successor, because it
//! compares connection ids.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gangplank_proto::close::CloseCode;
use gangplank_proto::id::{ConnectionId, HostId};
use tokio::sync::watch;

use crate::link::AgentLink;
use crate::socket::End;

/// The live links of this process.
#[derive(Debug)]
pub struct Registry {
    links: Mutex<Links>,
    next: AtomicU64,
    /// Counts changes, for those who wait for an agent.
    changes: watch::Sender<u64>,
}

/// One host has one link, by whichever credential its agent came last.
type Links = HashMap<HostId, Arc<AgentLink>>;

impl Default for Registry {
    fn default() -> Self {
        let changes = watch::Sender::new(0);
        Self { links: Mutex::default(), next: AtomicU64::new(1), changes }
    }
}

/// A link's place in the registry; leaving it takes the link out, if it still is the one.
#[derive(Debug)]
pub struct Place {
    registry: Arc<Registry>,
    link: Arc<AgentLink>,
}

impl Registry {
    /// The id for a connection that was just accepted.
    pub fn connection_id(&self) -> ConnectionId {
        ConnectionId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Puts a link in. An older one of the same agent is closed with 4009.
    #[must_use]
    pub fn enter(self: &Arc<Self>, link: Arc<AgentLink>) -> Place {
        let old = self.lock().insert(link.peer.host, Arc::clone(&link));
        if let Some(old) = old {
            old.close(End::close(CloseCode::Replaced, "replaced by a newer connection"));
        }
        self.changes.send_modify(|n| *n += 1);
        Place { registry: Arc::clone(self), link }
    }

    /// The live link of a host.
    #[must_use]
    pub fn of_host(&self, host: HostId) -> Option<Arc<AgentLink>> {
        self.lock().get(&host).cloned()
    }

    /// Ends a host's link, when it is deleted or its credential was replaced.
    pub fn close_host(&self, host: HostId, end: End) {
        if let Some(link) = self.of_host(host) {
            link.close(end);
        }
    }

    /// Every live link.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<AgentLink>> {
        self.lock().values().cloned().collect()
    }

    /// Tells of each change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Gives the place up. True when the link held it until now, and so its agent is gone.
    #[must_use]
    pub fn leave(self) -> bool {
        self.remove()
    }

    fn remove(&self) -> bool {
        let mut links = self.registry.lock();
        let host = self.link.peer.host;
        let held = links.get(&host).is_some_and(|link| link.id == self.link.id);
        if held {
            links.remove(&host);
        }
        drop(links);
        if held {
            self.registry.changes.send_modify(|n| *n += 1);
        }
        held
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Leaving twice is leaving once; this is for a link whose task was torn down.
        self.remove();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use gangplank_proto::id::{ApiId, TenantId};
    use tokio::io::duplex;

    use super::*;
    use crate::clock::Timestamp;
    use crate::link::{AgentPeer, Vocabulary};
    use crate::socket::Socket;

    async fn link(registry: &Registry, host: HostId) -> Arc<AgentLink> {
        let peer = AgentPeer {
            tenant: TenantId::new(),
            host,
            api_id: ApiId::from_random([7; 8]),
            secure: true,
            vocabulary: Vocabulary::Native,
            settings: Default::default(),
            since: Timestamp::from_millis(0),
        };
        let socket = Socket::new(duplex(64).0, 1024, Duration::from_secs(30)).await;
        AgentLink::new(registry.connection_id(), peer, socket.heartbeat.clone()).0
    }

    #[tokio::test]
    async fn a_late_goodbye_does_not_remove_the_successor() {
        let registry = Arc::new(Registry::default());
        let host = HostId::new();
        let first = registry.enter(link(&registry, host).await);
        let second = link(&registry, host).await;
        let place = registry.enter(Arc::clone(&second));
        assert!(!first.leave());
        assert_eq!(registry.of_host(host).unwrap().id, second.id);
        assert!(place.leave());
        assert!(registry.of_host(host).is_none());
    }
}
