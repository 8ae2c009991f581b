//! `run`: what the service starts. Signals, systemd, and the agent between them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gangplank_proto::release::Version;
use gangplank_terminal::frozen::Frozen;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::{ConfigArgument, Failure, block_on, complain};
use crate::agent::{Agent, State};
use crate::config::file::{self, Lock};
use crate::config::{Config, ConfigError, Environment, Local};
use crate::log::{self, LogLevel};
use crate::update::Place;
use crate::update::launch::{Launched, launch};
use crate::update::trial::Trial;

/// A tick of the watchdog when systemd wants none: long enough to cost nothing.
const NO_WATCHDOG: Duration = Duration::from_secs(3600);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// The installed program, which runs this one in its place.
    #[arg(long, value_name = "FILE", hide = true, requires = "release")]
    base: Option<PathBuf>,
    /// The version that this program was released as.
    #[arg(long, value_name = "VERSION", hide = true, requires = "base")]
    release: Option<Version>,
    /// The process of the installed program that goes on beside this one.
    #[arg(long, value_name = "PID", hide = true, requires = "base")]
    supervisor: Option<u32>,
}

/// What a run comes to.
#[derive(Debug)]
enum Next {
    /// The end.
    Stop,
    /// Another version takes over, and these terminals.
    Again(Vec<Frozen>),
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let path = &arguments.config.config;
    // Before anything that can go wrong: which program runs.
    let launched = match (&arguments.base, arguments.release) {
        (Some(base), Some(release)) => Launched::by(base.clone(), release, arguments.supervisor),
        _ => launch(path, environment).map_err(Failure::new)?,
    };
    let trial = watch_over(path, &launched);
    let ran = catch_unwind(AssertUnwindSafe(|| live(path, environment, &launched, trial.as_ref())));
    let (why, terminals, outcome) = match ran {
        Ok(Ok(Next::Stop)) => return Ok(()),
        Ok(Ok(Next::Again(terminals))) => (None, terminals, Ok(())),
        Ok(Err(failure)) => (Some("it could not start"), Vec::new(), Err(failure)),
        Err(_) => (Some("it broke"), Vec::new(), Err(Failure::Other("the agent broke".to_owned()))),
    };
    // A version on trial that fails gives its place back; any other failure is told and no more.
    if let Some(why) = why
        && !trial.is_some_and(|trial| trial.give_up(why))
    {
        return outcome;
    }
    let error = launched.again(path, terminals);
    Err(Failure::Other(format!("{}: {error}", launched.base.display())))
}

/// The watch of a version on trial over itself.
fn watch_over(path: &Path, launched: &Launched) -> Option<Trial> {
    let (own, config) = (launched.clone(), path.to_owned());
    let back = move || {
        let error = own.again(&config, Vec::new());
        complain(&format!("{}: {error}", own.base.display()));
        // Whoever starts it again gets the version before.
        std::process::exit(1);
    };
    let trial = Trial::begin(&Place::beside(path), launched.release, back);
    trial.unwrap_or_else(|error| {
        complain(&format!("the new version can't be watched: {error}"));
        None
    })
}

fn live(
    path: &Path,
    environment: &Environment,
    launched: &Launched,
    trial: Option<&Trial>,
) -> Result<Next, Failure> {
    let config = Config::load(path, environment)?;
    file::check_owner(path).map_err(|problem| ConfigError { problems: vec![problem] })?;
    let level = log::start(config.local.log, environment);
    let lock = Lock::take(path).map_err(Failure::new)?;
    let (release, on_trial) = (launched.release, trial.is_some());
    tracing::info!(%release, on_trial, "starting");
    if !config.server.trust.verifies() {
        tracing::warn!("server.skip_ssl_verify is on: whoever is on the way reads everything");
    }
    let left = launched.left.clone();
    let agent = Agent::of_release(config, release, trial.cloned(), left).map_err(Failure::new)?;
    block_on(serve(agent, path, environment, &level, &lock))?
}

async fn serve(
    agent: Agent,
    path: &Path,
    environment: &Environment,
    level: &LogLevel,
    lock: &Lock,
) -> Result<Next, Failure> {
    let mut signals = Signals::new().map_err(Failure::new)?;
    let stop = CancellationToken::new();
    let mut state = agent.state();
    let restart = agent.updates().restart();
    let running = agent.run(stop.clone());
    tokio::pin!(running);
    let period = sd_notify::watchdog_enabled().map_or(NO_WATCHDOG, |limit| limit / 2);
    let mut watchdog = interval_at(Instant::now() + period, period);
    watchdog.set_missed_tick_behavior(MissedTickBehavior::Delay);
    notify(&[NotifyState::Ready]);
    let terminals = loop {
        tokio::select! {
            terminals = &mut running => break terminals,
            // The service manager isn't told: for it the process just goes on.
            () = restart.cancelled(), if !stop.is_cancelled() => stop.cancel(),
            _ = signals.terminate.recv() => signals.told = stop_now(&stop),
            _ = signals.interrupt.recv() => signals.told = stop_now(&stop),
            _ = signals.hang_up.recv() => reload(&agent, path, environment, level),
            _ = watchdog.tick() => notify(&[NotifyState::Watchdog]),
            Ok(()) = state.changed() => show(&mut state, lock),
        }
    };
    // Somebody who stopped it meanwhile meant it.
    if restart.is_cancelled() && !signals.told {
        tracing::info!(terminals = terminals.len(), "another version takes over");
        return Ok(Next::Again(terminals));
    }
    tracing::info!("stopped");
    Ok(Next::Stop)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    /// Whether one of them asked for the end.
    told: bool,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            told: false,
        })
    }
}

fn stop_now(stop: &CancellationToken) -> bool {
    tracing::info!("stopping");
    notify(&[NotifyState::Stopping]);
    stop.cancel();
    true
}

/// Takes policy and log level anew; a bad file changes nothing.
fn reload(agent: &Agent, path: &Path, environment: &Environment, level: &LogLevel) {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now]);
    }
    match Local::load(path, environment) {
        Ok(local) => {
            level.set(local.log);
            agent.reload(local);
            tracing::info!("policy and log level read again");
        }
        Err(error) => {
            for problem in error.problems {
                tracing::error!(%problem, "not reloaded");
            }
        }
    }
    notify(&[NotifyState::Ready]);
}

/// Tells systemd, and whoever looks into the lock file.
fn show(state: &mut watch::Receiver<State>, lock: &Lock) {
    let state = state.borrow_and_update().clone();
    notify(&[NotifyState::Status(&state.to_string())]);
    lock.say(&state.to_string());
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager can't be told");
    }
}
