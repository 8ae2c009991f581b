//! A version in its place, opened, checked, and run by the descriptor that was checked.
//!
//! A name can come to mean another file between a check and its use. So nothing here is used by name:
//! the program is opened once, read through that descriptor, compared with what was signed, and
//! executed through the same descriptor (`/proc/self/fd/N`). Whatever is put under the name afterwards
//! is another file, and is not run. What remains is writing into the very file while it is open, which
//! takes the agent's own user or root: its mode allows it to nobody else, the kernel refuses it while
//! the program runs, and refuses to run a file that is open for writing.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind::ExecutableFileBusy};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use gangplank_proto::release::Version;
use nix::fcntl::OFlag;
use tokio::time::{sleep, timeout};

use super::check::{Refusal, Release};
use super::key::Keys;
use super::place::{Place, read};

/// The files of a version.
pub(super) const PROGRAM: &str = "program";
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const SIGNATURE: &str = "manifest.json.minisig";

/// For a version to show that it starts here and finds its daemon.
const PROBE: Duration = Duration::from_secs(60);

/// A file that is open for writing is tried again so many times,
const BUSY: u32 = 20;

/// so far apart.
const PAUSE: Duration = Duration::from_millis(50);

/// A checked program, open.
#[derive(Debug)]
pub struct Program {
    file: File,
    release: Release,
}

impl Program {
    /// Opens a version and checks who signed it and that it is what was signed.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn open(place: &Place, version: Version, keys: &Keys) -> Result<Self, Refusal> {
        let home = place.versions().join(version.to_string());
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let text = read(&home.join(MANIFEST))?.ok_or_else(missing)?;
        let signature = read(&home.join(SIGNATURE))?.ok_or_else(missing)?;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(OFlag::O_NOFOLLOW.bits());
        let file = options.open(home.join(PROGRAM))?;
        let release = Release::verify(keys, text.into_bytes(), signature)?;
        let manifest = release.manifest();
        if manifest.version != version {
            return Err(Refusal::Other { got: manifest.version, wanted: version });
        }
        if super::target() != Some(manifest.target) {
            return Err(Refusal::Target(manifest.target));
        }
        release.check_program(&file)?;
        Ok(Self { file, release })
    }

    /// The descriptor, as something that can be executed.
    fn by_descriptor(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// The command that runs it as an agent; by the descriptor, which must stay open until then.
    #[must_use]
    pub fn command(&self, config: &Path, base: &Path) -> Command {
        let mut command = Command::new(self.by_descriptor());
        command.arg0("gangplank-agent").args(["run", "--config"]).arg(config);
        command.arg("--base").arg(base);
        command.args(["--release", &self.release.manifest().version.to_string()]);
        command
    }

    /// Whether it starts here, understands how it is going to be run, takes the configuration, and
    /// reaches the daemon, while this process goes on.
    ///
    /// # Errors
    /// What it said.
    pub async fn probe(&self, config: &Path, base: &Path) -> Result<(), String> {
        let mut command = self.command(config, base);
        // All words before the last are read first, and what isn't known there is an error.
        command.args(["--supervisor", "0", "--help"]);
        run(command).await.map_err(|why| format!("it can't be run here: {why}"))?;
        let mut command = Command::new(self.by_descriptor());
        command.arg0("gangplank-agent").args(["ping", "--config"]).arg(config);
        run(command).await.map_err(|why| format!("it does not reach the server from here: {why}"))
    }
}

/// Runs a command to its end, and nobody hears what it says.
async fn run(command: Command) -> Result<(), String> {
    let mut command = tokio::process::Command::from(command);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Nobody is to mistake its words to the service manager for ours.
    command.env_remove("NOTIFY_SOCKET").kill_on_drop(true);
    let mut tries = 0;
    let mut child = loop {
        match command.spawn() {
            Ok(child) => break child,
            // A program that this process started a moment ago may have inherited the descriptor by
            // which the file was written, until it is what it is to be.
            Err(error) if error.kind() == ExecutableFileBusy && tries < BUSY => tries += 1,
            Err(error) => return Err(error.to_string()),
        }
        sleep(PAUSE).await;
    };
    match timeout(PROBE, child.wait()).await {
        Err(_) => Err(format!("nothing came of it within {PROBE:?}")),
        Ok(Err(error)) => Err(format!("its end was missed: {error}")),
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(status.to_string()),
    }
}
