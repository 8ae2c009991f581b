//! Codes by time (RFC 6238): 6 digits of SHA-1 every 30 seconds, which every authenticator knows.
//! And recovery codes, for the day on which that authenticator is lost.

use gangplank_proto::secret::Secret;
use totp_rs::{Builder, Totp};

use super::secret::hmac;
use crate::clock::Timestamp;
use crate::random::{self, RandomError};

/// What authenticators show above the code.
const ISSUER: &str = "Gangplank";

/// Bytes of a secret: as many as the hash has.
pub(super) const SECRET_BYTES: usize = 20;

/// Recovery codes that a person gets at once.
const RECOVERY_CODES: usize = 10;

const DIGITS: usize = 6;

/// What somebody typed as a code.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// A code by time.
    Digits(String),
    /// A recovery code.
    Recovery(String),
}

impl Typed {
    /// Reads what was typed; spaces and hyphens are for people.
    pub(super) fn read(code: &Secret) -> Option<Self> {
        let text = code.expose();
        if text.len() > 64 {
            return None;
        }
        let plain: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        if plain.len() == DIGITS && plain.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Self::Digits(plain));
        }
        Some(Self::Recovery(plain.to_ascii_lowercase()))
    }
}

/// The generator behind a secret; none when the secret can't be one.
pub(super) fn generator(secret: &[u8], username: &str) -> Option<Totp> {
    let builder = Builder::new().with_secret(secret.to_vec()).with_account_name(username);
    builder.with_issuer(Some(ISSUER)).build().ok()
}

/// The step of a right code, a step before and after this moment allowed for clocks that differ.
pub(super) fn step(totp: &Totp, code: &str, now: Timestamp) -> Option<i64> {
    totp.check(code, now.seconds()).and_then(|step| i64::try_from(step).ok())
}

/// Recovery codes to show, once: 80 bits each, so that nobody guesses one.
pub(super) fn recovery_codes() -> Result<Vec<Secret>, RandomError> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let code = || {
        let mut text = String::with_capacity(19);
        for (index, byte) in random::bytes::<16>()?.into_iter().enumerate() {
            if index > 0 && index % 4 == 0 {
                text.push('-');
            }
            text.extend(LETTERS.get(usize::from(byte % 32)).map(|letter| char::from(*letter)));
        }
        Ok(Secret::new(text))
    };
    (0..RECOVERY_CODES).map(|_| code()).collect()
}

/// What is kept of a recovery code: a keyed hash, so that the database alone doesn't even tell
/// which of two people have the same.
pub(super) fn recovery_hash(key: &[u8], owner: &str, plain: &str) -> String {
    hex::encode(hmac(key, &[owner.as_bytes(), b" ", plain.as_bytes()]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B, cut to six digits.
        let totp = generator(b"12345678901234567890", "alice").unwrap();
        for (seconds, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924")]
        {
            let now = Timestamp::from_millis(seconds * 1000);
            assert_eq!(step(&totp, code, now), Some(seconds / 30));
            let near = Timestamp::from_millis((seconds + 30) * 1000);
            assert_eq!(step(&totp, code, near), Some(seconds / 30));
            let far = Timestamp::from_millis((seconds + 60) * 1000);
            assert_eq!(step(&totp, code, far), None);
        }
    }

    #[test]
    fn what_is_typed_is_a_code_of_one_kind() {
        let read = |text: &str| Typed::read(&Secret::new(text.to_owned()));
        assert_eq!(read(" 123 456 "), Some(Typed::Digits("123456".to_owned())));
        assert_eq!(
            read("ABCD-efgh-2345-mnpq"),
            Some(Typed::Recovery("abcdefgh2345mnpq".to_owned()))
        );
        assert_eq!(read(&"1".repeat(65)), None);
        let codes = recovery_codes().unwrap();
        assert_eq!(codes.len(), RECOVERY_CODES);
        assert!(codes.iter().all(|code| code.expose().len() == 19));
    }
}
