//! The record of who did what: append-only rows, each sealed with a hash over itself and the row
//! before, so that a change, a removal or a swap shows when the chain is verified.
//!
//! A row is committed together with the change that it tells of, or before the action is confirmed.
//! It names people and things, never a secret.

use std::fmt;
use std::net::IpAddr;

use gangplank_proto::id::{ApiId, TenantId};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Actor {
    /// A user, by name.
    User(String),
    /// An agent, by its API id.
    Agent(ApiId),
    /// Whoever holds a provisioning key, by the key's id.
    ProvisioningKey(String),
    /// An administrator of this machine through the command line, by numeric user id.
    Operator(u32),
    /// An internal service.
    Service,
    /// The daemon itself.
    Daemon,
    /// Somebody who has not proved who they are.
    Anonymous,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user:{name}"),
            Self::Agent(api_id) => write!(f, "agent:{api_id}"),
            Self::ProvisioningKey(id) => write!(f, "token:{id}"),
            Self::Operator(uid) => write!(f, "operator:uid={uid}"),
            Self::Service => f.write_str("service"),
            Self::Daemon => f.write_str("daemon"),
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}

/// Who does something, from where, and when: goes with every change, so that the change and its
/// audit row are one transaction.
#[derive(Debug, Clone)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// Address of the peer, or of the client behind a trusted proxy.
    pub source: Option<IpAddr>,
    /// When.
    pub at: Timestamp,
}

impl By {
    /// The daemon's own doing.
    #[must_use]
    pub fn daemon(at: Timestamp) -> Self {
        Self { actor: Actor::Daemon, source: None, at }
    }

    /// Somebody unknown at an address.
    #[must_use]
    pub fn anonymous(source: IpAddr, at: Timestamp) -> Self {
        Self { actor: Actor::Anonymous, source: Some(source), at }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Ok,
    /// Not allowed.
    Refused,
    /// Tried, and failed.
    Failed,
}

impl Outcome {
    /// The word in the row.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// One thing that happened, before it has its place in the chain.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Whose record it belongs to; none for what happened before anybody was known, which the first
    /// tenant sees.
    pub tenant: Option<TenantId>,
    /// What was done, `noun.verb`, such as `login.create` or `terminal.end`.
    pub action: &'static str,
    /// To what: an id or name, prefixed by its kind, such as `host:…`.
    pub object: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Whatever else helps to understand it; an object, `{}` for nothing.
    pub detail: Value,
}

impl Entry {
    /// Something that was done.
    #[must_use]
    pub fn done(tenant: TenantId, action: &'static str, object: impl Into<String>) -> Self {
        Self::new(Some(tenant), action, object, Outcome::Ok)
    }

    /// Something that was refused.
    #[must_use]
    pub fn refused(
        tenant: Option<TenantId>,
        action: &'static str,
        object: impl Into<String>,
    ) -> Self {
        Self::new(tenant, action, object, Outcome::Refused)
    }

    /// The entry with detail.
    #[must_use]
    pub fn with(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }

    fn new(
        tenant: Option<TenantId>,
        action: &'static str,
        object: impl Into<String>,
        outcome: Outcome,
    ) -> Self {
        Self {
            tenant,
            action,
            object: object.into(),
            outcome,
            detail: Value::Object(serde_json::Map::new()),
        }
    }
}

/// The seal of a row: SHA-256 over the hash before and every field, each preceded by its length, so
/// that no two different rows give the same bytes.
#[must_use]
pub fn seal(previous: &str, seq: i64, fields: &[&str]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(previous.as_bytes());
    hasher.update(seq.to_be_bytes());
    for field in fields {
        hasher.update(u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(field.as_bytes());
    }
    hex::encode(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seal_sees_every_field_and_its_borders() {
        let seals = [
            seal("", 1, &["ab", "c"]),
            seal("", 1, &["a", "bc"]),
            seal("", 2, &["ab", "c"]),
            seal("x", 1, &["ab", "c"]),
        ];
        for (index, seal) in seals.iter().enumerate() {
            assert!(!seals.iter().skip(index + 1).any(|other| other == seal));
        }
    }
}
