//! A version on trial as a child of the installed program, where no service manager starts again what
//! ends: whatever becomes of the child, this process is there to run the version before.
//!
//! It stays until the next start from outside, passes signals on, and ends as its child does. Terminals
//! that the child has not taken, or gives back, are kept for whoever comes next.

use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use gangplank_proto::release::Version;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::handover::Handover;
use super::launch::{complain, is_on_trial, now};
use super::place::Place;
use super::state::left;
use super::version::Program;

/// Exit code of a child in whose place another version is to run (sysexits.h, EX_TEMPFAIL).
pub(super) const AGAIN: i32 = 75;

/// A version that works but isn't connected goes back by itself; one that does not even do that is
/// killed so much later.
const GRACE: Duration = Duration::from_secs(10);

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// What is to run now is in the state.
    Again,
    /// For good, with this exit code.
    Stop(i32),
}

/// Runs a version to its end.
///
/// # Errors
/// When it can't be started, or its end not be written down.
pub(super) fn supervise(
    program: &Program,
    version: Version,
    place: &Place,
    config: &Path,
    base: &Path,
) -> io::Result<Ended> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let time = left(place.state()?.trial.and_then(|trial| trial.since), now()) + GRACE;
    let on_trial = || Ok::<_, io::Error>(is_on_trial(&place.state()?, version));
    let (ours, childs) = Handover::pair()?;
    if let Some(left) = Handover::from_stdin() {
        left.pass_on(&ours);
    }
    let ended = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut died = signal(SignalKind::child())?;
        let mut command = tokio::process::Command::from(program.command(config, base));
        command.args(["--supervisor", &std::process::id().to_string()]).stdin(childs.stdin()?);
        // Whatever goes wrong here, no second agent is left beside the one that comes next.
        let mut child = command.kill_on_drop(true).spawn()?;
        let (mut told, mut late) = (false, Box::pin(sleep(time)));
        let mut judged = false;
        let status = loop {
            tokio::select! {
                status = child.wait() => break status?,
                _ = terminate.recv() => {
                    told = true;
                    pass(&child, Signal::SIGTERM);
                }
                _ = interrupt.recv() => {
                    told = true;
                    pass(&child, Signal::SIGTERM);
                }
                _ = hang_up.recv() => pass(&child, Signal::SIGHUP),
                _ = died.recv() => reap(&child),
                () = &mut late, if !judged => {
                    judged = true;
                    if on_trial()? {
                        child.start_kill()?;
                    }
                }
            }
        };
        if told {
            return Ok(Ended::Stop(code(status)));
        }
        if on_trial()? {
            let mut state = place.state()?;
            state.roll_back(&format!("it ended before it was connected ({status})"));
            place.save(&state)?;
            return Ok(Ended::Again);
        }
        Ok(if status.code() == Some(AGAIN) { Ended::Again } else { Ended::Stop(code(status)) })
    });
    if matches!(ended, Ok(Ended::Again))
        && let Err(error) = keep(&ours, &childs)
    {
        complain(&format!("terminals can't be handed over: {error}"));
    }
    ended
}

/// Keeps the terminals that a child has not taken, and those that it gave back.
fn keep(ours: &Handover, childs: &Handover) -> io::Result<()> {
    let (next, way) = Handover::pair()?;
    childs.pass_on(&way);
    ours.pass_on(&way);
    next.leave_as_stdin()
}

/// Buries the shells that this process started before it was a parent, and what lost its own: the
/// child, whose end is waited for, is left alone.
fn reap(child: &Child) {
    let own = child.id().and_then(|id| i32::try_from(id).ok());
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
    while let Ok(ended) = waitid(Id::All, look | WaitPidFlag::WNOWAIT)
        && let Some(pid) = ended.pid()
        && Some(pid.as_raw()) != own
        && waitid(Id::Pid(pid), look).is_ok()
    {}
}

fn pass(child: &Child, signal: Signal) {
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) {
        // It may have ended by itself.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// The exit code, as shells have it for signals.
fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;

    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}
