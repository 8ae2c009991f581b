//! What has to be read again and still not lie open in the database or in a backup of it: sealed by
//! AES-256-GCM under a key that is derived from the server's secret.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

use super::secret::ServerSecret;

const NONCE: usize = 12;

/// What was sealed can't be opened: by another server secret, for somebody else, or it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value can't be opened: the server secret is not the one that sealed it")]
pub struct VaultError;

/// Seals and opens.
#[derive(Clone)]
pub(super) struct Vault(Option<Arc<RandomizedNonceKey>>);

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Vault {
    pub(super) fn new(secret: &ServerSecret, purpose: &str) -> Self {
        // 32 bytes are a key; should the library ever think otherwise, nothing is sealed or opened.
        let key = RandomizedNonceKey::new(&AES_256_GCM, &*secret.derive(purpose));
        Self(key.ok().map(Arc::new))
    }

    /// Seals a value for one owner, so that it can't be put under another's name.
    pub(super) fn seal(&self, owner: &str, value: &[u8]) -> Result<String, VaultError> {
        let key = self.0.as_ref().ok_or(VaultError)?;
        let mut sealed = value.to_vec();
        let nonce = key.seal_in_place_append_tag(Aad::from(owner.as_bytes()), &mut sealed);
        let mut whole = nonce.map_err(|_| VaultError)?.as_ref().to_vec();
        whole.append(&mut sealed);
        Ok(STANDARD_NO_PAD.encode(whole))
    }

    /// Opens what was sealed for this owner.
    pub(super) fn open(&self, owner: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let key = self.0.as_ref().ok_or(VaultError)?;
        let mut whole = STANDARD_NO_PAD.decode(sealed).map_err(|_| VaultError)?;
        let (nonce, rest) = whole.split_at_mut_checked(NONCE).ok_or(VaultError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError)?;
        let open = key.open_in_place(nonce, Aad::from(owner.as_bytes()), rest);
        Ok(Zeroizing::new(open.map_err(|_| VaultError)?.to_vec()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_owner_and_purpose_alone() {
        let secret = ServerSecret::new(vec![1; 32]);
        let vault = Vault::new(&secret, "one");
        let sealed = vault.seal("alice", b"secret").unwrap();
        assert_eq!(*vault.open("alice", &sealed).unwrap(), b"secret");
        assert_ne!(vault.seal("alice", b"secret").unwrap(), sealed, "each has its own nonce");
        assert_eq!(vault.open("bob", &sealed), Err(VaultError));
        assert_eq!(Vault::new(&secret, "two").open("alice", &sealed), Err(VaultError));
        for broken in ["", "AAAA", "?", sealed.trim_end_matches(|_| false).get(..20).unwrap()] {
            assert_eq!(vault.open("alice", broken), Err(VaultError));
        }
    }
}
