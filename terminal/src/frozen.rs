//! A terminal at rest: everything that a program needs to go on with it in the place of the one that
//! opened it.
//!
//! ```text
//!   length of what follows, as text, a newline, what it is as JSON, the output, the input
//! ```
//!
//! The descriptors that it is held by go beside that. Whoever freezes a terminal has nothing of it any
//! more; dropping it hangs it up.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use gangplank_proto::fact::HeldSession;
use gangplank_proto::id::SessionId;
use gangplank_proto::link::{Exit, Keep};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::input::FrozenInput;
use crate::playback::FrozenPlayback;

/// The form of [`Frozen::write`]. Another program may know another one.
pub const FORM: u32 = 1;

/// Longest description of one terminal.
const STATE_BYTES: u64 = 64 << 10;

/// More output or input than any terminal has.
const MOST_BYTES: u64 = 64 << 20;

/// A terminal at rest.
#[derive(Debug)]
pub struct Frozen {
    pub(crate) state: State,
    pub(crate) output: Vec<u8>,
    pub(crate) input: Vec<u8>,
    pub(crate) held_by: Vec<OwnedFd>,
}

/// What a terminal is, apart from its bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) session_id: SessionId,
    pub(crate) held: Held,
    pub(crate) plain: bool,
    pub(crate) keep: Keep,
    pub(crate) playback: FrozenPlayback,
    pub(crate) output_len: u64,
    pub(crate) input: FrozenInput,
    pub(crate) input_len: u64,
    pub(crate) accepted: u64,
    pub(crate) eof: bool,
    /// On the clock that all programs of a host share: milliseconds since it started.
    pub(crate) left_at: u64,
    pub(crate) said_at: u64,
}

/// What has the shell in it, by the descriptors beside it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Held {
    /// Its PTY, and its process unless that has ended.
    Pty { session: Option<i32>, exit: Option<Exit> },
    /// Its PTY, and the line to its lender unless it has ended.
    Lent { exit: Option<Exit> },
    /// The stream.
    Tcp { eof: bool },
    /// Nothing: it is over, and its viewer is still to hear so.
    Over { exit: Exit },
}

/// A terminal that can't be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum FrozenError {
    /// Its bytes can't be read.
    #[error("it can't be read: {0}")]
    Io(#[from] io::Error),
    /// Its bytes are not what a terminal is written as.
    #[error("it is written wrongly: {0}")]
    Json(#[from] serde_json::Error),
}

impl Frozen {
    /// Which session, and how far it got.
    #[must_use]
    pub fn session(&self) -> HeldSession {
        let state = &self.state;
        HeldSession {
            session_id: state.session_id,
            offset: state.playback.end(),
            input_offset: state.accepted,
            quiet_ms: None,
        }
    }

    /// What it is held by, in order.
    pub fn held_by(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.held_by.iter().map(|descriptor| descriptor.as_fd())
    }

    /// Writes all of it but its descriptors.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let state = serde_json::to_vec(&self.state)?;
        writeln!(to, "{}", state.len())?;
        for part in [&state, &self.output, &self.input] {
            to.write_all(part)?;
        }
        Ok(())
    }

    /// Reads what was written, and takes the descriptors that came with it.
    ///
    /// # Errors
    /// [`FrozenError`].
    pub fn read(from: &mut impl Read, held_by: Vec<OwnedFd>) -> Result<Self, FrozenError> {
        let length = length(from)?;
        let state: State = serde_json::from_slice(&take(from, length, STATE_BYTES)?)?;
        let output = take(from, state.output_len, MOST_BYTES)?;
        let input = take(from, state.input_len, MOST_BYTES)?;
        Ok(Self { state, output, input, held_by })
    }

    /// One that is over for this reason, in the place of one that this program can't go on with.
    #[must_use]
    pub fn lost(session: &HeldSession, reason: &str) -> Self {
        let state = State {
            session_id: session.session_id,
            held: Held::Over { exit: Exit::because(reason) },
            plain: false,
            keep: Keep::default(),
            playback: FrozenPlayback::forgotten(session.offset),
            output_len: 0,
            input: FrozenInput::default(),
            input_len: 0,
            accepted: session.input_offset,
            eof: false,
            left_at: now(),
            said_at: now(),
        };
        Self { state, output: Vec::new(), input: Vec::new(), held_by: Vec::new() }
    }
}

/// The number at the start of a form, up to the end of its line.
fn length(from: &mut impl Read) -> Result<u64, FrozenError> {
    let mut length = 0u64;
    for _ in 0..20 {
        let [digit] = take(from, 1, 1)?.try_into().unwrap_or_default();
        match digit {
            b'\n' => return Ok(length),
            b'0'..=b'9' => length = length.saturating_mul(10).saturating_add((digit - b'0').into()),
            _ => break,
        }
    }
    Err(io::Error::from(io::ErrorKind::InvalidData).into())
}

fn take(from: &mut impl Read, len: u64, most: u64) -> io::Result<Vec<u8>> {
    if len > most {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    from.take(len).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == len { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Milliseconds since the host started.
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or_default() * 1000 + nanos.unwrap_or_default() / 1_000_000
}

/// Time since a moment of that clock.
pub(crate) fn since(moment: u64) -> Duration {
    Duration::from_millis(now().saturating_sub(moment))
}

/// That moment of that clock.
pub(crate) fn before(time: Duration) -> u64 {
    now().saturating_sub(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
