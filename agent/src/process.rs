//! Programs that the agent runs: an argument list without a shell, nothing of our own environment, a
//! process group of their own, and an end for all that they started.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// Where programs look for others.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Exited(i32),
    Signalled(i32),
    Cancelled,
    TooLong,
}

/// How long a program is waited for, and how it is made to end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Time until it is ended.
    pub(crate) wall: Duration,
    /// How it is told to end.
    pub(crate) farewell: Farewell,
    /// What it has to end by itself once it was told to.
    pub(crate) grace: Duration,
    /// For what is left in its pipes once it has ended: a program that left its group may have
    /// inherited them.
    pub(crate) rest: Duration,
}

/// How a program is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// SIGTERM for it and all that it started.
    Terminate,
    /// SIGINT for the program alone, which brings what it began to a good end.
    Interrupt,
}

/// A program in a group of its own, with pipes for what it prints.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", PATH)
        .env("LANG", "C.UTF-8")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// Waits until a program ends, or makes it. `printing` takes what it prints, until there is no more.
pub(crate) async fn follow(
    mut child: Child,
    printing: impl Future<Output = ()>,
    patience: &Patience,
    cancel: &CancellationToken,
) -> io::Result<End> {
    let mut group = Group::of(&child);
    tokio::pin!(printing);
    let mut printed = false;
    let too_late = Instant::now() + patience.wall;
    let ended = loop {
        tokio::select! {
            status = child.wait() => break status.map(exited),
            () = cancel.cancelled() => break Ok(End::Cancelled),
            () = sleep_until(too_late) => break Ok(End::TooLong),
            () = &mut printing, if !printed => printed = true,
        }
    };
    if matches!(ended, Ok(End::Cancelled | End::TooLong)) {
        group.bid_farewell(patience.farewell);
        // Its last words are read meanwhile: they may be what it waits for.
        let gone = async {
            loop {
                tokio::select! {
                    _ = child.wait() => return,
                    () = &mut printing, if !printed => printed = true,
                }
            }
        };
        // One that stays is killed.
        let _ = timeout(patience.grace, gone).await;
    }
    group.end();
    if !printed {
        // Whoever left the group may hold the pipe for ever.
        let _ = timeout(patience.rest, &mut printing).await;
    }
    ended
}

fn exited(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Signalled(signal.unwrap_or_default()),
    }
}

/// The process group of a program: what is left of it goes when nobody waits for it any more.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }

    fn bid_farewell(&self, farewell: Farewell) {
        let Some(group) = self.0 else { return };
        // It may have ended by itself.
        let _ = match farewell {
            Farewell::Terminate => killpg(group, Signal::SIGTERM),
            Farewell::Interrupt => kill(group, Signal::SIGINT),
        };
    }

    /// Kills what is left, once: later the number may be another's.
    fn end(&mut self) {
        if let Some(group) = self.0.take() {
            // Nothing may be left.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}
