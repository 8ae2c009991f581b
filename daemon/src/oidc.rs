//! Single sign-on by OpenID Connect: the code flow with PKCE. What a provider signs says who
//! somebody is; which account that is, and what it may do, is decided here.

use std::net::IpAddr;

use gangplank_proto::secret::Secret;
use openidconnect::{Nonce, PkceCodeVerifier};
use subtle::ConstantTimeEq as _;
use url::Url;

use crate::app::App;
use crate::auth::{AuthError, Challenges, CookieLogin, Principal};
use crate::clock::Timestamp;
use crate::config::OidcConfig;
use crate::guard::Source;
use crate::random::{self, RandomError};
use crate::store::StoreError;

mod fetch;
mod person;
mod provider;

use provider::{Providers, Request};

/// Longest local path that a login leads back to.
const LONGEST_PATH: usize = 512;

/// Longest name of a tenant, in bytes.
const LONGEST_NAME: usize = 64;

/// Why somebody was not let in by a provider.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OidcError {
    /// The provider can't be asked, or answers what no provider should.
    #[error("the provider of single sign-on can't be used: {0}")]
    Provider(String),
    /// What came back is not an answer to what this browser was sent for.
    #[error("the login was not begun in this browser, or took too long")]
    Foreign,
    /// The provider did not let the person in, or they did not want to.
    #[error("the provider refused")]
    Denied,
    /// What the provider signed does not count here.
    #[error("the provider's token does not count: {0}")]
    Token(String),
    /// The account, or the provider's person, is linked already.
    #[error("the account or the provider's person is linked already")]
    Linked,
    /// The person has no account here, and none is made for them.
    #[error("no group of this person leads to a role here")]
    NoAccess,
    /// The name that the provider gives them is somebody's already, or can't be one.
    #[error("the name that the provider gives can't be used")]
    Name,
    /// The account can't be entered.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// What a browser was sent away for.
#[derive(Debug)]
pub struct Flow {
    state: Secret,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
    redirect: String,
    purpose: Purpose,
}

impl Flow {
    /// Whether an account is to be linked by it, and nobody logged in.
    #[must_use]
    pub fn links(&self) -> bool {
        matches!(self.purpose, Purpose::Link(_))
    }
}

/// Why a browser is sent away.
#[derive(Debug)]
pub enum Purpose {
    /// To log in.
    Login {
        /// Where the person wants to go afterwards.
        next: Option<String>,
        /// The tenant that they want to enter, by its id or name.
        tenant: Option<String>,
    },
    /// To link the account of a person who is logged in, and has just proved it again.
    Link(Box<Principal>),
}

impl Purpose {
    /// The same in what is kept for everybody who comes.
    fn bounded(self) -> Self {
        match self {
            Self::Login { next, tenant } => Self::Login {
                next: next.as_deref().and_then(local_path),
                // What is longer than any name is nobody's.
                tenant: tenant
                    .map(|name| if name.len() > LONGEST_NAME { String::new() } else { name }),
            },
            Self::Link(who) => Self::Link(who),
        }
    }
}

/// What became of it.
#[derive(Debug)]
pub enum Arrival {
    /// Somebody is logged in, and goes to this local path.
    In(Box<CookieLogin>, String),
    /// The account is linked.
    Linked,
}

/// Where a browser goes, and the cookie by which it is known again.
#[derive(Debug)]
pub struct Departure {
    /// The provider's page.
    pub url: Url,
    /// Value of the cookie.
    pub cookie: Secret,
}

/// What a provider's page sends a browser back with.
#[derive(Debug)]
pub struct Return {
    /// `state`.
    pub state: String,
    /// `code`; none when the provider refused.
    pub code: Option<String>,
}

/// Logins under way, and what is known of the provider.
#[derive(Debug, Default)]
pub struct Oidc {
    flows: Challenges<Flow>,
    providers: Providers,
}

impl Oidc {
    /// Sends a browser to the provider. `origin` is ours, as the browser sees it.
    ///
    /// # Errors
    /// [`OidcError::Provider`].
    pub async fn depart(
        &self,
        config: &OidcConfig,
        origin: &str,
        purpose: Purpose,
        source: IpAddr,
        now: Timestamp,
    ) -> Result<Departure, OidcError> {
        let redirect = format!("{origin}/api/v1/auth/oidc/callback");
        let provider = self.providers.get(config, now, false).await?;
        let state = random::token()?;
        let nonce = Nonce::new(random::token()?.expose().to_owned());
        let verifier = PkceCodeVerifier::new(random::token()?.expose().to_owned());
        let request = Request { state: &state, nonce: &nonce, verifier: &verifier };
        let url = provider.authorize(config, &redirect, request)?;
        let flow = Flow { state, nonce, verifier, redirect, purpose: purpose.bounded() };
        let cookie = self.flows.keep(Source::from(source), now, flow)?;
        Ok(Departure { url, cookie })
    }

    /// What the browser was sent away for that comes back with this cookie. It is over with that.
    #[must_use]
    pub fn returned(&self, cookie: Option<&str>, now: Timestamp) -> Option<Flow> {
        cookie.and_then(|cookie| self.flows.take(cookie, now))
    }

    /// Lets the person in who comes back, or links their account.
    ///
    /// # Errors
    /// [`OidcError`]; nothing is done then.
    pub async fn arrive(
        &self,
        app: &App,
        config: &OidcConfig,
        flow: Flow,
        back: Return,
        source: IpAddr,
    ) -> Result<Arrival, OidcError> {
        let now = app.clock.now();
        let same = flow.state.expose().as_bytes().ct_eq(back.state.as_bytes());
        if !bool::from(same) {
            return Err(OidcError::Foreign);
        }
        let code = back.code.ok_or(OidcError::Denied)?;
        let provider = self.providers.get(config, now, false).await?;
        let token = provider.redeem(config, &flow.redirect, code, flow.verifier).await?;
        let claims = match provider.verify(config, &token, &flow.nonce, now) {
            // The provider may have changed its keys since it was last asked.
            Err(_) => {
                let fresh = self.providers.get(config, now, true).await?;
                fresh.verify(config, &token, &flow.nonce, now)?
            }
            Ok(claims) => claims,
        };
        match flow.purpose {
            Purpose::Login { next, tenant } => {
                let login = person::enter(app, config, &claims, tenant.as_deref(), source).await?;
                Ok(Arrival::In(Box::new(login), next.unwrap_or_else(|| "/".to_owned())))
            }
            Purpose::Link(who) => {
                person::link(app, config, &claims, &who, source).await?;
                Ok(Arrival::Linked)
            }
        }
    }
}

/// A path of our own and nothing else: what a browser would take for another server's address is
/// none.
fn local_path(next: &str) -> Option<String> {
    let plain = next.len() <= LONGEST_PATH && next.chars().all(|c| c.is_ascii_graphic());
    if !plain || !next.starts_with('/') || next.contains('\\') {
        return None;
    }
    let base = Url::parse("https://local.invalid").ok()?;
    let joined = base.join(next).ok()?;
    let local = joined.origin() == base.origin() && !joined.path().starts_with("//");
    let query = joined.query().map_or_else(String::new, |query| format!("?{query}"));
    local.then(|| format!("{}{query}", joined.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_our_own_are_local() {
        for (next, path) in
            [("/hosts", "/hosts"), ("/host?id=1&x=%2F", "/host?id=1&x=%2F"), ("/a/../b", "/b")]
        {
            assert_eq!(local_path(next).as_deref(), Some(path));
        }
        for foreign in [
            "",
            "hosts",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "/\t/evil.example",
            "/%0d%0aX: y\r\n",
            "https://evil.example",
            "javascript:alert(1)",
            "/.//evil.example",
            "/x/..//evil.example",
        ] {
            assert_eq!(local_path(foreign), None, "{foreign:?}");
        }
    }
}
