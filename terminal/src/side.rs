//! The side of a PTY on which it is shown, read and written as two pipes are.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use bytes::BytesMut;
use gangplank_proto::link::Size;
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};
use tokio::net::unix::pipe;

/// From where output comes.
#[derive(Debug)]
pub(crate) struct Reading {
    pty: pipe::Receiver,
    gone: Arc<AtomicBool>,
}

/// To where input goes.
#[derive(Debug)]
pub(crate) struct Sink {
    pty: pipe::Sender,
    gone: Arc<AtomicBool>,
}

/// Takes a PTY into both hands.
pub(crate) fn both(pty: OwnedFd) -> io::Result<(Reading, Sink)> {
    rustix::io::ioctl_fionbio(&pty, true)?;
    let gone = Arc::new(AtomicBool::new(false));
    let read = pipe::Receiver::from_owned_fd_unchecked(pty.try_clone()?)?;
    let write = pipe::Sender::from_owned_fd_unchecked(pty)?;
    Ok((Reading { pty: read, gone: Arc::clone(&gone) }, Sink { pty: write, gone }))
}

impl Reading {
    /// Reads what is there, up to `max` bytes, once there is something: a PTY gives 4 KiB at a time
    /// at most.
    pub(crate) async fn read(&mut self, data: &mut BytesMut, max: usize) -> io::Result<usize> {
        let first = (&mut self.pty).take(max as u64).read_buf(data).await?;
        while first > 0 && data.len() < max {
            let left = max - data.len();
            let mut rest = (&mut self.pty).take(left as u64);
            match futures_util::FutureExt::now_or_never(rest.read_buf(data)) {
                Some(Ok(len)) if len > 0 => {}
                // The end and errors come again with the next read.
                _ => break,
            }
        }
        Ok(data.len())
    }

    /// The shell ended, or closed its side. From then on a PTY that is full counts as writable, and
    /// would be tried for ever.
    pub(crate) fn give_up_input(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    /// The PTY itself, for whoever shows it from now on.
    pub(crate) fn into_pty(self) -> io::Result<OwnedFd> {
        self.pty.into_nonblocking_fd()
    }
}

impl Sink {
    pub(crate) async fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| {
            if self.gone.load(Ordering::Relaxed) {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            Pin::new(&mut self.pty).poll_write(cx, data)
        })
        .await
    }

    pub(crate) fn resize(&mut self, size: Size) -> io::Result<()> {
        let winsize =
            Winsize { ws_row: size.rows(), ws_col: size.cols(), ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(&self.pty, winsize)?)
    }
}
