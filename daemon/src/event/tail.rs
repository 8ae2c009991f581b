//! The newest events of a topic, in memory while somebody listens: what is new is written down as
//! frames once, and everybody who is not far behind takes it from here.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::frame::{Form, Frame};

/// Bytes of one tail at most.
const TAIL_BYTES: usize = 4 << 20;

/// Frames of one tail at most.
const TAIL_FRAMES: usize = 16_384;

/// Bytes of all tails together at most; beyond it subscribers read the store.
pub const ALL_BYTES: usize = 32 << 20;

/// Bytes that a subscriber takes at a time, and one frame more: so much it holds at most while its
/// socket takes nothing.
const TAKEN: usize = 64 << 10;

/// What a frame costs beside its bytes.
const OVERHEAD: usize = 128;

/// Frames without holes between them.
#[derive(Debug, Default)]
pub(super) struct Tail {
    frames: VecDeque<Frame>,
    bytes: usize,
}

/// What there is after a number.
#[derive(Debug)]
pub(super) enum Taken {
    /// Texts, and the number of the last one.
    Texts(Vec<Utf8Bytes>, u64),
    /// Nothing: the number is that of the newest frame, or the tail is empty.
    End,
    /// What follows the number is not in the tail.
    Outside,
}

impl Tail {
    /// Number of the newest frame.
    pub(super) fn end(&self) -> Option<u64> {
        self.frames.back().map(|frame| frame.seq)
    }

    /// Adds a frame if it is the next one; what would leave a hole is read from the store later.
    pub(super) fn put(&mut self, frame: Frame, all: &AtomicUsize) {
        if self.end().is_some_and(|end| frame.seq != end.saturating_add(1)) {
            return;
        }
        let cost = frame.size() + OVERHEAD;
        self.bytes += cost;
        let mut total = all.fetch_add(cost, Ordering::Relaxed) + cost;
        self.frames.push_back(frame);
        while self.bytes > TAIL_BYTES || self.frames.len() > TAIL_FRAMES || total > ALL_BYTES {
            let Some(first) = self.frames.pop_front() else { break };
            let cost = first.size() + OVERHEAD;
            self.bytes = self.bytes.saturating_sub(cost);
            total = all.fetch_sub(cost, Ordering::Relaxed).saturating_sub(cost);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self, all: &AtomicUsize) {
        all.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = 0;
        // Their room is given back, too.
        self.frames = VecDeque::new();
    }

    /// What follows a number.
    pub(super) fn after(&self, seq: u64, form: Form) -> Taken {
        let (Some(first), Some(end)) = (self.frames.front(), self.end()) else { return Taken::End };
        if seq == end {
            return Taken::End;
        }
        let next = seq.saturating_add(1);
        if next < first.seq || next > end {
            return Taken::Outside;
        }
        let skipped = usize::try_from(next - first.seq).unwrap_or(usize::MAX);
        let (mut texts, mut bytes, mut last) = (Vec::new(), 0, seq);
        for frame in self.frames.range(skipped.min(self.frames.len())..) {
            let text = frame.text(form);
            bytes += text.len();
            texts.push(text);
            last = frame.seq;
            if bytes >= TAKEN {
                break;
            }
        }
        Taken::Texts(texts, last)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::store::StoredEvent;

    fn frame(seq: u64, size: usize) -> Frame {
        let at = Timestamp::from_millis(0);
        let data = format!("\"{}\"", "x".repeat(size));
        Frame::new("alerts", &StoredEvent { seq, id: "id".to_owned(), at, data })
    }

    fn taken(tail: &Tail, after: u64) -> Option<(usize, u64)> {
        match tail.after(after, Form::Bare) {
            Taken::Texts(texts, last) => Some((texts.len(), last)),
            Taken::End | Taken::Outside => None,
        }
    }

    #[test]
    fn a_tail_has_no_holes_and_is_bounded() {
        let (mut tail, all) = (Tail::default(), AtomicUsize::new(0));
        assert!(matches!(tail.after(5, Form::Bare), Taken::End));
        for seq in [7, 8, 10, 8, 9] {
            tail.put(frame(seq, 10), &all);
        }
        assert_eq!(tail.end(), Some(9));
        assert_eq!(taken(&tail, 6), Some((3, 9)));
        assert_eq!(taken(&tail, 8), Some((1, 9)));
        assert!(matches!(tail.after(9, Form::Bare), Taken::End));
        for outside in [0, 5, 10, 99] {
            assert!(matches!(tail.after(outside, Form::Bare), Taken::Outside), "{outside}");
        }
        for seq in 10..200 {
            tail.put(frame(seq, 60 << 10), &all);
            assert!(tail.bytes <= TAIL_BYTES && all.load(Ordering::Relaxed) == tail.bytes);
        }
        // Two of them are as much as is taken at once.
        let first = tail.frames.front().unwrap().seq;
        assert_eq!(taken(&tail, first), Some((2, first + 2)));
        tail.clear(&all);
        assert_eq!((tail.bytes, all.load(Ordering::Relaxed), tail.end()), (0, 0, None));
    }

    #[test]
    fn all_tails_share_one_bound() {
        let all = AtomicUsize::new(ALL_BYTES);
        let mut tail = Tail::default();
        tail.put(frame(1, 10), &all);
        assert_eq!((tail.end(), all.load(Ordering::Relaxed)), (None, ALL_BYTES));
    }
}
