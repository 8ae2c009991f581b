//! Topics: numbered events per tenant, in the store before anybody hears of them. A subscriber
//! reads from the store by its cursor and is only told that there is more, so a slow one costs
//! nothing and delays nobody.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use gangplank_proto::event::Event;
use gangplank_proto::id::TenantId;
use serde::Serialize;
use tokio::sync::watch;

use crate::auth::Permission;
use crate::clock::Clock;
use crate::store::{Store, StoreError};

/// What can be subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
}

/// Publishes and tells.
#[derive(Debug)]
pub struct Events {
    store: Store,
    clock: Clock,
    /// The latest number of each topic that somebody listens to or that was published to.
    latest: Mutex<HashMap<(TenantId, Topic), watch::Sender<u64>>>,
}

impl Events {
    /// Events kept in `store`.
    #[must_use]
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, latest: Mutex::default() }
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
        let event = self.store.append_event(tenant, topic.as_str(), data, self.clock.now()).await?;
        self.tell(tenant, topic, event.seq);
        Ok(event)
    }

    /// Tells subscribers of an event that was committed together with what it tells of.
    pub fn tell(&self, tenant: TenantId, topic: Topic, seq: u64) {
        self.watch(tenant, topic).send_if_modified(|latest| {
            let newer = seq > *latest;
            *latest = seq.max(*latest);
            newer
        });
    }

    /// Tells when there is more; the value is the latest number heard of.
    #[must_use]
    pub fn subscribe(&self, tenant: TenantId, topic: Topic) -> watch::Receiver<u64> {
        self.watch(tenant, topic).subscribe()
    }

    /// How many subscribe to a topic of a tenant right now.
    #[must_use]
    pub fn subscribers(&self, tenant: TenantId, topic: Topic) -> u64 {
        self.watch(tenant, topic).receiver_count() as u64
    }

    fn watch(&self, tenant: TenantId, topic: Topic) -> watch::Sender<u64> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.entry((tenant, topic)).or_insert_with(|| watch::Sender::new(0)).clone()
    }
}
