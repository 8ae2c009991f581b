//! The byte stream below an SSH connection, with a gate that closes while output waits.
//!
//! russh grants the server a new channel window before anybody took the data, and its session task
//! waits when its channel is full: then no key goes out either. Here the stream itself stops being
//! read before that channel fills, so that TCP holds the server back while keys still go out.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Messages that may wait before the stream is no longer read.
const MESSAGES: usize = 32;

/// Bytes that may wait before the stream is no longer read.
const BYTES: usize = 64 << 10;

/// Room of russh's channel, in messages: more than can arrive after the gate has closed.
pub(super) const CHANNEL_MESSAGES: usize = 2 * MESSAGES;

#[derive(Default)]
struct State {
    arrived: u64,
    arrived_bytes: u64,
    taken: u64,
    taken_bytes: u64,
    received: u64,
    /// The reader found the gate closed and waits for it.
    held: bool,
    cut: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl State {
    /// Whether this many messages or bytes wait. What was taken can be counted before its arrival
    /// is: both sides run at once.
    fn waits(&self, messages: usize, bytes: usize) -> bool {
        self.arrived.saturating_sub(self.taken) >= messages as u64
            || self.arrived_bytes.saturating_sub(self.taken_bytes) >= bytes as u64
    }
}

/// The gate of one connection.
#[derive(Default)]
pub(super) struct Gate {
    state: Mutex<State>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

impl Gate {
    /// Only numbers and wakers change under the lock, so a poisoned state is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message of `len` bytes was put into the channel.
    pub(super) fn arrived(&self, len: usize) {
        let mut state = self.state();
        state.arrived += 1;
        state.arrived_bytes += len as u64;
    }

    /// A message of `len` bytes was taken out of the channel.
    pub(super) fn taken(&self, len: usize) {
        let mut state = self.state();
        state.taken += 1;
        state.taken_bytes += len as u64;
        // Half of it, so that the reader isn't woken for each message.
        if !state.held || state.waits(MESSAGES / 2, BYTES / 2) {
            return;
        }
        state.held = false;
        let waker = state.reader.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Bytes that came from the server since the connection was made.
    pub(super) fn received(&self) -> u64 {
        self.state().received
    }

    /// Ends the stream in both directions at once, also where it waits for a silent peer.
    pub(super) fn cut(&self) {
        let mut state = self.state();
        state.cut = true;
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        for waker in wakers.into_iter().flatten() {
            waker.wake();
        }
    }

    /// Lets a read pass, or keeps its waker.
    fn poll_open(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        if state.cut {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        keep(&mut state.reader, cx);
        state.held |= state.waits(MESSAGES, BYTES);
        if state.held { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn check_writable(&self, cx: &Context<'_>) -> io::Result<()> {
        let mut state = self.state();
        if state.cut {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        keep(&mut state.writer, cx);
        Ok(())
    }
}

fn keep(place: &mut Option<Waker>, cx: &Context<'_>) {
    if !place.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
        *place = Some(cx.waker().clone());
    }
}

/// A stream behind a gate.
pub(super) struct Gated<S> {
    stream: S,
    gate: Arc<Gate>,
}

impl<S> Gated<S> {
    pub(super) fn new(stream: S, gate: Arc<Gate>) -> Self {
        Self { stream, gate }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gated<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.gate.poll_open(cx) {
            Poll::Ready(Ok(())) => {}
            refused => return refused,
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let received = buf.filled().len() - before;
        if received > 0 {
            self.gate.state().received += received as u64;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gated<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.gate.check_writable(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.gate.check_writable(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.gate.check_writable(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn reading_stops_while_output_waits_and_writing_goes_on() {
        let gate = Arc::new(Gate::default());
        let (near, mut far) = duplex(1024);
        let mut near = Gated::new(near, Arc::clone(&gate));
        far.write_all(b"output").await.unwrap();
        gate.arrived(BYTES);
        let mut buf = [0; 6];
        assert!(near.read_exact(&mut buf).now_or_never().is_none());
        near.write_all(b"key").await.unwrap();
        let reading = tokio::spawn(async move {
            near.read_exact(&mut buf).await.unwrap();
            near
        });
        tokio::task::yield_now().await;
        gate.taken(BYTES);
        let mut near = reading.await.unwrap();
        assert_eq!(gate.received(), 6);
        let waiting = tokio::spawn(async move { near.read_u8().await.unwrap_err().kind() });
        tokio::task::yield_now().await;
        gate.cut();
        assert_eq!(waiting.await.unwrap(), io::ErrorKind::ConnectionAborted);
    }
}
