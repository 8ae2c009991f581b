//! The byte stream between TLS and hyper: heads pass whole and checked, or not at all.
//!
//! ```text
//!  Head ──ok──> Body(n) ──n bytes──> Head        Head ──bad──> Ended (hyper gets a marker)
//!    └───ok, upgrade, tunnel or chunks──> Rest
//! ```
//!
//! In place of a bad head hyper gets the request line of a method that is never routed; the
//! service answers it with the refusal. So a refusal keeps its turn behind the answers of the
//! requests before it, and looks like every other. After it nothing more is read.
//!
//! A peer that takes nothing of what is sent to it for too long is given up, after an upgrade too.
//!
//! Closing takes its time: what the peer still sends is discarded for up to a second, or until it
//! closes too, because closing a socket with unread bytes resets it, and a reset can overtake the
//! answer.

use super::admission::Place;
use super::head::{Body, Flaw, Scanner};
use bytes::{Buf, BytesMut};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// The method of the markers. Whoever sends it gets a refusal, too.
pub(super) const REFUSED: &str = "REFUSED";
/// How long a closed connection still discards what comes.
const LINGER: Duration = Duration::from_secs(1);
/// Read from the socket at a time.
const CHUNK: usize = 4096;

/// A stream whose reader sees only heads that have one reading.
#[derive(Debug)]
pub(super) struct Strict<S> {
    stream: S,
    /// Arrived and not handed on; of these the first `ready` bytes may be.
    held: BytesMut,
    ready: usize,
    phase: Phase,
    max_head: usize,
    /// For how long writing may stand still, and the end of that while it does.
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    linger: Option<Pin<Box<Sleep>>>,
    /// Counts the connection for as long as the stream lives, past an upgrade too.
    _place: Place,
}

#[derive(Debug)]
enum Phase {
    Head(Scanner),
    Body(u64),
    Rest,
    Ended,
}

impl<S> Strict<S> {
    pub(super) fn new(stream: S, max_head: usize, patience: Duration, place: Place) -> Self {
        Self {
            stream,
            held: BytesMut::new(),
            ready: 0,
            phase: Phase::Head(Scanner::default()),
            max_head,
            patience,
            stalled: None,
            linger: None,
            _place: place,
        }
    }

    /// Marks what of the held bytes may be handed on; false when more are needed.
    fn advance(&mut self) -> bool {
        let held = self.held.len();
        match &mut self.phase {
            Phase::Head(scanner) => match scanner.scan(&self.held, self.max_head) {
                Ok(None) => return false,
                Ok(Some(head)) => {
                    self.ready = head.len;
                    self.phase = match head.body {
                        Body::Length(0) => Phase::Head(Scanner::default()),
                        Body::Length(len) => Phase::Body(len),
                        Body::Rest => Phase::Rest,
                    };
                }
                Err(flaw) => {
                    self.held = BytesMut::from(marker(flaw));
                    self.ready = self.held.len();
                    self.phase = Phase::Ended;
                }
            },
            Phase::Body(left) => {
                self.ready = held.min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= self.ready as u64;
                if *left == 0 {
                    self.phase = Phase::Head(Scanner::default());
                }
            }
            Phase::Rest | Phase::Ended => self.ready = held,
        }
        self.ready > 0
    }

    /// Passes the outcome of a write on, unless writing has stood still for too long.
    fn moved<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

fn marker(flaw: Flaw) -> &'static [u8] {
    match flaw {
        Flaw::Malformed => b"REFUSED /400 HTTP/1.1\r\n\r\n",
        Flaw::TargetTooLong => b"REFUSED /414 HTTP/1.1\r\n\r\n",
        Flaw::TooLarge => b"REFUSED /431 HTTP/1.1\r\n\r\n",
        Flaw::Version => b"REFUSED /505 HTTP/1.1\r\n\r\n",
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.ready > 0 {
                let len = this.ready.min(out.remaining());
                out.put_slice(this.held.get(..len).unwrap_or_default());
                this.held.advance(len);
                this.ready -= len;
                if this.held.is_empty() {
                    // An idle connection keeps no buffer.
                    this.held = BytesMut::new();
                }
                return Poll::Ready(Ok(()));
            }
            if !this.held.is_empty() && this.advance() {
                continue;
            }
            match this.phase {
                Phase::Rest => return Pin::new(&mut this.stream).poll_read(cx, out),
                // Not the end of the stream: hyper would take that for a client that is gone, and
                // not answer. The answer closes the connection.
                Phase::Ended => return Poll::Pending,
                Phase::Head(_) | Phase::Body(_) => {}
            }
            let mut chunk = [MaybeUninit::uninit(); CHUNK];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.held.extend_from_slice(chunk.filled());
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.moved(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.moved(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.moved(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            this.held = BytesMut::new();
            this.ready = 0;
        }
        let linger = this.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        loop {
            // First, so that a peer that never stops sending gains nothing by it.
            if linger.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut chunk = [MaybeUninit::uninit(); CHUNK];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            match Pin::new(&mut this.stream).poll_read(cx, &mut chunk) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !chunk.filled().is_empty() => {}
                // The peer is gone, one way or the other.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}
