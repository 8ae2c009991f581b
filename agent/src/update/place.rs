//! The directory in which versions lie, with what is known about them. It belongs to the agent's user
//! and nobody else may write in it.
//!
//! | name | is |
//! | --- | --- |
//! | `floor` | the oldest version that may be installed; it only rises, and outlives an uninstallation |
//! | `state.json` | what runs, what ran before, and what is on trial |
//! | `incoming/HASH` | a program while it is fetched |
//! | `versions/V/` | a version: `program`, `manifest.json`, `manifest.json.minisig` |

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use gangplank_proto::release::Version;

use super::state::State;
use crate::config::file::beside;

/// No file of ours beside programs is as long, in bytes.
const LONGEST: u64 = 64 << 10;

/// The directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    directory: PathBuf,
}

impl Place {
    /// The place of the agent with this configuration.
    #[must_use]
    pub fn beside(config: &Path) -> Self {
        Self::new(beside(config, "update"))
    }

    /// The place in this directory.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Whether anything was ever put there.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.directory.is_dir()
    }

    pub(super) fn versions(&self) -> PathBuf {
        self.directory.join("versions")
    }

    pub(super) fn incoming(&self) -> PathBuf {
        self.directory.join("incoming")
    }

    /// Makes the directories, and sees that nobody else may write in them: whoever may could take a
    /// version away, or put an older one in its place.
    ///
    /// # Errors
    /// When they can't be made or belong to somebody else.
    pub fn prepare(&self) -> io::Result<()> {
        for directory in [self.directory.clone(), self.versions(), self.incoming()] {
            DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        }
        self.check_owner()
    }

    /// Sees that nobody but this user and root may write in the directory.
    ///
    /// # Errors
    /// When it belongs to somebody else.
    pub fn check_owner(&self) -> io::Result<()> {
        let metadata = fs::symlink_metadata(&self.directory)?;
        let own = nix::unistd::geteuid().as_raw();
        let ours = metadata.uid() == own || metadata.uid() == 0;
        if metadata.is_dir() && ours && metadata.mode() & 0o022 == 0 {
            return Ok(());
        }
        let shown = self.directory.display();
        let why =
            format!("{shown} can be written by others: run `chown -R {own} {shown}` and chmod 700");
        Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
    }

    /// The oldest version that may be installed.
    ///
    /// # Errors
    /// When it can't be read, or isn't one: then nothing may be installed.
    pub fn floor(&self) -> io::Result<Version> {
        match read(&self.directory.join("floor"))? {
            None => Ok(Version::default()),
            Some(text) => text.trim().parse().map_err(|_| {
                let shown = self.directory.join("floor");
                io::Error::other(format!("{} holds no version", shown.display()))
            }),
        }
    }

    /// Raises the floor; one that is higher stays.
    ///
    /// # Errors
    /// When it can't be read or written.
    pub fn raise_floor(&self, to: Version) -> io::Result<()> {
        if self.floor()? >= to {
            return Ok(());
        }
        self.write("floor", format!("{to}\n").as_bytes())
    }

    /// What is known. Nothing, when nothing was ever written or it can't be understood: the base runs
    /// then, which is always right.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn state(&self) -> io::Result<State> {
        let text = read(&self.directory.join("state.json"))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Writes down what is known; it is on disk, whole, when this returns.
    ///
    /// # Errors
    /// When it can't be written; then what was there before stands.
    pub fn save(&self, state: &State) -> io::Result<()> {
        self.write("state.json", &serde_json::to_vec(state)?)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.directory.join(name);
        write_new(&path.with_extension("new"), bytes)?;
        fs::rename(path.with_extension("new"), &path)?;
        File::open(&self.directory)?.sync_all()
    }

    /// Removes every version but those that are kept, and what was fetched in part.
    ///
    /// # Errors
    /// When something can't be removed.
    pub fn prune(&self, keep: &[Version]) -> io::Result<()> {
        let kept: Vec<String> = keep.iter().map(ToString::to_string).collect();
        for entry in fs::read_dir(self.versions())? {
            let entry = entry?;
            if !kept.iter().any(|name| entry.file_name() == name.as_str()) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        for entry in fs::read_dir(self.incoming())? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }

    /// Removes everything but the floor, which keeps an older program from coming back with the next
    /// installation. False when there was nothing.
    ///
    /// # Errors
    /// When something can't be removed.
    pub fn clear(&self) -> io::Result<bool> {
        let mut removed = false;
        for name in ["state.json", "state.new", "floor.new"] {
            removed |= gone(fs::remove_file(self.directory.join(name)))?;
        }
        for directory in [self.versions(), self.incoming()] {
            removed |= gone(fs::remove_dir_all(directory))?;
        }
        // Without a floor nothing is left to keep.
        Ok(removed | fs::remove_dir(&self.directory).is_ok())
    }
}

fn gone(removed: io::Result<()>) -> io::Result<bool> {
    match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes a new file (0600) that is on disk when this returns.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A small text; nothing when there is no such file.
pub(super) fn read(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    Ok(Some(text))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn the_floor_only_rises_and_outlives_an_uninstallation() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::new(directory.path().join("update"));
        assert_eq!(place.floor().unwrap(), Version::default());
        place.prepare().unwrap();
        place.raise_floor(version("1.2.0")).unwrap();
        place.raise_floor(version("1.1.9")).unwrap();
        assert_eq!(place.floor().unwrap(), version("1.2.0"));
        place.save(&State::default()).unwrap();
        assert!(place.clear().unwrap());
        assert!(!place.clear().unwrap());
        assert_eq!(place.floor().unwrap(), version("1.2.0"));
        // One that was damaged is no reason to take anything.
        fs::write(place.path().join("floor"), "garbage").unwrap();
        assert!(place.floor().is_err() && place.raise_floor(version("1.3.0")).is_err());
    }

    #[test]
    fn nothing_is_left_of_a_place_without_a_floor() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::new(directory.path().join("update"));
        place.prepare().unwrap();
        assert!(place.clear().unwrap());
        assert!(!place.exists());
    }

    #[test]
    fn a_torn_state_means_the_base() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::new(directory.path().to_owned());
        for torn in ["", "{", "{\"current\":\"x\"}", "[]"] {
            fs::write(directory.path().join("state.json"), torn).unwrap();
            assert_eq!(place.state().unwrap(), State::default(), "{torn}");
        }
    }
}
