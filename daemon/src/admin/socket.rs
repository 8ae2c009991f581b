//! The Unix socket of a running daemon. Whoever runs the daemon, and root, may use it; the kernel
//! says who is at the other end. One request and one response a connection, each one line of JSON.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::Uid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Admin, LONGEST_REQUEST, Request, Response};
use crate::store::DataDir;

/// Name of the socket in the data directory.
const NAME: &str = "admin.sock";

/// Largest request, in bytes; an import of fifty thousand hosts fits.
const LARGEST_REQUEST: u64 = 32 << 20;

/// Largest response, in bytes; a list of a hundred thousand hosts fits.
const LARGEST_RESPONSE: u64 = 64 << 20;

/// Requests that are done at once; more wait.
const AT_ONCE: usize = 8;

/// How long the asker may take to say what they want.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest path that fits into a socket address, in bytes.
const LONGEST_PATH: usize = 107;

/// Why the socket of a daemon can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// No daemon listens there.
    #[error("no gangplankd runs on {}", .0.display())]
    NotRunning(PathBuf),
    /// The socket can't be made or reached.
    #[error("{}: {cause}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// The daemon ended the conversation without an answer, or answers what this program does not
    /// understand.
    #[error("the running gangplankd gave no answer that this version understands")]
    NoAnswer,
}

/// A bound socket.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl AdminSocket {
    /// Binds the socket of a data directory whose lock is held; one that a dead daemon left is
    /// replaced. Must be called in a Tokio runtime.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn bind(directory: &DataDir) -> Result<Self, SocketError> {
        let path = directory.path().join(NAME);
        let failed = |cause| SocketError::Io { path: path.clone(), cause };
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = reachable(&path, UnixListener::bind).map_err(failed)?;
        // The directory is private already; this is for one that somebody opened up.
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self { listener, path })
    }

    /// Answers until `shutdown`, then removes the socket.
    pub async fn serve(self, admin: Admin, shutdown: CancellationToken) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut conversations = tokio::task::JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                Some(_) = conversations.join_next() => continue,
                accepted = async {
                    let place = Arc::clone(&places).acquire_owned().await;
                    (place, self.listener.accept().await)
                } => accepted,
            };
            let (Ok(place), Ok((stream, _))) = accepted else {
                // Out of descriptors, most likely; the next turn tries again.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let admin = admin.clone();
            conversations.spawn(async move {
                let _place = place;
                if let Err(error) = converse(stream, &admin).await {
                    tracing::debug!(%error, "an administrative conversation broke off");
                }
            });
        }
        // What was begun is finished, within the daemon's own deadline.
        while conversations.join_next().await.is_some() {}
        // A socket that stays behind is found dead by the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn converse(stream: UnixStream, admin: &Admin) -> io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    let (reader, mut writer) = stream.into_split();
    let response = if allowed(uid, Uid::effective().as_raw()) {
        let mut line = String::new();
        let mut reader = BufReader::new(reader.take(LARGEST_REQUEST));
        timeout(PATIENCE, reader.read_line(&mut line)).await??;
        match serde_json::from_str::<Request>(&line) {
            Ok(request) => admin.execute(uid, request).await,
            Err(_) => Response::Failed {
                message: "the running gangplankd does not understand this; restart it".to_owned(),
            },
        }
    } else {
        tracing::warn!(uid, "somebody else's user tried to administrate");
        Response::Failed { message: "only the daemon's own user and root may do this".to_owned() }
    };
    let mut line = serde_json::to_vec(&response)?;
    line.push(b'\n');
    timeout(PATIENCE, writer.write_all(&line)).await??;
    writer.shutdown().await
}

/// Whether a user may administrate a daemon that runs as `own`.
fn allowed(uid: u32, own: u32) -> bool {
    uid == own || uid == 0
}

/// Asks the daemon that runs on a data directory.
///
/// # Errors
/// [`SocketError::NotRunning`] when there is none.
pub async fn ask(directory: &Path, request: &Request) -> Result<Response, SocketError> {
    let path = directory.join(NAME);
    let failed = |cause: io::Error| match cause.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            SocketError::NotRunning(directory.to_owned())
        }
        _ => SocketError::Io { path: path.clone(), cause },
    };
    let stream = reachable(&path, std::os::unix::net::UnixStream::connect).map_err(failed)?;
    stream.set_nonblocking(true).map_err(failed)?;
    let (reader, mut writer) = UnixStream::from_std(stream).map_err(failed)?.into_split();
    let mut line = serde_json::to_vec(request).map_err(|_| SocketError::NoAnswer)?;
    line.push(b'\n');
    writer.write_all(&line).await.map_err(failed)?;
    let mut answer = String::new();
    let mut reader = BufReader::new(reader.take(LARGEST_RESPONSE));
    let read = timeout(LONGEST_REQUEST, reader.read_line(&mut answer)).await;
    read.map_err(|_| SocketError::NoAnswer)?.map_err(failed)?;
    serde_json::from_str(&answer).map_err(|_| SocketError::NoAnswer)
}

/// Uses a socket by its path, or, when that is too long for an address, by way of its directory's
/// descriptor.
fn reachable<T>(path: &Path, with: impl FnOnce(PathBuf) -> io::Result<T>) -> io::Result<T> {
    use std::os::fd::AsRawFd;

    if path.as_os_str().len() <= LONGEST_PATH {
        return with(path.to_owned());
    }
    let directory = std::fs::File::open(path.parent().unwrap_or(path))?;
    with(PathBuf::from(format!("/proc/self/fd/{}/{NAME}", directory.as_raw_fd())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_daemons_user_and_root_are_allowed() {
        assert!(allowed(1000, 1000) && allowed(0, 1000) && allowed(0, 0));
        assert!(!allowed(1000, 0) && !allowed(1001, 1000));
    }
}
