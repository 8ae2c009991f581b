//! What went over a socket: the newest frames, so many at most.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::Serialize;

use crate::clock::Timestamp;

/// Frames of one inspection that are kept: the newest.
pub(super) const FRAMES: usize = 2000;

/// Bytes of one frame that are kept, where contents are wanted.
pub(super) const CONTENT: usize = 512;

/// Which way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the peer.
    In,
    /// To the peer.
    Out,
}

/// What kind of frame it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Text.
    Text,
    /// Bytes.
    Binary,
    /// A ping.
    Ping,
    /// A pong.
    Pong,
    /// The end.
    Close,
}

/// One frame as it is kept.
#[derive(Debug, Clone)]
struct Kept {
    number: u64,
    at: Timestamp,
    direction: Direction,
    kind: Kind,
    size: usize,
    head: Option<Bytes>,
}

/// One frame.
#[derive(Debug, Clone, Serialize)]
pub struct Frame {
    /// Its number, from 1.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Which way.
    pub direction: Direction,
    /// What it is.
    pub kind: Kind,
    /// Its payload in bytes.
    pub size: usize,
    /// The beginning of its payload, where that was asked for; what is no text is shown as such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The same bytes in hex, of a frame that is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
}

impl From<&Kept> for Frame {
    fn from(kept: &Kept) -> Self {
        let Kept { number, at, direction, kind, size, ref head } = *kept;
        let content = head.as_ref().map(|head| String::from_utf8_lossy(head).into_owned());
        let hex = head.as_ref().filter(|_| kind != Kind::Text).map(hex::encode);
        Self { number, at, direction, kind, size, content, hex }
    }
}

/// The newest frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    kept: VecDeque<Kept>,
    last: u64,
}

impl Frames {
    pub(super) fn add(
        &mut self,
        at: Timestamp,
        direction: Direction,
        (kind, payload): (Kind, &[u8]),
        contents: bool,
    ) {
        self.last += 1;
        if self.kept.len() >= FRAMES {
            self.kept.pop_front();
        }
        let head = payload.get(..CONTENT).unwrap_or(payload);
        let head = contents.then(|| Bytes::copy_from_slice(head));
        let (number, size) = (self.last, payload.len());
        self.kept.push_back(Kept { number, at, direction, kind, size, head });
    }

    /// The frames after a number, and how many after it were overwritten.
    pub(super) fn after(&self, number: u64) -> (Vec<Frame>, u64) {
        let items: Vec<Frame> =
            self.kept.iter().filter(|kept| kept.number > number).map(Frame::from).collect();
        let first = items.first().map_or(self.last + 1, |frame| frame.number);
        (items, first.saturating_sub(number).saturating_sub(1))
    }
}
