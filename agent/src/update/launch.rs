//! The start: which program runs. It happens before anything else does, and it is the installed
//! program that decides, so that it works whatever is wrong with the others.

use std::io::{self, Write as _};
use std::os::unix::process::{CommandExt as _, parent_id};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use gangplank_proto::release::Version;
use gangplank_terminal::frozen::Frozen;
use nix::sys::prctl;
use nix::sys::signal::Signal;

use super::built_as;
use super::handover::Handover;
use super::place::Place;
use super::state::{Choice, State};
use super::supervise::{AGAIN, Ended, supervise};
use super::version::Program;
use crate::config::file::{Lock, LockError};
use crate::config::{Environment, Local};

/// The program that runs.
#[derive(Debug, Clone)]
pub struct Launched {
    /// The installed program, from which everything begins again.
    pub base: PathBuf,
    /// The version that runs: of the base, or of what runs in its place.
    pub release: Version,
    /// Whether the base runs beside it, as its parent.
    pub supervised: bool,
    /// What the program before it has left, and where a parent looks for what this one leaves.
    pub left: Option<Arc<Handover>>,
}

/// Where a version is started from and for.
struct Start<'a> {
    place: &'a Place,
    config: &'a Path,
    environment: &'a Environment,
    base: &'a Path,
}

impl Launched {
    /// As the installed program says that started this one.
    #[must_use]
    pub fn by(base: PathBuf, release: Version, supervisor: Option<u32>) -> Self {
        // By the name that was executed it would be called after a number.
        let _ = prctl::set_name(c"gangplank-agent");
        if let Some(supervisor) = supervisor {
            let bound = prctl::set_pdeathsig(Signal::SIGKILL);
            // Nobody is left to take the place back.
            if bound.is_err() || parent_id() != supervisor {
                std::process::exit(1);
            }
        }
        let left = Handover::from_stdin().map(Arc::new);
        Self { base, release, supervised: supervisor.is_some(), left }
    }

    /// Begins again from the installed program, in place of this process, and leaves it `terminals`
    /// and what this one has not taken. Comes back only when that isn't possible.
    #[must_use]
    pub fn again(&self, config: &Path, terminals: Vec<Frozen>) -> io::Error {
        if self.supervised {
            if let Some(parent) = &self.left {
                parent.put(terminals);
            }
            std::process::exit(AGAIN);
        }
        let mut command = Command::new(&self.base);
        command.args(["run", "--config"]).arg(config);
        match self.leave(terminals) {
            Ok(stdin) => drop(stdin.map(|stdin| command.stdin(stdin))),
            Err(error) => complain(&format!("terminals can't be handed over: {error}")),
        }
        command.exec()
    }

    fn leave(&self, terminals: Vec<Frozen>) -> io::Result<Option<Stdio>> {
        if terminals.is_empty() {
            return self.left.as_ref().map(|left| left.stdin()).transpose();
        }
        let (next, way) = Handover::pair()?;
        if let Some(left) = &self.left {
            left.pass_on(&way);
        }
        way.put(terminals);
        Ok(Some(next.stdin()?))
    }
}

/// Runs the version that is to run, in place of this process. Comes back when that is this program, or
/// when the others can't be run.
///
/// # Errors
/// [`LockError`] when an agent runs already: a start that comes to nothing is not counted.
pub fn launch(config: &Path, environment: &Environment) -> Result<Launched, LockError> {
    let base = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("gangplank-agent"));
    let place = Place::beside(config);
    if place.exists() {
        let start = Start { place: &place, config, environment, base: &base };
        let lock = Lock::take(config)?;
        if let Err(error) = start.replace(lock) {
            complain(&format!("{}: {error}", place.path().display()));
        }
    }
    let left = Handover::from_stdin().map(Arc::new);
    Ok(Launched { base, release: built_as(), supervised: false, left })
}

impl Start<'_> {
    fn replace(&self, lock: Lock) -> io::Result<()> {
        self.place.check_owner()?;
        let (mut state, mut choice) = self.choose()?;
        drop(lock);
        while let Choice::Version(version) = choice {
            match self.run(version, &state) {
                Ok(Ended::Stop(code)) => std::process::exit(code),
                Ok(Ended::Again) => (state, choice) = self.choose()?,
                Err(why) => {
                    complain(&format!("{version} can't be run: {why}"));
                    let on_trial = state.trying().is_some();
                    state.forget(version, &why);
                    // What ran before is tried again at the next start: its key may only be missing.
                    if on_trial {
                        self.place.save(&state)?;
                    }
                    choice = state.settled(built_as());
                }
            }
        }
        Ok(())
    }

    /// What is to be run, written down before it is.
    fn choose(&self) -> io::Result<(State, Choice)> {
        let before = self.place.state()?;
        let mut state = before.clone();
        let choice = state.at_start(built_as(), now());
        if state == before {
            return Ok((state, choice));
        }
        match self.place.save(&state) {
            Ok(()) => Ok((state, choice)),
            Err(error) => {
                // A start that can't be counted is no trial.
                complain(&format!("nothing can be tried: {error}"));
                let choice = before.settled(built_as());
                Ok((State { trial: None, ..before }, choice))
            }
        }
    }

    /// Runs a version. Comes back when it was on trial and has ended, or with the reason why it can't
    /// be run.
    fn run(&self, version: Version, state: &State) -> Result<Ended, String> {
        let Self { place, config, environment, base } = *self;
        let local = Local::load(config, environment).map_err(|error| error.to_string())?;
        let program =
            Program::open(place, version, &local.keys).map_err(|error| error.to_string())?;
        // Where somebody starts again what ends, a version on trial is best run as any other.
        let managed = environment.get("NOTIFY_SOCKET").is_some();
        if managed || !is_on_trial(state, version) {
            return Err(program.command(config, base).exec().to_string());
        }
        let ended = supervise(&program, version, place, config, base);
        ended.map_err(|error| error.to_string())
    }
}

/// Says what went wrong: there is no log yet, and perhaps never one of this program.
pub(super) fn complain(text: &str) {
    // With standard error closed there is nobody left to tell.
    let _ = writeln!(io::stderr(), "gangplank-agent: update: {text}");
}

/// Whether `state` says that this version is on trial.
#[must_use]
pub fn is_on_trial(state: &State, release: Version) -> bool {
    state.trying().is_some_and(|trial| trial.version == release)
}

/// Milliseconds since 1970.
#[must_use]
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
