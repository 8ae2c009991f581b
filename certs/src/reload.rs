//! The certificate that is served now, exchanged while connections live on.

use crate::authority::Authority;
use crate::error::{AuthorityError, LoadError, ReloadError};
use crate::identity::Identity;
use crate::leaf::Leaf;
use crate::names::Names;
use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use time::OffsetDateTime;

/// What a check did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Another certificate is served from now on.
    Yes,
    /// All as before.
    No,
}

/// Serves one certificate to every client, whatever name it asks for, and exchanges it on the fly:
/// new handshakes see the new one, established connections keep what they have.
#[derive(Debug)]
pub struct Reloadable {
    current: ArcSwap<Identity>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Files { certificate: PathBuf, key: PathBuf, seen: Mutex<Stamps> },
    Own { authority: Arc<Authority>, names: Mutex<Names>, leaf: ArcSwap<Leaf> },
}

/// What tells that a file was written or exchanged; `None` for a file that isn't there.
type Stamps = [Option<Stamp>; 2];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: (i64, i64),
    changed: (i64, i64),
    inode: (u64, u64),
    len: u64,
}

impl Reloadable {
    /// Serves a pair of PEM files and follows them.
    ///
    /// # Errors
    /// When the pair can't be used now.
    pub fn from_files(
        certificate: &Path,
        key: &Path,
        now: OffsetDateTime,
    ) -> Result<Self, LoadError> {
        // Before the load: what is written meanwhile is then seen by the next check.
        let seen = Mutex::new([stamp(certificate), stamp(key)]);
        let identity = Identity::load(certificate, key, now)?;
        let (certificate, key) = (certificate.to_path_buf(), key.to_path_buf());
        Ok(Self {
            current: ArcSwap::from_pointee(identity),
            source: Source::Files { certificate, key, seen },
        })
    }

    /// Serves leaves of the own authority for `names` and renews them in time.
    ///
    /// # Errors
    /// When the authority can't vouch for a name.
    pub fn from_authority(
        authority: Arc<Authority>,
        names: Names,
        now: OffsetDateTime,
    ) -> Result<Self, AuthorityError> {
        let leaf = Leaf::issue(&authority, &names, now)?;
        Ok(Self {
            current: ArcSwap::new(Arc::clone(leaf.identity())),
            source: Source::Own {
                authority,
                names: Mutex::new(names),
                leaf: ArcSwap::from_pointee(leaf),
            },
        })
    }

    /// What is served now.
    #[must_use]
    pub fn current(&self) -> Arc<Identity> {
        self.current.load_full()
    }

    /// Serves `identity` from now on; until the next change of the files, or the next renewal.
    pub fn replace(&self, identity: Identity) {
        self.current.store(Arc::new(identity));
    }

    /// Loads the files again if they changed, or renews the leaf if it is due; to be called every
    /// few seconds. It reads files: not for an async thread.
    ///
    /// # Errors
    /// When the new pair is no good; the one before stays in use. The same bad files are reported
    /// once, not at every check.
    pub fn check(&self, now: OffsetDateTime) -> Result<Changed, ReloadError> {
        match &self.source {
            Source::Files { certificate, key, seen } => {
                let stamps = [stamp(certificate), stamp(key)];
                {
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    if *seen == stamps {
                        return Ok(Changed::No);
                    }
                    *seen = stamps;
                }
                self.replace(Identity::load(certificate, key, now)?);
                Ok(Changed::Yes)
            }
            Source::Own { leaf, .. } if !leaf.load().needs_renewal(now) => Ok(Changed::No),
            Source::Own { .. } => self.reload(now),
        }
    }

    /// Loads the files, or issues a new leaf, whether or not that is due (on SIGHUP).
    ///
    /// # Errors
    /// When the new pair is no good; the one before stays in use.
    pub fn reload(&self, now: OffsetDateTime) -> Result<Changed, ReloadError> {
        match &self.source {
            Source::Files { certificate, key, seen } => {
                *seen.lock().unwrap_or_else(PoisonError::into_inner) =
                    [stamp(certificate), stamp(key)];
                self.replace(Identity::load(certificate, key, now)?);
            }
            Source::Own { authority, names, leaf } => {
                let names = names.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let fresh = Leaf::issue(authority, &names, now)?;
                self.current.store(Arc::clone(fresh.identity()));
                leaf.store(Arc::new(fresh));
            }
        }
        Ok(Changed::Yes)
    }

    /// Serves other names from now on, within what the authority can vouch for; no effect on given
    /// files, whose names are what they are.
    ///
    /// # Errors
    /// [`AuthorityError::NamesNotCovered`]; all stays as it was.
    pub fn rename(&self, names: Names, now: OffsetDateTime) -> Result<Changed, ReloadError> {
        let Source::Own { authority, names: current, .. } = &self.source else {
            return Ok(Changed::No);
        };
        authority.check_names(&names)?;
        *current.lock().unwrap_or_else(PoisonError::into_inner) = names;
        self.reload(now)
    }
}

impl ResolvesServerCert for Reloadable {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(self.current.load().certified_key()))
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let data = std::fs::metadata(path).ok()?;
    Some(Stamp {
        modified: (data.mtime(), data.mtime_nsec()),
        changed: (data.ctime(), data.ctime_nsec()),
        inode: (data.dev(), data.ino()),
        len: data.len(),
    })
}
