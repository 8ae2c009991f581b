//! What must hold before a program is believed: who signed, what, for whom, since when and until when,
//! and that the bytes are those.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use gangplank_proto::release::{Manifest, ManifestError, Sha256, Target, Version};
use sha2::Digest as _;
use time::OffsetDateTime;

use super::key::{KeyError, Keys};

/// Bytes read at once.
const PIECE: usize = 64 << 10;

/// Why a release is not taken, with what to do where the host's owner can do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not signed.
    #[error("the release is refused: {0}")]
    Key(#[from] KeyError),
    /// Signed, and still no manifest.
    #[error("the release is refused: {0}")]
    Manifest(#[from] ManifestError),
    /// For other machines.
    #[error("the release is refused: it is for {0}, and this host needs another")]
    Target(Target),
    /// Not the one that was ordered.
    #[error("the release is refused: it is {got}, and {wanted} was ordered")]
    Other {
        /// What it is.
        got: Version,
        /// What was ordered.
        wanted: Version,
    },
    /// Not newer than what runs.
    #[error("the release is refused: {got} is older than {running}, which runs here")]
    Older {
        /// What it is.
        got: Version,
        /// What runs.
        running: Version,
    },
    /// Older than what ran here once.
    #[error("the release is refused: {got} is older than {floor}, which this host has run already")]
    BelowFloor {
        /// What it is.
        got: Version,
        /// The oldest that may be installed.
        floor: Version,
    },
    /// A step is missing between.
    #[error("the release is refused: {got} replaces {minimum} or newer; install that first")]
    Minimum {
        /// What it is.
        got: Version,
        /// The oldest that it replaces.
        minimum: Version,
    },
    /// Too old.
    #[error(
        "the release is refused: it expired on {}; check this host's clock, or whether somebody \
         keeps newer releases from it", .0.date()
    )]
    Expired(OffsetDateTime),
    /// Another length than promised.
    #[error("the program is refused: it has {got} bytes, and the manifest says {wanted}")]
    Length {
        /// What it has.
        got: u64,
        /// What it should have.
        wanted: u64,
    },
    /// Other bytes than promised.
    #[error("the program is refused: its bytes are not the ones that were signed")]
    Hash,
    /// It can't be read.
    #[error("the release can't be read: {0}")]
    Io(#[from] io::Error),
}

/// What a release is measured by.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The version that somebody ordered, if they named one.
    pub version: Option<Version>,
    /// What this host runs programs for.
    pub target: Target,
    /// What runs now.
    pub running: Version,
    /// The oldest version that may be installed.
    pub floor: Version,
    /// The time.
    pub now: OffsetDateTime,
}

/// A manifest whose signature holds, with the bytes of both.
#[derive(Debug, Clone)]
pub struct Release {
    manifest: Manifest,
    text: Vec<u8>,
    signature: String,
}

impl Release {
    /// Takes a manifest if a key signed it. Nothing of it is looked at before.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn verify(keys: &Keys, text: Vec<u8>, signature: String) -> Result<Self, Refusal> {
        keys.verify(&text, &signature)?;
        let manifest = Manifest::parse(&text)?;
        Ok(Self { manifest, text, signature })
    }

    /// What it says.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The bytes that were signed.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The signature, as a file.
    #[must_use]
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// Whether it may be installed here and now. The version that runs already is no mistake: it is for
    /// the caller to see that there is nothing to do.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn admit(&self, wanted: &Wanted) -> Result<(), Refusal> {
        let Manifest { version: got, target, minimum_version: minimum, expires, .. } =
            self.manifest;
        if target != wanted.target {
            return Err(Refusal::Target(target));
        }
        if let Some(ordered) = wanted.version.filter(|ordered| *ordered != got) {
            return Err(Refusal::Other { got, wanted: ordered });
        }
        if got < wanted.running {
            return Err(Refusal::Older { got, running: wanted.running });
        }
        if got < wanted.floor {
            return Err(Refusal::BelowFloor { got, floor: wanted.floor });
        }
        if wanted.running < minimum {
            return Err(Refusal::Minimum { got, minimum });
        }
        if wanted.now >= expires {
            return Err(Refusal::Expired(expires));
        }
        Ok(())
    }

    /// Whether the program behind this descriptor is the one that was signed. It reads by the
    /// descriptor alone, from its first byte to its last, wherever its cursor stands.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn check_program(&self, file: &File) -> Result<(), Refusal> {
        let (got, wanted) = (file.metadata()?.len(), self.manifest.length);
        if got != wanted {
            return Err(Refusal::Length { got, wanted });
        }
        let mut hasher = sha2::Sha256::new();
        let mut buffer = vec![0; PIECE];
        let mut at = 0;
        // One byte more than promised is asked for: a file that grows meanwhile is another.
        while at <= wanted {
            let read = file.read_at(&mut buffer, at)?;
            let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else { break };
            hasher.update(piece);
            at += read as u64;
        }
        if Sha256::new(hasher.finalize().into()) != self.manifest.sha256 {
            return Err(Refusal::Hash);
        }
        Ok(())
    }
}
