//! What a viewer wants of a backend and the backend has not taken yet: keys, a size, the end of
//! the keys.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes};
use gangplank_proto::link::Size;
use serde::{Deserialize, Serialize};

/// Work that waits for a backend. Its bytes are bounded by the viewer's window, because only what
/// the backend took is granted again.
#[derive(Debug, Default)]
pub(crate) struct Input {
    pending: VecDeque<Bytes>,
    pending_len: usize,
    /// At most two: see [`Input::resize`].
    sizes: VecDeque<Size>,
    eof: Eof,
    /// The backend takes no more input: everything vanishes, as with a closed pipe.
    broken: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Eof {
    #[default]
    No,
    Wanted,
    Said,
}

/// Work that waits, apart from its bytes, for a program that goes on with it.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FrozenInput {
    sizes: Vec<Size>,
    eof: Eof,
    broken: bool,
}

/// What to do next.
#[derive(Debug)]
pub(crate) enum Task<'a> {
    /// Tell the new size.
    Resize(Size),
    /// Write some of this; the same bytes come again until [`Input::wrote`].
    Write(&'a [u8]),
    /// Say that no more follows.
    Eof,
}

impl Input {
    pub(crate) fn push(&mut self, data: Bytes) {
        if self.eof == Eof::No && !data.is_empty() {
            self.pending_len += data.len();
            self.pending.push_back(data);
        }
    }

    /// Bytes that the backend has not taken yet.
    pub(crate) fn pending_len(&self) -> usize {
        self.pending_len
    }

    /// Sizes don't wait for keys that a stopped program won't read. Of those that wait the first and
    /// the last count: a screen that became smaller and then as large as it was has lost something,
    /// which a program hears of only when it is told both.
    pub(crate) fn resize(&mut self, size: Size) {
        self.sizes.truncate(1);
        self.sizes.push_back(size);
    }

    pub(crate) fn eof(&mut self) {
        if self.eof == Eof::No {
            self.eof = Eof::Wanted;
        }
    }

    /// Whether the backend was told of the end of the keys, or takes none any more.
    pub(crate) fn is_over(&self) -> bool {
        self.broken || self.eof == Eof::Said
    }

    pub(crate) fn next(&self) -> Option<Task<'_>> {
        if let Some(size) = self.sizes.front() {
            return Some(Task::Resize(*size));
        }
        match self.pending.front() {
            Some(data) => Some(Task::Write(data)),
            None => (self.eof == Eof::Wanted).then_some(Task::Eof),
        }
    }

    pub(crate) fn resized(&mut self) {
        self.sizes.pop_front();
    }

    pub(crate) fn wrote(&mut self, len: usize) {
        if let Some(front) = self.pending.front_mut() {
            let len = len.min(front.len());
            front.advance(len);
            self.pending_len -= len;
            if front.is_empty() {
                self.pending.pop_front();
            }
        }
    }

    pub(crate) fn said_eof(&mut self) {
        self.eof = Eof::Said;
    }

    /// Drops what waits and what will come. Answers the bytes that were dropped.
    pub(crate) fn break_off(&mut self) -> usize {
        self.broken = true;
        self.sizes.clear();
        self.eof = Eof::Said;
        self.pending.clear();
        std::mem::take(&mut self.pending_len)
    }

    /// What waits, and its bytes.
    pub(crate) fn freeze(self) -> (FrozenInput, Vec<u8>) {
        let Self { pending, sizes, eof, broken, .. } = self;
        let bytes = pending.iter().flatten().copied().collect();
        (FrozenInput { sizes: sizes.into(), eof, broken }, bytes)
    }

    /// The same work, in another program.
    pub(crate) fn thaw(frozen: FrozenInput, bytes: Vec<u8>) -> Self {
        let FrozenInput { sizes, eof, broken } = frozen;
        let pending_len = bytes.len();
        let pending = Some(Bytes::from(bytes)).into_iter().filter(|bytes| !bytes.is_empty());
        let sizes = sizes.into_iter().take(2).collect();
        Self { pending: pending.collect(), pending_len, sizes, eof, broken }
    }

    /// Whether what comes now is for the backend at all.
    pub(crate) fn is_open(&self) -> bool {
        self.eof == Eof::No
    }
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_end_comes_after_the_last_key_and_a_size_before_them() {
        let mut input = Input::default();
        input.push(Bytes::from_static(b"abc"));
        input.eof();
        input.push(Bytes::from_static(b"late"));
        input.resize(Size::DEFAULT);
        assert!(matches!(input.next(), Some(Task::Resize(_))));
        input.resized();
        assert!(matches!(input.next(), Some(Task::Write(b"abc"))));
        input.wrote(1);
        assert!(matches!(input.next(), Some(Task::Write(b"bc"))));
        input.wrote(2);
        assert!(matches!(input.next(), Some(Task::Eof)));
        input.said_eof();
        assert!(input.next().is_none() && input.is_over());
    }

    #[test]
    fn a_size_that_comes_back_is_told_as_a_change() {
        let mut input = Input::default();
        let (small, large) = (Size::new(80, 10).ok(), Size::new(80, 50).ok());
        for size in [small, small, Some(Size::DEFAULT), large].into_iter().flatten() {
            input.resize(size);
        }
        for wanted in [small, large] {
            let Some(Task::Resize(size)) = input.next() else { panic!("no size") };
            assert_eq!(Some(size), wanted);
            input.resized();
        }
        assert!(input.next().is_none());
    }
}
