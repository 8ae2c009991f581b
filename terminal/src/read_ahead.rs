//! Fewer system calls for readers that ask for little: SSH reads the length of a packet, then the
//! packet; TLS reads 4 KiB of a record of 16.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Read at a time.
const CHUNK: usize = 16 << 10;

/// A stream that reads as much as comes. What was not asked for yet waits; when nothing does, no
/// memory is held.
#[derive(Debug)]
pub struct ReadAhead<S> {
    stream: S,
    held: BytesMut,
}

impl<S> ReadAhead<S> {
    /// Reads ahead of whoever reads from this.
    pub fn new(stream: S) -> Self {
        Self { stream, held: BytesMut::new() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.held.is_empty() {
            if buf.remaining() >= CHUNK {
                return Pin::new(&mut self.stream).poll_read(cx, buf);
            }
            let mut chunk = [MaybeUninit::uninit(); CHUNK];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut chunk))?;
            let (now, later) = chunk.filled().split_at(chunk.filled().len().min(buf.remaining()));
            buf.put_slice(now);
            self.held.extend_from_slice(later);
            return Poll::Ready(Ok(()));
        }
        let len = self.held.len().min(buf.remaining());
        buf.put_slice(self.held.get(..len).unwrap_or_default());
        self.held.advance(len);
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn every_byte_comes_once_and_in_order() {
        let (mut near, far) = duplex(3 * CHUNK);
        let mut far = ReadAhead::new(far);
        let said: Vec<u8> = (0..3 * CHUNK).map(|at| at as u8).collect();
        near.write_all(&said).await.unwrap();
        drop(near);
        let mut heard = vec![0; 4];
        far.read_exact(&mut heard).await.unwrap();
        assert_eq!(far.held.len(), CHUNK - 4, "it read ahead");
        far.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, said);
        assert_eq!(far.held.capacity(), 0, "an idle stream holds no memory");
    }
}
