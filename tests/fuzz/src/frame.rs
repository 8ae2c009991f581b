//! The binary messages of a link.

use bytes::Bytes;
use gangplank_proto::frame::{FrameError, decode, encode};
use gangplank_proto::limit::PIECE;

/// Any message is taken apart and put together again, or refused for its length.
pub fn frame(data: &[u8]) {
    match decode(Bytes::copy_from_slice(data)) {
        Ok((channel, piece)) => {
            assert!(piece.len() <= PIECE);
            assert_eq!(encode(channel, &piece), data);
        }
        Err(FrameError::TooShort(len)) => assert!(len == data.len() && len < 4),
        Err(FrameError::TooLong(len)) => assert!(len + 4 == data.len() && len > PIECE),
        Err(other) => panic!("{other}"),
    }
}
