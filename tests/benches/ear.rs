//! A subscriber that costs hardly anything: it reads the heads of frames (RFC 6455 §5.2), counts the
//! texts, and answers pings.

use std::io;

use gangplank_tests::{http::Wire, ws::Socket};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const TEXT: u8 = 0x1;
const PING: u8 = 0x9;

/// One subscriber.
pub(crate) struct Ear {
    wire: Box<dyn Wire>,
    read: Vec<u8>,
}

impl Ear {
    /// Goes on with a socket from which nothing was read yet.
    pub(crate) fn new(socket: Socket) -> Self {
        Self { wire: socket.into_wire(), read: Vec::with_capacity(16 << 10) }
    }

    /// Waits for texts and says how many came.
    ///
    /// # Errors
    /// When the socket has ended.
    pub(crate) async fn texts(&mut self) -> io::Result<u64> {
        loop {
            let mut texts = 0;
            while let Some((opcode, payload, whole)) = frame(&self.read) {
                match opcode {
                    TEXT => texts += 1,
                    PING => {
                        let pong = pong(&self.read[payload..whole]);
                        self.wire.write_all(&pong).await?;
                        self.wire.flush().await?;
                    }
                    _ => return Err(io::ErrorKind::ConnectionAborted.into()),
                }
                self.read.drain(..whole);
            }
            if texts > 0 {
                return Ok(texts);
            }
            if self.wire.read_buf(&mut self.read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Opcode, where the payload begins, and where the frame ends, once all of it is there.
fn frame(read: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, second) = (*read.first()?, *read.get(1)?);
    let (head, length) = match second {
        126 => (4, usize::from(u16::from_be_bytes(read.get(2..4)?.try_into().ok()?))),
        127 => {
            let length = u64::from_be_bytes(read.get(2..10)?.try_into().ok()?);
            (10, usize::try_from(length).ok()?)
        }
        length => (2, usize::from(length)),
    };
    (read.len() >= head + length).then_some((first & 0xf, head, head + length))
}

/// A pong with a mask of zeros, which leaves the payload as it is.
fn pong(payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap_or(125).min(125);
    let mut pong = vec![0x8a, 0x80 | length, 0, 0, 0, 0];
    pong.extend_from_slice(&payload[..usize::from(length)]);
    pong
}
