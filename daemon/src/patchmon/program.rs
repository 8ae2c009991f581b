//! Programs of PatchMon's agent that the operator put into a directory: `patchmon-agent-OS-ARCH`,
//! and in `patchmon-agent.version` which version they are. Without them its agents stay as they are.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

/// File in which the version stands.
const VERSION: &str = "patchmon-agent.version";

/// What it is built for.
const TARGETS: &[(&str, &[&str])] = &[
    ("linux", &["amd64", "386", "arm64", "arm"]),
    ("freebsd", &["amd64", "386", "arm64", "arm"]),
    ("windows", &["amd64", "arm64"]),
];

/// A system that PatchMon's agent is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    os: &'static str,
    arch: &'static str,
}

/// The text names no such system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no agent for such a system")]
pub struct UnknownTarget;

impl Target {
    /// A system by the names that agents have for it, those of Go or of the kernel.
    ///
    /// # Errors
    /// For any other.
    pub fn new(os: &str, arch: &str) -> Result<Self, UnknownTarget> {
        let arch = match arch {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "i386" | "i686" => "386",
            "armv6l" | "armv7l" => "arm",
            other => other,
        };
        let (os, archs) = TARGETS.iter().find(|(known, _)| *known == os).ok_or(UnknownTarget)?;
        let arch = archs.iter().find(|known| **known == arch).ok_or(UnknownTarget)?;
        Ok(Self { os, arch })
    }

    /// The architecture, as Go names it.
    #[must_use]
    pub fn arch(self) -> &'static str {
        self.arch
    }

    /// The operating system, as Go names it.
    #[must_use]
    pub fn os(self) -> &'static str {
        self.os
    }

    /// Where the program lies; both parts come out of [`TARGETS`], so no path can be smuggled in.
    fn file(self, directory: &Path) -> PathBuf {
        directory.join(format!("patchmon-agent-{}-{}", self.os, self.arch))
    }
}

/// A program that hosts may fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Where it lies.
    pub path: PathBuf,
    /// Which version it is.
    pub version: String,
    /// SHA-256, in hex.
    pub hash: String,
}

/// When a file was changed, and how long it is.
type Stamp = (SystemTime, u64);

/// Remembers hashes for as long as the files stay what they are.
#[derive(Debug, Default)]
pub struct Programs(Mutex<HashMap<PathBuf, (Stamp, String)>>);

impl Programs {
    /// The program for a system, if the operator provides one.
    pub async fn find(&self, directory: Option<&Path>, target: Target) -> Option<Program> {
        let version = version(directory).await?;
        let path = target.file(directory?);
        let metadata = tokio::fs::metadata(&path).await.ok().filter(std::fs::Metadata::is_file)?;
        let stamp = (metadata.modified().ok()?, metadata.len());
        let known = self.lock().get(&path).filter(|(then, _)| *then == stamp).cloned();
        let hash = match known {
            Some((_, hash)) => hash,
            None => {
                let hash = hash(&path).await.ok()?;
                self.lock().insert(path.clone(), (stamp, hash.clone()));
                hash
            }
        };
        Some(Program { path, version, hash })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, (Stamp, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The version of the programs in a directory.
pub async fn version(directory: Option<&Path>) -> Option<String> {
    let text = tokio::fs::read_to_string(directory?.join(VERSION)).await.ok()?;
    let text = text.trim();
    numbers(text).map(|_| text.to_owned())
}

/// Whether a version is later than another, of which nothing may be known.
#[must_use]
pub fn is_newer(version: &str, than: &str) -> bool {
    match (numbers(version), numbers(than)) {
        (Some(version), Some(than)) => version > than,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

fn numbers(version: &str) -> Option<Vec<u32>> {
    let plain = version.strip_prefix('v').unwrap_or(version);
    plain.split('.').map(|part| part.parse().ok()).collect()
}

async fn hash(path: &Path) -> io::Result<String> {
    let mut file = tokio::fs::File::open(path).await?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut buffer).await?;
        if read == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_known_ones() {
        assert_eq!(Target::new("linux", "x86_64"), Target::new("linux", "amd64"));
        for (os, arch) in [("linux", "../x"), ("linux", ""), ("", "amd64"), ("windows", "arm")] {
            assert_eq!(Target::new(os, arch), Err(UnknownTarget), "{os} {arch}");
        }
    }

    #[test]
    fn versions_are_compared_by_number() {
        assert!(is_newer("2.1.10", "2.1.9") && is_newer("2.0.0", "1.99.1"));
        assert!(!is_newer("2.1.0", "2.1.0") && !is_newer("1.4.2", "2.1.0"));
        assert!(is_newer("2.1.0", "") && !is_newer("latest", "1.0.0"));
    }

    #[tokio::test]
    async fn a_program_is_there_when_it_and_its_version_are() {
        let directory = tempfile::tempdir().unwrap();
        let (programs, target) = (Programs::default(), Target::new("linux", "amd64").unwrap());
        let find = || programs.find(Some(directory.path()), target);
        std::fs::write(directory.path().join("patchmon-agent-linux-amd64"), "program").unwrap();
        assert_eq!(find().await, None);
        std::fs::write(directory.path().join(VERSION), "2.1.4\n").unwrap();
        let found = find().await.unwrap();
        assert_eq!(found.version, "2.1.4");
        assert_eq!(found.hash, hex::encode(Sha256::digest("program")));
        std::fs::write(directory.path().join("patchmon-agent-linux-amd64"), "another").unwrap();
        assert_ne!(find().await.unwrap().hash, found.hash);
        let other = Target::new("linux", "arm64").unwrap();
        assert_eq!(programs.find(Some(directory.path()), other).await, None);
        assert_eq!(programs.find(None, target).await, None);
    }
}
