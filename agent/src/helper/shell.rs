//! A login shell of another user: in a transient unit of that user's, on a PTY that the asker gets.
//! Neither the asker nor the helper is between the shell and the service manager, so nothing of their
//! sandboxes reaches it.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use gangplank_proto::job::{Done, Outcome};
use gangplank_proto::link::Size;
use nix::unistd::User;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::{AsyncRead, Interest};
use tokio::net::unix::OwnedWriteHalf;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::broker::{Setup, systemd_run};
use super::frame::{Frame, Frames};
use super::policy::Policy;
use super::unit::Unit;
use super::{Answer, Verb};
use crate::command::failed;

/// What a shell has to end by itself once its terminal is gone.
const GRACE: Duration = Duration::from_secs(10);

/// Starts a shell, lends its PTY to whoever asked, and waits for the end of either.
pub(super) async fn lend(
    verb: &Verb,
    policy: &Policy,
    setup: &Setup,
    asker: &mut Frames<impl AsyncRead + Unpin>,
    answers: &mut OwnedWriteHalf,
    stop: &CancellationToken,
) -> io::Result<()> {
    let refused = |why: &str| Frame::word(&Answer::Done(failed(why)));
    let Verb::Pty { user, cols, rows, .. } = verb else {
        return refused("that is no terminal")?.write(answers).await;
    };
    let Ok(size) = Size::new((*cols).into(), (*rows).into()) else {
        return refused("no terminal has that size")?.write(answers).await;
    };
    if !setup.units {
        let why = "a terminal of another user needs systemd, which does not run on this host";
        return refused(why)?.write(answers).await;
    }
    let Ok(Some(user)) = User::from_name(user.as_str()) else {
        return refused("this host has no such user")?.write(answers).await;
    };
    let Sides { lent, other, name } = Sides::open(size)?;
    let id = getrandom::u64().map_err(io::Error::other)?;
    let unit = Unit::of(verb, policy, id);
    let mut child = systemd_run(unit.shell(&user, &name)).stdin(Stdio::null()).spawn()?;
    send(answers, lent).await?;
    let status = tokio::select! {
        status = child.wait() => status?,
        // The terminal is shown no more; its end hangs up the shell too.
        () = async {
            tokio::select! {
                _ = asker.next() => {}
                () = stop.cancelled() => {}
            }
        } => match timeout(GRACE, stopped(&mut child, &unit.name)).await {
            Ok(status) => status?,
            Err(_) => {
                child.start_kill()?;
                child.wait().await?
            }
        },
    };
    // Held until here, so that it never looks as if nobody had it, before the shell has it.
    drop(other);
    Frame::word(&Answer::Done(ended(status)))?.write(answers).await
}

async fn stopped(child: &mut Child, unit: &str) -> io::Result<ExitStatus> {
    let mut systemctl = Command::new("systemctl");
    systemctl.args(["stop", unit]).stdin(Stdio::null()).status().await?;
    child.wait().await
}

/// A PTY: the side that is lent, and the other.
struct Sides {
    lent: OwnedFd,
    other: OwnedFd,
    name: String,
}

impl Sides {
    fn open(size: Size) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let lent = openpt(flags)?;
        grantpt(&lent)?;
        unlockpt(&lent)?;
        let winsize =
            Winsize { ws_row: size.rows(), ws_col: size.cols(), ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&lent, winsize)?;
        let other = ioctl_tiocgptpeer(&lent, flags)?;
        let name = ptsname(&lent, Vec::new())?.into_string().map_err(io::Error::other)?;
        Ok(Self { lent, other, name })
    }
}

/// Sends the PTY with the word that says so.
async fn send(answers: &OwnedWriteHalf, pty: OwnedFd) -> io::Result<()> {
    let mut whole = Vec::new();
    Frame::word(&Answer::Terminal)?.write(&mut whole).await?;
    let stream = answers.as_ref();
    let sent = stream
        .async_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let descriptors = [pty.as_fd()];
            if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            let sent = sendmsg(stream, &[IoSlice::new(&whole)], &mut control, SendFlags::NOSIGNAL);
            Ok(sent?)
        })
        .await?;
    // A stream takes so little in one piece.
    if sent == whole.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

fn ended(status: ExitStatus) -> Done {
    let mut done = Done::new(Outcome::Succeeded, None);
    done.exit_status = status.code();
    done
}
