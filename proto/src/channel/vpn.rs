//! Messages of the channel `vpn`.

use serde::{Deserialize, Serialize};

use super::text::{Label, Object};

/// A step in the life of a terminal or a tunnel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vpn {
    /// What `data` is.
    #[serde(rename = "type")]
    pub kind: SessionKind,
    /// All about it.
    pub data: Session,
}

/// The one kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    /// A session's state.
    Session,
}

/// A session and the state that it is in now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Which.
    pub session_id: Label,
    /// To which host.
    pub host_id: Label,
    /// Its state.
    pub state: SessionState,
    /// What else there is to say.
    #[serde(flatten)]
    pub more: Object,
}

/// States of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// It is being opened.
    Connecting,
    /// It is open.
    Connected,
    /// It is over.
    Disconnected,
    /// It could not be opened, or broke.
    Error,
}
