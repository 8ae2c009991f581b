//! What the provider says of itself, and what it signs.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gangplank_proto::secret::Secret;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdToken,
    CoreJwsSigningAlgorithm as Alg, CoreProviderMetadata,
};
use openidconnect::{
    AuthType, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, Scope, TokenResponse as _,
};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use url::Url;

use super::OidcError;
use super::fetch::Fetcher;
use crate::clock::Timestamp;
use crate::config::OidcConfig;

/// How long what a provider says of itself is believed.
const BELIEVED: Duration = Duration::from_secs(3600);

/// Soonest that it is asked again because of a token that can't be verified.
const PAUSE: Duration = Duration::from_secs(60);

/// Soonest that it is asked again when it could not be asked.
const RETRY: Duration = Duration::from_secs(5);

/// How far a provider's clock may be ahead of ours.
const SKEW: Duration = Duration::from_secs(60);

/// What counts as a signature. Nothing that the client's secret could make, and never nothing.
const ALGORITHMS: [Alg; 9] = [
    Alg::RsaSsaPkcs1V15Sha256,
    Alg::RsaSsaPkcs1V15Sha384,
    Alg::RsaSsaPkcs1V15Sha512,
    Alg::RsaSsaPssSha256,
    Alg::RsaSsaPssSha384,
    Alg::RsaSsaPssSha512,
    Alg::EcdsaP256Sha256,
    Alg::EcdsaP384Sha384,
    Alg::EdDsa,
];

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Who a provider says that somebody is.
#[derive(Debug)]
pub(super) struct Claims {
    /// The name that the provider never gives to anybody else.
    pub(super) subject: String,
    /// Everything that was signed.
    pub(super) all: Map<String, Value>,
}

/// What a browser is to bring back.
pub(super) struct Request<'a> {
    pub(super) state: &'a Secret,
    pub(super) nonce: &'a Nonce,
    pub(super) verifier: &'a PkceCodeVerifier,
}

/// A provider as it described itself.
#[derive(Debug)]
pub(super) struct Provider {
    fetcher: Fetcher,
    metadata: CoreProviderMetadata,
}

#[derive(Debug)]
struct Known {
    issuer: String,
    at: Timestamp,
    provider: Arc<Provider>,
}

#[derive(Debug, Default)]
struct Memory {
    known: Option<Known>,
    failed: Option<Timestamp>,
}

/// The configured provider, asked now and then.
#[derive(Debug, Default)]
pub(super) struct Providers(Mutex<Memory>);

impl Providers {
    /// The provider; asked again when what it said is old, or soon when it has to be `fresh`.
    pub(super) async fn get(
        &self,
        config: &OidcConfig,
        now: Timestamp,
        fresh: bool,
    ) -> Result<Arc<Provider>, OidcError> {
        let mut memory = self.0.lock().await;
        let believed = if fresh { PAUSE } else { BELIEVED };
        if let Some(known) = &memory.known
            && known.issuer == config.issuer
            && now.since(known.at) < believed
        {
            return Ok(Arc::clone(&known.provider));
        }
        // Whoever waited while somebody else asked in vain need not ask in vain as well.
        if memory.failed.is_some_and(|failed| now.since(failed) < RETRY) {
            return Err(unusable("it did not answer a moment ago"));
        }
        match Provider::discover(config).await {
            Ok(provider) => {
                let provider = Arc::new(provider);
                let issuer = config.issuer.clone();
                let known = Known { issuer, at: now, provider: Arc::clone(&provider) };
                *memory = Memory { known: Some(known), failed: None };
                Ok(provider)
            }
            Err(error) => {
                memory.failed = Some(now);
                Err(error)
            }
        }
    }
}

impl Provider {
    async fn discover(config: &OidcConfig) -> Result<Self, OidcError> {
        let ca = match &config.ca {
            Some(path) => Some(tokio::fs::read(path).await.map_err(unusable)?),
            None => None,
        };
        let fetcher = Fetcher::new(ca.as_deref()).map_err(unusable)?;
        let issuer = IssuerUrl::new(config.issuer.clone()).map_err(unusable)?;
        let metadata = CoreProviderMetadata::discover_async(issuer, &fetcher);
        let metadata = metadata.await.map_err(|error| unusable(chain(&error)))?;
        if metadata.authorization_endpoint().url().scheme() != "https" {
            return Err(unusable("its login page has no https address"));
        }
        Ok(Self { fetcher, metadata })
    }

    /// The address to which a browser is sent.
    pub(super) fn authorize(
        &self,
        config: &OidcConfig,
        redirect: &str,
        request: Request<'_>,
    ) -> Result<Url, OidcError> {
        let client = self.client(config, redirect)?;
        let (state, nonce) = (request.state.expose().to_owned(), request.nonce.clone());
        let (url, _, _) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                || CsrfToken::new(state),
                || nonce,
            )
            .add_scopes(config.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(request.verifier))
            .url();
        Ok(url)
    }

    /// Exchanges a code for the token that says who somebody is.
    pub(super) async fn redeem(
        &self,
        config: &OidcConfig,
        redirect: &str,
        code: String,
        verifier: PkceCodeVerifier,
    ) -> Result<CoreIdToken, OidcError> {
        let client = self.client(config, redirect)?;
        let request = client.exchange_code(AuthorizationCode::new(code)).map_err(unusable)?;
        let answer = request.set_pkce_verifier(verifier).request_async(&self.fetcher).await;
        let answer = answer.map_err(|error| OidcError::Token(chain(&error)))?;
        let token = answer.id_token().cloned();
        token.ok_or_else(|| OidcError::Token("there is none".to_owned()))
    }

    /// Checks signature, issuer, audience, nonce and times, and reads what was signed.
    pub(super) fn verify(
        &self,
        config: &OidcConfig,
        token: &CoreIdToken,
        nonce: &Nonce,
        now: Timestamp,
    ) -> Result<Claims, OidcError> {
        let client = self.client(config, "https://localhost/")?;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(now.seconds());
        let verifier = client.id_token_verifier().set_allowed_algs(ALGORITHMS);
        let verifier = verifier.set_time_fn(move || time.into());
        let claims = token.claims(&verifier, nonce);
        let claims = claims.map_err(|error| OidcError::Token(chain(&error)))?;
        let unreadable = || OidcError::Token("it can't be read".to_owned());
        // The library knows the standard's claims only; groups are every provider's own.
        let text = token.to_string();
        let payload = text.split('.').nth(1).ok_or_else(unreadable)?;
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| unreadable())?;
        let all = serde_json::from_slice(&payload).map_err(|_| unreadable())?;
        begun(&all, now).map_err(|why| OidcError::Token(why.to_owned()))?;
        Ok(Claims { subject: claims.subject().to_string(), all })
    }

    fn client(&self, config: &OidcConfig, redirect: &str) -> Result<Client, OidcError> {
        let secret = config.client_secret.as_ref();
        let secret = secret.map(|secret| ClientSecret::new(secret.expose().to_owned()));
        let id = ClientId::new(config.client_id.clone());
        let redirect = RedirectUrl::new(redirect.to_owned()).map_err(unusable)?;
        let client = CoreClient::from_provider_metadata(self.metadata.clone(), id, secret)
            .set_redirect_uri(redirect);
        let methods = self.metadata.token_endpoint_auth_methods_supported();
        let posts = methods.is_some_and(|methods| {
            !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
                && methods.contains(&CoreClientAuthMethod::ClientSecretPost)
        });
        Ok(if posts { client.set_auth_type(AuthType::RequestBody) } else { client })
    }
}

/// Checks that a token is not of a time to come. That it isn't over is the library's business.
fn begun(claims: &Map<String, Value>, now: Timestamp) -> Result<(), &'static str> {
    let later = now.plus(SKEW).seconds();
    for (claim, why) in
        [("iat", "it was made in the future"), ("nbf", "it doesn't count before its time")]
    {
        let Some(time) = claims.get(claim) else { continue };
        // A fraction of a second is nothing here.
        let seconds = time.as_f64().ok_or("its times can't be read")?;
        #[allow(clippy::cast_precision_loss, reason = "seconds until year 285 million are exact")]
        if seconds > later as f64 {
            return Err(why);
        }
    }
    Ok(())
}

fn unusable(error: impl std::fmt::Display) -> OidcError {
    OidcError::Provider(error.to_string())
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_of_a_time_to_come_does_not_count_yet() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let judge = |claims: Value| begun(claims.as_object().unwrap(), now);
        for fine in [
            json!({}),
            json!({ "iat": 1_799_990_000 }),
            json!({ "iat": 1_800_000_060, "nbf": 1_800_000_000.5 }),
        ] {
            assert_eq!(judge(fine.clone()), Ok(()), "{fine}");
        }
        for wrong in [
            json!({ "iat": 1_800_000_061 }),
            json!({ "iat": 1_800_000_000, "nbf": 1_800_003_600 }),
            json!({ "nbf": "soon" }),
        ] {
            assert!(judge(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
