//! A program while it is fetched: one file of our own, written, checked and put in place by one
//! descriptor. What came so far stays when the connection or the agent ends, and is gone on with.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;

use nix::fcntl::OFlag;

use super::check::{Refusal, Release};
use super::place::{Place, write_new};
use super::version::{MANIFEST, PROGRAM, SIGNATURE};

/// What came so far of the program of a release.
#[derive(Debug)]
pub struct Incoming {
    file: File,
    path: PathBuf,
    have: u64,
    length: u64,
}

impl Incoming {
    /// Begins with a program, or goes on with it. Parts of others are removed.
    ///
    /// # Errors
    /// When the directory can't be read or written.
    pub fn open(place: &Place, release: &Release) -> io::Result<Self> {
        let name = release.manifest().sha256.to_string();
        for entry in fs::read_dir(place.incoming())? {
            let entry = entry?;
            if entry.file_name() != name.as_str() {
                fs::remove_file(entry.path())?;
            }
        }
        let path = place.incoming().join(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.custom_flags(OFlag::O_NOFOLLOW.bits()).open(&path)?;
        let length = release.manifest().length;
        let mut have = file.seek(SeekFrom::End(0))?;
        if have > length {
            file.set_len(0)?;
            have = file.seek(SeekFrom::Start(0))?;
        }
        Ok(Self { file, path, have, length })
    }

    /// Bytes that are there.
    #[must_use]
    pub fn have(&self) -> u64 {
        self.have
    }

    /// Bytes that there will be.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether all are there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.have == self.length
    }

    /// Takes the next bytes, and never more than were promised.
    ///
    /// # Errors
    /// [`Refusal::Length`] when there are more; or when they can't be written.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let have = self.have + bytes.len() as u64;
        if have > self.length {
            return Err(Refusal::Length { got: have, wanted: self.length });
        }
        self.file.write_all(bytes)?;
        self.have = have;
        Ok(())
    }

    /// Begins anew.
    ///
    /// # Errors
    /// When the file can't be emptied.
    pub fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.have = self.file.seek(SeekFrom::Start(0))?;
        Ok(())
    }

    /// Removes what came: it is of no use.
    ///
    /// # Errors
    /// When the file can't be removed.
    pub fn discard(self) -> io::Result<()> {
        fs::remove_file(self.path)
    }

    /// Checks the program by the descriptor by which it was written.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn check(&self, release: &Release) -> Result<(), Refusal> {
        release.check_program(&self.file)
    }

    /// Puts the checked program into its place, as a whole or not at all. A file that somebody swapped
    /// in under its name meanwhile would lie there now, and would not be run: see [`super::version`].
    ///
    /// # Errors
    /// When something can't be written.
    pub fn put(self, place: &Place, release: &Release) -> io::Result<()> {
        let version = release.manifest().version.to_string();
        let home = place.versions().join(&version);
        let draft = place.versions().join(format!("{version}.new"));
        for old in [&draft, &home] {
            match fs::remove_dir_all(old) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        DirBuilder::new().mode(0o700).create(&draft)?;
        write_new(&draft.join(MANIFEST), release.text())?;
        write_new(&draft.join(SIGNATURE), release.signature().as_bytes())?;
        self.file.set_permissions(Permissions::from_mode(0o500))?;
        self.file.sync_all()?;
        fs::rename(&self.path, draft.join(PROGRAM))?;
        File::open(&draft)?.sync_all()?;
        fs::rename(&draft, &home)?;
        File::open(place.versions())?.sync_all()
    }
}
