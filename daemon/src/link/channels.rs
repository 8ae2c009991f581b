//! The daemon's side of a link to a keeper of terminals: the channels that it opened, whatever the
//! link travels over.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gangplank_proto::id::{ChannelId, SessionId};
use gangplank_proto::link::{FromTerminal, Keep, ToTerminal};
use gangplank_terminal::channel::{Channel, LANE_BYTES};
use gangplank_terminal::queue::{Inlet, Item, Outlet, PushError, queue};

/// The channels of one link.
#[derive(Debug)]
pub struct Channels {
    outbox: Inlet<ToTerminal>,
    table: Mutex<HashMap<ChannelId, Inlet<FromTerminal>>>,
    next: AtomicU32,
    /// Open channels at most.
    most: usize,
}

/// Why a channel can't be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// The link has as many as it may have.
    #[error("the link has as many channels as it may have")]
    TooMany,
    /// The link is just ending.
    #[error("the link is just ending")]
    Ended,
}

/// Why an item of the peer reaches nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// Its channel was never opened.
    #[error("a channel that was never opened")]
    Unknown,
    /// It is more than the channel's window allows.
    #[error("a channel's window was overrun")]
    Overrun,
}

impl Channels {
    /// No channels yet, and never more than `most`. What goes to the peer comes out of the answered
    /// outlet.
    #[must_use]
    pub fn new(most: usize) -> (Self, Outlet<ToTerminal>) {
        // Channel 0 is never used: its inlet only makes those of the others.
        let (outbox, outlet) = queue(ChannelId(0), LANE_BYTES);
        (Self { outbox, table: Mutex::default(), next: AtomicU32::new(1), most }, outlet)
    }

    /// Opens a channel to a terminal by its first word, which says the output window too; `known`
    /// hears its id before the peer does. What becomes of it is said by the terminal's first words.
    ///
    /// # Errors
    /// [`ChannelError`] when the link takes no more.
    pub fn open(
        &self,
        first: ToTerminal,
        window: u32,
        known: impl FnOnce(ChannelId),
    ) -> Result<Channel, ChannelError> {
        let id = ChannelId(self.next.fetch_add(1, Ordering::Relaxed));
        let (inlet, outlet) = queue(id, window as usize);
        {
            let mut table = self.table();
            // A peer does not answer a viewer that leaves.
            table.retain(|_, inlet| !inlet.is_gone());
            if table.len() >= self.most {
                return Err(ChannelError::TooMany);
            }
            table.insert(id, inlet);
        }
        known(id);
        let lane = self.outbox.lane(id);
        if lane.word(first).is_err() {
            self.forget(id);
            return Err(ChannelError::Ended);
        }
        Ok(Channel::new(lane, outlet, window))
    }

    /// Ends a terminal that the peer keeps and nobody shows.
    pub fn end_session(&self, session_id: SessionId) {
        let first = ToTerminal::Attach {
            session_id,
            window: 0,
            offset: 0,
            unseen: 0,
            size: None,
            keep: Keep::default(),
        };
        // A peer that just left says what it still has when it is back.
        if let Ok(channel) = self.open(first, 0, |_| {}) {
            channel.input.close();
        }
    }

    /// Says a word to a terminal past its viewer.
    pub fn say(&self, channel: ChannelId, word: ToTerminal) {
        // A link that ended takes all of its viewers away.
        let _ = self.outbox.lane(channel).word(word);
    }

    /// Hands an item to its channel without waiting. A channel whose viewer left is forgotten; true
    /// when nothing more goes to this one.
    ///
    /// # Errors
    /// [`Undelivered`] when the peer ignores the bounds of the link.
    pub fn deliver(
        &self,
        channel: ChannelId,
        item: Item<FromTerminal>,
    ) -> Result<bool, Undelivered> {
        let Some(inlet) = self.inlet(channel) else {
            let known = channel.0 != 0 && channel.0 < self.next.load(Ordering::Relaxed);
            return if known { Ok(true) } else { Err(Undelivered::Unknown) };
        };
        let last = matches!(&item, Item::Word(word) if word.is_last());
        let pushed = match item {
            Item::Word(word) => inlet.word(word),
            Item::Data(data) => inlet.data(data),
        };
        if last || pushed.is_err() {
            self.forget(channel);
        }
        match pushed {
            Err(PushError::Full) => Err(Undelivered::Overrun),
            pushed => Ok(last || pushed.is_err()),
        }
    }

    /// Where what a channel's terminal says goes in.
    pub fn inlet(&self, channel: ChannelId) -> Option<Inlet<FromTerminal>> {
        self.table().get(&channel).cloned()
    }

    /// Takes every viewer its channel: the link has ended.
    pub fn clear(&self) {
        self.table().clear();
    }

    fn forget(&self, channel: ChannelId) {
        self.table().remove(&channel);
    }

    fn table(&self) -> MutexGuard<'_, HashMap<ChannelId, Inlet<FromTerminal>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use bytes::Bytes;
    use gangplank_proto::link::Exit;

    use super::*;

    fn attach() -> ToTerminal {
        let (session_id, keep) = (SessionId::new(), Keep::default());
        ToTerminal::Attach { session_id, window: 16, offset: 0, unseen: 0, size: None, keep }
    }

    fn data(len: usize) -> Item<FromTerminal> {
        Item::Data(Bytes::from(vec![b'x'; len]))
    }

    #[tokio::test]
    async fn a_channel_ends_with_its_last_word_and_is_known_to_have_been() {
        let (channels, mut outlet) = Channels::new(1);
        let mut id = ChannelId(0);
        let mut channel = channels.open(attach(), 16, |known| id = known).unwrap();
        assert_eq!(channels.open(attach(), 16, |_| {}).unwrap_err(), ChannelError::TooMany);
        assert!(
            matches!(outlet.recv().await, Some((to, Item::Word(ToTerminal::Attach { .. }))) if to == id)
        );
        assert_eq!(channels.deliver(id, data(16)), Ok(false));
        let close = FromTerminal::Close(Exit::default());
        assert_eq!(channels.deliver(id, Item::Word(close)), Ok(true));
        assert_eq!(channels.deliver(id, data(1)), Ok(true));
        assert!(matches!(channel.output.recv().await, Ok(Some(Item::Data(_)))));
        assert!(matches!(channel.output.recv().await, Ok(Some(Item::Word(_)))));
        assert!(matches!(channel.output.recv().await, Ok(None)));
        channels.open(attach(), 16, |_| {}).unwrap();
    }

    #[test]
    fn a_viewer_that_leaves_gives_its_place_back() {
        let (channels, _outlet) = Channels::new(1);
        for _ in 0..3 {
            drop(channels.open(attach(), 16, |_| {}).unwrap());
        }
    }

    #[test]
    fn a_peer_that_ignores_bounds_is_found_out() {
        let (channels, _outlet) = Channels::new(1);
        let mut id = ChannelId(0);
        let channel = channels.open(attach(), 16, |known| id = known).unwrap();
        for unknown in [ChannelId(0), ChannelId(id.0 + 1), ChannelId(u32::MAX)] {
            assert_eq!(channels.deliver(unknown, data(1)), Err(Undelivered::Unknown));
        }
        assert_eq!(channels.deliver(id, data(17)), Err(Undelivered::Overrun));
        drop(channel);
    }
}
