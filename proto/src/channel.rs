//! Messages of the channels: what dashboards are told, and what may be published into them. Every
//! message is a JSON object of its channel's form, bounded in bytes, depth and the lengths of its
//! texts and lists; what isn't is refused whole.
//!
//! The files in `proto/fixtures/channels/` hold messages of each channel that are taken and such that
//! are not; programs in other languages read them too.

mod alert;
mod approval;
mod receipt;
mod security;
mod text;
mod thought;
mod vpn;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use alert::{Alert, Indicator};
pub use approval::Approval;
pub use receipt::{Receipt, ReceiptEvent};
pub use security::{Security, SecurityKind};
pub use text::{Instant, Label, Line, List, Object};
pub use thought::Thought;
pub use vpn::{Session, SessionKind, SessionState, Vpn};

use crate::strict::{self, Bounds, StrictError};

/// Bounds of one message.
pub const BOUNDS: Bounds = Bounds { bytes: 64 << 10, depth: 16 };

/// One channel of dashboards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Alerts, investigations and what tools print.
    Security,
    /// The life of terminals and tunnels.
    Vpn,
    /// Alerts.
    Alerts,
    /// What automatic investigators do, and why.
    AgentThoughts,
    /// What waits for somebody's consent.
    Approvals,
    /// Receipts of what was done for a case.
    Receipts,
}

/// Why a message is not one of its channel.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// There is something wrong with its structure.
    #[error("the message is not taken: {0}")]
    Structure(#[from] StrictError),
    /// Its form is not that of the channel.
    #[error("the message is not one of the channel: {0}")]
    Form(serde_json::Error),
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 6] = [
        Self::Security,
        Self::Vpn,
        Self::Alerts,
        Self::AgentThoughts,
        Self::Approvals,
        Self::Receipts,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Security => "security",
            Self::Vpn => "vpn",
            Self::Alerts => "alerts",
            Self::AgentThoughts => "agent_thoughts",
            Self::Approvals => "approvals",
            Self::Receipts => "receipts",
        }
    }

    /// The path of its socket.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Security => "/api/ws/security",
            Self::Vpn => "/api/ws/vpn",
            Self::Alerts => "/api/v1/ws/alerts",
            Self::AgentThoughts => "/api/v1/ws/agent-thoughts",
            Self::Approvals => "/api/v1/ws/approvals",
            Self::Receipts => "/api/v1/ws/investigation-receipts",
        }
    }

    /// Reads a message of the channel.
    ///
    /// # Errors
    /// [`Rejected`] when it is none.
    pub fn parse(self, text: &[u8]) -> Result<Value, Rejected> {
        let message = strict::parse(text, BOUNDS)?;
        self.check(&message)?;
        Ok(message)
    }

    /// Checks a message that was read strictly, as one of several perhaps.
    ///
    /// # Errors
    /// [`Rejected`] when it is none of the channel.
    pub fn check(self, message: &Value) -> Result<(), Rejected> {
        match self {
            Self::Security => Security::deserialize(message).map(drop),
            Self::Vpn => Vpn::deserialize(message).map(drop),
            Self::Alerts => Alert::deserialize(message).map(drop),
            Self::AgentThoughts => Thought::deserialize(message).map(drop),
            Self::Approvals => Approval::deserialize(message).map(drop),
            Self::Receipts => Receipt::deserialize(message).map(drop),
        }
        .map_err(Rejected::Form)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no such channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such channel")]
pub struct UnknownChannel;

impl FromStr for Channel {
    type Err = UnknownChannel;

    fn from_str(name: &str) -> Result<Self, UnknownChannel> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == name).ok_or(UnknownChannel)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests;
