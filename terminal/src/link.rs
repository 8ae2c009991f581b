//! A keeper's side of a link: which channel goes to which terminal, and whose words may leave.
//!
//! It knows neither how the link travels nor who may open what: the one is its caller's, the other
//! is asked for each request.

use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;
use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::id::{ChannelId, SessionId};
use gangplank_proto::limit;
use gangplank_proto::link::{Exit, FromTerminal, Keep, Open, Size, ToTerminal};

use crate::channel::{LANE_BYTES, TerminalEnd};
use crate::keeper::Keeper;
use crate::queue::{Inlet, Item, Outlet, PushError, queue};

/// The peer ignores the bounds of the link: nothing more that it says can be made sense of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub &'static str);

/// Says why something may not be opened.
pub type Check = Box<dyn Fn(&Open) -> Result<(), String> + Send + Sync>;

/// The channels of one link. Dropping it takes the viewer away from every terminal, which is kept.
pub struct Channels {
    keeper: Keeper,
    check: Check,
    output: Inlet<FromTerminal>,
    /// Open channels at most.
    most: usize,
    table: HashMap<ChannelId, State>,
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channels").field("table", &self.table).finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum State {
    /// Has a terminal, or is about to.
    Live {
        session_id: SessionId,
        input: Inlet<ToTerminal>,
        /// The peer was told of its end, and has not said yet that it heard so.
        over: bool,
    },
    /// Its last word waits to leave; nothing more is taken.
    Closing,
}

/// The word with which a channel begins.
enum First {
    Connect { open: Box<Open> },
    Attach { offset: u64, unseen: u32, size: Option<Size> },
}

impl Channels {
    /// No channels yet, and never more than `most`; their terminals will live in `keeper`, and
    /// `check` says which may be opened. What they say comes out of the answered outlet.
    #[must_use]
    pub fn new(keeper: Keeper, check: Check, most: usize) -> (Self, Outlet<FromTerminal>) {
        // Channel 0 is never used: its inlet only makes those of the others.
        let (output, outlet) = queue(ChannelId(0), LANE_BYTES);
        (Self { keeper, check, output, most, table: HashMap::new() }, outlet)
    }

    /// Takes a word for a channel.
    ///
    /// # Errors
    /// [`Broken`] when the peer ignores the bounds of the link.
    pub fn word(&mut self, channel: ChannelId, word: ToTerminal) -> Result<(), Broken> {
        match word {
            ToTerminal::Connect { session_id, window, open, keep } => {
                let first = First::Connect { open: Box::new(open) };
                self.begin(channel, session_id, window, keep, first)
            }
            ToTerminal::Attach { session_id, window, offset, unseen, size, keep } => {
                let first = First::Attach { offset, unseen, size };
                self.begin(channel, session_id, window, keep, first)
            }
            word => self.pass(channel, Item::Word(word)),
        }
    }

    /// Takes input for a channel.
    ///
    /// # Errors
    /// [`Broken`] when the peer ignores the bounds of the link.
    pub fn data(&mut self, channel: ChannelId, data: Bytes) -> Result<(), Broken> {
        self.pass(channel, Item::Data(data))
    }

    fn begin(
        &mut self,
        channel: ChannelId,
        session_id: SessionId,
        window: u32,
        keep: Keep,
        first: First,
    ) -> Result<(), Broken> {
        match self.table.get(&channel) {
            Some(State::Live { .. }) => return self.end(channel, "it was opened twice"),
            Some(State::Closing) => return Ok(()),
            None => {}
        }
        if self.table.len() >= self.most {
            return self.refuse(channel, "this host has too many terminals open; end one first");
        }
        if let First::Connect { open } = &first
            && let Err(refusal) = (self.check)(open)
        {
            tracing::warn!(%channel, %session_id, kind = kind(open), %refusal, "refused");
            return self.refuse(channel, &refusal);
        }
        let (input, outlet) = queue(channel, LANE_BYTES);
        let window = window.min(limit::TERMINAL_WINDOW);
        let end = TerminalEnd::new(outlet, self.output.lane(channel), window);
        self.table.insert(channel, State::Live { session_id, input, over: false });
        match first {
            First::Connect { open } => {
                tracing::info!(%channel, %session_id, kind = kind(&open), "opening");
                self.keeper.open(session_id, *open, keep, end);
            }
            First::Attach { offset, unseen, size } => {
                tracing::info!(%channel, %session_id, offset, "attaching");
                self.keeper.attach(session_id, offset, unseen, size, keep, end);
            }
        }
        Ok(())
    }

    fn pass(&mut self, channel: ChannelId, item: Item<ToTerminal>) -> Result<(), Broken> {
        let Some(State::Live { input, over, .. }) = self.table.get(&channel) else {
            // What was on its way when the channel ended.
            tracing::debug!(%channel, "nobody takes what came for it");
            return Ok(());
        };
        let passed = match item {
            Item::Word(word @ (ToTerminal::Close | ToTerminal::Detach)) => {
                let answered = matches!(word, ToTerminal::Close) && !over;
                // A terminal that is gone needs no goodbye.
                let gone = input.vital_word(word).is_err();
                if answered && !gone {
                    self.table.insert(channel, State::Closing);
                } else {
                    self.table.remove(&channel);
                }
                return Ok(());
            }
            Item::Word(word) => input.word(word),
            Item::Data(data) => input.data(data),
        };
        match passed {
            // The last word of a terminal that is gone is on its way.
            Ok(()) | Err(PushError::Gone) => Ok(()),
            Err(PushError::Full) => self.end(channel, "more came than its window allows"),
        }
    }

    /// Ends a channel for a fault; the terminal ends too.
    fn end(&mut self, channel: ChannelId, reason: &'static str) -> Result<(), Broken> {
        if let Some(State::Live { session_id, .. }) = self.table.get(&channel) {
            tracing::warn!(%channel, %session_id, reason, "ended");
            self.keeper.end(*session_id);
        }
        self.last_word(channel, FromTerminal::Close(Exit::because(reason)))
    }

    fn refuse(&mut self, channel: ChannelId, message: &str) -> Result<(), Broken> {
        let error = OpenError::new(ErrorCode::NotAllowed, message);
        self.last_word(channel, FromTerminal::Error(error))
    }

    /// Whatever the terminal says after this is not sent: see [`Self::leaves`].
    fn last_word(&mut self, channel: ChannelId, word: FromTerminal) -> Result<(), Broken> {
        // As many again were refused or broke, and nobody takes their last words.
        if self.table.len() >= 2 * self.most {
            return Err(Broken("far too many channels"));
        }
        self.table.insert(channel, State::Closing);
        let said = self.output.lane(channel).word(word);
        said.map_err(|_| Broken("far too many words for one channel"))
    }

    /// Whether an item that comes out may be sent: after a channel's last word nothing is.
    pub fn leaves(&mut self, channel: ChannelId, item: &Item<FromTerminal>) -> bool {
        let Some(state) = self.table.get_mut(&channel) else { return false };
        match (item, state) {
            // A terminal that ended is kept until its viewer says that it has heard so.
            (Item::Word(FromTerminal::Close(_)), State::Live { over, .. }) => *over = true,
            (Item::Word(word), _) if word.is_last() => {
                self.table.remove(&channel);
            }
            _ => {}
        }
        true
    }
}

/// The word for a log; nothing else of a request is logged.
fn kind(open: &Open) -> &'static str {
    match open {
        Open::Ssh { .. } => "ssh",
        Open::Pty { .. } => "pty",
        Open::DirectTcpip { .. } => "direct_tcpip",
    }
}
