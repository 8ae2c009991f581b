//! What a terminal said last: a bounded run of bytes, addressed by its offset in the whole output.
//!
//! Pure state.

use std::collections::VecDeque;

use bytes::Bytes;

/// The newest bytes of a terminal's output. Memory grows with what was said, up to the bound and
/// not beyond it.
#[derive(Debug, Clone)]
pub struct Ring {
    bytes: VecDeque<u8>,
    bound: usize,
    end: u64,
}

impl Ring {
    /// A ring that keeps at most `bound` bytes.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self { bytes: VecDeque::new(), bound, end: 0 }
    }

    /// Offset of the first byte that is held.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.end - self.bytes.len() as u64
    }

    /// Offset after the last byte: all bytes of output ever.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Adds output; the oldest bytes make room for it.
    pub fn push(&mut self, data: &[u8]) {
        self.end += data.len() as u64;
        let skipped = data.len().saturating_sub(self.bound);
        let kept = data.get(skipped..).unwrap_or_default();
        let excess = (self.bytes.len() + kept.len()).saturating_sub(self.bound);
        self.bytes.drain(..excess.min(self.bytes.len()));
        let needed = self.bytes.len() + kept.len();
        if needed > self.bytes.capacity() {
            // Doubled, so that growing costs little, but never for more than the bound.
            let capacity = needed.max(2 * self.bytes.capacity()).min(self.bound);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend(kept);
    }

    /// All bytes that are held.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes.into()
    }

    /// A ring that ends at offset `end` and holds the newest of `bytes`, at most `bound` of them.
    #[must_use]
    pub fn holding(bytes: Vec<u8>, end: u64, bound: usize) -> Self {
        let mut bytes = VecDeque::from(bytes);
        bytes.drain(..bytes.len().saturating_sub(bound));
        // What never was can't be held.
        bytes.truncate(usize::try_from(end).unwrap_or(usize::MAX));
        Self { bytes, bound, end }
    }

    /// Bytes from `offset` on, at most `max`; none where nothing is held.
    #[must_use]
    pub fn read(&self, offset: u64, max: usize) -> Bytes {
        let held =
            offset.checked_sub(self.start()).and_then(|skipped| usize::try_from(skipped).ok());
        let Some(skipped) = held.filter(|skipped| *skipped < self.bytes.len()) else {
            return Bytes::new();
        };
        let (first, second) = self.bytes.as_slices();
        let rest = first.get(skipped..).unwrap_or_default();
        let rest = if rest.is_empty() {
            second.get(skipped - first.len()..).unwrap_or_default()
        } else {
            rest
        };
        Bytes::copy_from_slice(rest.get(..max).unwrap_or(rest))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever was said and wherever a reader begins: what is held is the exact tail, and no
        /// more than the bound.
        #[test]
        fn a_replay_is_the_exact_tail(
            bound in 0usize..200,
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 0..20),
            seen in 0.0f64..=1.0,
        ) {
            let mut ring = Ring::new(bound);
            let mut whole = Vec::new();
            for piece in pieces {
                ring.push(&piece);
                whole.extend(piece);
            }
            prop_assert_eq!(ring.end(), whole.len() as u64);
            prop_assert!(ring.end() - ring.start() <= bound as u64);
            prop_assert!(ring.bytes.capacity() <= bound);
            let offset = (whole.len() as f64 * seen) as usize;
            let from = (offset as u64).max(ring.start());
            let mut read = Vec::new();
            loop {
                let piece = ring.read(from + read.len() as u64, 50);
                if piece.is_empty() {
                    break;
                }
                read.extend_from_slice(&piece);
            }
            prop_assert_eq!(&read[..], &whole[from as usize..]);
            prop_assert!(ring.start() == 0 || ring.read(ring.start() - 1, 50).is_empty());
        }
    }
}
