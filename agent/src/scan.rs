//! Compliance scans of this host: which scanner, by what content, for which profile, and what it
//! found. Nothing is ever changed on the host, and nothing is fetched from elsewhere.

mod available;
mod content;
mod lynis;
mod openscap;
mod process;
mod profile;
mod release;
pub mod xccdf;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use gangplank_proto::scan::{Report, Scanner};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_util::sync::CancellationToken;

pub use available::{Available, available};
pub use process::Limits;
pub use release::Release;
pub use xccdf::{Bounds, XmlError};

use crate::policy::Policy;

/// What to scan for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// By which scanner.
    pub scanner: Scanner,
    /// For which profile: its full id, or the end of it that is short; with Lynis a group of tests.
    pub profile: Option<String>,
    /// By the rules of this file, which the policy must list; else content is chosen by the host's
    /// system.
    pub content: Option<PathBuf>,
    /// Where the scanner's own page for people is written, if it makes one.
    pub page: Option<PathBuf>,
}

/// What a scan finds on its host.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Directories in which scanners are looked for.
    pub programs: Vec<PathBuf>,
    /// Where packages put their SCAP content.
    pub content: PathBuf,
    /// Which system the host runs.
    pub release: Release,
    /// What a scan may take of the host.
    pub limits: Limits,
    /// How much of results is read.
    pub bounds: Bounds,
    /// What time it is.
    pub now: fn() -> SystemTime,
}

impl Setup {
    /// This host as it is.
    #[must_use]
    pub fn of_host() -> Self {
        let directories = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin"];
        Self {
            programs: directories.map(PathBuf::from).to_vec(),
            content: PathBuf::from("/usr/share/xml/scap/ssg/content"),
            release: Release::of_host(),
            limits: Limits::default(),
            bounds: Bounds::default(),
            now: SystemTime::now,
        }
    }

    fn program(&self, name: &'static str, package: &'static str) -> Result<PathBuf, ScanError> {
        let mut files = self.programs.iter().map(|directory| directory.join(name));
        files.find(|file| file.is_file()).ok_or(ScanError::NoScanner { name, package })
    }

    fn timestamp(&self) -> String {
        OffsetDateTime::from((self.now)()).format(&Rfc3339).unwrap_or_default()
    }
}

/// How far a scan is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Rules, or groups of tests, that were looked at.
    pub done: usize,
    /// Of how many, as far as that is known.
    pub total: Option<usize>,
    /// What was looked at last.
    pub what: String,
}

/// A scan that has a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What was found, up to where the scan came.
    pub report: Report,
    /// Why it came no further.
    pub stopped: Option<Stopped>,
    /// Exit status of the scanner, if it ended by itself.
    pub exit_status: Option<i32>,
}

/// Why a scan was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Somebody called it off.
    Cancelled,
    /// It took too long.
    TooLong,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The host's owner has not allowed it.
    #[error("this host is not scanned; its owner can set policy.scan = true")]
    Refused,
    /// The host's owner has not allowed that file.
    #[error("this host does not scan by {0}; its owner can add that to policy.scan_content")]
    ContentRefused(String),
    /// The scanner is none of this agent's.
    #[error("this agent does not scan by {0}")]
    NotOffered(Scanner),
    /// The scanner isn't there.
    #[error("{name} is not installed on this host; Debian has it in the package {package}")]
    NoScanner {
        /// Its program.
        name: &'static str,
        /// Where Debian has it.
        package: &'static str,
    },
    /// No content that is there has the profile.
    #[error(
        "no SCAP content for {system} on this host has the profile {profile}; there are {offered}"
    )]
    NoProfile {
        /// The host's system.
        system: String,
        /// What was asked for.
        profile: String,
        /// What there is.
        offered: String,
    },
    /// Several profiles end alike.
    #[error("the profile {profile} could be any of {offered}; give the whole id")]
    Ambiguous {
        /// What was asked for.
        profile: String,
        /// Which it could be.
        offered: String,
    },
    /// Nothing was asked for and nothing stands out.
    #[error("{content} has no profile that stands for all; name one of {offered}")]
    NameProfile {
        /// The content's file name.
        content: String,
        /// What there is.
        offered: String,
    },
    /// Every rule is for another system.
    #[error("{content} is not for {system}: none of its rules applies to it")]
    NotApplicable {
        /// The content's file name.
        content: String,
        /// The host's system.
        system: String,
    },
    /// Lynis has no such group.
    #[error("Lynis has no group of tests {0}; `lynis show groups` lists them")]
    NoGroup(String),
    /// Content, or results, can't be read.
    #[error("{file}: {error}")]
    Document {
        /// Which file.
        file: String,
        /// What is wrong with it.
        error: XmlError,
    },
    /// The scanner ended with a failure.
    #[error("{scanner} failed with exit status {status}: {complaints}")]
    Failed {
        /// Which.
        scanner: Scanner,
        /// Its exit status.
        status: i32,
        /// The last that it said.
        complaints: String,
    },
    /// The scanner was ended by a signal: by its limits, or by somebody on the host.
    #[error("{scanner} was ended by signal {signal}, by its limits or by somebody on the host")]
    Signalled {
        /// Which.
        scanner: Scanner,
        /// Which signal.
        signal: i32,
    },
    /// Something on the host didn't work.
    #[error("{what}: {error}")]
    Io {
        /// What.
        what: String,
        /// Why.
        error: std::io::Error,
    },
}

impl ScanError {
    fn io(what: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::Io { what: what.to_string(), error }
    }
}

/// Scans this host as far as its policy allows. Calling it off leaves what was found so far.
///
/// # Errors
/// [`ScanError`], with a text for the person who asked.
pub async fn scan(
    request: &Request,
    policy: &Policy,
    setup: &Setup,
    cancel: &CancellationToken,
    progress: impl FnMut(Progress),
) -> Result<Finding, ScanError> {
    if !policy.scan {
        return Err(ScanError::Refused);
    }
    if let Some(file) = request.content.as_deref()
        && !policy.scan_content.iter().any(|allowed| allowed == file)
    {
        return Err(ScanError::ContentRefused(shown(file)));
    }
    match request.scanner {
        Scanner::Openscap => openscap::scan(request, setup, cancel, progress).await,
        Scanner::Lynis => lynis::scan(request, setup, cancel, progress).await,
        other => Err(ScanError::NotOffered(other)),
    }
}

/// A path as people may see it.
fn shown(path: &Path) -> String {
    path.display().to_string().escape_debug().to_string()
}
