//! The daemon's own secret, and the keys that are derived from it.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::random;
use crate::store::{DataDir, StoreError};

/// Fewest bytes of a secret that production accepts.
pub const SHORTEST_SECRET: usize = 32;

/// File in the data directory that keeps the secret when none is configured.
const FILE: &str = "server.secret";

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The file can't be read or made.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness to make one.
    #[error(transparent)]
    Random(#[from] random::RandomError),
    /// What the file holds is too short to be a secret.
    #[error(
        "{FILE} in the data directory holds fewer than {SHORTEST_SECRET} bytes: restore it from a backup; removing it invalidates every API key"
    )]
    Short,
}

/// The secret from which every key of the daemon is derived. Whoever has it can forge logins and
/// agents, so it is never shown, and lies in a file that only the daemon can read.
#[derive(Clone)]
pub struct ServerSecret(Zeroizing<Vec<u8>>);

impl ServerSecret {
    /// Takes a configured secret. Its length is the configuration's business.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The secret of a data directory, made at its first start.
    ///
    /// # Errors
    /// When it can't be read or made.
    pub fn load_or_create(directory: &DataDir) -> Result<Self, SecretError> {
        let bytes = directory.read_or_create(FILE, || {
            Ok::<_, SecretError>(hex::encode(random::bytes::<32>()?).into_bytes())
        })?;
        let secret = Self::new(bytes.trim_ascii().to_vec());
        if secret.0.len() < SHORTEST_SECRET {
            return Err(SecretError::Short);
        }
        Ok(secret)
    }

    /// A key for one purpose, so that what is made for one can't be used for another.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(hmac(&self.0, &[b"gangplank ", purpose.as_bytes()]))
    }
}

impl fmt::Debug for ServerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerSecret(…)")
    }
}

/// HMAC-SHA256 over the parts one after the other.
pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // A key of any length will do for HMAC; should the library ever think otherwise, an empty key
    // fails every comparison with what was made by the right one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_secret_is_made_once_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::open(&directory.path().join("data")).unwrap();
        let first = ServerSecret::load_or_create(&data).unwrap();
        let second = ServerSecret::load_or_create(&data).unwrap();
        assert_eq!(first.derive("x"), second.derive("x"));
        assert_ne!(first.derive("x"), first.derive("y"));
        let file = data.path().join(FILE);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&file, "short").unwrap();
        assert!(matches!(ServerSecret::load_or_create(&data), Err(SecretError::Short)));
    }
}
