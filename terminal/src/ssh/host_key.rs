//! Host keys: how they look to people, and whether one is to be trusted.

use std::borrow::Cow;

use gangplank_proto::error::{ErrorCode, HostKey, OpenError};
use gangplank_proto::link::Trust;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey};

/// Longest line that is read as a key.
const LINE_BYTES: usize = 16 << 10;

/// Reads an OpenSSH public key line, such as one of `/etc/ssh/ssh_host_*_key.pub`, with or without
/// a comment. The answer's line has none.
#[must_use]
pub fn fingerprint(line: &str) -> Option<HostKey> {
    describe(&parse(line)?)
}

pub(super) fn parse(line: &str) -> Option<PublicKey> {
    if line.len() > LINE_BYTES {
        return None;
    }
    PublicKey::from_openssh(line.trim()).ok()
}

/// The key as people compare it.
pub(super) fn describe(key: &PublicKey) -> Option<HostKey> {
    let bare = PublicKey::new(key.key_data().clone(), "");
    Some(HostKey {
        key_type: key.algorithm().as_str().to_owned(),
        fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
        line: bare.to_openssh().ok()?.trim().to_owned(),
    })
}

/// Judges the key that a server has proved to hold.
///
/// # Errors
/// `host_key_changed` when keys are known and this is none of them, its type included;
/// `host_key_unknown` when none is known and nobody accepted this one. Both carry the key.
pub(super) fn judge(trust: &Trust, key: &PublicKey) -> Result<HostKey, OpenError> {
    let Some(host_key) = describe(key) else {
        let message = "the server's host key can't be read";
        return Err(OpenError::new(ErrorCode::HostKeyChanged, message));
    };
    let (code, message) = if trust.keys.is_empty() {
        if trust.accepted.as_deref() == Some(host_key.fingerprint.as_str()) {
            return Ok(host_key);
        }
        (ErrorCode::HostKeyUnknown, "this server's host key was never seen before")
    } else {
        let known = |line: &String| parse(line).is_some_and(|k| k.key_data() == key.key_data());
        if trust.keys.iter().any(known) {
            return Ok(host_key);
        }
        (
            ErrorCode::HostKeyChanged,
            "this server's host key is not the known one: somebody may be listening in, or the \
             server was set up anew",
        )
    };
    let mut error = OpenError::new(code, message);
    error.host_key = Some(host_key);
    Err(error)
}

/// Host key algorithms in the order in which they are offered: those of the known keys first, so
/// that a server with several keys shows a known one. SHA-1 is not among them.
pub(super) fn algorithms(trust: &Trust) -> Cow<'static, [Algorithm]> {
    let mut offered = vec![
        Algorithm::Ed25519,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    ];
    let known: Vec<Algorithm> =
        trust.keys.iter().filter_map(|line| Some(parse(line)?.algorithm())).collect();
    // An RSA key answers to each of its hashes.
    let same = |known: &Algorithm, offered: &Algorithm| {
        known == offered
            || matches!((known, offered), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }))
    };
    let is_known = |offered: &Algorithm| known.iter().any(|known| same(known, offered));
    // The sort is stable: among the known and among the others our own order stays.
    offered.sort_by_key(|algorithm| !is_known(algorithm));
    Cow::Owned(offered)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ a@b";
    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILagOJFgwaMNhBWQINinKOXmqS4Gh5NgxgriXwdOoINJ";

    #[test]
    fn a_line_has_the_fingerprint_that_ssh_keygen_prints() {
        let key = fingerprint(ED25519).unwrap();
        assert_eq!(key.key_type, "ssh-ed25519");
        assert_eq!(key.fingerprint, "SHA256:T7SvZ2cslqpPj6nKzitCBHHlpVF3r3MvLwmFL0fk0IE");
        assert_eq!(format!("{} a@b", key.line), ED25519);
        for wrong in ["", "x", "ssh-ed25519 AAAA", &"x".repeat(20_000)] {
            assert!(fingerprint(wrong).is_none());
        }
    }

    #[test]
    fn known_keys_leave_no_room_for_acceptance() {
        let key = parse(ED25519).unwrap();
        let print = fingerprint(ED25519).unwrap().fingerprint;
        let trust = |keys: &[&str], accepted: Option<&str>| Trust {
            keys: keys.iter().map(ToString::to_string).collect(),
            accepted: accepted.map(ToOwned::to_owned),
        };
        assert!(judge(&trust(&[OTHER, ED25519], None), &key).is_ok());
        assert!(judge(&trust(&[], Some(&print)), &key).is_ok());
        let code = |trust: Trust| judge(&trust, &key).unwrap_err().code;
        assert_eq!(code(trust(&[], None)), ErrorCode::HostKeyUnknown);
        assert_eq!(code(trust(&[], Some("SHA256:x"))), ErrorCode::HostKeyUnknown);
        assert_eq!(code(trust(&[OTHER], Some(&print))), ErrorCode::HostKeyChanged);
        assert_eq!(code(trust(&["garbage"], Some(&print))), ErrorCode::HostKeyChanged);
    }

    #[test]
    fn a_known_type_is_offered_first() {
        let rsa =
            "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7VKsuMgHLrmJfJhxRKmvBmjIYG3Hm1xVtnO7zj9Yo";
        let none = algorithms(&Trust { keys: vec![rsa.to_owned()], accepted: None });
        assert_eq!(none.first(), Some(&Algorithm::Ed25519), "an unreadable line changes nothing");
        let p384 = russh::keys::PrivateKey::random(
            &mut russh::keys::key::safe_rng(),
            Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        );
        let line = p384.unwrap().public_key().to_openssh().unwrap();
        let offered = algorithms(&Trust { keys: vec![line], accepted: None });
        assert_eq!(offered.first(), Some(&Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 }));
        assert_eq!(offered.len(), 6);
    }
}
