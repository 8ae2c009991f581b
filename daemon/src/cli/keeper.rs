//! Starting a keeper.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::KeeperCommand;
use super::output::Failure;
use super::place::FILE;
use crate::config::{Config, ConfigError, Problem, RunMode, Sources};
use crate::keeper::{serve, socket};
use crate::{logging, notify};

pub(super) fn keeper(wanted: KeeperCommand) -> Result<(), Failure> {
    let usual = || Path::new(FILE).exists().then(|| FILE.into());
    let mut sources = Sources::of_process(wanted.config.or_else(usual));
    if let Some(socket) = wanted.socket {
        sources.flags.push(("keeper.socket", "--socket", socket.display().to_string()));
    }
    let config = Config::load(&sources, RunMode::Keeper)?;
    let log = logging::start(config.log).map_err(Failure::new)?;
    // The terminals that are kept stay as they are; only the log can change.
    let reload = || match Config::load(&sources, RunMode::Keeper) {
        Ok(config) => {
            log.set_level(config.log.level);
            tracing::info!("the configuration was read again");
        }
        Err(error) => tracing::error!(%error, "the old configuration stays in force"),
    };
    let Some(path) = config.keeper_socket.clone() else { return Err(no_socket().into()) };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::new)?;
    runtime.block_on(run(&config, &path, reload))
}

async fn run(config: &Config, path: &Path, reload: impl Fn()) -> Result<(), Failure> {
    // Before anything is started, so that no signal is missed.
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::new)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::new)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(Failure::new)?;
    let listener = socket::bind(path).map_err(Failure::new)?;
    let stop = CancellationToken::new();
    let keeper =
        tokio::spawn(serve::serve(listener, crate::keeper::config(&config.limits), stop.clone()));
    tokio::spawn(notify::watchdog(stop.clone()));
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, socket = %path.display(), "keeping terminals");
    notify::ready("keeping terminals");
    loop {
        tokio::select! {
            _ = hang_up.recv() => reload(),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    notify::stopping();
    stop.cancel();
    let ended = keeper.await.map_err(Failure::new);
    // A socket that stays behind is found dead by the next start.
    let _ = std::fs::remove_file(path);
    ended
}

fn no_socket() -> ConfigError {
    ConfigError(vec![Problem {
        key: "keeper.socket".to_owned(),
        place: "nowhere".to_owned(),
        reason: "a keeper needs a place to listen".to_owned(),
        fix: "write a path in the configuration, or give --socket PATH".to_owned(),
    }])
}
