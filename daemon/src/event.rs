//! Topics: numbered events per tenant, in the store before anybody hears of them. A subscriber
//! follows by its cursor and is only told that there is more, so a slow one holds nothing but its
//! number and delays nobody. What is new is read once for all who listen, from a bounded tail in
//! memory; whoever is behind that reads the store.

mod feed;
mod follow;
mod frame;
mod publish;
mod tail;

use std::sync::Arc;

use gangplank_proto::channel::Channel;
use gangplank_proto::event::Event;
use gangplank_proto::id::TenantId;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

pub use feed::{Feeds, Listener};
pub use follow::{Follower, Heard, gap};
pub use frame::{Form, Frame};
pub use publish::Publication;
pub use tail::ALL_BYTES;

use crate::auth::Permission;
use crate::clock::Clock;
use crate::store::{Published, Store, StoreError};
use publish::Desk;

/// What can be subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Topic {
    /// Hosts: added, changed, removed, presence, first report.
    Hosts,
    /// Commands to hosts: every change of a job's or a batch's state.
    Jobs,
    /// Security: alerts, investigations, and what tools print that were run for a case.
    Security,
    /// The life of terminals and tunnels.
    Vpn,
    /// Alerts of whoever publishes them, and our own.
    Alerts,
    /// What automatic investigators did, and why.
    AgentThoughts,
    /// What waits for somebody's consent, and what became of it.
    Approvals,
    /// Receipts of what was done for a case.
    Receipts,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 8] = [
        Self::Hosts,
        Self::Jobs,
        Self::Security,
        Self::Vpn,
        Self::Alerts,
        Self::AgentThoughts,
        Self::Approvals,
        Self::Receipts,
    ];

    /// Its name on the wire and in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hosts => "hosts",
            Self::Jobs => "jobs",
            Self::Security => "security",
            Self::Vpn => "vpn",
            Self::Alerts => "alerts",
            Self::AgentThoughts => "agent_thoughts",
            Self::Approvals => "approvals",
            Self::Receipts => "receipts",
        }
    }

    /// The right that a subscriber needs.
    #[must_use]
    pub fn permission(self) -> Permission {
        match self {
            Self::Hosts => Permission::HostsRead,
            Self::Jobs => Permission::JobsRead,
            Self::Security => Permission::WsSecurity,
            Self::Vpn => Permission::WsVpn,
            Self::Alerts => Permission::WsAlerts,
            Self::AgentThoughts => Permission::WsAgentThoughts,
            Self::Approvals => Permission::ApprovalsManage,
            Self::Receipts => Permission::CasesRead,
        }
    }

    /// The topic of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.as_str() == name)
    }

    /// The topic that a channel of dashboards shows.
    #[must_use]
    pub fn of(channel: Channel) -> Self {
        match channel {
            Channel::Security => Self::Security,
            Channel::Vpn => Self::Vpn,
            Channel::Alerts => Self::Alerts,
            Channel::AgentThoughts => Self::AgentThoughts,
            Channel::Approvals => Self::Approvals,
            Channel::Receipts => Self::Receipts,
        }
    }
}

/// Publishes and tells.
#[derive(Debug)]
pub struct Events {
    store: Store,
    feeds: Arc<Feeds>,
    desk: Arc<Desk>,
}

impl Events {
    /// Events kept in `store`. What is published is written by tasks of `tracker`.
    #[must_use]
    pub fn new(store: Store, clock: Clock, tracker: TaskTracker) -> Self {
        let feeds = store.feeds();
        let desk = Arc::new(Desk::new(store.clone(), clock, Arc::clone(&feeds), tracker));
        Self { store, feeds, desk }
    }

    /// Commits an event, then tells subscribers.
    ///
    /// # Errors
    /// When the store fails; then nobody hears of it.
    pub async fn publish(
        &self,
        tenant: TenantId,
        topic: Topic,
        data: &impl Serialize,
    ) -> Result<Event, StoreError> {
        let data = serde_json::to_value(data)
            .map_err(|_| StoreError::Invalid("an event that is not JSON"))?;
        let publication = Publication { tenant, topic, messages: vec![data.clone()], once: None };
        let published = self.publish_all(publication).await?.into_iter().next();
        let Published { seq, id, at } = published.ok_or(StoreError::Corrupt("event"))?;
        let topic = topic.as_str().to_owned();
        Ok(Event { topic, seq, id, at: at.to_string(), data })
    }

    /// Commits several events of a topic, all or none, then tells subscribers. Many that publish at
    /// once share one commit.
    ///
    /// # Errors
    /// When the store fails; then nobody hears of any of them.
    pub async fn publish_all(
        &self,
        publication: Publication,
    ) -> Result<Vec<Published>, StoreError> {
        let mut said = self.desk.publish(vec![publication]).await;
        said.pop().unwrap_or(Err(StoreError::Corrupt("publication")))
    }

    /// Commits publications in their order, each all or none.
    ///
    /// # Errors
    /// When the store fails for one of them; others may be there then.
    pub async fn publish_each(&self, publications: Vec<Publication>) -> Result<(), StoreError> {
        let said = self.desk.publish(publications).await;
        said.into_iter().try_for_each(|said| said.map(drop))
    }

    /// Tells subscribers of an event that was committed together with what it tells of.
    pub fn tell(&self, tenant: TenantId, topic: Topic, seq: u64) {
        self.feeds.tell(tenant, topic, seq);
    }

    /// Tells when there is more; the value is the latest number heard of, 0 for none yet.
    #[must_use]
    pub fn subscribe(&self, tenant: TenantId, topic: Topic) -> watch::Receiver<u64> {
        self.feeds.subscribe(tenant, topic)
    }

    /// Listens as one of `most` at most; none when there are so many already.
    #[must_use]
    pub fn listen(&self, tenant: TenantId, topic: Topic, most: u64) -> Option<Listener> {
        self.feeds.listen(tenant, topic, most)
    }

    /// Follows a topic from after the event of that number on.
    #[must_use]
    pub fn follow(&self, listener: Listener, after: u64, form: Form) -> Follower {
        Follower::new(self.store.clone(), listener, after, form)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
mod tests;
