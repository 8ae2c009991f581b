//! The binary message of an agent link: a 4-byte big-endian channel id, then raw channel bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::id::ChannelId;
use crate::limit;

/// Why a binary message of a link is not channel data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Shorter than the channel id.
    #[error("a binary message of {0} bytes has no channel id")]
    TooShort(usize),
    /// More than [`limit::PIECE`] bytes of data.
    #[error("a piece of {0} bytes is over the limit")]
    TooLong(usize),
}

/// Puts the channel's id before its bytes.
#[must_use]
pub fn encode(channel: ChannelId, data: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(4 + data.len());
    message.put_u32(channel.0);
    message.put_slice(data);
    message.freeze()
}

/// Splits a binary message into channel and bytes, without a copy.
///
/// # Errors
/// When it is shorter than a channel id or longer than a piece may be.
pub fn decode(mut message: Bytes) -> Result<(ChannelId, Bytes), FrameError> {
    if message.len() < 4 {
        return Err(FrameError::TooShort(message.len()));
    }
    let channel = ChannelId(message.get_u32());
    if message.len() > limit::PIECE {
        return Err(FrameError::TooLong(message.len()));
    }
    Ok((channel, message))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_and_long_messages_are_refused() {
        assert_eq!(decode(Bytes::from_static(b"abc")), Err(FrameError::TooShort(3)));
        let long = encode(ChannelId(1), &vec![0; limit::PIECE + 1]);
        assert_eq!(decode(long), Err(FrameError::TooLong(limit::PIECE + 1)));
    }

    proptest! {
        #[test]
        fn round_trip(channel: u32, data in prop::collection::vec(any::<u8>(), 0..2048)) {
            let (id, bytes) = decode(encode(ChannelId(channel), &data)).unwrap();
            prop_assert_eq!(id, ChannelId(channel));
            prop_assert_eq!(&bytes[..], &data[..]);
        }
    }
}
