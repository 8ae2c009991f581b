//! What a channel is asked to be: the way to a shell, who logs in and how, the terminal.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limit;
use crate::secret::Secret;

/// A terminal's size in character cells; each side is within 1..=[`limit::TERMINAL_CELLS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireSize")]
pub struct Size {
    cols: u16,
    rows: u16,
}

#[derive(Deserialize)]
struct WireSize {
    cols: i64,
    rows: i64,
}

/// A number of columns or rows that no terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a terminal has 1 to {} columns and rows, not {cols} x {rows}", limit::TERMINAL_CELLS)]
pub struct SizeError {
    cols: i64,
    rows: i64,
}

impl Size {
    /// The size of a terminal when nobody says another.
    pub const DEFAULT: Self = Self { cols: 80, rows: 24 };

    /// Checks both sides.
    ///
    /// # Errors
    /// [`SizeError`] when one is out of bounds.
    pub fn new(cols: i64, rows: i64) -> Result<Self, SizeError> {
        let side =
            |n: i64| u16::try_from(n).ok().filter(|n| (1..=limit::TERMINAL_CELLS).contains(n));
        match (side(cols), side(rows)) {
            (Some(cols), Some(rows)) => Ok(Self { cols, rows }),
            _ => Err(SizeError { cols, rows }),
        }
    }

    /// Columns.
    #[must_use]
    pub fn cols(self) -> u16 {
        self.cols
    }

    /// Rows.
    #[must_use]
    pub fn rows(self) -> u16 {
        self.rows
    }
}

impl TryFrom<WireSize> for Size {
    type Error = SizeError;

    fn try_from(wire: WireSize) -> Result<Self, SizeError> {
        Self::new(wire.cols, wire.rows)
    }
}

/// The terminal that a program sees (RFC 4254 §6.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PtyRequest {
    /// `TERM`, such as `xterm-256color`.
    pub term: String,
    /// Its size.
    #[serde(flatten)]
    pub size: Size,
}

/// How an SSH client knows its server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// OpenSSH lines of the known keys. When there are any, no other key is taken.
    pub keys: Vec<String>,
    /// Fingerprint that a person accepted just now; looked at only when no key is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}

/// How a person proves who they are to an SSH server. The methods are tried in the order
/// publickey, keyboard-interactive, password, as far as the server offers them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Credential {
    /// Password; also answers a keyboard-interactive request with a single hidden prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// OpenSSH line of the public key. Its private half stays with the daemon's session, which is
    /// asked by [`super::FromTerminal::SignRequest`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// Whether a person is there to answer [`super::FromTerminal::Prompt`].
    #[serde(default)]
    pub interactive: bool,
}

/// What a channel is to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Open {
    /// A shell by SSH, dialled by the keeper.
    Ssh {
        /// Host name or address.
        host: String,
        /// TCP port.
        port: u16,
        /// The only addresses that are dialled, when the host's name was looked up already by who
        /// decides where terminals may go.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        addresses: Option<Vec<IpAddr>>,
        /// Login name.
        username: String,
        /// Known and accepted keys of the server.
        trust: Trust,
        /// What to log in with.
        credential: Credential,
        /// The terminal.
        pty: PtyRequest,
    },
    /// A login shell on the keeper's own host.
    Pty {
        /// User; the keeper's own when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        username: Option<String>,
        /// The terminal.
        pty: PtyRequest,
    },
    /// A plain TCP stream from the keeper's host (RFC 4254 §7.2).
    DirectTcpip {
        /// Host name or address.
        host: String,
        /// TCP port.
        port: u16,
    },
}

/// One question of a keyboard-interactive request (RFC 4256 §3.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// The question.
    pub text: String,
    /// Whether the answer may be seen while it is typed.
    pub echo: bool,
}

/// How a terminal is kept while nobody shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Keep {
    /// Seconds until it ends, at most [`limit::LONGEST_LIFE`].
    pub life: u32,
    /// Seconds for which output that nobody has acknowledged stops the terminal rather than being
    /// overwritten.
    pub hold: u32,
}

impl Keep {
    /// Both times; a life beyond [`limit::LONGEST_LIFE`] is cut to it.
    #[must_use]
    pub fn new(life: Duration, hold: Duration) -> Self {
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        Self { life: seconds(life.min(limit::LONGEST_LIFE)), hold: seconds(hold) }
    }

    /// Time until it ends.
    #[must_use]
    pub fn life(self) -> Duration {
        Duration::from_secs(self.life.into()).min(limit::LONGEST_LIFE)
    }

    /// Time for which nothing is overwritten.
    #[must_use]
    pub fn hold(self) -> Duration {
        Duration::from_secs(self.hold.into())
    }
}

impl Default for Keep {
    fn default() -> Self {
        Self::new(limit::DETACHED_LIFE, limit::LOSSLESS_HOLD)
    }
}
