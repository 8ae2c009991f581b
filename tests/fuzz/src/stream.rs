//! The messages of a link over a byte stream.

use bytes::BytesMut;
use gangplank_proto::limit;
use gangplank_proto::stream::{Message, StreamError, put_data, put_word, take};

use crate::choices::cut;

/// However a stream is cut, the same messages come out and it breaks at the same place; they are
/// written as they were read, and nothing is waited for that is too long.
pub fn stream(data: &[u8]) {
    let (whole, pieces) = cut(data);
    let (messages, end, rest) = read(&[whole]);
    assert_eq!(read(&pieces), (messages.clone(), end, rest.clone()));
    let mut written = BytesMut::new();
    for message in &messages {
        match message {
            Message::Word(text) => put_word(&mut written, text),
            Message::Data(channel, data) => put_data(&mut written, *channel, data),
        }
        .expect("what was read can be written");
    }
    if end.is_ok() {
        written.extend_from_slice(&rest);
        assert_eq!(written, whole);
    }
    assert!(whole.starts_with(&written));
}

type Read = (Vec<Message>, Result<(), StreamError>, BytesMut);

/// Answers the messages, why no more can be read, and what waits for its end.
fn read(pieces: &[&[u8]]) -> Read {
    let (mut buffer, mut messages) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match take(&mut buffer) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Err(error), BytesMut::new()),
            }
        }
        bounded(&buffer);
    }
    (messages, Ok(()), buffer)
}

/// A message that is waited for is one that may be.
fn bounded(buffer: &[u8]) {
    if let [a, b, c, d, kind, ..] = *buffer {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let longest = if kind == 0 { limit::STREAM_WORD } else { 4 + limit::PIECE };
        assert!(length <= 1 + longest && buffer.len() < 4 + length);
    }
}
