//! `helper`: what the helper's unit starts. With `--work` it is a worker, which nobody types.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use listenfd::ListenFd;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Failure, block_on};
use crate::config::{Environment, Level};
use crate::helper::broker::Setup;
use crate::helper::policy::Policy;
use crate::helper::{POLICY, server, work};
use crate::log;

/// A helper that the service manager started ends after so long without an ask, so that no process
/// of root's waits for nothing.
const IDLE: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Root's file, which says who may ask and for what.
    #[arg(long, value_name = "FILE", default_value = POLICY)]
    policy: PathBuf,
    /// A socket to listen on, where no service manager hands one over.
    #[arg(long, value_name = "SOCKET", conflicts_with = "work")]
    listen: Option<PathBuf>,
    /// Do what comes by standard input.
    #[arg(long, hide = true)]
    work: bool,
}

pub(super) fn helper(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Failure::new("the helper does what needs root: run it as root"));
    }
    let _level = log::start(Level::default(), environment);
    if arguments.work {
        return block_on(work::run(&arguments.policy))?.map_err(Failure::new);
    }
    let (listener, idle) = match &arguments.listen {
        Some(path) => (bind(path, &arguments.policy)?, None),
        None => {
            let given = ListenFd::from_env().take_unix_listener(0).map_err(Failure::new)?;
            let missing = "no socket was handed over: start gangplank-agent-helper.socket";
            (given.ok_or_else(|| Failure::new(missing))?, Some(IDLE))
        }
    };
    let setup = Setup::of_host(arguments.policy.clone()).map_err(Failure::new)?;
    if !setup.units {
        tracing::warn!(
            "no systemd runs here: work has no unit of its own, so only its time, and what a scan \
             takes, is bounded"
        );
    }
    block_on(serve(listener, setup, idle))?
}

async fn serve(
    listener: UnixListener,
    setup: Setup,
    idle: Option<Duration>,
) -> Result<(), Failure> {
    listener.set_nonblocking(true).map_err(Failure::new)?;
    let listener = tokio::net::UnixListener::from_std(listener).map_err(Failure::new)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::new)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::new)?;
    let stop = CancellationToken::new();
    let serving = server::serve(listener, setup, idle, stop.clone());
    tokio::pin!(serving);
    loop {
        tokio::select! {
            served = &mut serving => return served.map_err(Failure::new),
            _ = interrupt.recv() => stop.cancel(),
            _ = terminate.recv() => stop.cancel(),
        }
    }
}

/// Listens on a socket of our own, which only root and whoever may ask can open.
fn bind(path: &Path, policy: &Path) -> Result<UnixListener, Failure> {
    let user = Policy::load(policy).map_err(Failure::new)?.user;
    if UnixStream::connect(path).is_ok() {
        return Err(Failure::Other(format!("a helper listens on {} already", path.display())));
    }
    // Left over by one that was killed.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Failure::new(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(Failure::new)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(Failure::new)?;
    chown(path, Some(user.as_raw()), None).map_err(Failure::new)?;
    Ok(listener)
}
