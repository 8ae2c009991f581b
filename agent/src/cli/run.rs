//! `run`: what the service starts. Signals, systemd, and the agent between them.

use std::path::Path;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::{Failure, block_on};
use crate::agent::{Agent, State};
use crate::config::file::{self, Lock};
use crate::config::{Config, ConfigError, Environment, Local};
use crate::log::{self, LogLevel};

/// A tick of the watchdog when systemd wants none: long enough to cost nothing.
const NO_WATCHDOG: Duration = Duration::from_secs(3600);

pub(super) fn run(path: &Path, environment: &Environment) -> Result<(), Failure> {
    let config = Config::load(path, environment)?;
    file::check_owner(path).map_err(|problem| ConfigError { problems: vec![problem] })?;
    let level = log::start(config.local.log, environment);
    let lock = Lock::take(path).map_err(Failure::new)?;
    if !config.server.trust.verifies() {
        tracing::warn!("server.skip_ssl_verify is on: whoever is on the way reads everything");
    }
    let agent = Agent::new(config).map_err(Failure::new)?;
    block_on(serve(agent, path, environment, &level, &lock))?
}

async fn serve(
    agent: Agent,
    path: &Path,
    environment: &Environment,
    level: &LogLevel,
    lock: &Lock,
) -> Result<(), Failure> {
    let mut signals = Signals::new().map_err(Failure::new)?;
    let stop = CancellationToken::new();
    let mut state = agent.state();
    let running = agent.run(stop.clone());
    tokio::pin!(running);
    let period = sd_notify::watchdog_enabled().map_or(NO_WATCHDOG, |limit| limit / 2);
    let mut watchdog = interval_at(Instant::now() + period, period);
    watchdog.set_missed_tick_behavior(MissedTickBehavior::Delay);
    notify(&[NotifyState::Ready]);
    loop {
        tokio::select! {
            () = &mut running => break,
            _ = signals.terminate.recv() => stop_now(&stop),
            _ = signals.interrupt.recv() => stop_now(&stop),
            _ = signals.hang_up.recv() => reload(&agent, path, environment, level),
            _ = watchdog.tick() => notify(&[NotifyState::Watchdog]),
            Ok(()) = state.changed() => show(&mut state, lock),
        }
    }
    tracing::info!("stopped");
    Ok(())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

fn stop_now(stop: &CancellationToken) {
    if !stop.is_cancelled() {
        tracing::info!("stopping");
        notify(&[NotifyState::Stopping]);
        stop.cancel();
    }
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
