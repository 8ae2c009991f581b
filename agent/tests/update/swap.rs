//! Files that are exchanged between the check and the use.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use gangplank_agent::update::incoming::Incoming;
use gangplank_agent::update::state::{Phase, State, Trial};
use gangplank_agent::update::version::Program;
use gangplank_agent::update::{Place, Refusal};
use gangplank_proto::release::Version;

use crate::release::{Files, Signer};

struct Shop {
    directory: tempfile::TempDir,
    place: Place,
    signer: Signer,
    files: Files,
}

const VERSION: &str = "9.0.0";

impl Shop {
    /// With a version in its place.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::new(directory.path().join("update"));
        place.prepare().unwrap();
        let signer = Signer::new();
        let files = signer.files(VERSION, &fs::read("/bin/true").unwrap());
        let shop = Self { directory, place, signer, files };
        shop.incoming().put(&shop.place, &shop.files.release(&shop.signer.keys())).unwrap();
        shop
    }

    /// All of the program, fetched and not looked at.
    fn incoming(&self) -> Incoming {
        let release = self.files.release(&self.signer.keys());
        let mut incoming = Incoming::open(&self.place, &release).unwrap();
        incoming.append(&self.files.program).unwrap();
        incoming
    }

    fn program(&self) -> PathBuf {
        self.place.path().join("versions").join(VERSION).join("program")
    }

    fn open(&self) -> Result<Program, Refusal> {
        Program::open(&self.place, version(), &self.signer.keys())
    }

    /// A program that leaves a mark, under the name of the one that was checked.
    fn exchange(&self) -> PathBuf {
        let mark = self.directory.path().join("mark");
        let evil = self.directory.path().join("evil");
        fs::write(&evil, format!("#!/bin/sh\ntouch {}\n", mark.display())).unwrap();
        fs::set_permissions(&evil, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&evil, self.program()).unwrap();
        mark
    }
}

fn version() -> Version {
    VERSION.parse().unwrap()
}

#[tokio::test]
async fn what_is_run_is_what_was_checked_whatever_its_name_means_now() {
    let shop = Shop::new();
    let checked = shop.open().unwrap();
    let mark = shop.exchange();
    // The name means another program now, which is not run.
    checked.probe("agent.toml".as_ref(), "base".as_ref()).await.unwrap();
    assert!(!mark.exists());
    // And who comes later does not believe it.
    assert!(matches!(shop.open(), Err(Refusal::Length { .. })));
    // Gone altogether, it is still the same.
    fs::remove_file(shop.program()).unwrap();
    checked.probe("agent.toml".as_ref(), "base".as_ref()).await.unwrap();
}

#[test]
fn what_is_put_in_place_is_checked_again_where_it_lies() {
    let shop = Shop::new();
    let release = shop.files.release(&shop.signer.keys());
    let incoming = shop.incoming();
    incoming.check(&release).unwrap();
    // Exchanged after the check and before it is put into its place.
    let name = shop.place.path().join("incoming").join(release.manifest().sha256.to_string());
    fs::remove_file(&name).unwrap();
    fs::write(&name, vec![0; shop.files.program.len()]).unwrap();
    incoming.put(&shop.place, &release).unwrap();
    assert!(matches!(shop.open(), Err(Refusal::Hash)));
}

#[test]
fn links_are_not_followed() {
    let shop = Shop::new();
    let elsewhere = shop.directory.path().join("elsewhere");
    fs::rename(shop.program(), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, shop.program()).unwrap();
    assert!(matches!(shop.open(), Err(Refusal::Io(_))));
    let release = shop.files.release(&shop.signer.keys());
    let name = shop.place.path().join("incoming").join(release.manifest().sha256.to_string());
    std::os::unix::fs::symlink(&elsewhere, &name).unwrap();
    assert!(Incoming::open(&shop.place, &release).is_err());
    assert_eq!(fs::read(elsewhere).unwrap(), shop.files.program);
}

#[test]
fn a_version_under_another_s_name_is_not_run() {
    let shop = Shop::new();
    let versions = shop.place.path().join("versions");
    fs::rename(versions.join(VERSION), versions.join("9.9.9")).unwrap();
    let newer = "9.9.9".parse().unwrap();
    let opened = Program::open(&shop.place, newer, &shop.signer.keys());
    assert!(matches!(opened, Err(Refusal::Other { .. })));
}

#[test]
fn a_directory_that_others_may_write_is_not_used() {
    let shop = Shop::new();
    shop.place.check_owner().unwrap();
    fs::set_permissions(shop.place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(shop.place.check_owner().is_err());
    assert!(shop.place.prepare().is_err());
}

#[test]
fn what_is_written_down_is_read_again() {
    let shop = Shop::new();
    let trial = Trial {
        version: version(),
        from: "0.1.0".parse().unwrap(),
        job: None,
        phase: Phase::Trying,
        starts: 1,
        since: Some(7),
    };
    let state = State { trial: Some(trial), ..State::default() };
    shop.place.save(&state).unwrap();
    assert_eq!(shop.place.state().unwrap(), state);
    let mode = fs::metadata(shop.program()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o500);
    shop.place.prune(&[]).unwrap();
    assert!(!shop.program().exists());
}
