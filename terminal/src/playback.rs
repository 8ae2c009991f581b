//! A terminal's output between its backend and whoever shows it: the ring, and how far the viewer
//! got.
//!
//! ```text
//!                    attach                         hold is over
//!   shown ────────────────────────── detached, held ────────────> detached, running on
//!     ^ reads as the viewer has room   reads until the ring is     reads on; the ring keeps
//!     │                                full of unacknowledged      the newest
//!     └────────────────────── attach ──────┴─────────────────────────────┘
//! ```
//!
//! Pure state. Nothing is overwritten that a viewer has not acknowledged, unless nobody came back
//! for it in time; what was overwritten is declared when somebody attaches.

use bytes::Bytes;
use gangplank_proto::limit;
use serde::{Deserialize, Serialize};

use crate::ring::Ring;

/// Output that was made, sent and acknowledged.
#[derive(Debug)]
pub struct Playback {
    ring: Ring,
    bound: usize,
    /// Offset after the last byte that was sent to the viewer.
    sent: u64,
    /// Offset before which the viewer has everything.
    acked: u64,
    /// Bytes that the viewer is still to acknowledge though they are not held any more.
    gone: u32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Shown,
    Held,
    RunningOn,
}

/// Output that nobody is shown, apart from its bytes, for a program that goes on with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenPlayback {
    end: u64,
    acked: u64,
    runs_on: bool,
}

impl FrozenPlayback {
    /// Offset after the last byte of output.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// So much was said, and nothing of it is held.
    #[must_use]
    pub fn forgotten(end: u64) -> Self {
        Self { end, acked: end, runs_on: true }
    }
}

/// Where a viewer that attaches goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attached {
    /// Offset of the next byte that it gets; beyond what it asked for, the bytes between are gone.
    pub offset: u64,
    /// End of the output at this moment.
    pub end: u64,
}

/// A viewer that claims to have seen output that was never made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("offset {asked} lies beyond the output's end at {end}")]
pub struct BeyondEnd {
    asked: u64,
    end: u64,
}

impl Playback {
    /// Nothing said yet, and a viewer that waits for it. At most `bound` bytes are kept.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self { ring: Ring::new(bound), bound, sent: 0, acked: 0, gone: 0, state: State::Shown }
    }

    /// Offset after the last byte of output.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.ring.end()
    }

    /// How many bytes may be taken from the backend now, when the viewer takes `window` more.
    #[must_use]
    pub fn room(&self, window: usize) -> usize {
        let room = match self.state {
            // A replay goes first: the backend waits until the viewer has caught up.
            State::Shown if self.sent < self.end() => 0,
            State::Shown => window,
            State::Held => {
                let held = usize::try_from(self.end() - self.acked).unwrap_or(usize::MAX);
                self.bound.saturating_sub(held)
            }
            State::RunningOn => usize::MAX,
        };
        room.min(limit::OUTPUT)
    }

    /// Takes output of the backend, at most [`Self::room`]. Answers whether it is to be sent to
    /// the viewer now.
    pub fn push(&mut self, data: &[u8]) -> bool {
        let now = self.state == State::Shown && self.sent == self.end();
        self.ring.push(data);
        if now {
            self.sent = self.end();
        }
        now
    }

    /// The next bytes of a replay that the viewer takes, if it is behind; they count as sent.
    pub fn replay(&mut self, window: usize) -> Option<Bytes> {
        if self.state != State::Shown || self.sent >= self.end() {
            return None;
        }
        let data = self.ring.read(self.sent, window.min(limit::OUTPUT));
        self.sent += data.len() as u64;
        (!data.is_empty()).then_some(data)
    }

    /// Whether the viewer was sent everything.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.sent == self.end()
    }

    /// The viewer has `bytes` more.
    pub fn acknowledge(&mut self, bytes: u32) {
        let gone = bytes.min(self.gone);
        self.gone -= gone;
        let bytes = bytes - gone;
        self.acked = self.sent.min(self.acked + u64::from(bytes));
    }

    /// A viewer comes that has everything before `asked`, and has not shown `unseen` bytes of that
    /// yet: they are kept until it acknowledges them, for it may be lost with them.
    ///
    /// # Errors
    /// [`BeyondEnd`] when so much was never said.
    pub fn attach(&mut self, asked: u64, unseen: u32) -> Result<Attached, BeyondEnd> {
        let end = self.end();
        if asked > end {
            return Err(BeyondEnd { asked, end });
        }
        let offset = asked.max(self.ring.start());
        let held = offset - asked.saturating_sub(unseen.into()).max(self.ring.start()).min(offset);
        let held = u32::try_from(held).unwrap_or(unseen).min(unseen);
        (self.sent, self.acked, self.gone) = (offset, offset - u64::from(held), unseen - held);
        self.state = State::Shown;
        Ok(Attached { offset, end })
    }

    /// The viewer went; what it has not acknowledged is held for it.
    pub fn detach(&mut self) {
        self.state = State::Held;
    }

    /// What was said, to nobody any more, and the bytes of it that are held.
    #[must_use]
    pub fn freeze(self) -> (FrozenPlayback, Vec<u8>) {
        let (end, acked, runs_on) = (self.end(), self.acked, self.runs_on());
        (FrozenPlayback { end, acked, runs_on }, self.ring.into_bytes())
    }

    /// The same output, in another program that keeps at most `bound` bytes.
    #[must_use]
    pub fn thaw(frozen: FrozenPlayback, bytes: Vec<u8>, bound: usize) -> Self {
        let FrozenPlayback { end, acked, runs_on } = frozen;
        let state = if runs_on { State::RunningOn } else { State::Held };
        let ring = Ring::holding(bytes, end, bound);
        Self { ring, bound, sent: end, acked: acked.min(end), gone: 0, state }
    }

    /// Whether the newest output is kept at the cost of what nobody acknowledged.
    #[must_use]
    pub fn runs_on(&self) -> bool {
        self.state == State::RunningOn
    }

    /// Nobody came back in time: the newest output is kept instead.
    pub fn run_on(&mut self) {
        if self.state == State::Held {
            self.state = State::RunningOn;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nobody_has_seen_what_was_never_said() {
        let mut playback = Playback::new(4);
        playback.push(b"ab");
        playback.detach();
        assert_eq!(playback.attach(3, 0), Err(BeyondEnd { asked: 3, end: 2 }));
        assert_eq!(playback.attach(2, 0), Ok(Attached { offset: 2, end: 2 }));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Say(usize),
        Replay(usize),
        Acknowledge(u32),
        Detach,
        RunOn,
        Forget,
        Freeze,
        Attach,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1usize..3000).prop_map(Step::Say),
            4 => (1usize..3000).prop_map(Step::Replay),
            2 => (1u32..3000).prop_map(Step::Acknowledge),
            1 => Just(Step::Detach),
            1 => Just(Step::RunOn),
            1 => Just(Step::Forget),
            1 => Just(Step::Freeze),
            2 => Just(Step::Attach),
        ]
    }

    proptest! {
        /// A terminal and a viewer with a window, whatever happens between them: the viewer has an
        /// exact copy but for what was declared lost, and nothing is lost while output is held.
        #[test]
        fn a_viewer_has_an_exact_copy(
            bound in 1000usize..5000,
            steps in prop::collection::vec(step(), 1..120),
        ) {
            let window = 900;
            let mut playback = Playback::new(bound);
            let mut said: Vec<u8> = Vec::new();
            // What the viewer has, and how much of it the terminal knows of.
            let (mut seen, mut acked, mut shown, mut ran_on) = (0usize, 0usize, true, false);
            // What lies before it was overwritten while the terminal ran on.
            let mut gone = 0;
            for step in steps {
                let left = window - (seen - acked).min(window);
                match step {
                    Step::Say(wanted) => {
                        let len = wanted.min(playback.room(if shown { left } else { 0 }));
                        let data: Vec<u8> = (0..len).map(|n| (said.len() + n) as u8).collect();
                        let sent = playback.push(&data);
                        prop_assert!(!sent || shown);
                        if sent {
                            prop_assert_eq!(seen, said.len());
                            seen += len;
                        }
                        said.extend(data);
                    }
                    Step::Replay(wanted) => {
                        if let Some(data) = playback.replay(wanted.min(left)) {
                            prop_assert!(shown);
                            prop_assert_eq!(&data[..], &said[seen..seen + data.len()]);
                            seen += data.len();
                        }
                    }
                    Step::Acknowledge(bytes) if shown => {
                        let bytes = bytes.min((seen - acked) as u32);
                        playback.acknowledge(bytes);
                        acked += bytes as usize;
                    }
                    Step::Detach => {
                        playback.detach();
                        shown = false;
                    }
                    Step::RunOn => {
                        playback.run_on();
                        ran_on |= !shown;
                    }
                    Step::Attach if !shown => {
                        let unseen = seen - acked;
                        let attached = playback.attach(seen as u64, unseen as u32).unwrap();
                        prop_assert_eq!(attached.end, said.len() as u64);
                        let offset = attached.offset as usize;
                        if ran_on {
                            gone = gone.max(said.len().saturating_sub(bound));
                        }
                        prop_assert_eq!(offset, seen.max(gone), "held output was lost");
                        (seen, acked) = (offset, offset - unseen);
                        (shown, ran_on) = (true, false);
                    }
                    // Another program goes on with it.
                    Step::Freeze if !shown => {
                        let (frozen, bytes) = playback.freeze();
                        playback = Playback::thaw(frozen, bytes, bound);
                    }
                    // What it has not acknowledged is lost with it.
                    Step::Forget if !shown => seen = acked,
                    Step::Acknowledge(_) | Step::Attach | Step::Forget | Step::Freeze => {}
                }
                prop_assert_eq!(playback.end(), said.len() as u64);
            }
        }
    }
}
