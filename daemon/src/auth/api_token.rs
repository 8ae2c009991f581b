//! API tokens: what a person lets a program of theirs do.

use std::time::Duration;

use gangplank_proto::id::{TenantId, UserId};
use gangplank_proto::secret::Secret;
use uuid::Uuid;

use super::{Auth, AuthError, Change, Permission, Principal};
use crate::audit::By;
use crate::clock::Timestamp;
use crate::random;
use crate::store::{NewApiToken, StoreError};

/// Marks an API token, so that it is told from other secrets when it turns up somewhere.
const PREFIX: &str = "gpat_";

/// Longest life of a token.
const LONGEST_LIFE: Duration = Duration::from_secs(366 * 24 * 3600);

/// A token that has just been made.
#[derive(Debug)]
pub struct MadeApiToken {
    /// Its id.
    pub id: Uuid,
    /// The token: `gpat_` and 64 hex digits, shown once.
    pub token: Secret,
    /// Until when it counts.
    pub expires_at: Timestamp,
}

impl Auth {
    /// Makes a token for a person. That they have what it may do is the caller's business, and
    /// looked at again whenever it is used.
    ///
    /// # Errors
    /// When its life is out of bounds, or the store refuses.
    pub async fn create_api_token(
        &self,
        who: &Principal,
        by: &By,
        name: String,
        scopes: Vec<Permission>,
        life: Duration,
    ) -> Result<MadeApiToken, AuthError> {
        if life.is_zero() || life > LONGEST_LIFE {
            return Err(StoreError::Invalid("expires takes a duration of up to 366d").into());
        }
        let token = Secret::new(format!("{PREFIX}{}", random::token()?.expose()));
        let (hash, expires_at) = (random::token_hash(token.expose()), by.at.plus(life));
        let new = NewApiToken { user: who.user, name, hash, scopes, expires_at };
        let id = self.store.create_api_token(who.tenant, by, new).await?;
        Ok(MadeApiToken { id, token, expires_at })
    }

    /// Ends a token of a tenant, or of one of its users, and what it opened. False when there is no
    /// such token.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke_api_token(
        &self,
        tenant: TenantId,
        by: &By,
        id: Uuid,
        user: Option<UserId>,
    ) -> Result<bool, AuthError> {
        let ended = self.store.revoke_api_token(tenant, by, id, user).await?;
        if let Some(login) = ended {
            self.revocations.tell(Change::LoginEnded(login));
        }
        Ok(ended.is_some())
    }

    /// The person behind an API token; none when the text isn't one.
    pub(super) async fn api_token(&self, token: &str) -> Option<Result<Principal, AuthError>> {
        let hex = token.strip_prefix(PREFIX)?;
        if hex.len() != 64 {
            return Some(Err(AuthError::Invalid));
        }
        let hash = random::token_hash(token);
        Some(match self.store.principal_of_api_token(&hash, self.clock.now()).await {
            Ok(Some(principal)) => Ok(principal),
            Ok(None) => Err(AuthError::Invalid),
            Err(error) => Err(error.into()),
        })
    }
}
