//! Access tokens: JWT, HS256 and nothing else, for 15 minutes and one purpose.

use std::time::Duration;

use gangplank_proto::id::{LoginId, TenantId, UserId};
use gangplank_proto::secret::Secret;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::secret::ServerSecret;
use crate::clock::Timestamp;

/// How long a token for the API lives.
pub const TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);

/// How long a token for one socket lives, at most; it travels in a URL.
pub const SOCKET_TOKEN_LIFE: Duration = Duration::from_secs(5 * 60);

/// The audience of a token for the HTTP API. A token for a socket has the socket's path instead.
pub const API_AUDIENCE: &str = "api";

/// Longest token that is looked at, in bytes.
const LONGEST_TOKEN: usize = 4096;

/// Clocks may differ by this much, in seconds.
const LEEWAY: u64 = 5;

const ISSUER: &str = "gangplank";
const KIND: &str = "access";

/// The token is not one of ours, or not for this purpose, or not at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the access token can't be used")]
pub(super) struct TokenError;

/// What a token says. Every field must be there and of its type, or the token is none.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    exp: u64,
    nbf: u64,
    iat: u64,
    typ: String,
    tenant: TenantId,
    login: LoginId,
}

/// Who a good token speaks for. The login says whether they still may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bearer {
    pub(super) tenant: TenantId,
    pub(super) user: UserId,
    pub(super) login: LoginId,
}

/// Signs and verifies access tokens.
#[derive(Clone)]
pub(super) struct Tokens {
    signing: EncodingKey,
    verifying: DecodingKey,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(…)")
    }
}

impl Tokens {
    pub(super) fn new(secret: &ServerSecret) -> Self {
        let key = secret.derive("access tokens 1");
        Self {
            signing: EncodingKey::from_secret(&*key),
            verifying: DecodingKey::from_secret(&*key),
        }
    }

    /// Signs a token for an audience.
    pub(super) fn sign(
        &self,
        bearer: Bearer,
        audience: &str,
        life: Duration,
        now: Timestamp,
    ) -> Result<Secret, TokenError> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: audience.to_owned(),
            sub: bearer.user,
            exp: now.plus(life).seconds(),
            nbf: now.seconds(),
            iat: now.seconds(),
            typ: KIND.to_owned(),
            tenant: bearer.tenant,
            login: bearer.login,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .map(Secret::new)
            .map_err(|_| TokenError)
    }

    /// Verifies a token for an audience.
    pub(super) fn verify(
        &self,
        token: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<Bearer, TokenError> {
        if token.len() > LONGEST_TOKEN {
            return Err(TokenError);
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[audience]);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        // The times are compared below, by the clock that is given and with typed claims.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.verifying, &validation)
            .map_err(|_| TokenError)?
            .claims;
        let now = now.seconds();
        let in_time = now < claims.exp && claims.nbf <= now.saturating_add(LEEWAY);
        let socket = audience != API_AUDIENCE;
        let life = if socket { SOCKET_TOKEN_LIFE } else { TOKEN_LIFE };
        let short = claims.exp.saturating_sub(claims.nbf) <= life.as_secs();
        if claims.typ != KIND || !in_time || !short {
            return Err(TokenError);
        }
        Ok(Bearer { tenant: claims.tenant, user: claims.sub, login: claims.login })
    }
}

#[cfg(test)]
mod tests;
