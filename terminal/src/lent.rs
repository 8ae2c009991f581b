//! A login shell on this host for a user that this process can't become: somebody who can has started
//! it, and lends its PTY.

use std::fmt;
use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::link::{Exit, PtyRequest};
use tokio::time::{Instant, sleep_until, timeout};

use crate::backend::{Backend, Output, Sink as AnySink, Source as AnySource};
use crate::side::{Reading, Sink, both};

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
    /// Its end. When this is dropped, and the line, nobody shows the shell any more, and its lender
    /// ends it.
    pub ended: Waiting<Exit>,
    /// What its end is heard by, for a program that takes this one's place; without it the shell can't
    /// outlive this program.
    pub line: Option<OwnedFd>,
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").field("pty", &self.pty).finish_non_exhaustive()
    }
}

/// Starts shells for users that this process can't become.
#[derive(Clone)]
pub struct Lender {
    start: Arc<Start>,
    resume: Option<Arc<Resume>>,
}

/// What starts the shell of a user.
type Start = dyn Fn(String, PtyRequest) -> Waiting<Result<Lent, OpenError>> + Send + Sync;

/// What listens again to the line of a shell that was lent before.
type Resume = dyn Fn(OwnedFd) -> io::Result<Waiting<Exit>> + Send + Sync;

impl Lender {
    /// One that `start` asks for the shell of a user.
    pub fn new<F>(start: impl Fn(String, PtyRequest) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Lent, OpenError>> + Send + 'static,
    {
        let start: Arc<Start> = Arc::new(move |user, request| Box::pin(start(user, request)));
        Self { start, resume: None }
    }

    /// One that also goes on with shells which were lent to the program before this one, by their
    /// [`Lent::line`].
    #[must_use]
    pub fn resuming(
        self,
        resume: impl Fn(OwnedFd) -> io::Result<Waiting<Exit>> + Send + Sync + 'static,
    ) -> Self {
        Self { resume: Some(Arc::new(resume)), ..self }
    }
}

impl fmt::Debug for Lender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lender")
    }
}

/// The side from which output comes.
pub(crate) struct Source {
    pty: Reading,
    ended: Option<Waiting<Exit>>,
    line: Option<OwnedFd>,
    exited: Option<Exit>,
    /// When its PTY is given up, once it has ended.
    until: Instant,
    /// It was said how the shell ended.
    told: bool,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("exited", &self.exited).finish_non_exhaustive()
    }
}

/// Has a shell started for `user`.
pub(crate) async fn open(
    lender: &Lender,
    user: String,
    request: PtyRequest,
) -> Result<Backend, OpenError> {
    let Lent { pty, ended, line } = (lender.start)(user, request).await?;
    backend(pty, Some(ended), line, None).map_err(|error| {
        OpenError::new(ErrorCode::Internal, format!("the terminal can't be used: {error}"))
    })
}

/// Goes on with a shell that was lent to another program: its PTY, and its line or its end.
pub(crate) fn resume(
    lender: Option<&Lender>,
    pty: OwnedFd,
    line: Result<OwnedFd, Exit>,
) -> io::Result<Backend> {
    let line = match line {
        Ok(line) => line,
        Err(exit) => return backend(pty, None, None, Some(exit)),
    };
    let resume = lender.and_then(|lender| lender.resume.as_ref());
    let resume = resume.ok_or_else(|| io::Error::other("nobody lends shells here"))?;
    let ended = resume(line.try_clone()?)?;
    backend(pty, Some(ended), Some(line), None)
}

fn backend(
    pty: OwnedFd,
    ended: Option<Waiting<Exit>>,
    line: Option<OwnedFd>,
    exited: Option<Exit>,
) -> io::Result<Backend> {
    let (pty, sink) = both(pty)?;
    let until = Instant::now() + DRAIN;
    let source = Source { pty, ended, line, exited, until, told: false };
    Ok(Backend { source: AnySource::Lent(source), sink: AnySink::Pty(sink), host_key: None })
}

impl Source {
    pub(crate) async fn next(&mut self, max: usize) -> Output {
        loop {
            let mut data = BytesMut::with_capacity(max);
            let over = self.exited.is_some();
            tokio::select! {
                biased;
                read = self.pty.read(&mut data, max), if max > 0 => {
                    if matches!(read, Ok(1..)) {
                        return Output::Data(data.freeze());
                    }
                    // Hung up: what is left is how it ended.
                    self.pty.give_up_input();
                    return Output::End(self.exit().await);
                }
                exit = wait(&mut self.ended), if !over => {
                    self.ended = None;
                    self.exited = Some(exit);
                    self.pty.give_up_input();
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
        let exit = match self.exited.take() {
            Some(exit) => exit,
            None => wait(&mut self.ended).await,
        };
        self.told = true;
        exit
    }

    /// Hangs up: whoever lent the shell ends what is left of it.
    pub(crate) async fn close(mut self, sink: Sink, exit: Exit) -> Exit {
        if self.told {
            return exit;
        }
        drop((self.pty, self.line, sink));
        let ended = timeout(GRACE, wait(&mut self.ended)).await.unwrap_or_default();
        Exit { reason: exit.reason, ..ended }
    }

    /// Whether it can outlive this program.
    pub(crate) fn lasts(&self) -> bool {
        self.line.is_some()
    }

    /// Lets go of the shell, which goes on: answers its PTY, and its line or its end.
    pub(crate) fn pass_on(self) -> io::Result<(OwnedFd, Result<OwnedFd, Exit>)> {
        let way = match (self.exited, self.line) {
            (Some(exit), _) => Err(exit),
            (None, Some(line)) => Ok(line),
            (None, None) => return Err(io::Error::other("its lender knows this program only")),
        };
        Ok((self.pty.into_pty()?, way))
    }
}

async fn wait(ended: &mut Option<Waiting<Exit>>) -> Exit {
    match ended {
        Some(ended) => ended.await,
        None => pending().await,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::process::Stdio;

    use gangplank_proto::link::Size;
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
            Ok(Lent { pty, ended, line: None })
        })
    }

    async fn begin(script: &'static str) -> (Source, Sink) {
        let request = PtyRequest { term: "xterm".to_owned(), size: Size::DEFAULT };
        let backend = open(&lender(script), "ada".to_owned(), request).await.unwrap();
        match (backend.source, backend.sink) {
            (AnySource::Lent(source), AnySink::Pty(sink)) => (source, sink),
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
