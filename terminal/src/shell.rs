//! The process of a shell: as the program has it that started it, or as the one has it that took that
//! program's place.

use std::future::pending;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::LazyLock;

use gangplank_proto::link::Exit;
use nix::sys::signal::Signal;
use rustix::process::{
    Pid, PidfdFlags, WaitId, WaitIdOptions, getpid, pidfd_open, pidfd_send_signal, waitid,
};
use tokio::net::unix::pipe;
use tokio::process::Child;

/// A shell's process.
#[derive(Debug)]
pub(crate) enum Shell {
    /// A child of this program.
    Started(Child),
    /// Known by its descriptor. It is a child of this process if that is the one that started it
    /// and runs another program now; else somebody else hears how it ended.
    Inherited(pipe::Receiver),
    /// It ended so.
    Ended(Exit),
}

/// Whether a shell can outlive the program that started it, on this kernel.
pub(crate) fn can_pass_on() -> bool {
    static KNOWN: LazyLock<bool> =
        LazyLock::new(|| pidfd_open(getpid(), PidfdFlags::empty()).is_ok());
    *KNOWN
}

impl Shell {
    /// One that another program has passed on.
    pub(crate) fn inherit(process: OwnedFd) -> io::Result<Self> {
        // Its end makes it readable, as the end of whoever writes makes a pipe; nothing is ever read.
        Ok(Self::Inherited(pipe::Receiver::from_owned_fd_unchecked(process)?))
    }

    /// Waits for its end; answers the same ever after. Cancel safe.
    pub(crate) async fn wait(&mut self) -> Exit {
        let exit = match self {
            Self::Started(child) => child.wait().await.map(exit_of).unwrap_or_default(),
            Self::Inherited(process) => match process.readable().await {
                Ok(()) => reap(process.as_fd()),
                // The runtime stops, and nobody is left to be told.
                Err(_) => return pending().await,
            },
            Self::Ended(exit) => exit.clone(),
        };
        *self = Self::Ended(exit.clone());
        exit
    }

    /// Ends it, whatever it does about it.
    pub(crate) fn kill(&mut self) {
        let killed = match self {
            Self::Started(child) => child.start_kill(),
            Self::Inherited(process) => {
                pidfd_send_signal(process.as_fd(), rustix::process::Signal::KILL)
                    .map_err(io::Error::from)
            }
            Self::Ended(_) => Ok(()),
        };
        // One that is gone by now can't be killed.
        let _ = killed;
    }

    /// Leaves it to whoever has the answered descriptor, or says how it ended.
    pub(crate) fn pass_on(self) -> io::Result<Result<OwnedFd, Exit>> {
        match self {
            Self::Started(child) => {
                let Some(id) = child.id() else {
                    return Err(io::Error::other("the shell's end was missed"));
                };
                let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
                let pid = pid.ok_or(io::ErrorKind::InvalidData)?;
                let process = pidfd_open(pid, PidfdFlags::empty())?;
                // Dropped it would be killed, or reaped by a runtime that does not wait for it.
                std::mem::forget(child);
                Ok(Ok(process))
            }
            Self::Inherited(process) => Ok(Ok(process.into_nonblocking_fd()?)),
            Self::Ended(exit) => Ok(Err(exit)),
        }
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    let exit_status = status.code().and_then(|code| u32::try_from(code).ok());
    Exit { exit_status, signal: status.signal().map(signal_name), reason: None }
}

fn signal_name(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(signal) => signal.as_str().trim_start_matches("SIG").to_owned(),
        Err(_) => number.to_string(),
    }
}

/// How a process that is over has ended: only its parent is told.
fn reap(process: BorrowedFd<'_>) -> Exit {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    let Ok(Some(status)) = waitid(WaitId::PidFd(process), options) else {
        return Exit::default();
    };
    let exit_status = status.exit_status().and_then(|code| u32::try_from(code).ok());
    Exit { exit_status, signal: status.terminating_signal().map(signal_name), reason: None }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::process::Stdio;

    use tokio::process::Command;

    use super::*;

    fn started(script: &str) -> Shell {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).kill_on_drop(true);
        Shell::Started(command.spawn().unwrap())
    }

    #[tokio::test]
    async fn a_shell_that_was_passed_on_says_how_it_ended() {
        let process = started("sleep 0.2; exit 7").pass_on().unwrap().unwrap();
        let mut shell = Shell::inherit(process).unwrap();
        assert_eq!(shell.wait().await.exit_status, Some(7));
        assert_eq!(shell.wait().await.exit_status, Some(7), "as often as it is asked");
        assert_eq!(shell.pass_on().unwrap().unwrap_err().exit_status, Some(7));
    }

    #[tokio::test]
    async fn a_shell_that_was_passed_on_can_be_killed_and_passed_on_again() {
        let process = started("sleep 600").pass_on().unwrap().unwrap();
        let process = Shell::inherit(process).unwrap().pass_on().unwrap().unwrap();
        let mut shell = Shell::inherit(process).unwrap();
        shell.kill();
        assert_eq!(shell.wait().await.signal.as_deref(), Some("KILL"));
    }
}
