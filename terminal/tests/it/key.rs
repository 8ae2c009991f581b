//! Private keys as `ssh-keygen` writes them, in every form that people have.

use std::fs;
use std::process::Command;

use gangplank_proto::link::RsaHash;
use gangplank_proto::secret::Secret;
use gangplank_terminal::ssh::key::{KeyError, UserKey};

use super::sshd::{ED25519, keygen};

fn parse(text: &str, passphrase: Option<&str>) -> Result<UserKey, KeyError> {
    let passphrase = passphrase.map(|phrase| Secret::new(phrase.to_owned()));
    UserKey::parse(&Secret::new(text.to_owned()), passphrase.as_ref())
}

#[test]
fn every_form_is_read_and_has_the_public_line_that_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let plain: [&[&str]; 8] = [
        ED25519,
        &["-t", "rsa", "-b", "2048", "-N", ""],
        &["-t", "rsa", "-b", "2048", "-N", "", "-m", "PEM"],
        &["-t", "rsa", "-b", "2048", "-N", "", "-m", "PKCS8"],
        &["-t", "ecdsa", "-b", "256", "-N", ""],
        &["-t", "ecdsa", "-b", "521", "-N", ""],
        &["-t", "ecdsa", "-b", "256", "-N", "", "-m", "PEM"],
        &["-t", "ecdsa", "-b", "384", "-N", "", "-m", "PKCS8"],
    ];
    for (number, args) in plain.into_iter().enumerate() {
        let path = keygen(dir.path(), &format!("key{number}"), args);
        let text = fs::read_to_string(&path).unwrap();
        let key = parse(&text, None).unwrap_or_else(|error| panic!("{args:?}: {error}"));
        let public = fs::read_to_string(path.with_extension("pub")).unwrap();
        let line = key.public_line().unwrap();
        assert!(public.starts_with(&line) && line.split(' ').count() == 2, "{line}");
        // A passphrase for a key that has none does no harm, nor do odd line ends.
        let odd = format!("\n{}\n", text.replace('\n', "\r\n"));
        assert!(parse(&odd, Some("x")).is_ok(), "{args:?}");
        assert!(!format!("{key:?}").contains("PRIVATE"));
    }
}

#[test]
fn an_encrypted_key_wants_its_passphrase_and_takes_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let encrypted: [&[&str]; 4] = [
        &["-t", "ed25519", "-N", "sesame", "-a", "8"],
        &["-t", "rsa", "-b", "2048", "-N", "sesame", "-m", "PEM"],
        &["-t", "rsa", "-b", "2048", "-N", "sesame", "-m", "PKCS8"],
        &["-t", "ecdsa", "-b", "256", "-N", "sesame", "-m", "PKCS8"],
    ];
    for (number, args) in encrypted.into_iter().enumerate() {
        let path = keygen(dir.path(), &format!("key{number}"), args);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(parse(&text, None).unwrap_err(), KeyError::NeedsPassphrase, "{args:?}");
        assert_eq!(parse(&text, Some("")).unwrap_err(), KeyError::NeedsPassphrase, "{args:?}");
        assert_eq!(parse(&text, Some("wrong")).unwrap_err(), KeyError::WrongPassphrase, "{args:?}");
        let key = parse(&text, Some("sesame")).unwrap_or_else(|error| panic!("{args:?}: {error}"));
        let public = fs::read_to_string(path.with_extension("pub")).unwrap();
        assert!(public.starts_with(&key.public_line().unwrap()));
    }
}

#[test]
fn what_is_no_private_key_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = keygen(dir.path(), "key", ED25519);
    let text = fs::read_to_string(&path).unwrap();
    let public = fs::read_to_string(path.with_extension("pub")).unwrap();
    assert_eq!(parse(&public, None).unwrap_err(), KeyError::PublicKey);
    let cut: String = text.chars().take(text.len() / 2).collect();
    let (long, begin) = ("x".repeat(100_000), "-----BEGIN OPENSSH PRIVATE KEY-----\n");
    for wrong in ["", "hello", cut.as_str(), long.as_str(), begin] {
        assert_eq!(parse(wrong, None).unwrap_err(), KeyError::NotAPrivateKey);
    }
    // More rounds than anybody should wait for.
    let args = ["-t", "ed25519", "-N", "x", "-a", "16"];
    let costly = fs::read_to_string(keygen(dir.path(), "costly", &args)).unwrap();
    let costly = with_rounds(&costly, 2_000_000_000);
    assert_eq!(parse(&costly, Some("x")).unwrap_err(), KeyError::TooCostly);
}

/// Rewrites the rounds of bcrypt in an encrypted key.
fn with_rounds(text: &str, rounds: u32) -> String {
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    let mut bytes = base64(&["-d"], body.as_bytes());
    let salt = b"\0\0\0\x18\0\0\0\x10";
    let at = bytes.windows(8).position(|window| window == salt).unwrap() + 8 + 16;
    bytes[at..at + 4].copy_from_slice(&rounds.to_be_bytes());
    let body = String::from_utf8(base64(&["-w", "70"], &bytes)).unwrap();
    format!(
        "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
        body.trim()
    )
}

fn base64(args: &[&str], input: &[u8]) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), input).unwrap();
    let output = Command::new("base64").args(args).arg(file.path()).output().unwrap();
    assert!(output.status.success());
    output.stdout
}

#[test]
fn a_login_is_signed_with_the_hash_that_it_names() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["-t", "rsa", "-b", "2048", "-N", ""];
    let text = fs::read_to_string(keygen(dir.path(), "key", &args)).unwrap();
    let key = parse(&text, None).unwrap();
    for (hash, name) in [(RsaHash::Sha256, "rsa-sha2-256"), (RsaHash::Sha512, "rsa-sha2-512")] {
        let blob = key.sign(b"data", Some(hash)).unwrap();
        assert_eq!(&blob[4..4 + name.len()], name.as_bytes());
    }
    assert_eq!(key.sign_login(b"anything else", "root").unwrap_err(), KeyError::CantSign);
}
