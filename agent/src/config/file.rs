//! The configuration as a file: private when it is read, replaced as a whole when it is written,
//! and locked while an agent runs from it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Problem;

/// No configuration, CA file or token is as long as this, in bytes.
const MAX_LEN: u64 = 1 << 20;

/// Reads a file of at most 1 MiB as text.
///
/// # Errors
/// When it can't be read, is longer, or isn't UTF-8.
pub fn read(path: &Path) -> io::Result<String> {
    read_from(File::open(path)?)
}

fn read_from(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(MAX_LEN + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_LEN {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 1 MiB"));
    }
    Ok(text)
}

/// Reads a file that must be its owner's alone; nothing when there is no file.
pub(super) fn read_private(path: &Path) -> Result<Option<String>, Problem> {
    let shown = path.display().to_string();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Problem::io(path, &error)),
    };
    // The opened file is asked, so that nobody can swap it between the look and the read.
    let metadata = file.metadata().map_err(|error| Problem::io(path, &error))?;
    if metadata.mode() & 0o077 != 0 {
        let fix = format!("run `chmod 600 {shown}`; if others could read it, renew the API key");
        return Err(Problem::new(&shown, "can be read or written by others", &fix));
    }
    read_from(file).map(Some).map_err(|error| Problem::io(path, &error))
}

/// Checks that nobody but root says what a root agent does, and that nobody else's file is obeyed.
///
/// # Errors
/// [`Problem`] when the configuration belongs to somebody else.
pub fn check_owner(path: &Path) -> Result<(), Problem> {
    let own = nix::unistd::geteuid().as_raw();
    let metadata = fs::metadata(path).map_err(|error| Problem::io(path, &error))?;
    if metadata.uid() == own || metadata.uid() == 0 {
        return Ok(());
    }
    let shown = path.display().to_string();
    let fix = format!("run `chown {own} {shown}`, or start the agent as the file's owner");
    Err(Problem::new(&shown, "belongs to another user", &fix))
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Who may read a file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Its owner: mode 0600.
    Owner,
    /// Everybody: mode 0644.
    Everybody,
}

/// Writes a file so that it has either its old content or all of the new one, whatever happens. It
/// keeps the owner of the file before it: enrolling as root for a service that runs as somebody
/// else leaves a file which that service can read. A new one gets the owner of its directory.
///
/// # Errors
/// When the directory can't be made or written.
pub fn write(path: &Path, content: &str, readers: Readers) -> io::Result<()> {
    let parent = directory(path);
    fs::create_dir_all(parent)?;
    let owner = fs::metadata(path).or_else(|_| fs::metadata(parent))?;
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let temporary = parent.join(format!(".{name}.{}", std::process::id()));
    let written = fill(&temporary, content, &owner, readers);
    let result = written.and_then(|()| fs::rename(&temporary, path));
    if result.is_err() {
        // The error to report is the first one.
        let _ = fs::remove_file(&temporary);
    }
    result?;
    File::open(parent)?.sync_all()
}

/// Checks that [`write()`] will work, before something is spent that can't be had again.
///
/// # Errors
/// When the directory can't be made or written.
pub fn check_writable(path: &Path) -> io::Result<()> {
    let parent = directory(path);
    fs::create_dir_all(parent)?;
    let probe = parent.join(format!(".gangplank.{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&probe)?;
    fs::remove_file(probe)
}

fn fill(path: &Path, content: &str, owner: &fs::Metadata, readers: Readers) -> io::Result<()> {
    // Left over by a process of the same id that was killed in between.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    if readers == Readers::Everybody {
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    file.write_all(content.as_bytes())?;
    file.sync_all()
}

/// A path beside the configuration that belongs to it: `agent.toml` has `agent.lock`.
#[must_use]
pub fn beside(config: &Path, extension: &str) -> PathBuf {
    config.with_extension(extension)
}

/// Whoever asks how an agent fares holds the lock for a moment, and an agent that was killed for as long
/// as the system takes to end it: taking it is tried so many times,
const LOOKS: u32 = 10;

/// so far apart.
const LOOK: Duration = Duration::from_millis(100);

/// One agent's right to run from its configuration; given back when dropped, with the open file.
/// The file says in one line how its agent fares.
#[derive(Debug)]
pub struct Lock(File);

/// Why an agent can't have its configuration to itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another agent runs from it.
    #[error("an agent runs from {0} already: stop it, or give this one another --config FILE")]
    Held(PathBuf),
    /// The lock file can't be made.
    #[error("{path}: {source}: the directory must be writable by the agent's user", path = path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Lock {
    /// Takes the lock of the configuration at `config`.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process has it.
    pub fn take(config: &Path) -> Result<Self, LockError> {
        let path = beside(config, "lock");
        let failed = |source| LockError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(failed)?;
        for left in (0..LOOKS).rev() {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if left > 0 => std::thread::sleep(LOOK),
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        Err(LockError::Held(config.to_owned()))
    }

    /// Writes down how the agent fares, in one line.
    pub fn say(&self, state: &str) {
        let written = self
            .0
            .set_len(0)
            .and_then(|()| self.0.write_all_at(format!("{state}\n").as_bytes(), 0));
        if let Err(error) = written {
            tracing::debug!(%error, "the lock file can't be written");
        }
    }

    /// What the agent that runs from `config` says; nothing when none runs.
    #[must_use]
    pub fn holder_says(config: &Path) -> Option<String> {
        let file = File::open(beside(config, "lock")).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {
                let text = read_from(file).unwrap_or_default();
                Some(text.lines().next().unwrap_or("starting").to_owned())
            }
            _ => None,
        }
    }
}
