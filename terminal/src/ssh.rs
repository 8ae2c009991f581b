//! SSH (RFC 4251 to 4254) as a client. The only place that names russh.

pub(crate) mod client;
mod credential;
mod gate;
pub mod host_key;
pub mod key;
pub mod userauth;
mod verifier;

use std::net::IpAddr;

use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::link::{Credential, PtyRequest, Trust};

/// Longest login name and `TERM`, in bytes.
const NAME_BYTES: usize = 255;

/// What to connect to, and as whom.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) addresses: Option<Vec<IpAddr>>,
    pub(crate) username: String,
    pub(crate) trust: Trust,
    pub(crate) credential: Credential,
    pub(crate) pty: PtyRequest,
}

impl Target {
    /// Refuses what could be mistaken for something else by whoever sees it next.
    fn check(&self) -> Result<(), OpenError> {
        let refuse = |message| Err(OpenError::new(ErrorCode::BadRequest, message));
        let name = &self.username;
        if name.is_empty() || name.len() > NAME_BYTES {
            return refuse("a login name has 1 to 255 bytes");
        }
        if name.starts_with('-') || name.chars().any(char::is_control) {
            return refuse("a login name has no control characters and doesn't start with '-'");
        }
        let term = &self.pty.term;
        let plain = |c: char| c.is_ascii_graphic();
        if term.is_empty() || term.len() > NAME_BYTES || !term.chars().all(plain) {
            return refuse("not a terminal type");
        }
        Ok(())
    }
}

/// Characters of a server's parting words that are shown.
const REASON_CHARS: usize = 200;

/// A text from a server, harmless to show: bounded, without control characters.
fn shown(text: &str, chars: usize) -> String {
    let harmless = |c: char| if c.is_control() && c != '\n' { '\u{fffd}' } else { c };
    text.chars().filter(|c| *c != '\r').take(chars).map(harmless).collect()
}
