//! The messages of a link over a byte stream, such as a Unix socket: a length (u32, big-endian) that
//! counts what follows it, one byte for the kind, and the message: a word as JSON text, or channel
//! bytes as in [`crate::frame`].

use bytes::{Buf, BufMut, BytesMut};

use crate::frame::{self, FrameError};
use crate::id::ChannelId;
use crate::limit;

const WORD: u8 = 0;
const DATA: u8 = 1;

/// Bytes of the length and the kind.
const HEAD: usize = 5;

/// What the stream carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A word, as text.
    Word(String),
    /// Bytes of a channel.
    Data(ChannelId, bytes::Bytes),
}

/// Why a stream can't be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// A length of 0, which leaves no room for the kind.
    #[error("a message without a kind")]
    Empty,
    /// A length beyond what its kind may have.
    #[error("a message of {0} bytes is over the limit")]
    TooLong(usize),
    /// Neither a word nor bytes.
    #[error("a message of the unknown kind {0}")]
    Kind(u8),
    /// A word that is not UTF-8.
    #[error("a word that is not text")]
    NotText,
    /// Bytes that belong to no channel.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Appends a word.
///
/// # Errors
/// [`StreamError::TooLong`] for one that nobody would take; nothing is appended.
pub fn put_word(buffer: &mut BytesMut, text: &str) -> Result<(), StreamError> {
    put_head(buffer, WORD, text.len())?;
    buffer.put_slice(text.as_bytes());
    Ok(())
}

/// Appends bytes of a channel.
///
/// # Errors
/// [`StreamError::TooLong`] for more than [`limit::PIECE`]; nothing is appended.
pub fn put_data(buffer: &mut BytesMut, channel: ChannelId, data: &[u8]) -> Result<(), StreamError> {
    put_head(buffer, DATA, 4 + data.len())?;
    buffer.put_u32(channel.0);
    buffer.put_slice(data);
    Ok(())
}

fn put_head(buffer: &mut BytesMut, kind: u8, len: usize) -> Result<(), StreamError> {
    let length = u32::try_from(1 + len).ok().filter(|_| len <= longest(kind));
    let length = length.ok_or(StreamError::TooLong(len))?;
    buffer.reserve(HEAD + len);
    buffer.put_u32(length);
    buffer.put_u8(kind);
    Ok(())
}

/// Takes the first message off the buffer, once all of it is there. A length that can't be is found
/// before anything is kept for it.
///
/// # Errors
/// [`StreamError`]; where the next message would begin is not known then.
pub fn take(buffer: &mut BytesMut) -> Result<Option<Message>, StreamError> {
    let mut head = &buffer[..];
    let Ok(length) = head.try_get_u32() else { return Ok(None) };
    let Some(len) = (length as usize).checked_sub(1) else { return Err(StreamError::Empty) };
    let Ok(kind) = head.try_get_u8() else { return Ok(None) };
    if !matches!(kind, WORD | DATA) {
        return Err(StreamError::Kind(kind));
    }
    if len > longest(kind) {
        return Err(StreamError::TooLong(len));
    }
    if head.len() < len {
        return Ok(None);
    }
    buffer.advance(HEAD);
    let message = buffer.split_to(len).freeze();
    if kind == DATA {
        let (channel, data) = frame::decode(message)?;
        return Ok(Some(Message::Data(channel, data)));
    }
    let text = String::from_utf8(message.into()).map_err(|_| StreamError::NotText)?;
    Ok(Some(Message::Word(text)))
}

fn longest(kind: u8) -> usize {
    if kind == DATA { 4 + limit::PIECE } else { limit::STREAM_WORD }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message() -> impl Strategy<Value = Message> {
        prop_oneof![
            ".{0,100}".prop_map(Message::Word),
            (any::<u32>(), prop::collection::vec(any::<u8>(), 0..2048))
                .prop_map(|(channel, data)| Message::Data(ChannelId(channel), data.into())),
        ]
    }

    fn put(buffer: &mut BytesMut, message: &Message) {
        match message {
            Message::Word(text) => put_word(buffer, text),
            Message::Data(channel, data) => put_data(buffer, *channel, data),
        }
        .unwrap();
    }

    #[test]
    fn what_can_not_be_is_refused_by_its_head() {
        let refused = |bytes: &[u8]| take(&mut BytesMut::from(bytes)).unwrap_err();
        assert_eq!(refused(&[0, 0, 0, 0]), StreamError::Empty);
        assert_eq!(refused(&[0, 0, 0, 9, 2]), StreamError::Kind(2));
        assert_eq!(refused(&[255, 255, 255, 255, 0]), StreamError::TooLong(u32::MAX as usize - 1));
        assert_eq!(refused(&[0, 1, 0, 0, 1]), StreamError::TooLong(0xffff));
        assert_eq!(refused(&[0, 0, 0, 3, 0, 0xc3, 0x28]), StreamError::NotText);
        let short = refused(&[0, 0, 0, 3, 1, 0, 0]);
        assert_eq!(short, StreamError::Frame(FrameError::TooShort(2)));
    }

    #[test]
    fn what_nobody_takes_is_not_sent() {
        let mut buffer = BytesMut::new();
        let long = vec![0; limit::PIECE + 1];
        assert!(put_data(&mut buffer, ChannelId(1), &long).is_err());
        assert!(put_word(&mut buffer, &"x".repeat(limit::STREAM_WORD + 1)).is_err());
        assert!(buffer.is_empty());
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_however_they_are_cut(
            messages in prop::collection::vec(message(), 0..8),
            cut in 1_usize..700,
        ) {
            let mut sent = BytesMut::new();
            messages.iter().for_each(|message| put(&mut sent, message));
            let (mut buffer, mut came) = (BytesMut::new(), Vec::new());
            for chunk in sent.chunks(cut) {
                buffer.extend_from_slice(chunk);
                while let Some(message) = take(&mut buffer).unwrap() {
                    came.push(message);
                }
            }
            prop_assert!(buffer.is_empty());
            prop_assert_eq!(came, messages);
        }

        #[test]
        fn garbage_is_an_error_or_waits_for_more(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = take(&mut buffer) {}
            prop_assert!(buffer.len() <= bytes.len());
        }
    }
}
