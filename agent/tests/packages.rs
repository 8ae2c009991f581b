//! Package updates by the real apt and dpkg, in a system of their own: a root directory with its own
//! status and its own sources, which are made here.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gangplank_agent::command::{Piece, Printer, Teller};
use gangplank_agent::packages::{self, Finding, Manager, Mode, PackageError, Setup};
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Nothing here takes longer, however busy the machine.
const SOON: Duration = Duration::from_secs(240);

/// A system that has `plain` and `secure` in version 1; its sources have version 2 of both, of
/// `secure` as a security update.
struct System {
    directory: tempfile::TempDir,
}

impl System {
    fn new() -> Self {
        let system = Self { directory: tempfile::tempdir().unwrap() };
        for directory in [
            "root/var/lib/dpkg/info",
            "root/var/lib/dpkg/updates",
            "root/var/lib/apt/lists/partial",
            "root/var/cache/apt/archives/partial",
            "root/var/log/apt",
            "root/etc/apt/preferences.d",
            "root/etc/apt/apt.conf.d",
            "root/etc/apt/trusted.gpg.d",
            "root/etc/apt/sources.list.d",
        ] {
            fs::create_dir_all(system.path(directory)).unwrap();
        }
        fs::write(system.path("root/var/lib/dpkg/status"), "").unwrap();
        fs::write(system.path("root/var/lib/dpkg/available"), "").unwrap();
        system.configure("");
        let old: Vec<_> =
            ["plain", "secure"].iter().map(|name| system.package("old", name, "1")).collect();
        let installed = dpkg(&system.path("root"), &["--install"], &old);
        assert!(installed.status.success(), "{installed:?}");
        system.source("plain", "Debian", "stable");
        system.source("secure", "Debian-Security", "stable-security");
        let mut sources = String::new();
        for name in ["plain", "secure"] {
            writeln!(sources, "deb [trusted=yes] file:{} ./", system.path(name).display()).unwrap();
        }
        fs::write(system.path("root/etc/apt/sources.list"), sources).unwrap();
        system
    }

    fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    /// Writes the file that leads apt into this system, and `more` into it.
    fn configure(&self, more: &str) {
        let root = self.path("root");
        let root = root.display();
        let text = format!(
            "Dir \"{root}\";\nDir::State::status \"{root}/var/lib/dpkg/status\";\n\
             Dir::Bin::dpkg \"/usr/bin/dpkg\";\nDPkg::Options {{ \"--root={root}\"; \
             \"--force-not-root\"; }};\nAPT::Sandbox::User \"root\";\n\
             APT::Architecture \"{}\";\nAcquire::Languages \"none\";\n{more}",
            architecture(),
        );
        fs::write(self.path("apt.conf"), text).unwrap();
    }

    /// Makes a package with a file of settings.
    fn package(&self, into: &str, name: &str, version: &str) -> PathBuf {
        let tree = self.path(&format!("trees/{name}-{version}"));
        fs::create_dir_all(tree.join("DEBIAN")).unwrap();
        fs::create_dir_all(tree.join("etc")).unwrap();
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: Nobody\n\
             Description: for a test\n"
        );
        fs::write(tree.join("DEBIAN/control"), control).unwrap();
        fs::write(tree.join("DEBIAN/conffiles"), format!("/etc/{name}.conf\n")).unwrap();
        fs::write(tree.join(format!("etc/{name}.conf")), format!("version {version}\n")).unwrap();
        fs::create_dir_all(self.path(into)).unwrap();
        let file = self.path(&format!("{into}/{name}_{version}_all.deb"));
        let built = Command::new("dpkg-deb")
            .args(["--root-owner-group", "--build"])
            .args([&tree, &file])
            .output()
            .unwrap();
        assert!(built.status.success(), "{built:?}");
        file
    }

    /// Makes a source that has version 2 of a package.
    fn source(&self, name: &str, origin: &str, suite: &str) {
        let file = self.package(name, name, "2");
        let hash = |bytes: &[u8]| {
            Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let bytes = fs::read(&file).unwrap();
        let packages = format!(
            "Package: {name}\nVersion: 2\nArchitecture: all\nMaintainer: Nobody\n\
             Filename: ./{}\nSize: {}\nSHA256: {}\nDescription: for a test\n",
            file.file_name().unwrap().to_str().unwrap(),
            bytes.len(),
            hash(&bytes),
        );
        let release = format!(
            "Origin: {origin}\nLabel: {origin}\nSuite: {suite}\nVersion: 12\n\
             Date: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n {} {} Packages\n",
            hash(packages.as_bytes()),
            packages.len(),
        );
        fs::write(self.path(&format!("{name}/Packages")), packages).unwrap();
        fs::write(self.path(&format!("{name}/Release")), release).unwrap();
    }

    fn setup(&self) -> Setup {
        let shown = |path: PathBuf| path.to_str().unwrap().to_owned();
        let variables = vec![
            ("APT_CONFIG".to_owned(), shown(self.path("apt.conf"))),
            ("DPKG_ROOT".to_owned(), shown(self.path("root"))),
        ];
        Setup { manager: Manager::Apt, variables }
    }

    async fn update(
        &self,
        mode: Mode,
        cancel: &CancellationToken,
    ) -> (Result<Finding, PackageError>, String) {
        let (pieces, mut said) = mpsc::channel(64);
        let (output, progress) = (Printer::Pieces(pieces.clone()), Teller::Pieces(pieces));
        let (setup, stop) = (self.setup(), cancel.clone());
        let update = async move { packages::update(mode, &setup, &output, &progress, &stop).await };
        let mut text = Vec::new();
        let reading = async {
            while let Some(piece) = said.recv().await {
                if let Piece::Output(data) = piece {
                    text.extend(data);
                    if text.windows(8).any(|word| word == b"call off") {
                        cancel.cancel();
                    }
                }
            }
        };
        let (result, ()) = timeout(SOON, async { tokio::join!(update, reading) }).await.unwrap();
        (result, String::from_utf8(text).unwrap())
    }

    fn versions(&self) -> String {
        let root = self.path("root");
        let shown = Command::new("dpkg-query")
            .arg(format!("--admindir={}", root.join("var/lib/dpkg").display()))
            .args(["--show", "--showformat=${Package} ${Version} ${db:Status-Status}\\n"])
            .output()
            .unwrap();
        String::from_utf8(shown.stdout).unwrap()
    }
}

fn architecture() -> String {
    let shown = Command::new("dpkg").arg("--print-architecture").output().unwrap();
    String::from_utf8(shown.stdout).unwrap().trim().to_owned()
}

fn dpkg(root: &Path, arguments: &[&str], files: &[PathBuf]) -> std::process::Output {
    let mut dpkg = Command::new("dpkg");
    dpkg.arg(format!("--root={}", root.display())).arg("--force-not-root");
    dpkg.args(arguments).args(files).output().unwrap()
}

const OLD: &str = "plain 1 installed\nsecure 1 installed\n";

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let system = System::new();
    let never = CancellationToken::new();
    // Its sources were never read.
    let (result, _) = system.update(Mode::DryRun, &never).await;
    assert_eq!(result.unwrap().updates, Some(0));
    let (result, _) = system.update(Mode::Security, &never).await;
    assert_eq!(result.unwrap().updates, Some(1));
    let (result, text) = system.update(Mode::DryRun, &never).await;
    let finding = result.unwrap();
    assert_eq!((finding.manager, finding.mode), (Manager::Apt, Mode::DryRun));
    assert_eq!(finding.updates, Some(1), "{text}");
    assert!(text.contains("Inst plain [1] (2 Debian:12/stable"), "{text}");
    assert_eq!(system.versions(), "plain 1 installed\nsecure 2 installed\n");
}

#[tokio::test]
async fn security_updates_come_alone_and_then_all() {
    let system = System::new();
    let never = CancellationToken::new();
    // Somebody has changed the settings of one.
    let settings = system.path("root/etc/secure.conf");
    fs::write(&settings, "mine\n").unwrap();
    let (result, text) = system.update(Mode::Security, &never).await;
    assert_eq!(result.unwrap().updates, Some(1), "{text}");
    assert_eq!(system.versions(), "plain 1 installed\nsecure 2 installed\n", "{text}");
    assert_eq!(fs::read_to_string(&settings).unwrap(), "mine\n");
    let (result, text) = system.update(Mode::Security, &never).await;
    assert_eq!(result.unwrap().updates, Some(0));
    assert!(text.contains("No security updates."), "{text}");

    let (result, text) = system.update(Mode::All, &never).await;
    assert_eq!(result.unwrap().updates, Some(1), "{text}");
    assert!(text.contains("Setting up plain (2)"), "{text}");
    assert_eq!(system.versions(), "plain 2 installed\nsecure 2 installed\n");
    // What nobody has changed is the new one.
    let plain = fs::read_to_string(system.path("root/etc/plain.conf")).unwrap();
    assert_eq!(plain, "version 2\n");
}

#[tokio::test]
async fn failures_are_told_apart() {
    let system = System::new();
    let never = CancellationToken::new();
    // The source promises what it doesn't have.
    let (result, _) = system.update(Mode::DryRun, &never).await;
    result.unwrap();
    fs::remove_file(system.path("plain/plain_2_all.deb")).unwrap();
    let (result, text) = system.update(Mode::All, &never).await;
    assert!(matches!(result, Err(PackageError::Sources(_))), "{result:?}\n{text}");
    assert_eq!(system.versions(), OLD);

    system.configure("DPkg::Pre-Invoke { \"exit 7\"; };\n");
    let (result, text) = system.update(Mode::Security, &never).await;
    let Err(error @ PackageError::Failed { program: "apt-get", status: 100, .. }) = result else {
        unreachable!("{result:?}\n{text}");
    };
    assert_eq!(error.exit_status(), Some(100));
    assert_eq!(system.versions(), OLD);
}

#[tokio::test]
async fn an_update_that_is_called_off_ends() {
    // As the agent listens: programs then hear of it even if whoever started all this ignores it.
    let _interrupt = signal(SignalKind::interrupt()).unwrap();
    let system = System::new();
    system.configure("DPkg::Pre-Invoke { \"echo call off; sleep 600\"; };\n");
    let cancel = CancellationToken::new();
    let (result, text) = system.update(Mode::All, &cancel).await;
    assert!(matches!(result, Err(PackageError::Cancelled)), "{result:?}\n{text}");
    assert_eq!(system.versions(), OLD);
    // What was left half done is no obstacle.
    system.configure("");
    let (result, text) = system.update(Mode::All, &CancellationToken::new()).await;
    result.unwrap();
    assert_eq!(system.versions(), "plain 2 installed\nsecure 2 installed\n", "{text}");
}
