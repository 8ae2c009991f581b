//! A login shell on this host for a user that this process can't become: somebody who can has started
//! it, and lends its PTY.

use std::fmt;
use std::future::{pending, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::link::{Exit, PtyRequest, Size};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep_until, timeout};

use crate::backend::{Backend, Output, Sink as AnySink, Source as AnySource};

/// What the shell said last is complete once its PTY is hung up; if somebody keeps it open, once so
/// long has passed.
const DRAIN: Duration = Duration::from_secs(1);

/// What its lender has for ending a shell that is shown no more.
const GRACE: Duration = Duration::from_secs(4);

/// Something that is waited for.
pub type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A shell that somebody else has started.
pub struct Lent {
    /// The side of its PTY on which it is shown.
    pub pty: OwnedFd,
    /// Its end. When this is dropped nobody shows the shell any more, and its lender ends it.
    pub ended: Waiting<Exit>,
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").field("pty", &self.pty).finish_non_exhaustive()
    }
}

/// Starts shells for users that this process can't become.
#[derive(Clone)]
pub struct Lender(Arc<Start>);

/// What starts the shell of a user.
type Start = dyn Fn(String, PtyRequest) -> Waiting<Result<Lent, OpenError>> + Send + Sync;

impl Lender {
    /// One that `start` asks for the shell of a user.
    pub fn new<F>(start: impl Fn(String, PtyRequest) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Lent, OpenError>> + Send + 'static,
    {
        Self(Arc::new(move |user, request| Box::pin(start(user, request))))
    }
}

impl fmt::Debug for Lender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lender")
    }
}

/// The side from which output comes.
pub(crate) struct Source {
    pty: pipe::Receiver,
    ended: Option<Waiting<Exit>>,
    exited: Option<Exit>,
    /// When its PTY is given up, once it has ended.
    until: Instant,
    gone: Arc<AtomicBool>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("exited", &self.exited).finish_non_exhaustive()
    }
}

/// The side to which input goes.
#[derive(Debug)]
pub(crate) struct Sink {
    pty: pipe::Sender,
    /// The shell ended, or closed its side. From then on a PTY that is full counts as writable, and
    /// would be tried for ever.
    gone: Arc<AtomicBool>,
}

/// Has a shell started for `user`.
pub(crate) async fn open(
    lender: &Lender,
    user: String,
    request: PtyRequest,
) -> Result<Backend, OpenError> {
    let Lent { pty, ended } = (lender.0)(user, request).await?;
    let (read, write) = sides(pty).map_err(|error| {
        OpenError::new(ErrorCode::Internal, format!("the terminal can't be used: {error}"))
    })?;
    let gone = Arc::new(AtomicBool::new(false));
    let source = Source {
        pty: read,
        ended: Some(ended),
        exited: None,
        until: Instant::now(),
        gone: Arc::clone(&gone),
    };
    Ok(Backend {
        source: AnySource::Lent(source),
        sink: AnySink::Lent(Sink { pty: write, gone }),
        host_key: None,
    })
}

/// A PTY is read and written as two pipes are.
fn sides(pty: OwnedFd) -> io::Result<(pipe::Receiver, pipe::Sender)> {
    rustix::io::ioctl_fionbio(&pty, true)?;
    let read = pipe::Receiver::from_owned_fd_unchecked(pty.try_clone()?)?;
    Ok((read, pipe::Sender::from_owned_fd_unchecked(pty)?))
}

impl Source {
    pub(crate) async fn next(&mut self, max: usize) -> Output {
        loop {
            let mut data = BytesMut::with_capacity(max);
            let over = self.exited.is_some();
            tokio::select! {
                biased;
                read = read(&mut self.pty, &mut data, max), if max > 0 => {
                    if matches!(read, Ok(1..)) {
                        return Output::Data(data.freeze());
                    }
                    // Hung up: what is left is how it ended.
                    self.gone.store(true, Ordering::Relaxed);
                    return Output::End(self.exit().await);
                }
                exit = wait(&mut self.ended), if !over => {
                    self.ended = None;
                    self.exited = Some(exit);
                    self.gone.store(true, Ordering::Relaxed);
                    self.until = Instant::now() + DRAIN;
                }
                () = sleep_until(self.until), if over && max > 0 => {
                    return Output::End(self.exit().await);
                }
                else => pending().await,
            }
        }
    }

    async fn exit(&mut self) -> Exit {
        match self.exited.take() {
            Some(exit) => exit,
            None => wait(&mut self.ended).await,
        }
    }

    /// Hangs up: whoever lent the shell ends what is left of it.
    pub(crate) async fn close(mut self, sink: Sink, exit: Exit) -> Exit {
        if exit.exit_status.is_some() || exit.signal.is_some() {
            return exit;
        }
        drop((self.pty, sink));
        let ended = timeout(GRACE, wait(&mut self.ended)).await.unwrap_or_default();
        Exit { reason: exit.reason, ..ended }
    }
}

async fn wait(ended: &mut Option<Waiting<Exit>>) -> Exit {
    match ended {
        Some(ended) => ended.await,
        None => pending().await,
    }
}

async fn read(pty: &mut pipe::Receiver, data: &mut BytesMut, max: usize) -> io::Result<usize> {
    pty.take(max as u64).read_buf(data).await
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::process::Stdio;

    use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
    use tokio::process::Command;

    use super::*;

    /// Lends a shell of this very user's, on a PTY of its own.
    fn lender(script: &'static str) -> Lender {
        Lender::new(move |user, _| async move {
            // Nobody inherits a side that is not meant for it, or it would never hang up.
            let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
            let pty = openpt(flags).unwrap();
            unlockpt(&pty).unwrap();
            let other = ioctl_tiocgptpeer(&pty, flags).unwrap();
            let side = || Stdio::from(other.try_clone().unwrap());
            let mut command = Command::new("setsid");
            // A shell can't trap what was ignored when it began, as it is under nohup.
            command.args(["--ctty", "--wait", "env", "--default-signal=HUP"]);
            command.args(["sh", "-c", script, "sh", &user]);
            let mut shell = command.stdin(side()).stdout(side()).stderr(side()).spawn().unwrap();
            let ended = Box::pin(async move {
                let status = shell.wait().await.unwrap();
                let exit_status = status.code().and_then(|code| u32::try_from(code).ok());
                Exit { exit_status, ..Exit::default() }
            });
            Ok(Lent { pty, ended })
        })
    }

    async fn begin(script: &'static str) -> (Source, Sink) {
        let request = PtyRequest { term: "xterm".to_owned(), size: Size::DEFAULT };
        let backend = open(&lender(script), "ada".to_owned(), request).await.unwrap();
        match (backend.source, backend.sink) {
            (AnySource::Lent(source), AnySink::Lent(sink)) => (source, sink),
            _ => unreachable!("another backend"),
        }
    }

    /// All that it says, and how it ends.
    async fn end(source: &mut Source) -> (String, Exit) {
        let mut text = Vec::new();
        loop {
            match source.next(1024).await {
                Output::Data(data) => text.extend_from_slice(&data),
                Output::End(exit) => return (String::from_utf8(text).unwrap(), exit),
                Output::Eof => unreachable!("a PTY has no half-close"),
            }
        }
    }

    #[tokio::test]
    async fn a_lent_shell_is_shown_and_says_how_it_ended() {
        let (mut source, mut sink) =
            begin("stty -echo; echo $1; read line; stty size; echo \"<$line>\"; exit 7").await;
        let Output::Data(first) = source.next(1024).await else { unreachable!("it ended") };
        assert_eq!(&first[..], b"ada\r\n");
        sink.resize(Size::new(100, 30).unwrap()).unwrap();
        assert_eq!(sink.write(b"hello\n").await.unwrap(), 6);
        let (text, exit) = end(&mut source).await;
        assert_eq!(text, "30 100\r\n<hello>\r\n");
        assert_eq!(exit.exit_status, Some(7));
        assert_eq!(source.close(sink, exit.clone()).await, exit);
    }

    #[tokio::test]
    async fn closing_it_hangs_up() {
        let (mut source, sink) =
            begin("trap 'exit 9' HUP; echo up; while :; do sleep 0.1; done").await;
        let Output::Data(_) = source.next(1024).await else { unreachable!("it ended") };
        let exit = source.close(sink, Exit::because("enough")).await;
        assert_eq!((exit.exit_status, exit.reason.as_deref()), (Some(9), Some("enough")));
    }

    #[tokio::test]
    async fn no_shell_is_no_terminal() {
        let none = Lender::new(|_, _| async {
            Err(OpenError::new(ErrorCode::NotAllowed, "this host has no such user"))
        });
        let request = PtyRequest { term: "xterm".to_owned(), size: Size::DEFAULT };
        let error = open(&none, "ada".to_owned(), request).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NotAllowed);
    }
}
