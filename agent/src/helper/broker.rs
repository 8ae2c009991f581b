//! From a verb to a worker, and back: starts it, in its transient unit where there is a service
//! manager, passes on what it says, and sees to its end. Nothing that it says is looked at but its
//! last word.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::frame::{Frame, Frames};
use super::policy::Policy;
use super::unit::{self, Unit};
use super::work;
use super::{Answer, Verb};
use crate::command::failed;

/// Once a worker has ended, for the service manager to say so.
const REST: Duration = Duration::from_secs(10);

/// How work is started.
#[derive(Debug, Clone)]
pub struct Setup {
    /// This program, which is the worker's too.
    pub program: PathBuf,
    /// Root's file.
    pub policy: PathBuf,
    /// Whether a service manager runs that starts transient units.
    pub units: bool,
}

impl Setup {
    /// As this process finds its host.
    ///
    /// # Errors
    /// When it can't tell where its own program is.
    pub fn of_host(policy: PathBuf) -> io::Result<Self> {
        let units = sd_notify::booted().unwrap_or(false);
        Ok(Self { program: std::env::current_exe()?, policy, units })
    }
}

/// Has a verb done that root's file allows. `asker` ends, or says anything, when it is to be called
/// off; so it is when `stop` is cancelled.
///
/// # Errors
/// When it can't be begun, or whoever asked is gone.
pub(super) async fn run(
    verb: &Verb,
    policy: &Policy,
    setup: &Setup,
    asker: &mut Frames<impl AsyncRead + Unpin>,
    answers: &mut (impl AsyncWrite + Unpin),
    stop: &CancellationToken,
) -> io::Result<()> {
    let id = getrandom::u64().map_err(io::Error::other)?;
    let unit = setup.units.then(|| Unit::of(verb, policy, id));
    let mut child = start(setup, unit.as_ref())?;
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    Frame::word(verb)?.write(&mut input).await?;
    let (mut output, mut state) = (Frames::new(output), State::default());
    let goodbye = async {
        tokio::select! {
            // The end of the stream, a fault in it and a word all mean the same.
            _ = asker.next() => {}
            () = stop.cancelled() => {}
        }
    };
    let status = {
        // One future to its end, so that no frame is cut in two.
        let passing = state.pass(&mut output, answers);
        tokio::pin!(passing);
        let over = tokio::select! {
            () = &mut passing => true,
            () = goodbye => false,
        };
        // The worker finds its standard input at its end, and ends.
        drop(input);
        let ended = async {
            if !over {
                passing.await;
            }
            child.wait().await
        };
        timeout(unit::grace(verb), ended).await
    };
    let status = match status {
        Ok(status) => status?,
        Err(_) => kill(&mut child, unit.as_ref()).await?,
    };
    state.finish(status, answers).await
}

fn start(setup: &Setup, unit: Option<&Unit>) -> io::Result<Child> {
    let mut command = match unit {
        Some(unit) => systemd_run(unit.arguments(&setup.program, &setup.policy)),
        None => apart(&setup.program, work::arguments(&setup.policy)),
    };
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().map_err(|error| {
        let what = command.as_std().get_program().to_string_lossy().into_owned();
        io::Error::new(error.kind(), format!("{what} can't be started: {error}"))
    })
}

/// Has the service manager start something.
pub(super) fn systemd_run(arguments: Vec<OsString>) -> Command {
    apart("systemd-run", arguments)
}

fn apart(program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = OsString>) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LANG", "C.UTF-8")
        .current_dir("/")
        // A key that interrupts this process at a terminal is no goodbye to its worker, which has to
        // end its own work first. For the same reason it is never killed with us.
        .process_group(0);
    command
}

/// Ends a worker that doesn't end by itself, with all that it started.
async fn kill(child: &mut Child, unit: Option<&Unit>) -> io::Result<ExitStatus> {
    tracing::warn!("a worker did not end when it was told to");
    if let Some(unit) = unit {
        let mut command = Command::new("systemctl");
        command.args(["kill", "--signal=SIGKILL", &unit.name]).stdin(Stdio::null());
        command.status().await?;
        if let Ok(status) = timeout(REST, child.wait()).await {
            return status;
        }
    }
    child.start_kill()?;
    child.wait().await
}

/// What came of the work so far.
#[derive(Default)]
struct State {
    /// It said how it ended.
    done: bool,
    /// Nobody hears what it says.
    unheard: bool,
}

impl State {
    /// Passes on what the worker says, until it says no more.
    async fn pass(
        &mut self,
        output: &mut Frames<ChildStdout>,
        answers: &mut (impl AsyncWrite + Unpin),
    ) {
        while !self.done {
            let frame = match output.next().await {
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(%error, "a worker can't be understood");
                    return;
                }
            };
            self.done = matches!(frame.parse(), Some(Answer::Done(_)));
            // What it still says has to be read, or it would wait.
            if !self.unheard {
                self.unheard = frame.write(answers).await.is_err();
            }
        }
    }

    /// Says how the work ended if it did not say so itself.
    async fn finish(
        self,
        status: ExitStatus,
        answers: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        if self.unheard {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.done {
            return Ok(());
        }
        let why = format!("the work was ended before it could say how it went ({status})");
        Frame::word(&Answer::Done(failed(&why)))?.write(answers).await
    }
}
