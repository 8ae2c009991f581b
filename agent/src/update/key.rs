//! The keys whose signatures this host believes. They come out of its own file and from nowhere else:
//! a release that brought a key along would be believed by nobody.

use std::fmt;

use minisign_verify::{PublicKey, Signature};

/// Public keys of releases.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keys(Vec<PublicKey>);

/// Why something isn't signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A text that is no public key.
    #[error("it is no public key of minisign: give the line that begins with RW")]
    Key,
    /// There is no key to check by.
    #[error(
        "this host has no key of releases: put the public key that came with them into its \
         agent.toml, [update] keys = [\"RW…\"]"
    )]
    NoKeys,
    /// Not the form of a signature.
    #[error("the signature is none of minisign's")]
    Malformed,
    /// Signed by somebody else, or not what was signed.
    #[error("it isn't signed by a key that this host's agent.toml names ([update] keys)")]
    Unsigned,
}

impl Keys {
    /// Reads keys as people write them: the second line of a public key's file.
    ///
    /// # Errors
    /// [`KeyError::Key`].
    pub fn parse(texts: &[String]) -> Result<Self, KeyError> {
        let keys = texts.iter().map(|text| PublicKey::from_base64(text.trim()));
        keys.collect::<Result<_, _>>().map(Self).map_err(|_| KeyError::Key)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks that one of the keys signed exactly these bytes.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn verify(&self, bytes: &[u8], signature: &str) -> Result<(), KeyError> {
        if self.is_empty() {
            return Err(KeyError::NoKeys);
        }
        let signature = Signature::decode(signature).map_err(|_| KeyError::Malformed)?;
        // The old form, which signs without hashing first, has no place here.
        let signed = self.0.iter().any(|key| key.verify(bytes, &signature, false).is_ok());
        if signed { Ok(()) } else { Err(KeyError::Unsigned) }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}
