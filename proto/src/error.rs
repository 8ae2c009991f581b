//! Why a terminal can't be opened, in one list for every way of opening one.

use serde::{Deserialize, Serialize};

/// The `error.code` of the terminal socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The host refused user name, password or key.
    AuthFailed,
    /// The host shows another key than the known ones.
    HostKeyChanged,
    /// The host's key is not known and wasn't accepted.
    HostKeyUnknown,
    /// No connection to the target.
    Unreachable,
    /// The target did not answer in time.
    Timeout,
    /// The host's agent is not connected.
    AgentOffline,
    /// A policy forbids it.
    NotAllowed,
    /// The message can't be understood or a value is out of bounds.
    BadRequest,
    /// The socket has a terminal already.
    AlreadyConnected,
    /// The session to resume does not exist.
    NoSuchSession,
    /// Our fault.
    Internal,
}

/// An SSH host key as people compare it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostKey {
    /// Algorithm name, such as `ssh-ed25519` (RFC 4253 §6.6).
    pub key_type: String,
    /// `SHA256:` and the unpadded base64 of the key blob's hash.
    pub fingerprint: String,
    /// The OpenSSH line: type and base64, without a comment.
    pub line: String,
}

/// A refused or failed `connect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct OpenError {
    /// What kind of failure.
    pub code: ErrorCode,
    /// For people: what happened and what to do.
    pub message: String,
    /// The key that was offered, for [`ErrorCode::HostKeyUnknown`] and
    /// [`ErrorCode::HostKeyChanged`]; the key that was taken, when the login failed after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<HostKey>,
}

impl OpenError {
    /// A failure without a key.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), host_key: None }
    }
}
