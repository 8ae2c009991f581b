//! Package updates by the host's own package manager, without questions: what it prints is passed on,
//! settings that somebody changed are kept, and how it ended is told apart.

mod apk;
mod apt;
mod dnf;
mod pacman;

use std::io;
use std::path::Path;
use std::time::Duration;

use gangplank_proto::job::Progress;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Child;
use tokio_util::sync::CancellationToken;

use crate::command::{Printer, Teller};
use crate::process::{End, Farewell, Patience, command, follow};

/// How long one step may take.
pub const WALL: Duration = Duration::from_secs(2 * 60 * 60);

/// What a package manager that was called off has for bringing what it began to a good end.
pub const GRACE: Duration = Duration::from_secs(10 * 60);

/// For what is left in its pipes once it has ended: services that it started again may have
/// inherited them.
const REST: Duration = Duration::from_secs(5);

/// Bytes read at once.
const PIECE: usize = 8 << 10;

/// What is kept of what a step printed, for what has to be read out of it, in bytes.
const KEPT: usize = 1 << 20;

/// Which updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// None: say what would be done, as far as the host knows.
    DryRun,
    /// Those that close a security hole.
    Security,
    /// All.
    All,
}

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Manager {
    /// Debian's.
    Apt,
    /// Fedora's.
    Dnf,
    /// Arch's.
    Pacman,
    /// Alpine's.
    Apk,
}

/// What updates find on their host.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Its package manager.
    pub manager: Manager,
    /// Environment of the package manager, beside our own.
    pub variables: Vec<(String, String)>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// By what.
    pub manager: Manager,
    /// What was asked for.
    pub mode: Mode,
    /// Packages that it had to update, or would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updates: Option<usize>,
    /// Whether the host says that it should be restarted.
    pub reboot_required: bool,
}

/// Why packages were not updated, or not all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// There is none that is known.
    #[error("this host has no package manager out of apt, dnf, pacman and apk")]
    NoManager,
    /// It doesn't tell security updates from others.
    #[error("{0:?} does not tell security updates from others: order all")]
    NoSecurity(Manager),
    /// It can't be started.
    #[error("{program} can't be started: {error}")]
    Start {
        /// Which program.
        program: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// Another program is at it.
    #[error("another program holds the packages' lock: {0}")]
    Locked(String),
    /// It needs the network and has none, or its sources are gone.
    #[error("the sources of packages can't be read: {0}")]
    Sources(String),
    /// It ended with a failure.
    #[error("{program} failed with exit status {status}: {complaint}")]
    Failed {
        /// Which program.
        program: &'static str,
        /// Its exit status.
        status: i32,
        /// The last that it complained about.
        complaint: String,
    },
    /// It was ended by somebody on the host, or for want of memory.
    #[error("{program} was ended by signal {signal}; packages may be updated in part")]
    Signalled {
        /// Which program.
        program: &'static str,
        /// Which signal.
        signal: i32,
    },
    /// It was called off.
    #[error("called off while it ran; packages may be updated in part")]
    Cancelled,
    /// It took too long.
    #[error("it took too long and was ended; packages may be updated in part")]
    TooLong,
}

impl PackageError {
    /// Exit status of the program that failed.
    #[must_use]
    pub fn exit_status(&self) -> Option<i32> {
        match self {
            Self::Failed { status, .. } => Some(*status),
            _ => None,
        }
    }
}

impl Setup {
    /// This host as it is.
    ///
    /// # Errors
    /// [`PackageError::NoManager`].
    pub fn of_host() -> Result<Self, PackageError> {
        let has = |path: &str| Path::new(path).exists();
        let manager = if has("/var/lib/dpkg/status") && has("/usr/bin/apt-get") {
            Manager::Apt
        } else if has("/lib/apk/db/installed") {
            Manager::Apk
        } else if has("/usr/bin/dnf") || has("/usr/bin/dnf5") {
            Manager::Dnf
        } else if has("/var/lib/pacman/local") {
            Manager::Pacman
        } else {
            return Err(PackageError::NoManager);
        };
        Ok(Self { manager, variables: Vec::new() })
    }
}

/// Updates packages. Calling it off lets the package manager end what it can't leave half done.
///
/// # Errors
/// [`PackageError`] with a text for the person who asked.
pub async fn update(
    mode: Mode,
    setup: &Setup,
    output: &Printer,
    progress: &Teller,
    cancel: &CancellationToken,
) -> Result<Finding, PackageError> {
    let steps = Steps { setup, output, progress, cancel };
    let updates = match setup.manager {
        Manager::Apt => apt::update(mode, &steps).await?,
        Manager::Dnf => dnf::update(mode, &steps).await?,
        Manager::Pacman => pacman::update(mode, &steps).await?,
        Manager::Apk => apk::update(mode, &steps).await?,
    };
    let reboot_required = ["/run/reboot-required", "/var/run/reboot-required"];
    let reboot_required = reboot_required.iter().any(|path| Path::new(path).exists());
    Ok(Finding { manager: setup.manager, mode, updates, reboot_required })
}

/// Runs a package manager's programs one after the other.
struct Steps<'a> {
    setup: &'a Setup,
    output: &'a Printer,
    progress: &'a Teller,
    cancel: &'a CancellationToken,
}

/// A program that came to its end.
struct Ended {
    program: &'static str,
    status: i32,
    /// The beginning of what it printed.
    printed: String,
    /// The end of what it complained about.
    complaints: String,
}

impl Steps<'_> {
    /// Runs a program to its end; `variables` are its environment beside that of all.
    async fn run(
        &self,
        program: &'static str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Ended, PackageError> {
        if self.cancel.is_cancelled() {
            return Err(PackageError::Cancelled);
        }
        let what = arguments.iter().find(|argument| !argument.starts_with('-'));
        let phase = format!("{program} {}", what.unwrap_or(&""));
        self.progress.say(Progress { phase: Some(phase.trim().into()), ..Progress::default() });
        let mut command = command(program);
        command.args(arguments).envs(variables.iter().copied());
        command.envs(self.setup.variables.iter().map(|(name, value)| (name, value)));
        let child = command.spawn();
        self.follow(program, child.map_err(|error| PackageError::Start { program, error })?).await
    }

    async fn follow(&self, program: &'static str, mut child: Child) -> Result<Ended, PackageError> {
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (mut printed, mut complaints) = (Kept::default(), Kept::default());
        let printing = async {
            tokio::join!(
                copy(stdout, self.output, &mut printed),
                copy(stderr, self.output, &mut complaints)
            );
        };
        let patience =
            Patience { wall: WALL, farewell: Farewell::Interrupt, grace: GRACE, rest: REST };
        let end = follow(child, printing, &patience, self.cancel).await;
        match end.map_err(|error| PackageError::Start { program, error })? {
            End::Exited(status) => {
                let (printed, complaints) = (printed.text(), complaints.text());
                Ok(Ended { program, status, printed, complaints })
            }
            End::Signalled(signal) => Err(PackageError::Signalled { program, signal }),
            End::Cancelled => Err(PackageError::Cancelled),
            End::TooLong => Err(PackageError::TooLong),
        }
    }

    /// Says something between two programs.
    async fn say(&self, text: &str) {
        self.output.print(format!("{text}\n").as_bytes()).await;
    }
}

impl Ended {
    /// Whether it ended as it should.
    fn expect(self, statuses: &[i32]) -> Result<Self, PackageError> {
        if statuses.contains(&self.status) {
            return Ok(self);
        }
        let complaint = self.complaint();
        let said = |words: &[&str]| words.iter().any(|word| self.complaints.contains(word));
        if said(&["Could not get lock", "Unable to lock", "unable to lock", "Unable to acquire"]) {
            return Err(PackageError::Locked(complaint));
        }
        if said(&["Failed to fetch", "failed to synchronize", "Failed to download metadata"]) {
            return Err(PackageError::Sources(complaint));
        }
        let (program, status) = (self.program, self.status);
        Err(PackageError::Failed { program, status, complaint })
    }

    /// The first error that it named, or else the last that it said.
    fn complaint(&self) -> String {
        let lines = || self.complaints.lines().map(str::trim).filter(|line| !line.is_empty());
        let error = |line: &&str| {
            let line = line.to_ascii_lowercase();
            line.starts_with("e: ") || line.starts_with("error")
        };
        let line =
            lines().find(error).or_else(|| lines().next_back()).unwrap_or("it did not say why");
        line.escape_debug().to_string()
    }
}

/// What a program printed, up to [`KEPT`].
#[derive(Default)]
struct Kept(Vec<u8>);

impl Kept {
    fn take(&mut self, data: &[u8]) {
        let room = KEPT.saturating_sub(self.0.len()).min(data.len());
        self.0.extend_from_slice(data.get(..room).unwrap_or_default());
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

async fn copy(source: Option<impl AsyncRead + Unpin>, output: &Printer, kept: &mut Kept) {
    let Some(mut source) = source else { return };
    let mut buffer = vec![0; PIECE];
    while let Ok(len @ 1..) = source.read(&mut buffer).await {
        let data = buffer.get(..len).unwrap_or_default();
        kept.take(data);
        output.print(data).await;
    }
}
