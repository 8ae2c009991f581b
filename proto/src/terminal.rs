//! The words between a page and the daemon on a terminal socket. The subprotocol
//! `gangplank.terminal.v1` and PatchMon's JSON share them; with the subprotocol, terminal bytes are
//! binary messages instead of `input` and `data`.

use serde::{Deserialize, Serialize};

use crate::error::ErrorCode;
use crate::id::{ApprovalId, SessionId};
use crate::link::{Prompt, Size};
use crate::secret::Secret;

/// WebSocket subprotocol (RFC 6455 §1.9) of a terminal socket.
pub const SUBPROTOCOL: &str = "gangplank.terminal.v1";

/// The way to the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionMode {
    /// The daemon's keeper dials the address of the host's row.
    #[default]
    Direct,
    /// The host's agent opens SSH to `proxy_host:proxy_port`.
    Proxy,
    /// The host's agent opens a PTY of its own.
    Pty,
}

impl ConnectionMode {
    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Direct, Self::Proxy, Self::Pty].into_iter().find(|mode| mode.as_str() == word)
    }

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Proxy => "proxy",
            Self::Pty => "pty",
        }
    }
}

/// Where a page was when it lost its terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// Which terminal.
    pub session_id: SessionId,
    /// Bytes of output that the page has.
    pub offset: u64,
}

/// What a page asks for. A `port`, which PatchMon's page sends, is ignored: the port of a direct
/// connection is the host row's.
#[derive(Debug, Clone, Deserialize)]
pub struct Connect {
    /// The way to the host.
    #[serde(default)]
    pub connection_mode: ConnectionMode,
    /// Login name; `root` over SSH when absent or empty, the agent's own user for a PTY.
    #[serde(default)]
    pub username: Option<String>,
    /// Password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Private key in PEM or OpenSSH form.
    #[serde(default, rename = "privateKey", alias = "private_key")]
    pub private_key: Option<Secret>,
    /// Passphrase of the private key.
    #[serde(default)]
    pub passphrase: Option<Secret>,
    /// `TERM`.
    #[serde(default)]
    pub terminal: Option<String>,
    /// Columns.
    #[serde(default)]
    pub cols: Option<i64>,
    /// Rows.
    #[serde(default)]
    pub rows: Option<i64>,
    /// Target of [`ConnectionMode::Proxy`]; `localhost` when absent.
    #[serde(default)]
    pub proxy_host: Option<String>,
    /// Port of that target; 22 when absent.
    #[serde(default)]
    pub proxy_port: Option<i64>,
    /// Fingerprint of the host key that the person accepts.
    #[serde(default)]
    pub accept_host_key: Option<String>,
    /// The terminal to come back to.
    #[serde(default)]
    pub resume: Option<Resume>,
}

/// A text message from a page.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromPage {
    /// Open or resume a terminal.
    Connect(Box<Connect>),
    /// Input, in the vocabulary without binary messages.
    Input {
        /// The keys.
        data: String,
    },
    /// The window's size changed.
    Resize(Size),
    /// Output that the page has shown.
    Ack {
        /// Bytes since the terminal opened.
        offset: u64,
    },
    /// Answers to a prompt.
    Answers {
        /// One for each question, in order.
        answers: Vec<Secret>,
    },
    /// The person is there.
    Keepalive,
    /// Measure the way to the terminal: answered by [`ToPage::Latency`].
    Latency {
        /// Comes back in the answer.
        id: u64,
    },
    /// End the terminal.
    Disconnect,
}

/// How sure we are of the host's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostKeyState {
    /// It is one of the keys that the host's agent reported.
    Attested,
    /// It was accepted before.
    Pinned,
    /// It was accepted just now.
    Accepted,
    /// Nobody could check it: the session runs through an agent that checks no keys.
    Unverified,
    /// There is none: a PTY in the agent.
    None,
}

impl HostKeyState {
    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Self::Attested, Self::Pinned, Self::Accepted, Self::Unverified, Self::None];
        all.into_iter().find(|state| state.as_str() == word)
    }

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attested => "attested",
            Self::Pinned => "pinned",
            Self::Accepted => "accepted",
            Self::Unverified => "unverified",
            Self::None => "none",
        }
    }
}

/// A text message to a page.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToPage {
    /// The terminal is open.
    Connected {
        /// Which terminal.
        session_id: SessionId,
        /// Output offset from where bytes follow.
        offset: u64,
        /// Input taken so far, in bytes.
        input_offset: u64,
        /// Whether it is the terminal that the page had before.
        resumed: bool,
        /// How sure we are of the host's key.
        host_key: HostKeyState,
        /// End of the output at this moment, when the terminal was there before: bytes before it
        /// may have been shown by another page.
        #[serde(skip_serializing_if = "Option::is_none")]
        replay_to: Option<u64>,
    },
    /// Output, in the vocabulary without binary messages.
    Data {
        /// The text.
        data: String,
    },
    /// Input that the terminal took.
    Ack {
        /// Bytes since it opened.
        input_offset: u64,
    },
    /// Output that is gone.
    Gap {
        /// First lost byte.
        from: u64,
        /// First byte that follows.
        to: u64,
    },
    /// The server asks the person.
    Prompt {
        /// Heading, may be empty.
        name: String,
        /// Explanation, may be empty.
        instructions: String,
        /// The questions.
        prompts: Vec<Prompt>,
    },
    /// Answer to [`FromPage::Latency`]. Times are in microseconds.
    Latency {
        /// The question's own.
        id: u64,
        /// Spent in the daemon.
        daemon_us: u64,
        /// From the daemon to the keeper in the host's agent and back, if there is one.
        agent_us: Option<u64>,
        /// From the last short input to the output after it, in the host.
        host_us: Option<u64>,
    },
    /// No input for long: the socket will be closed.
    Idle {
        /// Seconds until then.
        closes_in: u64,
    },
    /// A refused or failed `connect`, or a message that can't be used.
    Error {
        /// What kind.
        code: ErrorCode,
        /// For people.
        message: String,
        /// Type of the host's key, where a key is the matter.
        #[serde(skip_serializing_if = "Option::is_none")]
        key_type: Option<String>,
        /// Its fingerprint.
        #[serde(skip_serializing_if = "Option::is_none")]
        fingerprint: Option<String>,
    },
    /// The terminal waits until somebody else agrees to it, and opens by itself then.
    Approval {
        /// The request for it.
        approval_id: ApprovalId,
        /// `pending`, or `approved` when it opens now.
        state: String,
        /// When the request ends.
        expires_at: String,
    },
    /// The terminal ended.
    Closed {
        /// Exit status of the shell.
        #[serde(skip_serializing_if = "Option::is_none")]
        exit_status: Option<u32>,
        /// Signal that ended it.
        #[serde(skip_serializing_if = "Option::is_none")]
        signal: Option<String>,
        /// For people, when the end wasn't the shell's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_patchmon_page_is_understood() {
        let text = r#"{"type":"connect","username":"root","password":"x","port":22,
            "terminal":"xterm-256color","cols":80,"rows":24,"connection_mode":"proxy",
            "proxy_host":"localhost","proxy_port":22,"privateKey":null}"#;
        let FromPage::Connect(connect) = serde_json::from_str(text).unwrap() else {
            unreachable!("not a connect");
        };
        assert_eq!(connect.connection_mode, ConnectionMode::Proxy);
        assert_eq!(connect.proxy_port, Some(22));
        assert!(connect.private_key.is_none());
    }

    #[test]
    fn words_to_a_page_are_the_contract_s() {
        let closed = ToPage::Closed { exit_status: Some(0), signal: None, reason: None };
        assert_eq!(serde_json::to_string(&closed).unwrap(), r#"{"type":"closed","exit_status":0}"#);
        let error = ToPage::Error {
            code: ErrorCode::HostKeyUnknown,
            message: "m".to_owned(),
            key_type: Some("ssh-ed25519".to_owned()),
            fingerprint: Some("SHA256:x".to_owned()),
        };
        assert_eq!(
            serde_json::to_string(&error).unwrap(),
            r#"{"type":"error","code":"host_key_unknown","message":"m","key_type":"ssh-ed25519","fingerprint":"SHA256:x"}"#
        );
    }
}
