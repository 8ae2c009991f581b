//! A stream that counts the fragments of each message that comes over it. The library below bounds a
//! message by its bytes, and fragments without any would go on for ever.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Fragments of one message: as many as a mebibyte has in pieces of 64 bytes.
const FRAGMENTS: u32 = 16 << 10;

/// A message comes in more fragments than any sender has a use for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many fragments")]
pub(super) struct TooManyFragments;

/// Whether this is why reading failed.
pub(super) fn is_cause(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|cause| cause.is::<TooManyFragments>())
}

/// A client's stream, with a look at the heads of its frames (RFC 6455 §5.2).
pub(super) struct Counted<S> {
    stream: S,
    frames: Frames,
}

impl<S> fmt::Debug for Counted<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted").field("frames", &self.frames).finish_non_exhaustive()
    }
}

impl<S> Counted<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, frames: Frames::default() }
    }
}

/// Where in which frame the stream is.
#[derive(Debug, Default)]
struct Frames {
    /// What came of a head that is not whole yet.
    head: [u8; 14],
    held: usize,
    /// Bytes of the payload that are still to come.
    payload: u64,
    /// Fragments of the message that is not whole yet.
    fragments: u32,
}

impl Frames {
    fn pass(&mut self, mut bytes: &[u8]) -> Result<(), TooManyFragments> {
        while !bytes.is_empty() {
            if self.payload > 0 {
                let skipped = usize::try_from(self.payload).unwrap_or(usize::MAX).min(bytes.len());
                self.payload -= skipped as u64;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            let wanted = (self.due() - self.held).min(bytes.len());
            let (taken, rest) = bytes.split_at(wanted);
            for (to, from) in self.head.iter_mut().skip(self.held).zip(taken) {
                *to = *from;
            }
            self.held += wanted;
            bytes = rest;
            if self.held == self.due() {
                self.begin()?;
            }
        }
        Ok(())
    }

    /// The length of a head, as far as its bytes so far tell.
    fn due(&self) -> usize {
        if self.held < 2 {
            return 2;
        }
        let mask = if self.head[1] & 0x80 == 0 { 0 } else { 4 };
        let length = match self.head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + mask
    }

    /// A head is whole.
    fn begin(&mut self) -> Result<(), TooManyFragments> {
        let [first, second, ..] = self.head;
        self.payload = match second & 0x7f {
            126 => u64::from(u16::from_be_bytes([self.head[2], self.head[3]])),
            127 => self.head[2..10].iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
            short => u64::from(short),
        };
        self.held = 0;
        let (end, opcode) = (first & 0x80 != 0, first & 0x0f);
        // Control frames may come between the fragments of a message.
        if opcode < 8 {
            self.fragments = if end { 0 } else { self.fragments + 1 };
        }
        if self.fragments > FRAGMENTS { Err(TooManyFragments) } else { Ok(()) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let passed = self.frames.pass(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(passed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let length = match u8::try_from(payload.len()) {
            Ok(length @ ..126) => vec![0x80 | length],
            _ => [&[0x80 | 126][..], &u16::try_from(payload.len()).unwrap().to_be_bytes()].concat(),
        };
        [&[first][..], &length, &[7; 4], payload].concat()
    }

    #[test]
    fn fragments_are_counted_wherever_reading_stops() {
        let mut message = frame(0x01, b"");
        for _ in 0..9 {
            message.extend(frame(0x00, &[0x81; 200]));
            message.extend(frame(0x89, b"\x01\x00"));
        }
        for size in [1, 2, 3, 7, 64, 10_000] {
            let mut frames = Frames::default();
            for chunk in message.chunks(size) {
                frames.pass(chunk).unwrap();
            }
            assert_eq!((frames.fragments, frames.payload, frames.held), (10, 0, 0), "{size}");
            frames.pass(&frame(0x80, b"end")).unwrap();
            assert_eq!(frames.fragments, 0);
        }
    }

    #[test]
    fn one_too_many_is_one_too_many() {
        let mut frames = Frames::default();
        frames.pass(&frame(0x02, b"")).unwrap();
        let more = frame(0x00, b"");
        for _ in 1..FRAGMENTS {
            frames.pass(&more).unwrap();
        }
        assert_eq!(frames.pass(&more), Err(TooManyFragments));
    }

    #[test]
    fn a_length_of_eight_bytes_is_a_length() {
        let mut frames = Frames::default();
        let head = [&[0x82, 0xff][..], &(u64::MAX >> 1).to_be_bytes(), &[0; 4]].concat();
        frames.pass(&head).unwrap();
        frames.pass(&[0; 100]).unwrap();
        assert_eq!(frames.payload, (u64::MAX >> 1) - 100);
    }
}
