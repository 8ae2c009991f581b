//! The one queue between a terminal and whoever shows it: bounded in bytes for each channel, never
//! waiting when something is put in, and fair between channels when something is taken out.
//!
//! A sender obeys its channel's window, so a full lane means a peer that broke the protocol, and
//! putting in can be a plain call: the reader of a link never waits for a channel. One piece of a
//! channel leaves before the next channel's turn, so a key's echo waits for at most one piece of
//! each other channel.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use gangplank_proto::id::ChannelId;
use gangplank_proto::limit;
use tokio::sync::Notify;

/// Words that may wait in one lane; a peer that sends more without being read is broken.
const LANE_WORDS: usize = 256;

/// Small neighbours are joined up to this length, so that many tiny pieces can't cost more memory
/// than their bytes.
pub const JOIN: usize = 4096;

/// What travels: a word, or bytes.
#[derive(Debug)]
pub enum Item<W> {
    /// A control word.
    Word(W),
    /// Terminal bytes.
    Data(Bytes),
}

/// Why an item was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The lane is full: the sender ignored its window.
    #[error("the channel's window was overrun")]
    Full,
    /// Nobody takes items out any more.
    #[error("the other end is gone")]
    Gone,
}

#[derive(Debug)]
struct Lane<W> {
    items: VecDeque<Item<W>>,
    bytes: usize,
    words: usize,
}

#[derive(Debug)]
struct State<W> {
    lanes: HashMap<ChannelId, Lane<W>>,
    /// Channels with items, in the order of their turns.
    turns: VecDeque<ChannelId>,
    inlets: usize,
    outlet: bool,
}

#[derive(Debug)]
struct Shared<W> {
    state: Mutex<State<W>>,
    lane_bytes: usize,
    /// `notify_one` keeps a permit when nobody waits, and there is one outlet: whatever is put in
    /// between its look and its wait ends the wait at once.
    ready: Notify,
    /// Told at each item taken out, for a sender whose peer knows no windows.
    taken: Notify,
}

impl<W> Shared<W> {
    /// No user of the lock can panic halfway through a change, so a poisoned state is whole.
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where one channel's items go in.
#[derive(Debug)]
pub struct Inlet<W> {
    shared: Arc<Shared<W>>,
    channel: ChannelId,
}

/// Where the items of all channels come out.
#[derive(Debug)]
pub struct Outlet<W> {
    shared: Arc<Shared<W>>,
}

/// Makes a queue whose lanes hold at most `lane_bytes` bytes each. The inlet is that of `channel`;
/// [`Inlet::lane`] makes those of others.
#[must_use]
pub fn queue<W>(channel: ChannelId, lane_bytes: usize) -> (Inlet<W>, Outlet<W>) {
    let state = State { lanes: HashMap::new(), turns: VecDeque::new(), inlets: 1, outlet: true };
    let shared = Arc::new(Shared {
        state: Mutex::new(state),
        lane_bytes,
        ready: Notify::new(),
        taken: Notify::new(),
    });
    (Inlet { shared: Arc::clone(&shared), channel }, Outlet { shared })
}

impl<W> Inlet<W> {
    /// The inlet of another channel into the same queue.
    #[must_use]
    pub fn lane(&self, channel: ChannelId) -> Self {
        self.shared.lock().inlets += 1;
        Self { shared: Arc::clone(&self.shared), channel }
    }

    /// Puts a word in.
    ///
    /// # Errors
    /// [`PushError`] when the lane is full or the outlet is gone.
    pub fn word(&self, word: W) -> Result<(), PushError> {
        self.push(Item::Word(word), false)
    }

    /// Puts a word in that must not be lost and can't be many: a window's adjustment, a goodbye. It
    /// has room even in a full lane.
    ///
    /// # Errors
    /// [`PushError::Gone`] when the outlet is gone.
    pub fn vital_word(&self, word: W) -> Result<(), PushError> {
        self.push(Item::Word(word), true)
    }

    /// Puts bytes in; empty ones vanish.
    ///
    /// # Errors
    /// [`PushError`] when the lane is full or the outlet is gone.
    pub fn data(&self, data: Bytes) -> Result<(), PushError> {
        if data.is_empty() {
            return Ok(());
        }
        self.push(Item::Data(data), false)
    }

    /// Whether nobody takes items out any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        !self.shared.lock().outlet
    }

    /// Throws away what waits in this lane.
    pub fn discard(&self) {
        let mut state = self.shared.lock();
        if state.lanes.remove(&self.channel).is_some() {
            state.turns.retain(|turn| *turn != self.channel);
        }
        drop(state);
        self.shared.taken.notify_one();
    }

    /// Waits until `len` bytes have room, for the one sender whose peer knows no windows and must be
    /// slowed down by not being read.
    pub async fn room(&self, len: usize) {
        loop {
            {
                let state = self.shared.lock();
                let used = state.lanes.get(&self.channel).map_or(0, |lane| lane.bytes);
                if !state.outlet || used == 0 || used + len <= self.shared.lane_bytes {
                    return;
                }
            }
            self.shared.taken.notified().await;
        }
    }

    fn push(&self, item: Item<W>, vital: bool) -> Result<(), PushError> {
        let mut guard = self.shared.lock();
        let state = &mut *guard;
        if !state.outlet {
            return Err(PushError::Gone);
        }
        let lane = state.lanes.entry(self.channel).or_insert_with(|| Lane {
            items: VecDeque::new(),
            bytes: 0,
            words: 0,
        });
        let was_empty = lane.items.is_empty();
        let full = match &item {
            Item::Word(_) => !vital && lane.words >= LANE_WORDS,
            Item::Data(data) => lane.bytes + data.len() > self.shared.lane_bytes,
        };
        if full {
            return Err(PushError::Full);
        }
        match item {
            Item::Word(_) => {
                lane.words += 1;
                lane.items.push_back(item);
            }
            Item::Data(data) => {
                lane.bytes += data.len();
                match lane.items.back_mut() {
                    Some(Item::Data(last)) if last.len() + data.len() <= JOIN => {
                        *last = join(std::mem::take(last), &data);
                    }
                    _ => lane.items.push_back(Item::Data(data)),
                }
            }
        }
        if was_empty {
            state.turns.push_back(self.channel);
        }
        drop(guard);
        self.shared.ready.notify_one();
        Ok(())
    }
}

/// Two pieces as one, without a copy of the first where it is not shared.
#[must_use]
pub fn join(first: Bytes, second: &[u8]) -> Bytes {
    let mut joined = first.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    joined.extend_from_slice(second);
    joined.freeze()
}

impl<W> Clone for Inlet<W> {
    fn clone(&self) -> Self {
        self.lane(self.channel)
    }
}

impl<W> Drop for Inlet<W> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.inlets -= 1;
        let last = state.inlets == 0;
        drop(state);
        if last {
            self.shared.ready.notify_one();
        }
    }
}

impl<W> Outlet<W> {
    /// The next item of the channel whose turn it is, or nothing once every inlet is gone and all
    /// items were taken. Cancel safe.
    pub async fn recv(&mut self) -> Option<(ChannelId, Item<W>)> {
        loop {
            if let Some(item) = self.try_recv() {
                return Some(item);
            }
            if self.shared.lock().finished() {
                return None;
            }
            self.shared.ready.notified().await;
        }
    }

    /// Bytes that wait in all lanes together.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.shared.lock().lanes.values().map(|lane| lane.bytes).sum()
    }

    /// The next item, if one waits.
    pub fn try_recv(&mut self) -> Option<(ChannelId, Item<W>)> {
        let item = self.shared.lock().pop();
        if item.is_some() {
            self.shared.taken.notify_one();
        }
        item
    }
}

impl<W> State<W> {
    fn finished(&self) -> bool {
        self.inlets == 0 && self.turns.is_empty()
    }

    fn pop(&mut self) -> Option<(ChannelId, Item<W>)> {
        let channel = self.turns.pop_front()?;
        let lane = self.lanes.get_mut(&channel)?;
        let mut item = lane.items.pop_front()?;
        match &mut item {
            Item::Word(_) => lane.words -= 1,
            Item::Data(data) => {
                if data.len() > limit::PIECE {
                    let rest = data.split_off(limit::PIECE);
                    lane.items.push_front(Item::Data(rest));
                }
                lane.bytes -= data.len();
            }
        }
        if lane.items.is_empty() {
            self.lanes.remove(&channel);
        } else {
            self.turns.push_back(channel);
        }
        Some((channel, item))
    }
}

impl<W> Drop for Outlet<W> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.outlet = false;
        state.lanes.clear();
        state.turns.clear();
        drop(state);
        self.shared.taken.notify_one();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn data(item: Option<(ChannelId, Item<()>)>) -> (u32, usize) {
        match item {
            Some((ChannelId(id), Item::Data(data))) => (id, data.len()),
            other => panic!("no data: {other:?}"),
        }
    }

    #[test]
    fn a_small_piece_waits_for_one_turn_only() {
        let (bulk, mut outlet) = queue::<()>(ChannelId(1), 1 << 20);
        let key = bulk.lane(ChannelId(2));
        bulk.data(Bytes::from(vec![0; 100_000])).unwrap();
        key.data(Bytes::from_static(b"x")).unwrap();
        assert_eq!(data(outlet.try_recv()), (1, limit::PIECE));
        assert_eq!(data(outlet.try_recv()), (2, 1));
        assert_eq!(data(outlet.try_recv()), (1, limit::PIECE));
    }

    #[test]
    fn a_lane_holds_its_bytes_and_no_more() {
        let (inlet, mut outlet) = queue::<()>(ChannelId(1), 10);
        for _ in 0..10 {
            inlet.data(Bytes::from_static(b"x")).unwrap();
        }
        assert_eq!(inlet.data(Bytes::from_static(b"x")), Err(PushError::Full));
        assert_eq!(data(outlet.try_recv()), (1, 10), "tiny pieces are joined");
        inlet.data(Bytes::from_static(b"x")).unwrap();
        drop(outlet);
        assert_eq!(inlet.data(Bytes::from_static(b"x")), Err(PushError::Gone));
    }

    #[tokio::test]
    async fn what_was_put_in_comes_out_before_the_end() {
        let (inlet, mut outlet) = queue::<u8>(ChannelId(1), 10);
        inlet.word(7).unwrap();
        drop(inlet);
        assert!(matches!(outlet.recv().await, Some((ChannelId(1), Item::Word(7)))));
        assert!(outlet.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_wait_ends_when_something_is_put_in() {
        let (inlet, mut outlet) = queue::<u8>(ChannelId(1), 10);
        let taker = tokio::spawn(async move { outlet.recv().await });
        tokio::task::yield_now().await;
        inlet.word(1).unwrap();
        assert!(taker.await.unwrap().is_some());
    }
}
