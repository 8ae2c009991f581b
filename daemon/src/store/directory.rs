//! The data directory: private to its owner, and to one instance at a time.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::StoreError;

/// A data directory whose lock is held. Clones hold the same lock; it goes with the last of them,
/// or with the process.
#[derive(Debug, Clone)]
pub struct DataDir {
    path: PathBuf,
    _lock: Arc<File>,
}

impl DataDir {
    /// Makes the directory (mode 0700) when it is missing, and locks it.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another instance has it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |cause| StoreError::File { path: path.to_owned(), cause };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        let lock = open_private(&path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: Arc::new(lock) }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse(path)),
            Err(TryLockError::Error(cause)) => {
                Err(StoreError::File { path: path.join("lock"), cause })
            }
        }
    }

    /// Where it is, without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Path of a file in it that only the owner may read (0600); made empty when it is missing.
    ///
    /// # Errors
    /// When the file can't be made or its mode can't be set.
    pub fn private_file(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.path.join(name);
        open_private(&path)?;
        Ok(path)
    }

    /// Reads a small private file, or makes it with what `content` gives when there is none. It
    /// appears whole or not at all.
    ///
    /// # Errors
    /// When the file can't be read or made.
    pub fn read_or_create<E: From<StoreError>>(
        &self,
        name: &str,
        content: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Vec<u8>, E> {
        let path = self.path.join(name);
        let failed = |cause| StoreError::File { path: path.clone(), cause };
        match std::fs::read(&path) {
            Ok(bytes) => return Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error).into()),
        }
        let bytes = content()?;
        let draft = self.private_file(&format!("{name}.new"))?;
        let write = || {
            let mut file = OpenOptions::new().write(true).truncate(true).open(&draft)?;
            io::Write::write_all(&mut file, &bytes)?;
            file.sync_all()?;
            std::fs::rename(&draft, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(failed)?;
        Ok(bytes)
    }
}

fn open_private(path: &Path) -> Result<File, StoreError> {
    let failed = |cause| StoreError::File { path: path.to_owned(), cause };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    file.set_permissions(Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(file)
}
