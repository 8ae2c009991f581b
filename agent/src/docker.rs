//! The containers of this host, as its engine tells by its socket: all of them when that is asked,
//! and changes as they happen. Whoever may use that socket is as good as root, so it is off unless
//! the host's own file switches it on.

mod changes;
mod inventory;

use std::path::Path;

use bollard::{API_DEFAULT_VERSION, Docker};

pub use changes::{Changes, Heard, follow};
pub use inventory::collect;

/// Seconds that the engine has for an answer.
const PATIENCE: u64 = 60;

/// Why the engine says nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DockerError {
    /// The host's file does not allow it.
    #[error("this host does not show its containers; its owner can set policy.docker = true")]
    NotAllowed,
    /// There is no engine, or its socket isn't ours to open.
    #[error("no container engine answers: {0}")]
    Engine(#[from] bollard::errors::Error),
}

/// A way to the engine, in a version of its API that both know.
async fn connect(socket: &Path) -> Result<Docker, DockerError> {
    let docker =
        Docker::connect_with_unix(&socket.to_string_lossy(), PATIENCE, API_DEFAULT_VERSION)?;
    Ok(docker.negotiate_version().await?)
}
