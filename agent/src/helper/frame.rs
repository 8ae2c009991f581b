//! Asks and answers on a stream: a length (u32, big-endian) that counts what follows it, one byte for
//! the kind, and a word as JSON or a piece of output as it is.

use std::io;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Bytes of a frame at most, apart from length and kind.
pub const LONGEST: usize = 32 << 10;

/// Bytes of the length and the kind.
const HEAD: usize = 5;

const WORD: u8 = 0;
const OUTPUT: u8 = 1;

/// What a stream carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A word, as JSON.
    Word(Bytes),
    /// A piece of what the work printed.
    Output(Bytes),
}

/// Why a stream can't be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A length of 0, which leaves no room for the kind.
    #[error("a frame without a kind")]
    Empty,
    /// A length beyond the bound.
    #[error("a frame of {0} bytes is over the limit")]
    TooLong(usize),
    /// Neither a word nor output.
    #[error("a frame of the unknown kind {0}")]
    Kind(u8),
}

impl Frame {
    /// A word.
    ///
    /// # Errors
    /// When it has no JSON.
    pub fn word(word: &impl Serialize) -> io::Result<Self> {
        serde_json::to_vec(word).map(|text| Self::Word(text.into())).map_err(io::Error::from)
    }

    /// Reads a word out of a frame; none out of output or of anything else.
    #[must_use]
    pub fn parse<T: DeserializeOwned>(&self) -> Option<T> {
        match self {
            Self::Word(text) => serde_json::from_slice(text).ok(),
            Self::Output(_) => None,
        }
    }

    /// Takes the first frame off the buffer, once all of it is there. A length that can't be is
    /// found before anything is kept for it.
    ///
    /// # Errors
    /// [`FrameError`]; where the next frame would begin is not known then.
    pub fn take(buffer: &mut BytesMut) -> Result<Option<Self>, FrameError> {
        let mut head = &buffer[..];
        let Ok(length) = head.try_get_u32() else { return Ok(None) };
        let Some(len) = (length as usize).checked_sub(1) else { return Err(FrameError::Empty) };
        if len > LONGEST {
            return Err(FrameError::TooLong(len));
        }
        let Ok(kind) = head.try_get_u8() else { return Ok(None) };
        if !matches!(kind, WORD | OUTPUT) {
            return Err(FrameError::Kind(kind));
        }
        if head.len() < len {
            return Ok(None);
        }
        buffer.advance(HEAD);
        let payload = buffer.split_to(len).freeze();
        Ok(Some(if kind == WORD { Self::Word(payload) } else { Self::Output(payload) }))
    }

    /// Writes it.
    ///
    /// # Errors
    /// When it is too long, or the other side is gone.
    pub async fn write(&self, sink: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let (kind, payload) = match self {
            Self::Word(text) => (WORD, text),
            Self::Output(data) => (OUTPUT, data),
        };
        let length = u32::try_from(1 + payload.len()).ok().filter(|_| payload.len() <= LONGEST);
        let length = length.ok_or_else(|| broken(FrameError::TooLong(payload.len())))?;
        let mut bytes = BytesMut::with_capacity(HEAD + payload.len());
        bytes.put_u32(length);
        bytes.put_u8(kind);
        bytes.put_slice(payload);
        sink.write_all(&bytes).await
    }
}

/// Reads frames.
#[derive(Debug)]
pub struct Frames<R> {
    source: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// Reads from `source`.
    #[must_use]
    pub fn new(source: R) -> Self {
        Self { source, buffer: BytesMut::new() }
    }

    /// The next frame; none at the end of the stream. Cancel safe.
    ///
    /// # Errors
    /// When it can't be read, or isn't a frame, or ends in the middle of one.
    pub async fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = Frame::take(&mut self.buffer).map_err(broken)? {
                return Ok(Some(frame));
            }
            if self.source.read_buf(&mut self.buffer).await? == 0 {
                let whole = self.buffer.is_empty();
                return if whole { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }
}

fn broken(error: FrameError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame() -> impl Strategy<Value = Frame> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..2048).prop_map(Bytes::from);
        prop_oneof![bytes().prop_map(Frame::Word), bytes().prop_map(Frame::Output)]
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in(frames in prop::collection::vec(frame(), 0..8)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let came = runtime.block_on(async {
                let mut bytes = Vec::new();
                for frame in &frames {
                    frame.write(&mut bytes).await.unwrap();
                }
                let (mut reader, mut came) = (Frames::new(&bytes[..]), Vec::new());
                while let Some(frame) = reader.next().await.unwrap() {
                    came.push(frame);
                }
                came
            });
            prop_assert_eq!(came, frames);
        }

        #[test]
        fn anything_is_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = Frame::take(&mut buffer) {}
            prop_assert!(buffer.len() <= bytes.len());
        }
    }

    #[tokio::test]
    async fn what_is_too_long_is_found_before_it_is_there() {
        let mut buffer = BytesMut::from(&(2 + LONGEST as u32).to_be_bytes()[..]);
        assert_eq!(Frame::take(&mut buffer), Err(FrameError::TooLong(LONGEST + 1)));
        let long = Frame::Output(vec![0; LONGEST + 1].into());
        assert!(long.write(&mut Vec::new()).await.is_err());
        assert!(Frames::new(&[0, 0, 0, 9, 1][..]).next().await.is_err());
    }
}
