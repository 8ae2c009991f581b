//! A byte stream to a port beyond a gateway: a [`Open::DirectTcpip`] channel in the link of the
//! gateway's agent, as something to read from and to write to.
//!
//! The gateway carries bytes and sees no more of what goes through them than any router would. The
//! stream outlives the link: it waits while there is none, and goes on at the byte where it was cut,
//! both ways, because the agent's keeper holds its end.

mod carrier;

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::id::SessionId;
use gangplank_proto::limit;
use gangplank_proto::link::{Keep, Open, ToTerminal};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::channel::Channel;
use carrier::Carrier;

/// Bytes that wait between the stream's user and its carrier, each way.
const BUFFER: usize = 4 * limit::PIECE;

/// The link of a gateway's agent, whichever it is at the moment. It opens a channel by its first
/// word, whose window is always [`limit::TERMINAL_WINDOW`]. For [`ToTerminal::Connect`] there must
/// be a link; for [`ToTerminal::Attach`] it waits until there is one that has not ended.
#[derive(Clone)]
pub struct Gateway(Arc<OpenChannel>);

type OpenChannel =
    dyn Fn(ToTerminal) -> BoxFuture<'static, Result<Channel, OpenError>> + Send + Sync;

impl Gateway {
    /// A gateway whose channels are opened by `open`.
    pub fn new(
        open: impl Fn(ToTerminal) -> BoxFuture<'static, Result<Channel, OpenError>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self(Arc::new(open))
    }

    fn channel(&self, first: ToTerminal) -> BoxFuture<'static, Result<Channel, OpenError>> {
        (self.0)(first)
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gateway(…)")
    }
}

/// The way of one terminal through a gateway.
#[derive(Debug, Clone)]
pub(crate) struct Passage {
    pub(crate) gateway: Gateway,
    /// Names the stream in the agent's keeper.
    pub(crate) session_id: SessionId,
    /// How long the stream waits for the link.
    pub(crate) keep: Keep,
    pub(crate) tracker: TaskTracker,
}

impl Passage {
    /// Connects to `host:port` from the gateway's host.
    pub(crate) async fn open(
        &self,
        host: String,
        port: u16,
        deadline: Instant,
    ) -> Result<Stream, OpenError> {
        let (near, far) = tokio::io::duplex(BUFFER);
        let (fate, dropped) = (Arc::new(Fate::default()), CancellationToken::new());
        let stream =
            Stream { io: near, fate: Arc::clone(&fate), _dropped: dropped.clone().drop_guard() };
        let (opened, opening) = oneshot::channel();
        let carrier = Carrier::new(self, far, fate);
        let open = Open::DirectTcpip { host, port };
        self.tracker.spawn(carrier.run(open, opened, dropped));
        match timeout_at(deadline, opening).await {
            Ok(Ok(opened)) => opened.map(|()| stream),
            Ok(Err(_)) => Err(OpenError::new(ErrorCode::Internal, "the stream broke")),
            Err(_) => {
                let message = "the gateway's agent did not answer in time";
                Err(OpenError::new(ErrorCode::Timeout, message))
            }
        }
    }
}

/// What becomes of a stream.
#[derive(Debug, Default)]
struct Fate {
    away: AtomicBool,
    lost: OnceLock<String>,
}

/// Whether a stream waits for its gateway, so that its silence proves nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Absence(Arc<Fate>);

impl Absence {
    pub(crate) fn lasts(&self) -> bool {
        self.0.away.load(Ordering::Relaxed)
    }
}

/// An open stream. Dropping it closes the connection behind the gateway.
#[derive(Debug)]
pub(crate) struct Stream {
    io: DuplexStream,
    fate: Arc<Fate>,
    _dropped: DropGuard,
}

impl Stream {
    pub(crate) fn absence(&self) -> Absence {
        Absence(Arc::clone(&self.fate))
    }

    fn lost(&self) -> Option<io::Error> {
        let why = self.fate.lost.get()?;
        Some(io::Error::new(io::ErrorKind::ConnectionAborted, why.clone()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let at_end = buf.filled().len() == before && buf.remaining() > 0;
        Poll::Ready(self.lost().filter(|_| at_end).map_or(Ok(()), Err))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, buf));
        Poll::Ready(written.map_err(|error| self.lost().unwrap_or(error)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
