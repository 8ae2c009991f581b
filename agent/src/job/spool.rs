//! What a command printed and the daemon has not acknowledged. While there is a line a command that
//! prints faster than the line takes it waits; while there is none it runs on, and the oldest of what
//! nobody has is dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gangplank_proto::job::Output;
use gangplank_proto::limit;
use gangplank_proto::link::Base64;
use tokio::sync::Notify;

/// Bytes of one command that wait at most.
const WAITING: usize = 256 << 10;

/// The output of one command.
#[derive(Debug)]
pub struct Spool {
    state: Mutex<State>,
    room: Notify,
    /// Told when there is something to be sent.
    more: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<Output>,
    /// Of the pieces, how many were sent on this line.
    sent: usize,
    in_flight: usize,
    bytes: usize,
    end: u64,
    seq: u64,
    online: bool,
}

impl Spool {
    pub(super) fn new(more: Arc<Notify>, online: bool) -> Self {
        let state = State { online, ..State::default() };
        Self { state: Mutex::new(state), room: Notify::new(), more }
    }

    /// Takes what a command printed; waits for room while somebody listens.
    pub async fn print(&self, data: &[u8]) {
        for piece in data.chunks(limit::JOB_OUTPUT_PIECE) {
            while !self.put(piece) {
                self.room.notified().await;
            }
            self.more.notify_one();
        }
    }

    fn put(&self, data: &[u8]) -> bool {
        let mut state = self.lock();
        while state.bytes + data.len() > WAITING {
            if state.online {
                return false;
            }
            state.drop_oldest();
        }
        let unsent = state.pieces.len() > state.sent;
        match state.pieces.back_mut() {
            Some(last) if unsent && last.data.0.len() + data.len() <= limit::JOB_OUTPUT_PIECE => {
                last.data.0.extend_from_slice(data);
            }
            _ => {
                let (seq, offset) = (state.seq, state.end);
                state.pieces.push_back(Output { seq, offset, data: Base64(data.to_vec()) });
                state.seq += 1;
            }
        }
        state.bytes += data.len();
        state.end += data.len() as u64;
        true
    }

    /// Bytes printed so far.
    pub(super) fn end(&self) -> u64 {
        self.lock().end
    }

    /// Bytes that were sent and are not acknowledged.
    pub(super) fn in_flight(&self) -> usize {
        self.lock().in_flight
    }

    /// Length of the next piece to be sent.
    pub(super) fn next_len(&self) -> Option<usize> {
        let state = self.lock();
        state.pieces.get(state.sent).map(|piece| piece.data.0.len())
    }

    /// The next piece to be sent.
    pub(super) fn next(&self) -> Option<Output> {
        let mut state = self.lock();
        let piece = state.pieces.get(state.sent)?.clone();
        state.sent += 1;
        state.in_flight += piece.data.0.len();
        Some(piece)
    }

    /// The daemon has everything before `offset`.
    pub(super) fn acknowledge(&self, offset: u64) {
        let mut state = self.lock();
        while let Some(first) = state.pieces.front()
            && first.offset + first.data.0.len() as u64 <= offset
        {
            state.drop_oldest();
        }
        drop(state);
        self.room.notify_one();
    }

    /// What was sent is sent again.
    pub(super) fn rewind(&self, online: bool) {
        let mut state = self.lock();
        (state.sent, state.in_flight, state.online) = (0, 0, online);
        drop(state);
        self.room.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn drop_oldest(&mut self) {
        let Some(first) = self.pieces.pop_front() else {
            self.bytes = 0;
            return;
        };
        let len = first.data.0.len();
        self.bytes -= len;
        if self.sent > 0 {
            self.sent -= 1;
            self.in_flight -= len;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn small_prints_share_a_piece_and_are_numbered() {
        let spool = Spool::new(Arc::default(), true);
        spool.print(b"a").await;
        spool.print(b"b").await;
        assert_eq!(spool.next().unwrap().data.0, b"ab");
        spool.print(b"c").await;
        let next = spool.next().unwrap();
        assert_eq!((next.seq, next.offset), (1, 2));
        assert_eq!(spool.in_flight(), 3);
        spool.acknowledge(2);
        assert_eq!(spool.in_flight(), 1);
        spool.rewind(true);
        assert_eq!(spool.next().unwrap().offset, 2);
        assert_eq!(spool.end(), 3);
    }

    #[tokio::test]
    async fn a_full_spool_holds_its_command_while_somebody_listens() {
        let spool = Spool::new(Arc::default(), true);
        spool.print(&vec![0; WAITING]).await;
        let mut more = pin!(spool.print(b"x"));
        assert!(poll!(&mut more).is_pending());
        spool.next();
        spool.acknowledge(limit::JOB_OUTPUT_PIECE as u64);
        more.await;
    }

    #[tokio::test]
    async fn nobody_to_listen_costs_the_oldest_and_holds_nobody() {
        let spool = Spool::new(Arc::default(), false);
        spool.print(&vec![0; 3 * WAITING]).await;
        assert_eq!(spool.end(), 3 * WAITING as u64);
        spool.rewind(true);
        assert_eq!(spool.next().unwrap().offset, 2 * WAITING as u64);
    }
}
