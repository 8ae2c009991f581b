//! Agents' keys. A key is 256 random bits, so a fast keyed hash is enough to store it, and a
//! thousand agents that come back at once cost a thousand hashes, not a thousand bcrypts.

use std::sync::Arc;
use std::time::Duration;

use gangplank_proto::id::ApiId;
use gangplank_proto::secret::Secret;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::secret::{ServerSecret, hmac};
use crate::random::{self, RandomError};

/// Marks the current stored form: `gpk1$` and HMAC-SHA256 in hex.
const CURRENT: &str = "gpk1$";

/// Longest key that is looked at, in bytes.
const LONGEST_KEY: usize = 256;

/// How long a failure on an imported form takes, whatever its own cost: slept, not computed.
const LEGACY_FAILURE: Duration = Duration::from_secs(1);

/// Imported forms that may wait for verification at once; beyond, the peer is told to come back.
const LEGACY_QUEUE: usize = 256;

/// What comparing a key with its stored form said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyVerdict {
    /// Wrong, or nobody's.
    Wrong,
    /// Right.
    Right,
    /// Right, and to be stored in this form from now on.
    Upgrade(String),
    /// Too many imported forms are waiting already.
    Busy,
}

/// A fresh credential, shown once.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The public half.
    pub api_id: ApiId,
    /// The secret half: 64 lowercase hex digits.
    pub api_key: Secret,
}

impl Credential {
    /// Makes one.
    pub(super) fn new() -> Result<Self, RandomError> {
        Ok(Self { api_id: ApiId::from_random(random::bytes()?), api_key: random::token()? })
    }
}

/// Makes and compares the stored forms of API keys.
#[derive(Clone)]
pub(super) struct ApiKeys {
    key: Zeroizing<[u8; 32]>,
    permits: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKeys(…)")
    }
}

impl ApiKeys {
    pub(super) fn new(secret: &ServerSecret, parallel: usize) -> Self {
        Self {
            key: secret.derive("api keys 1"),
            permits: Arc::new(Semaphore::new(parallel.max(1))),
            queue: Arc::new(Semaphore::new(LEGACY_QUEUE)),
        }
    }

    /// The form in which a key is stored. It depends on the id, so a row can't lend its key to
    /// another.
    pub(super) fn stored_form(&self, api_id: &str, api_key: &str) -> String {
        let mac = hmac(&*self.key, &[api_id.as_bytes(), &[0], api_key.as_bytes()]);
        format!("{CURRENT}{}", hex::encode(mac))
    }

    /// Compares. `stored` is none for an unknown id, which costs the same as a wrong key in the
    /// current form.
    pub(super) async fn verify(
        &self,
        api_id: &str,
        api_key: &str,
        stored: Option<&str>,
    ) -> KeyVerdict {
        let started = Instant::now();
        let presented = self.stored_form(api_id, api_key);
        match stored {
            Some(stored) if !stored.starts_with(CURRENT) => {
                let verdict = self.legacy(api_key, stored, presented).await;
                if verdict == KeyVerdict::Wrong {
                    tokio::time::sleep_until(started + LEGACY_FAILURE).await;
                }
                verdict
            }
            known => {
                let stored = known.unwrap_or("");
                let same = presented.as_bytes().ct_eq(stored.as_bytes());
                if bool::from(same) { KeyVerdict::Right } else { KeyVerdict::Wrong }
            }
        }
    }

    /// Compares with an imported form: bcrypt, or the key itself.
    async fn legacy(&self, api_key: &str, stored: &str, upgraded: String) -> KeyVerdict {
        if api_key.is_empty() || stored.is_empty() || api_key.len() > LONGEST_KEY {
            return KeyVerdict::Wrong;
        }
        let right = if is_bcrypt(stored) {
            let Ok(place) = Arc::clone(&self.queue).try_acquire_owned() else {
                return KeyVerdict::Busy;
            };
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
                return KeyVerdict::Busy;
            };
            let (key, stored) = (Secret::new(api_key.to_owned()), stored.to_owned());
            let work = move || {
                let _held = (place, permit);
                // bcrypt looks at 72 bytes; a longer key was never stored so.
                key.expose().len() <= 72 && bcrypt::verify(key.expose(), &stored).unwrap_or(false)
            };
            tokio::task::spawn_blocking(work).await.unwrap_or(false)
        } else {
            // The comparison tells the length and nothing else; every key has the same length.
            bool::from(api_key.as_bytes().ct_eq(stored.as_bytes()))
        };
        if right { KeyVerdict::Upgrade(upgraded) } else { KeyVerdict::Wrong }
    }
}

fn is_bcrypt(stored: &str) -> bool {
    ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| stored.starts_with(prefix))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn keys() -> ApiKeys {
        ApiKeys::new(&ServerSecret::new(vec![7; 32]), 1)
    }

    #[tokio::test]
    async fn the_current_form_belongs_to_one_id_and_one_secret() {
        let keys = keys();
        let stored = keys.stored_form("gp_1", "key");
        assert_eq!(keys.verify("gp_1", "key", Some(&stored)).await, KeyVerdict::Right);
        assert_eq!(keys.verify("gp_1", "kez", Some(&stored)).await, KeyVerdict::Wrong);
        assert_eq!(keys.verify("gp_2", "key", Some(&stored)).await, KeyVerdict::Wrong);
        assert_eq!(keys.verify("gp_1", "key", None).await, KeyVerdict::Wrong);
        // The stored form is no key.
        assert_eq!(keys.verify("gp_1", &stored, Some(&stored)).await, KeyVerdict::Wrong);
        let other = ApiKeys::new(&ServerSecret::new(vec![8; 32]), 1);
        assert_eq!(other.verify("gp_1", "key", Some(&stored)).await, KeyVerdict::Wrong);
    }

    #[tokio::test(start_paused = true)]
    async fn imported_forms_verify_once_and_are_upgraded() {
        let keys = keys();
        let upgraded = KeyVerdict::Upgrade(keys.stored_form("patchmon_1", "key"));
        let bcrypted = bcrypt::hash("key", 4).unwrap();
        for stored in [
            "key".to_owned(),
            bcrypted.clone(),
            bcrypted.replacen("$2b$", "$2a$", 1),
            bcrypted.replacen("$2b$", "$2y$", 1),
        ] {
            assert_eq!(keys.verify("patchmon_1", "key", Some(&stored)).await, upgraded);
            for wrong in ["", "kez", "key2", stored.get(..4).unwrap_or("-")] {
                if wrong != "key" {
                    let verdict = keys.verify("patchmon_1", wrong, Some(&stored)).await;
                    assert_eq!(verdict, KeyVerdict::Wrong, "{wrong} against {stored}");
                }
            }
        }
        assert_eq!(keys.verify("patchmon_1", "", Some("")).await, KeyVerdict::Wrong);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_on_imported_forms_take_a_fixed_time() {
        let keys = keys();
        for stored in ["key", &bcrypt::hash("key", 4).unwrap()] {
            let started = Instant::now();
            keys.verify("patchmon_1", "wrong", Some(stored)).await;
            assert!(started.elapsed() >= LEGACY_FAILURE);
        }
    }
}
