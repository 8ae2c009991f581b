//! Authorities and identities on disk: made, kept, refused, exchanged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod peer;

use gangplank_certs::{
    Authority, AuthorityError, Changed, Identity, LoadError, Name, ReloadError, Reloadable,
};
use peer::{authority, names, start};
use rcgen::{CertificateParams, KeyPair};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use time::{Duration, OffsetDateTime};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A self-signed pair in `dir`, alive for ten days around `at`.
fn pair(dir: &Path, name: &str, at: OffsetDateTime) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.not_before = at - Duration::days(5);
    params.not_after = at + Duration::days(5);
    let certificate = params.self_signed(&key).unwrap();
    let (chain, private) = (dir.join("chain.pem"), dir.join("key.pem"));
    std::fs::write(&chain, certificate.pem()).unwrap();
    std::fs::write(&private, key.serialize_pem()).unwrap();
    chmod(&private, 0o600);
    (chain, private)
}

#[test]
fn an_authority_is_made_once_and_kept_private() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("deep/tls");
    let made = authority(&dir, &["relay.example", "127.0.0.1"]);
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("authority.pem")), 0o600);
    assert_eq!(std::fs::read_to_string(made.pem_path()).unwrap(), made.pem());
    assert!(!made.pem().contains("PRIVATE"));
    let fingerprint = made.fingerprint();
    std::fs::remove_file(made.pem_path()).unwrap();
    let loaded = authority(&dir, &["127.0.0.1"]);
    assert_eq!(loaded.fingerprint(), fingerprint);
    assert_eq!(std::fs::read_to_string(loaded.pem_path()).unwrap(), made.pem());
}

#[test]
fn starting_many_times_at_once_makes_one_authority() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("tls");
    let fingerprints: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| authority(&dir, &["relay.example"]).fingerprint()))
            .collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(fingerprints.iter().all(|one| *one == fingerprints[0]));
}

#[test]
fn other_names_need_an_explicit_wish() {
    let root = tempfile::tempdir().unwrap();
    let first = authority(root.path(), &["relay.example"]);
    let wanted = names(&["relay.example", "new.example", "10.0.0.1"]);
    let error = Authority::load_or_create(root.path(), &wanted, start()).unwrap_err();
    let AuthorityError::NamesNotCovered { missing, .. } = &error else { panic!("{error}") };
    assert_eq!(missing.to_string(), "new.example, 10.0.0.1");
    assert!(error.to_string().contains("authority.pem"), "{error}");
    let replaced = Authority::replace(root.path(), &wanted, start()).unwrap();
    assert_ne!(replaced.fingerprint(), first.fingerprint());
    let loaded = Authority::load_or_create(root.path(), &wanted, start()).unwrap();
    assert_eq!(loaded.fingerprint(), replaced.fingerprint());
}

#[test]
fn a_bad_authority_is_never_replaced_by_itself() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("authority.pem");
    let load = |now| Authority::load_or_create(root.path(), &names(&["relay.example"]), now);
    load(start()).unwrap();
    let good = std::fs::read_to_string(&file).unwrap();

    chmod(&file, 0o640);
    assert!(matches!(load(start()), Err(AuthorityError::Exposed { .. })));
    chmod(&file, 0o600);
    let over = start() + Duration::days(3651);
    assert!(matches!(load(over), Err(AuthorityError::NotValidNow { .. })));
    let early = start() - Duration::days(2);
    assert!(matches!(load(early), Err(AuthorityError::NotValidNow { .. })));

    let key_at = good.find("-----BEGIN PRIVATE").unwrap();
    let foreign = KeyPair::generate().unwrap().serialize_pem();
    for bad in ["", &good[..key_at], &good[key_at..], &format!("{}{foreign}", &good[..key_at])] {
        std::fs::write(&file, bad).unwrap();
        assert!(matches!(load(start()), Err(AuthorityError::Malformed { .. })), "{bad}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), bad);
    }
}

#[test]
fn no_debug_form_shows_a_key() {
    let root = tempfile::tempdir().unwrap();
    let ca = authority(root.path(), &["relay.example"]);
    let file = std::fs::read_to_string(root.path().join("authority.pem")).unwrap();
    let key = file.lines().rev().nth(1).unwrap();
    let served =
        Reloadable::from_authority(ca.clone(), names(&["relay.example"]), start()).unwrap();
    for shown in [format!("{ca:?}"), format!("{served:?}")] {
        assert!(!shown.contains(key) && !shown.contains("PRIVATE"), "{shown}");
    }
}

#[test]
fn a_pair_of_files_is_loaded_and_knows_its_names() {
    let dir = tempfile::tempdir().unwrap();
    let (chain, key) = pair(dir.path(), "*.relay.example", start());
    let identity = Identity::load(&chain, &key, start()).unwrap();
    let covers = |name: &str| identity.covers(&name.parse::<Name>().unwrap());
    assert!(covers("a.relay.example"));
    assert!(!covers("relay.example") && !covers("a.b.relay.example") && !covers("127.0.0.1"));
}

#[test]
fn every_fault_of_a_pair_names_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let (chain, key) = pair(dir.path(), "relay.example", start());
    let (_, foreign) = pair(other.path(), "relay.example", start());
    let fault = |chain: &Path, key: &Path, now| {
        let error = Identity::load(chain, key, now).unwrap_err();
        (error.to_string(), error)
    };

    let (text, error) = fault(&chain, &foreign, start());
    assert!(matches!(error, LoadError::Mismatch { .. }), "{error:?}");
    assert!(text.contains(chain.to_str().unwrap()) && text.contains(foreign.to_str().unwrap()));
    let (text, error) = fault(&chain, &dir.path().join("none"), start());
    assert!(matches!(error, LoadError::Io { .. }) && text.contains("/none"), "{text}");
    let (_, error) = fault(&key, &key, start());
    assert!(matches!(error, LoadError::Certificate { .. }), "{error:?}");
    let (_, error) = fault(&chain, &chain, start());
    assert!(matches!(error, LoadError::Key { .. } | LoadError::Exposed { .. }), "{error:?}");
    for moment in [start() - Duration::days(6), start() + Duration::days(6)] {
        let (_, error) = fault(&chain, &key, moment);
        assert!(matches!(error, LoadError::NotValidNow { .. }), "{error:?}");
    }
    chmod(&key, 0o644);
    let (text, error) = fault(&chain, &key, start());
    assert!(matches!(error, LoadError::Exposed { .. }) && text.contains("chmod"), "{text}");
    chmod(&key, 0o640);
    assert!(Identity::load(&chain, &key, start()).is_ok());
}

#[test]
fn changed_files_are_taken_and_a_bad_pair_keeps_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let next = tempfile::tempdir().unwrap();
    let (chain, key) = pair(dir.path(), "relay.example", start());
    let served = Reloadable::from_files(&chain, &key, start()).unwrap();
    let first = served.current().fingerprint();
    assert_eq!(served.check(start()).unwrap(), Changed::No);

    let (new_chain, new_key) = pair(next.path(), "relay.example", start());
    std::fs::rename(&new_chain, &chain).unwrap();
    // Half of the exchange: the old one is served, the fault is told once.
    let error = served.check(start()).unwrap_err();
    assert!(matches!(error, ReloadError::Load(LoadError::Mismatch { .. })), "{error:?}");
    assert_eq!(served.current().fingerprint(), first);
    assert_eq!(served.check(start()).unwrap(), Changed::No);
    assert!(served.reload(start()).is_err());

    std::fs::rename(&new_key, &key).unwrap();
    assert_eq!(served.check(start()).unwrap(), Changed::Yes);
    let second = served.current().fingerprint();
    assert_ne!(second, first);

    std::fs::remove_file(&key).unwrap();
    assert!(served.check(start()).is_err());
    std::fs::write(&chain, "garbage").unwrap();
    assert!(served.check(start()).is_err());
    assert_eq!(served.current().fingerprint(), second);
}

#[test]
fn names_change_within_the_constraint_only() {
    let dir = tempfile::tempdir().unwrap();
    let ca = authority(dir.path(), &["relay.example", "127.0.0.1"]);
    let served = Reloadable::from_authority(ca, names(&["relay.example"]), start()).unwrap();
    served.rename(names(&["relay.example", "127.0.0.1"]), start()).unwrap();
    let covers = |name: &str| served.current().covers(&name.parse::<Name>().unwrap());
    assert!(covers("127.0.0.1"));
    assert!(served.rename(names(&["other.example"]), start()).is_err());
    served.reload(start()).unwrap();
    assert!(covers("relay.example") && covers("127.0.0.1"));
}
