//! The place where a keeper listens.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// Why a keeper can't listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Another keeper is there.
    #[error("{}: a keeper listens there already", .0.display())]
    Taken(PathBuf),
    /// Something that is no socket is there.
    #[error("{}: this is not a socket; name another path", .0.display())]
    NoSocket(PathBuf),
    /// The socket can't be made.
    #[error("{}: {cause}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
}

/// Listens at `path`, for this user alone. A socket that a dead keeper left is replaced; a directory
/// that is missing is made. Must be called in a Tokio runtime.
///
/// # Errors
/// [`BindError`] when another keeper listens there, or the socket can't be made.
pub fn bind(path: &Path) -> Result<UnixListener, BindError> {
    let failed = |cause| BindError::Io { path: path.to_owned(), cause };
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    }
    match path.symlink_metadata() {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(BindError::NoSocket(path.to_owned()));
        }
        Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(BindError::Taken(path.to_owned())),
            Err(_) => std::fs::remove_file(path).map_err(failed)?,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    // Who is at the other end is looked at as well.
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_private_and_has_one_keeper() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("below/keeper.sock");
        let first = bind(&path).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert!(matches!(bind(&path), Err(BindError::Taken(_))));
        drop(first);
        bind(&path).unwrap();
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(bind(file.path()), Err(BindError::NoSocket(_))));
        assert!(file.path().exists());
    }
}
