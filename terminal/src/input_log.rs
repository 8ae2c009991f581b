//! What a person typed into one terminal, counted in bytes since it opened: sent as far as the
//! terminal's window allows, and kept until the terminal says that it has it.
//!
//! Pure state, for whoever stands between a person and a terminal that may be cut off. After a cut
//! the terminal says how much it has, and the log goes on exactly there: nothing is lost and nothing
//! is typed twice.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::queue::{JOIN, join};

/// Input between its first unconfirmed byte and its end.
///
/// ```text
///   confirmed ──── sent ──── end
///        └ kept ┘      └ waits ┘
/// ```
#[derive(Debug, Default)]
pub struct InputLog {
    kept: Pieces,
    waits: Pieces,
    confirmed: u64,
}

/// A terminal that claims to have input which was never sent, or to have lost what it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the terminal says it has {said} bytes of input, which lies outside {from}..={to}")]
pub struct Impossible {
    said: u64,
    from: u64,
    to: u64,
}

impl InputLog {
    /// A log whose next byte has `offset`, as a terminal said: one that can't be, because the bytes
    /// after it could not be counted, is harmless.
    #[must_use]
    pub fn starting_at(offset: u64) -> Self {
        Self { confirmed: offset, ..Self::default() }
    }

    /// Adds what was typed.
    pub fn push(&mut self, data: Bytes) {
        self.waits.push(data);
    }

    /// Bytes that were not sent yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waits.len
    }

    /// Bytes that [`Self::next`] answers at most.
    #[must_use]
    pub fn next_len(&self) -> usize {
        self.waits.pieces.front().map_or(0, Bytes::len)
    }

    /// Offset up to which the terminal has the input.
    #[must_use]
    pub fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// Offset after the last byte that was sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.confirmed.saturating_add(self.kept.len as u64)
    }

    /// Offset after the last byte that was typed.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.sent().saturating_add(self.waits.len as u64)
    }

    /// The next bytes to send, at most `max`, which count as sent from now on.
    pub fn next(&mut self, max: usize) -> Option<Bytes> {
        let data = self.waits.pop(max)?;
        self.kept.push(data.clone());
        Some(data)
    }

    /// The terminal has everything before `offset`. Answers whether that is news.
    ///
    /// # Errors
    /// [`Impossible`] when it lies beyond what was sent.
    pub fn confirm(&mut self, offset: u64) -> Result<bool, Impossible> {
        if offset > self.sent() {
            return Err(self.impossible(offset));
        }
        let newly = usize::try_from(offset.saturating_sub(self.confirmed)).unwrap_or(usize::MAX);
        self.kept.drop_front(newly);
        self.confirmed = self.confirmed.max(offset);
        Ok(newly > 0)
    }

    /// After a cut: the terminal has everything before `offset`, and what follows is sent again.
    ///
    /// # Errors
    /// [`Impossible`] when it has more than was sent, or less than it had.
    pub fn resume_at(&mut self, offset: u64) -> Result<(), Impossible> {
        if offset < self.confirmed {
            return Err(self.impossible(offset));
        }
        self.confirm(offset)?;
        self.kept.append(&mut self.waits);
        std::mem::swap(&mut self.kept, &mut self.waits);
        Ok(())
    }

    fn impossible(&self, said: u64) -> Impossible {
        Impossible { said, from: self.confirmed, to: self.sent() }
    }
}

/// Bytes in pieces, small ones joined so that many of them can't cost more than their bytes.
#[derive(Debug, Default)]
struct Pieces {
    pieces: VecDeque<Bytes>,
    len: usize,
}

impl Pieces {
    fn push(&mut self, data: Bytes) {
        self.len += data.len();
        match self.pieces.back_mut() {
            _ if data.is_empty() => {}
            Some(last) if last.len() + data.len() <= JOIN => {
                *last = join(std::mem::take(last), &data);
            }
            _ => self.pieces.push_back(data),
        }
    }

    fn pop(&mut self, max: usize) -> Option<Bytes> {
        let first = self.pieces.front_mut()?;
        if max == 0 {
            return None;
        }
        let data = if first.len() <= max { self.pieces.pop_front()? } else { first.split_to(max) };
        self.len -= data.len();
        Some(data)
    }

    fn drop_front(&mut self, mut count: usize) {
        while count > 0
            && let Some(data) = self.pop(count)
        {
            count -= data.len();
        }
    }

    fn append(&mut self, other: &mut Self) {
        self.pieces.append(&mut other.pieces);
        self.len += std::mem::take(&mut other.len);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_terminal_can_not_have_what_was_never_sent_nor_lose_what_it_had() {
        let mut log = InputLog::starting_at(10);
        log.push(Bytes::from_static(b"abcdef"));
        assert_eq!(log.next(4).unwrap(), "abcd");
        assert!(log.confirm(15).is_err());
        assert!(log.confirm(12).unwrap());
        assert!(!log.confirm(11).unwrap(), "an old word is no news");
        assert!(log.resume_at(11).is_err());
        log.resume_at(13).unwrap();
        assert_eq!((log.confirmed(), log.sent(), log.end()), (13, 13, 16));
        let rest: Vec<u8> = std::iter::from_fn(|| log.next(100)).flatten().collect();
        assert_eq!(rest, b"def");
    }

    #[test]
    fn a_terminal_that_claims_the_last_offset_there_is_does_no_harm() {
        let mut log = InputLog::starting_at(u64::MAX);
        log.push(Bytes::from_static(b"ab"));
        assert_eq!(log.next(1).unwrap(), "a");
        assert_eq!((log.sent(), log.end()), (u64::MAX, u64::MAX));
        assert!(!log.confirm(u64::MAX).unwrap());
    }

    #[derive(Debug, Clone)]
    enum Step {
        Type(Vec<u8>),
        Send(usize),
        Take(usize),
        Confirm,
        Cut,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..5000).prop_map(Step::Type),
            (0usize..6000).prop_map(Step::Send),
            (0usize..6000).prop_map(Step::Take),
            Just(Step::Confirm),
            Just(Step::Cut),
        ]
    }

    proptest! {
        /// Whatever is cut and whenever, the terminal gets every byte once and in order.
        #[test]
        fn every_byte_arrives_once(steps in prop::collection::vec(step(), 1..60)) {
            let mut log = InputLog::default();
            let (mut typed, mut on_the_way, mut taken) = (Vec::new(), Vec::new(), Vec::new());
            for step in steps {
                match step {
                    Step::Type(data) => {
                        typed.extend_from_slice(&data);
                        log.push(data.into());
                    }
                    Step::Send(max) => on_the_way.extend(log.next(max).unwrap_or_default()),
                    Step::Take(count) => {
                        taken.extend(on_the_way.drain(..count.min(on_the_way.len())));
                    }
                    Step::Confirm => {
                        log.confirm(taken.len() as u64).unwrap();
                    }
                    Step::Cut => {
                        on_the_way.clear();
                        log.resume_at(taken.len() as u64).unwrap();
                    }
                }
                prop_assert_eq!(log.end(), typed.len() as u64);
                prop_assert!(typed.starts_with(&taken));
            }
            log.resume_at(taken.len() as u64).unwrap();
            while let Some(data) = log.next(777) {
                taken.extend_from_slice(&data);
            }
            prop_assert_eq!(taken, typed);
        }
    }
}
