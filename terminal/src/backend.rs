//! What has the shell in it: an SSH channel, a local PTY or a plain TCP stream. Each is a source of
//! output and a sink for input, and both can be waited for at the same time.

use std::io;
use std::os::fd::OwnedFd;

use bytes::Bytes;
use gangplank_proto::error::HostKey;
use gangplank_proto::link::Exit;

use crate::frozen::Held;
use crate::input::{Input, Task};
use crate::{lent, pty, shell, side, ssh, tcp};

/// What comes out of a backend.
#[derive(Debug)]
pub(crate) enum Output {
    /// Some bytes.
    Data(Bytes),
    /// No more bytes follow; the backend still takes input (RFC 4254 §5.3).
    Eof,
    /// It is over, and every byte was given out before.
    End(Exit),
}

/// An open terminal, apart from whoever shows it.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) source: Source,
    pub(crate) sink: Sink,
    /// Key that the server of an SSH terminal proved to have.
    pub(crate) host_key: Option<HostKey>,
}

/// Where output comes from.
#[derive(Debug)]
pub(crate) enum Source {
    Ssh(ssh::client::Source),
    Pty(pty::Source),
    Lent(lent::Source),
    Tcp(tcp::Source),
    #[cfg(test)]
    Simulated(crate::simulation::shell::Source),
}

/// Where input goes.
#[derive(Debug)]
pub(crate) enum Sink {
    Ssh(ssh::client::Sink),
    Pty(side::Sink),
    Tcp(tcp::Sink),
    #[cfg(test)]
    Simulated(crate::simulation::shell::Sink),
}

impl Source {
    /// The next output, at most `max` bytes of it; with no room for any, nothing comes at all.
    /// Cancel safe; not called again after [`Output::End`].
    pub(crate) async fn next(&mut self, max: usize) -> Output {
        match self {
            // A shell that ended is reaped even while nobody takes its output.
            Self::Pty(source) => source.next(max).await,
            Self::Lent(source) => source.next(max).await,
            #[cfg(test)]
            Self::Simulated(source) => source.next(max).await,
            _ if max == 0 => std::future::pending().await,
            Self::Ssh(source) => source.next(max).await,
            Self::Tcp(source) => source.next(max).await,
        }
    }
}

impl Sink {
    /// Does the next piece of work and answers how many bytes of input were taken. Cancel safe:
    /// what a cancelled call has not done is done by the next one.
    pub(crate) async fn feed(&mut self, input: &mut Input) -> io::Result<usize> {
        match input.next() {
            Some(Task::Resize(size)) => {
                match self {
                    Self::Ssh(sink) => sink.resize(size).await?,
                    Self::Pty(sink) => sink.resize(size)?,
                    Self::Tcp(_) => {}
                    #[cfg(test)]
                    Self::Simulated(_) => {}
                }
                input.resized();
                Ok(0)
            }
            Some(Task::Write(data)) => {
                let written = match self {
                    Self::Ssh(sink) => sink.write(data).await?,
                    Self::Pty(sink) => sink.write(data).await?,
                    Self::Tcp(sink) => sink.write(data).await?,
                    #[cfg(test)]
                    Self::Simulated(sink) => sink.write(data).await?,
                };
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                input.wrote(written);
                Ok(written)
            }
            Some(Task::Eof) => {
                match self {
                    Self::Ssh(sink) => sink.eof().await?,
                    // A PTY has no half-close: a shell reads its end from a key.
                    Self::Pty(_) => {}
                    Self::Tcp(sink) => sink.eof().await?,
                    #[cfg(test)]
                    Self::Simulated(_) => {}
                }
                input.said_eof();
                Ok(0)
            }
            None => Ok(0),
        }
    }
}

impl Backend {
    /// Takes the backend down after it ended, or ends it: nothing of it is left. `exit` is how it
    /// ended; when it had to be ended, the shell's own end is added.
    pub(crate) async fn close(self, exit: Exit) -> Exit {
        match (self.source, self.sink) {
            (Source::Ssh(source), Sink::Ssh(sink)) => {
                source.close(sink).await;
                exit
            }
            (Source::Pty(source), Sink::Pty(sink)) => source.close(sink, exit).await,
            (Source::Lent(source), Sink::Pty(sink)) => source.close(sink, exit).await,
            // Dropping both halves of a TCP stream closes it.
            _ => exit,
        }
    }
    /// Whether it can outlive this program.
    pub(crate) fn lasts(&self) -> bool {
        match &self.source {
            Source::Pty(_) => shell::can_pass_on(),
            Source::Lent(source) => source.lasts(),
            Source::Tcp(_) => true,
            Source::Ssh(_) => false,
            #[cfg(test)]
            Source::Simulated(_) => false,
        }
    }

    /// Lets go of it, so that it goes on in a program that takes this one's place: answers what it
    /// is, and what it is held by.
    pub(crate) fn pass_on(self) -> io::Result<(Held, Vec<OwnedFd>)> {
        match (self.source, self.sink) {
            (Source::Pty(source), _) => {
                let (pty, process, session) = source.pass_on()?;
                let (exit, held) = ended(pty, process);
                Ok((Held::Pty { session, exit }, held))
            }
            (Source::Lent(source), _) => {
                let (pty, line) = source.pass_on()?;
                let (exit, held) = ended(pty, line);
                Ok((Held::Lent { exit }, held))
            }
            (Source::Tcp(source), Sink::Tcp(sink)) => {
                let (eof, stream) = source.pass_on(sink)?;
                Ok((Held::Tcp { eof }, vec![stream]))
            }
            _ => Err(io::Error::other("it lives in this program only")),
        }
    }
}

fn ended(pty: OwnedFd, way: Result<OwnedFd, Exit>) -> (Option<Exit>, Vec<OwnedFd>) {
    match way {
        Ok(way) => (None, vec![pty, way]),
        Err(exit) => (Some(exit), vec![pty]),
    }
}
