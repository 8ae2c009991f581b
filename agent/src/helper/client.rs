//! The agent's side: asks the helper for a verb and passes on what comes.

use std::io;
use std::path::{Path, PathBuf};

use gangplank_proto::job::{Done, Outcome};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

use super::frame::{Frame, Frames};
use super::{Answer, Verb};
use crate::command::Context;

/// There is no helper that could be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Absent {
    /// Nobody listens.
    #[error("no helper listens on {0}: switch on gangplank-agent-helper.socket")]
    Nobody(PathBuf),
    /// It can't be reached.
    #[error("the helper on {path} can't be reached: {error}")]
    Unreachable {
        /// Its socket.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Whoever listens there is not root.
    #[error("what listens on {0} is not root's")]
    NotRoot(PathBuf),
}

/// Has the helper do something for a command. Calling the command off calls it off.
///
/// # Errors
/// [`Absent`] when nothing was begun because there is no helper.
pub async fn ask(verb: &Verb, context: &Context) -> Result<Done, Absent> {
    let stream = connect(&context.local.helper).await?;
    let done = follow(stream, verb, context).await;
    Ok(done.unwrap_or_else(|error| lost(verb, &error)))
}

pub(super) async fn connect(path: &Path) -> Result<UnixStream, Absent> {
    let unreachable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            Absent::Nobody(path.to_owned())
        }
        _ => Absent::Unreachable { path: path.to_owned(), error },
    };
    let stream = UnixStream::connect(path).await.map_err(unreachable)?;
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == 0 => Ok(stream),
        Ok(_) => Err(Absent::NotRoot(path.to_owned())),
        Err(error) => Err(unreachable(error)),
    }
}

async fn follow(stream: UnixStream, verb: &Verb, context: &Context) -> io::Result<Done> {
    let (read, mut write) = stream.into_split();
    Frame::word(verb)?.write(&mut write).await?;
    let mut answers = Frames::new(read);
    let mut called_off = false;
    loop {
        let frame = tokio::select! {
            frame = answers.next() => frame?.ok_or(io::ErrorKind::UnexpectedEof)?,
            () = context.cancel.cancelled(), if !called_off => {
                called_off = true;
                // What is there so far still comes.
                write.shutdown().await?;
                continue;
            }
        };
        match frame {
            Frame::Output(data) => context.output.print(&data).await,
            word => match word.parse::<Answer>() {
                Some(Answer::Progress(progress)) => context.progress.say(progress),
                Some(Answer::Done(done)) => return Ok(done),
                Some(Answer::Terminal) | None => return Err(io::ErrorKind::InvalidData.into()),
            },
        }
    }
}

/// The end of a command whose helper is gone. A scan has no effects that could be half done.
fn lost(verb: &Verb, error: &io::Error) -> Done {
    let (outcome, why) = match verb {
        Verb::Scan { .. } => (Outcome::Failed, "the scan was ended"),
        Verb::Packages { .. } | Verb::Tool { .. } | Verb::Pty { .. } => {
            (Outcome::Unknown, "it may have run, wholly or in part")
        }
    };
    Done::new(outcome, Some(&format!("the helper was lost while it ran ({error}): {why}")))
}
