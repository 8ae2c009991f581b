//! The agent's one connection to its daemon.
//!
//! ```text
//!   dial ──> upgrade ──> hello ──> pump ──> ended ──> backoff ──> dial …
//!                                   │ ▲
//!                     words, input  ▼ │  words, output (one queue for all, fair)
//!                                 channels ──> keeper
//! ```
//!
//! One task owns the socket. It reads whatever comes and gives it to the channel's own queue, which
//! is bounded by the channel's window and never waited for; it writes what all terminals have to
//! say, flushes once for each batch, and goes on reading while a write is stuck. A channel that
//! breaks its window loses its terminal; a peer that breaks the link's own rules loses the link.
//!
//! Where something on the way refuses the upgrade, jobs go by plain requests ([`Polling`]) until it
//! doesn't.
//!
//! The keeper and its terminals outlive the link: the next one finds them in the agent's hello.

mod backoff;
mod poll;
mod pump;
mod request;
mod upgrade;

use std::io;
use std::time::Duration;

use gangplank_proto::close::{self, CloseCode};
use gangplank_proto::fact::FactText;
use gangplank_terminal::link::Broken;
use tokio_tungstenite::tungstenite::{self, error::ProtocolError};

pub use backoff::{Backoff, Loss};
pub use poll::{Polling, Retry};
pub use pump::{Link, OfHost};
pub use request::RequestError;
pub(crate) use upgrade::retry_after;
pub use upgrade::{ConnectError, Connected, connect};

/// Why a link is over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Ended {
    /// This agent was told to stop.
    #[error("stopped")]
    Stopped,
    /// The daemon closed it.
    #[error("closed by the server with {code}{}", shown(reason))]
    Closed {
        /// Its close code.
        code: u16,
        /// Its reason.
        reason: FactText,
    },
    /// The daemon went without a word.
    #[error("the server hung up")]
    HungUp,
    /// Nothing was heard, or nothing could be sent, for two heartbeats.
    #[error("the server is silent")]
    Silent,
    /// The daemon sent what no daemon sends.
    #[error("the server broke the protocol: {0}")]
    Protocol(&'static str),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Socket(tungstenite::Error),
}

impl From<Broken> for Ended {
    fn from(Broken(how): Broken) -> Self {
        Self::Protocol(how)
    }
}

impl From<tungstenite::Error> for Ended {
    fn from(error: tungstenite::Error) -> Self {
        match error {
            tungstenite::Error::Io(io) if io.kind() == io::ErrorKind::UnexpectedEof => Self::HungUp,
            tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                Self::HungUp
            }
            error => Self::Socket(error),
        }
    }
}

fn shown(reason: &FactText) -> String {
    if reason.is_empty() { String::new() } else { format!(" ({})", reason.as_str()) }
}

impl Ended {
    /// What it means for the next attempt.
    #[must_use]
    pub fn loss(&self) -> Loss {
        let Self::Closed { code, reason } = self else { return Loss::Broken };
        let is = |known: CloseCode| known.number() == *code;
        if is(CloseCode::GoingAway) {
            let wait: Option<Duration> = close::parse_retry_in(reason.as_str());
            wait.map_or(Loss::Broken, Loss::RetryIn)
        } else if is(CloseCode::Replaced) {
            Loss::Replaced
        } else if is(CloseCode::Unauthenticated) {
            Loss::Refused
        } else {
            Loss::Broken
        }
    }
}
