//! The SHA-256 fingerprint of a certificate, as people compare it.

use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// SHA-256 over a certificate's DER form; shown as 32 upper-case hex bytes with colons, as
/// `openssl x509 -fingerprint -sha256` and browsers show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// The text is not a SHA-256 fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a SHA-256 fingerprint: 64 hex digits are due, with or without colons")]
pub struct FingerprintError;

impl Fingerprint {
    /// The fingerprint of `certificate`.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(":")?;
            }
            write!(f, "{byte:02X}")?;
        }
        Ok(())
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let plain = text.replace(':', "");
        let mut bytes = [0; 32];
        hex::decode_to_slice(plain, &mut bytes).map_err(|_| FingerprintError)?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read_and_one_is_written() {
        let shown = Fingerprint::of(&CertificateDer::from(b"abc".to_vec())).to_string();
        assert!(shown.starts_with("BA:78:16:BF:") && shown.len() == 95, "{shown}");
        let plain = shown.replace(':', "").to_lowercase();
        assert_eq!(Fingerprint::from_str(&plain).unwrap().to_string(), shown);
        assert_eq!(Fingerprint::from_str("BA:78"), Err(FingerprintError));
    }
}
