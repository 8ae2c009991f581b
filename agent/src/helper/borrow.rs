//! The agent's side of a terminal of another user: asks the helper for one and takes its PTY.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use bytes::BytesMut;
use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::link::{Exit, PtyRequest};
use gangplank_terminal::lent::{Lent, Waiting};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::Interest;
use tokio::net::UnixStream;

use super::client::connect;
use super::frame::{Frame, Frames};
use super::{Answer, Name, Verb};

/// Bytes read at once: more than the one word that comes with a PTY.
const PIECE: usize = 4096;

/// Has the helper start a shell for a user.
///
/// # Errors
/// [`OpenError`] with a text for the person who asked.
pub async fn shell(socket: &Path, user: &str, request: &PtyRequest) -> Result<Lent, OpenError> {
    let refused = |message: &str| OpenError::new(ErrorCode::NotAllowed, message);
    let bad = |_| OpenError::new(ErrorCode::BadRequest, "not a user name or terminal type");
    let verb = Verb::Pty {
        user: Name::new(user).map_err(bad)?,
        term: Name::new(&request.term).map_err(bad)?,
        cols: request.size.cols(),
        rows: request.size.rows(),
    };
    let lost = |error: io::Error| {
        let message = format!("the helper of this host was lost: {error}");
        OpenError::new(ErrorCode::Internal, message)
    };
    let mut stream = connect(socket).await.map_err(|absent| {
        refused(&format!("a terminal of another user needs the helper, and {absent}"))
    })?;
    Frame::word(&verb).map_err(lost)?.write(&mut stream).await.map_err(lost)?;
    let (answer, pty) = first(&stream).await.map_err(lost)?;
    match (answer, pty) {
        (Answer::Terminal, Some(pty)) => {
            let line = Some(stream.as_fd().try_clone_to_owned().map_err(lost)?);
            Ok(Lent { pty, ended: Box::pin(ended(stream)), line })
        }
        (Answer::Done(done), _) => {
            let why = done.error.unwrap_or_default();
            Err(refused(why.as_str()))
        }
        _ => Err(lost(io::ErrorKind::InvalidData.into())),
    }
}

/// Waits again for the end of a shell that another program has borrowed, by the line to the helper.
///
/// # Errors
/// When that is no line.
pub fn resumed(line: OwnedFd) -> io::Result<Waiting<Exit>> {
    let stream = UnixStream::from_std(line.into())?;
    Ok(Box::pin(ended(stream)))
}

/// The first word, with the descriptor that came with it.
async fn first(stream: &UnixStream) -> io::Result<(Answer, Option<OwnedFd>)> {
    let (mut buffer, mut pty) = (BytesMut::new(), None);
    loop {
        if let Some(frame) = Frame::take(&mut buffer).map_err(io::Error::other)? {
            let answer = frame.parse().ok_or(io::ErrorKind::InvalidData)?;
            return Ok((answer, pty));
        }
        let mut piece = [0; PIECE];
        let len =
            stream.async_io(Interest::READABLE, || receive(stream, &mut piece, &mut pty)).await?;
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer.extend_from_slice(piece.get(..len).unwrap_or_default());
    }
}

fn receive(stream: &UnixStream, piece: &mut [u8], pty: &mut Option<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut pieces = [IoSliceMut::new(piece)];
    let received = recvmsg(stream, &mut pieces, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            *pty = descriptors.into_iter().next().or_else(|| pty.take());
        }
    }
    Ok(received.bytes)
}

/// Waits for the shell's end. Whoever waits no longer has hung up.
async fn ended(stream: UnixStream) -> Exit {
    let frame = Frames::new(stream).next().await;
    match frame.ok().flatten().and_then(|frame| frame.parse()) {
        Some(Answer::Done(done)) => {
            let exit_status = done.exit_status.and_then(|status| u32::try_from(status).ok());
            Exit { exit_status, ..Exit::default() }
        }
        _ => Exit::because("the helper of this host was lost"),
    }
}
