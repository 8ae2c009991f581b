//! Which releases a host takes, by what it runs, what it ran, and what its clock says.

use gangplank_agent::update::{Keys, Refusal, Release, Wanted, target};
use gangplank_proto::release::Version;
use time::{Duration, OffsetDateTime};

use crate::release::Signer;

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

/// A release of 1.4.0 that expires tomorrow, and a host that runs 1.2.0.
fn fitting() -> (Release, Wanted, Keys) {
    let signer = Signer::new();
    let release = signer.files("1.4.0", b"a program").release(&signer.keys());
    let wanted = Wanted {
        version: None,
        target: target().unwrap(),
        running: version("1.2.0"),
        floor: version("1.2.0"),
        now: OffsetDateTime::now_utc(),
    };
    (release, wanted, signer.keys())
}

#[test]
fn a_newer_release_is_taken_and_an_older_one_never() {
    let (release, wanted, _) = fitting();
    release.admit(&wanted).unwrap();
    let with = |running, floor| Wanted {
        running: version(running),
        floor: version(floor),
        ..wanted.clone()
    };
    // The same once more is nothing to refuse.
    release.admit(&with("1.4.0", "1.4.0")).unwrap();
    assert!(matches!(release.admit(&with("1.4.1", "0.0.0")), Err(Refusal::Older { .. })));
    // What runs is older than what ran once: an older program was installed over it.
    assert!(matches!(release.admit(&with("0.9.0", "1.4.1")), Err(Refusal::BelowFloor { .. })));
    let ordered = |text| Wanted { version: Some(version(text)), ..wanted.clone() };
    release.admit(&ordered("1.4.0")).unwrap();
    for other in ["1.3.9", "1.4.1"] {
        assert!(matches!(release.admit(&ordered(other)), Err(Refusal::Other { .. })), "{other}");
    }
}

#[test]
fn a_step_too_far_is_named() {
    let (release, wanted, _) = fitting();
    // Every release here replaces 0.0.1 or newer.
    let wanted = Wanted { running: Version::default(), floor: Version::default(), ..wanted };
    let refused = release.admit(&wanted).unwrap_err();
    assert!(refused.to_string().contains("0.0.1 or newer"), "{refused}");
}

#[test]
fn a_clock_decides_when_a_release_expires() {
    let (release, wanted, _) = fitting();
    let expires = release.manifest().expires;
    let at = |now| release.admit(&Wanted { now, ..wanted.clone() });
    at(expires - Duration::SECOND).unwrap();
    // A clock that is far behind knows no better.
    at(expires - Duration::days(3650)).unwrap();
    for now in [expires, expires + Duration::SECOND, expires + Duration::days(3650)] {
        let refused = at(now).unwrap_err();
        assert!(refused.to_string().contains("clock"), "{refused}");
    }
}

#[test]
fn one_key_of_several_is_enough_and_none_is_none() {
    let (release, _, keys) = fitting();
    let (text, signature) = (release.text().to_owned(), release.signature().to_owned());
    Release::verify(&keys, text.clone(), signature.clone()).unwrap();
    let without = Release::verify(&Keys::default(), text.clone(), signature.clone());
    assert!(without.unwrap_err().to_string().contains("[update] keys"));
    for cut in 0..signature.len() - 1 {
        let torn = signature[..cut].to_owned();
        assert!(Release::verify(&keys, text.clone(), torn).is_err(), "{cut}");
    }
    for at in 0..text.len() {
        let mut other = text.clone();
        other[at] ^= 1;
        assert!(Release::verify(&keys, other, signature.clone()).is_err(), "{at}");
    }
}
