//! Reading and writing the small files of this crate: bounded, atomic, private where due.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use zeroize::Zeroizing;

/// No certificate chain or key is as long as this, in bytes.
const MAX_LEN: u64 = 1 << 20;

/// Reads a file of at most 1 MiB; the copy in memory is wiped when dropped.
pub(crate) fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_LEN + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_LEN {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 1 MiB"));
    }
    Ok(bytes)
}

/// The permission bits that let others than the owner's group touch the file, or the group write
/// it; 0 when it is private enough for a key.
pub(crate) fn exposure(path: &Path) -> io::Result<u32> {
    Ok(std::fs::metadata(path)?.mode() & 0o027)
}

/// Whether an existing file may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    Replace,
    Keep,
}

/// Writes `bytes` so that `path` has either its old content or all of the new one, whatever
/// happens. With [`Existing::Keep`] fails with `AlreadyExists` if there is a file.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32, existing: Existing) -> io::Result<()> {
    // Two threads of one process must not share a temporary file either.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let parent = parent(path);
    let temporary = parent.join(format!(
        ".{}.{}.{}",
        path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default(),
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    ));
    let result = fill(&temporary, bytes, mode).and_then(|()| match existing {
        Existing::Replace => std::fs::rename(&temporary, path),
        // A link never replaces, so of two processes that start at once the second one loses.
        Existing::Keep => std::fs::hard_link(&temporary, path),
    });
    if result.is_err() || existing == Existing::Keep {
        // The error to report is the first one; what remains is a private file of no use.
        let _ = std::fs::remove_file(&temporary);
    }
    result?;
    File::open(parent)?.sync_all()
}

fn fill(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    // Left over by a process of the same id that was killed in between.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes `dir` and what is missing above it, for this user alone; an existing one stays as it is.
pub(crate) fn private_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_whole_private_and_without_leftovers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write(&path, b"one", 0o600, Existing::Keep).unwrap();
        let again = write(&path, b"two", 0o600, Existing::Keep).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read(&path).unwrap().as_slice(), b"one");
        write(&path, b"three", 0o600, Existing::Replace).unwrap();
        assert_eq!(read(&path).unwrap().as_slice(), b"three");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_endless_file_is_not_read_into_memory() {
        assert_eq!(read(Path::new("/dev/zero")).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
