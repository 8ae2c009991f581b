//! News about who may do what, for everything that is open: sockets, terminals, agent links, lists.

use gangplank_proto::id::{HostId, LoginId, TenantId, UserId};
use tokio::sync::broadcast;

/// News that a listener may be behind before it has to look for itself.
const BEHIND: usize = 1024;

/// What has changed. Everything that it tells is in the store already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A login has ended.
    LoginEnded(LoginId),
    /// A login was ended for what it did.
    LoginExpelled(LoginId),
    /// A user was disabled or has other roles.
    UserChanged(UserId),
    /// A tenant was suspended, let in again, or deleted.
    TenantChanged(TenantId),
    /// A host was made.
    HostAdded(TenantId, HostId),
    /// What people entered about a host has changed, or it was let in.
    HostChanged(TenantId, HostId),
    /// A host has another credential: whoever is connected with the old one must go.
    HostKeyChanged(TenantId, HostId),
    /// A host is gone.
    HostRemoved(TenantId, HostId),
    /// A host that waited is a known one, which has its credential now.
    HostReplaced {
        /// Whose hosts they are.
        tenant: TenantId,
        /// The one that waited, and is gone.
        pending: HostId,
        /// The known one.
        host: HostId,
    },
}

/// Tells changes to all who listen. Clones tell the same listeners.
#[derive(Debug, Clone)]
pub struct Revocations {
    sender: broadcast::Sender<Change>,
}

impl Default for Revocations {
    fn default() -> Self {
        Self { sender: broadcast::Sender::new(BEHIND) }
    }
}

impl Revocations {
    /// Listens from now on. To miss nothing, listen first and look into the store after.
    #[must_use]
    pub fn listen(&self) -> Listener {
        Listener { receiver: self.sender.subscribe() }
    }

    /// Tells a change. It must be committed before.
    pub fn tell(&self, change: Change) {
        // Without listeners there is nobody to tell, which is no failure.
        let _ = self.sender.send(change);
    }
}

/// What a listener hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// A change.
    Change(Change),
    /// So much has changed that some of it was missed: look into the store.
    Missed,
    /// There will be no more.
    Ended,
}

/// Hears changes.
#[derive(Debug)]
pub struct Listener {
    receiver: broadcast::Receiver<Change>,
}

impl Listener {
    /// Waits for the next news. Safe to cancel: nothing is lost.
    pub async fn next(&mut self) -> News {
        match self.receiver.recv().await {
            Ok(change) => News::Change(change),
            Err(broadcast::error::RecvError::Lagged(_)) => News::Missed,
            Err(broadcast::error::RecvError::Closed) => News::Ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_too_far_behind_is_told_so() {
        let revocations = Revocations::default();
        let mut listener = revocations.listen();
        for _ in 0..=BEHIND {
            revocations.tell(Change::UserChanged(UserId::new()));
        }
        assert_eq!(listener.next().await, News::Missed);
        assert!(matches!(listener.next().await, News::Change(_)));
        drop(revocations);
        while listener.next().await != News::Ended {}
    }
}
