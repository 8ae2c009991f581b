//! Tokens by which an installation script gets its host's credential: one use, five minutes, and in
//! memory only, so that no key is ever written down. A token that a restart lost is made anew by
//! fetching the script again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gangplank_proto::id::ApiId;
use gangplank_proto::secret::Secret;
use tokio::time::Instant;

use crate::random::{self, RandomError};

/// How long a token is good for.
const LIFE: Duration = Duration::from_secs(300);

/// Tokens at once; beyond, the oldest goes.
const TOKENS: usize = 4096;

/// The tokens that are out, by their hashes.
#[derive(Debug, Default)]
pub struct Bootstraps(Mutex<HashMap<String, Kept>>);

#[derive(Debug)]
struct Kept {
    until: Instant,
    api_id: ApiId,
    api_key: Secret,
}

impl Bootstraps {
    /// Makes a token for a credential that has just been proved.
    ///
    /// # Errors
    /// Without randomness.
    pub fn issue(&self, api_id: ApiId, api_key: Secret) -> Result<Secret, RandomError> {
        let token = random::token()?;
        let now = Instant::now();
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, kept| kept.until > now);
        if tokens.len() >= TOKENS {
            let oldest = tokens.iter().min_by_key(|(_, kept)| kept.until);
            if let Some(oldest) = oldest.map(|(hash, _)| hash.clone()) {
                tokens.remove(&oldest);
            }
        }
        let kept = Kept { until: now + LIFE, api_id, api_key };
        tokens.insert(random::token_hash(token.expose()), kept);
        Ok(token)
    }

    /// Uses a token up.
    #[must_use]
    pub fn take(&self, token: &str) -> Option<(ApiId, Secret)> {
        let hash = random::token_hash(token);
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash)?;
        (kept.until > Instant::now()).then_some((kept.api_id, kept.api_key))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn issue(tokens: &Bootstraps) -> Secret {
        let api_id = ApiId::from_random([1; 8]);
        tokens.issue(api_id, Secret::new("key".to_owned())).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_used_once_and_in_time() {
        let tokens = Bootstraps::default();
        let token = issue(&tokens);
        assert!(tokens.take("no such token").is_none());
        let (api_id, key) = tokens.take(token.expose()).unwrap();
        assert_eq!((api_id.as_str(), key.expose()), ("gp_0101010101010101", "key"));
        assert!(tokens.take(token.expose()).is_none());
        let late = issue(&tokens);
        tokio::time::advance(LIFE).await;
        assert!(tokens.take(late.expose()).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_are_bounded() {
        let tokens = Bootstraps::default();
        let first = issue(&tokens);
        for _ in 0..TOKENS {
            tokio::time::advance(Duration::from_millis(1)).await;
            issue(&tokens);
        }
        assert_eq!(tokens.0.lock().unwrap().len(), TOKENS);
        assert!(tokens.take(first.expose()).is_none());
    }
}
