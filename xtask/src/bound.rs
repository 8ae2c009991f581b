//! Programs that don't outlive this one.

use std::{
    ffi::OsStr,
    os::unix::process::CommandExt as _,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::{
    sys::signal::{SigSet, Signal, kill},
    unistd::Pid,
};

/// How long a program may take to stop before it is killed: the daemon drains for up to 10 s.
const STOP: Duration = Duration::from_secs(15);

/// A command that the kernel terminates when the thread that started it is gone. It has a process
/// group of its own, so that a Ctrl-C in the terminal reaches this program alone, which then
/// stops the others in order.
///
/// The first thread must start it: others end before the program does.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(program).process_group(0);
    command
}

/// A running program that is stopped when this is dropped.
pub(crate) struct Bound {
    name: &'static str,
    child: Child,
}

impl Bound {
    /// Starts a command made by [`command`].
    pub(crate) fn start(name: &'static str, mut command: Command) -> Result<Self> {
        // A program inherits which signals are blocked, and would never hear of its end. Should one
        // come just now, it ends this program, and the kernel then terminates the others.
        let blocked = SigSet::thread_get_mask()?;
        SigSet::empty().thread_set_mask()?;
        let child = command.spawn();
        blocked.thread_set_mask()?;
        let child = child.with_context(|| format!("{name} does not start"))?;
        Ok(Self { name, child })
    }

    /// The running program.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How it ended, when it has ended by itself.
    pub(crate) fn ended(&mut self) -> Result<Option<String>> {
        let status = self.child.try_wait()?;
        Ok(status.map(|status| format!("{} ended ({status})", self.name)))
    }

    /// Asks it to stop, waits, and kills it when it doesn't.
    fn stop(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGTERM)?;
        let start = Instant::now();
        while start.elapsed() < STOP {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("{} could not be stopped: {error}", self.name);
        }
    }
}
