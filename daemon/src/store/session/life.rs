//! The life of a terminal as the channel `vpn` tells it: each step is committed with what it is the
//! news of.

use gangplank_proto::channel::{SessionKind, SessionState};
use gangplank_proto::id::{HostId, SessionId, TenantId};
use serde::Serialize;
use sqlx::{Sqlite, Transaction};

use crate::clock::Timestamp;
use crate::event::Topic;
use crate::store::event::append;
use crate::store::{Store, StoreError};

/// What a channel is told of a terminal.
#[derive(Debug, Clone, Serialize)]
pub struct SessionNews {
    /// Which.
    pub session_id: SessionId,
    /// On which host.
    pub host_id: HostId,
    /// Its state.
    pub state: SessionState,
    /// `terminal`, or `tunnel` for one that goes through another host.
    pub kind: &'static str,
    /// The host's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// `direct`, `proxy` or `pty`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The host that it goes through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<HostId>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Why it ended or is not to be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The code of the error for which it is not to be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl SessionNews {
    /// News of a terminal, without what is not always known.
    #[must_use]
    pub fn new(session_id: SessionId, host_id: HostId, state: SessionState) -> Self {
        Self {
            session_id,
            host_id,
            state,
            kind: "terminal",
            host_name: None,
            mode: None,
            gateway: None,
            user: None,
            reason: None,
            code: None,
        }
    }

    /// The same of one that goes through another host, if it does.
    #[must_use]
    pub fn through(mut self, gateway: Option<HostId>) -> Self {
        self.gateway = gateway;
        self.kind = if gateway.is_some() { "tunnel" } else { "terminal" };
        self
    }
}

/// A message of the channel.
#[derive(Debug, Clone, Serialize)]
pub struct SessionMessage {
    #[serde(rename = "type")]
    kind: SessionKind,
    data: SessionNews,
}

impl From<SessionNews> for SessionMessage {
    fn from(data: SessionNews) -> Self {
        Self { kind: SessionKind::Session, data }
    }
}

/// Adds the news to the transaction that makes them true, and answers their number, to be told
/// after the commit.
pub(super) async fn append_news(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    news: SessionNews,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let data = serde_json::to_value(SessionMessage::from(news))
        .map_err(|_| StoreError::Corrupt("event"))?;
    Ok(append(write, tenant, Topic::Vpn.as_str(), data, now).await?.seq)
}

impl Store {
    /// Tells whoever listens of news that were committed.
    pub(super) fn told(&self, tenant: TenantId, seq: u64) {
        self.feeds.tell(tenant, Topic::Vpn, seq);
    }
}
