//! Who is asking, and what they may do: people by password, cookie or access token; agents by API
//! key; hosts that come in by provisioning key.
//!
//! Every change that takes a right away is committed first and told on [`Revocations`] after, so
//! that what is open already closes. The methods here are the only way to make such a change; the
//! store's own must not be called from elsewhere.

use std::net::IpAddr;
use std::time::Duration;

use gangplank_proto::id::{ApiId, LoginId, TenantId, UserId};
use gangplank_proto::secret::Secret;
use uuid::Uuid;

use crate::audit::{Actor, By};
use crate::clock::Clock;
use crate::guard::Source;
use crate::random;
use crate::store::{Candidate, LOGIN_LIFE, NewLogin, Place, Store, StoreError};

mod account;
mod api_key;
mod api_token;
mod challenge;
mod fleet;
mod passkey;
mod password;
mod people;
mod permission;
mod principal;
mod revocation;
mod second_factor;
mod secret;
mod slowdown;
mod token;
mod totp;
mod vault;

pub use api_key::Credential;
pub use api_token::MadeApiToken;
pub(crate) use challenge::Challenges;
pub use fleet::{Admitted, NewToken, ProvisioningToken};
pub use passkey::{PasskeyChallenge, Site};
pub use password::{LONGEST_PASSWORD, PasswordError, Passwords, SHORTEST_PASSWORD};
pub use people::Switched;
pub use permission::{BUILT_IN_ROLES, PLATFORM_ROLE, Permission, Permissions, UnknownPermission};
pub use principal::{Account, AgentIdentity, Principal, Username, UsernameError};
pub use revocation::{Change, Listener, News, Revocations};
pub use second_factor::{Proof, TotpOffer};
pub use secret::{SHORTEST_SECRET, SecretError, ServerSecret};
pub use token::{API_AUDIENCE, SOCKET_TOKEN_LIFE, TOKEN_LIFE};
pub use vault::VaultError;

use api_key::{ApiKeys, KeyVerdict};
use password::Verdict;
use second_factor::{Beside, Factors, used};
use slowdown::Slowdown;
use token::{Bearer, Tokens};

/// Why somebody is not let in, or a change was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The credential is unknown, wrong, expired or ended; which of these is nobody's business.
    #[error("the credential can't be used")]
    Invalid,
    /// The credential is not for where it was used.
    #[error("the key may not be used from this address")]
    Network,
    /// Too much is going on from there; to be tried again after a while.
    #[error("too many attempts")]
    Throttled {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The password was right, and a code has to come with it.
    #[error("a code is needed beside the password")]
    CodeNeeded,
    /// The code is wrong, too old, or was used before.
    #[error("the code is wrong or was used already")]
    CodeWrong,
    /// The password was right, and this person has to use their passkey.
    #[error("this account is entered by passkey")]
    PasskeyNeeded,
    /// What a browser made is not what it was asked for.
    #[error("the browser's passkey can't be taken: it is not what was asked for")]
    PasskeyRefused,
    /// The password was right, and a second factor has to be enrolled in the console first.
    #[error("a second factor has to be enrolled first")]
    EnrolmentNeeded,
    /// The tenant that the person wants to change to asks for a second factor, and they have none.
    #[error("that tenant wants a second factor: set one up, and change to it then")]
    FactorLacking,
    /// A secret of the store can't be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A password can't be taken, or not be hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The store failed or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] random::RandomError),
}

/// A login that has just been made.
#[derive(Debug)]
pub struct CookieLogin {
    /// Who it is.
    pub principal: Principal,
    /// Value of the cookie: 64 lowercase hex digits, shown to the browser only.
    pub cookie: Secret,
    /// How long the cookie is good for at most.
    pub life: Duration,
}

/// An access token that has just been made.
#[derive(Debug)]
pub struct AccessToken {
    /// The token.
    pub token: Secret,
    /// How long it is good for.
    pub life: Duration,
}

/// Somebody who may be let in, and where they go.
#[derive(Debug)]
struct Entrant {
    person: Candidate,
    place: Place,
}

/// Decides who is let in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Auth {
    store: Store,
    clock: Clock,
    passwords: Passwords,
    keys: ApiKeys,
    tokens: Tokens,
    revocations: Revocations,
    slowdown: Slowdown,
    factors: Factors,
    passkeys: passkey::Passkeys,
}

impl Auth {
    /// Decides by what `store` holds. Passwords and imported keys are hashed on at most half of the
    /// processors.
    #[must_use]
    pub fn new(store: Store, clock: Clock, secret: &ServerSecret) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let parallel = (processors / 2).max(1);
        Self {
            store,
            clock,
            passwords: Passwords::new(parallel),
            keys: ApiKeys::new(secret, parallel),
            tokens: Tokens::new(secret),
            revocations: Revocations::default(),
            slowdown: Slowdown::new(),
            factors: Factors::new(secret),
            passkeys: passkey::Passkeys::default(),
        }
    }

    /// Where changes are told.
    #[must_use]
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// Logs a person in by password, and a code where they have them, for a browser.
    ///
    /// # Errors
    /// [`AuthError::Invalid`], alike for unknown users, wrong passwords, disabled users, and tenants
    /// that aren't theirs;
    /// [`AuthError::Throttled`]. Only once the password was right: [`AuthError::CodeNeeded`],
    /// [`AuthError::CodeWrong`], [`AuthError::PasskeyNeeded`].
    pub async fn login<'a>(
        &self,
        username: &str,
        proof: impl Into<Proof<'a>>,
        source: IpAddr,
    ) -> Result<CookieLogin, AuthError> {
        let proof = proof.into();
        let entrant = self.identify(username, proof.password, proof.tenant, source).await?;
        let beside = self.beside(&entrant, proof.code, source).await?;
        self.cookie_login(entrant, beside, source).await
    }

    /// Logs a person in whom a provider of single sign-on has vouched for, for a browser; into the
    /// tenant of an id or a name, if one is given.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] for disabled users, and tenants that aren't theirs.
    pub async fn external_login(
        &self,
        person: Candidate,
        tenant: Option<&str>,
        source: IpAddr,
    ) -> Result<CookieLogin, AuthError> {
        if !person.enabled {
            return Err(AuthError::Invalid);
        }
        let entrant = self.entrant(person, tenant).await?;
        self.cookie_login(entrant, Beside::default(), source).await
    }

    /// Where somebody goes who has proved who they are.
    async fn entrant(&self, person: Candidate, tenant: Option<&str>) -> Result<Entrant, AuthError> {
        let place = match tenant {
            None => Some(home(&person)),
            Some(tenant) => self.store.place(person.user, tenant).await?,
        };
        Ok(Entrant { place: place.ok_or(AuthError::Invalid)?, person })
    }

    async fn cookie_login(
        &self,
        entrant: Entrant,
        beside: Beside,
        source: IpAddr,
    ) -> Result<CookieLogin, AuthError> {
        let cookie = random::token()?;
        let hash = random::token_hash(cookie.expose());
        let principal = self.begin(entrant, Some(hash), LOGIN_LIFE, beside, source).await?;
        Ok(CookieLogin { principal, cookie, life: LOGIN_LIFE })
    }

    /// Gives a person who knows their password an access token for the API.
    ///
    /// # Errors
    /// As [`login`](Self::login), and [`AuthError::EnrolmentNeeded`].
    pub async fn token<'a>(
        &self,
        username: &str,
        proof: impl Into<Proof<'a>>,
        source: IpAddr,
    ) -> Result<AccessToken, AuthError> {
        let proof = proof.into();
        let entrant = self.identify(username, proof.password, proof.tenant, source).await?;
        let beside = self.beside(&entrant, proof.code, source).await?;
        if beside.must_enrol {
            return Err(AuthError::EnrolmentNeeded);
        }
        let principal = self.begin(entrant, None, TOKEN_LIFE, beside, source).await?;
        self.token_for(&principal, API_AUDIENCE)
    }

    /// Makes an access token that hangs on an existing login, for the API or for the socket whose
    /// path is the audience.
    ///
    /// # Errors
    /// When it can't be signed.
    pub fn token_for(
        &self,
        principal: &Principal,
        audience: &str,
    ) -> Result<AccessToken, AuthError> {
        let life = if audience == API_AUDIENCE { TOKEN_LIFE } else { SOCKET_TOKEN_LIFE };
        let bearer =
            Bearer { tenant: principal.tenant, user: principal.user, login: principal.login };
        let token = self.tokens.sign(bearer, audience, life, self.clock.now());
        Ok(AccessToken { token: token.map_err(|_| AuthError::Invalid)?, life })
    }

    /// The person behind a session cookie.
    ///
    /// # Errors
    /// [`AuthError::Invalid`].
    pub async fn cookie(&self, cookie: &str) -> Result<Principal, AuthError> {
        let form = cookie.len() == 64 && cookie.bytes().all(|b| b.is_ascii_hexdigit());
        if !form {
            return Err(AuthError::Invalid);
        }
        let hash = random::token_hash(cookie);
        let found = self.store.principal_of_cookie(&hash, self.clock.now()).await?;
        found.ok_or(AuthError::Invalid)
    }

    /// The person behind an access token that was made for `audience`: [`API_AUDIENCE`], or a
    /// socket's path; or behind one of their API tokens, which are for the former.
    ///
    /// # Errors
    /// [`AuthError::Invalid`].
    pub async fn bearer(&self, token: &str, audience: &str) -> Result<Principal, AuthError> {
        if audience == API_AUDIENCE
            && let Some(found) = self.api_token(token).await
        {
            return found;
        }
        let now = self.clock.now();
        let bearer = self.tokens.verify(token, audience, now).map_err(|_| AuthError::Invalid)?;
        let found = self.store.principal_of_login(bearer.tenant, bearer.login, false, now).await?;
        match found {
            Some(principal) if principal.user == bearer.user => Ok(principal),
            _ => Err(AuthError::Invalid),
        }
    }

    /// The person again, for what they hold open, with their rights of this moment; none when their
    /// login has ended. The end of an access token ends nothing that is open.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn recheck(&self, principal: &Principal) -> Result<Option<Principal>, StoreError> {
        let now = self.clock.now();
        self.store.principal_of_login(principal.tenant, principal.login, true, now).await
    }

    /// Ends a login and tells everything that hangs on it.
    ///
    /// # Errors
    /// When the store fails; the login then goes on.
    pub async fn logout(
        &self,
        principal: &Principal,
        source: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        let by = principal.by(source, self.clock.now());
        self.store.end_login(principal.tenant, &by, principal.login).await?;
        self.revocations.tell(Change::LoginEnded(principal.login));
        Ok(())
    }

    /// Ends a login for what it did, and closes what hangs on it.
    ///
    /// # Errors
    /// When the store fails; the login then goes on.
    pub async fn expel(&self, tenant: TenantId, login: LoginId) -> Result<(), AuthError> {
        self.store.end_login(tenant, &By::daemon(self.clock.now()), login).await?;
        self.revocations.tell(Change::LoginExpelled(login));
        Ok(())
    }

    /// The host that an agent speaks for. Pending hosts are let in here too; what they may do is
    /// the caller's business.
    ///
    /// # Errors
    /// [`AuthError::Invalid`], alike for unknown ids and wrong keys; [`AuthError::Throttled`] when
    /// too many imported keys wait for verification.
    pub async fn agent(
        &self,
        api_id: &str,
        api_key: &str,
        source: Option<IpAddr>,
    ) -> Result<AgentIdentity, AuthError> {
        // What can't be an id is looked up all the same, under one that nobody has.
        let parsed = api_id.parse::<ApiId>().unwrap_or_else(|_| ApiId::from_random([0; 8]));
        let stored = self.store.stored_key(&parsed).await?;
        let hash = stored.as_ref().map(|stored| stored.key_hash.as_str());
        let verdict = self.keys.verify(api_id, api_key, hash).await;
        let (KeyVerdict::Right | KeyVerdict::Upgrade(_)) = verdict else {
            return Err(match verdict {
                KeyVerdict::Busy => AuthError::Throttled { retry_after: Duration::from_secs(5) },
                _ => AuthError::Invalid,
            });
        };
        let stored = stored.filter(|stored| stored.active).ok_or(AuthError::Invalid)?;
        if let KeyVerdict::Upgrade(form) = verdict {
            let by = By { actor: Actor::Agent(parsed.clone()), source, at: self.clock.now() };
            self.store.upgrade_key(&by, &stored, &form).await?;
        }
        Ok(AgentIdentity {
            tenant: stored.tenant,
            host: stored.host,
            api_id: parsed,
            state: stored.state,
        })
    }

    /// Verifies a password, taking as long for nobody as for somebody, and for a tenant that isn't
    /// theirs as for one that is.
    async fn identify(
        &self,
        username: &str,
        password: &Secret,
        tenant: Option<&str>,
        source: IpAddr,
    ) -> Result<Entrant, AuthError> {
        let from = Source::from(source);
        let Some(_attempt) = self.slowdown.attempt(from) else {
            return Err(AuthError::Throttled { retry_after: Duration::from_secs(1) });
        };
        let person = match username.parse::<Username>() {
            Ok(name) => self.store.candidate(&name).await?,
            Err(_) => None,
        };
        let place = match tenant {
            None => person.as_ref().map(home),
            Some(tenant) => {
                let nobody = || UserId::from(Uuid::nil());
                let account = person.as_ref().map_or_else(nobody, |person| person.user);
                self.store.place(account, tenant).await?
            }
        };
        let hash = person.as_ref().map(|person| person.password_hash.as_str());
        let verdict = self.passwords.verify(password, hash).await?;
        match person.zip(place) {
            Some((person, place)) if person.enabled && verdict != Verdict::Wrong => {
                self.slowdown.succeeded(from, username);
                if verdict == Verdict::RightButOld {
                    let new = self.passwords.hash_any(password).await?;
                    let (tenant, user) = (person.tenant, person.user);
                    self.store.rehash_password(tenant, user, &person.password_hash, &new).await?;
                }
                Ok(Entrant { person, place })
            }
            _ => {
                let wait = self.slowdown.failed(from, username, self.clock.now());
                tokio::time::sleep(wait).await;
                Err(AuthError::Invalid)
            }
        }
    }

    async fn begin(
        &self,
        Entrant { person, place }: Entrant,
        token_hash: Option<String>,
        life: Duration,
        beside: Beside,
        source: IpAddr,
    ) -> Result<Principal, AuthError> {
        let now = self.clock.now();
        let by = By { actor: Actor::User(person.username), source: Some(source), at: now };
        let new = NewLogin {
            tenant: place.tenant,
            user: place.user,
            account: Account { tenant: person.tenant, user: person.user },
            token_hash,
            source: Some(source),
            expires_at: now.plus(life),
            factor: beside.factor,
            must_enrol: beside.must_enrol,
        };
        let login = self.store.create_login(&by, new).await.map_err(used)?;
        let found = self.store.principal_of_login(place.tenant, login, false, now).await?;
        found.ok_or(AuthError::Invalid)
    }
}

/// Where people go who name no tenant. Whether it wants a second factor is asked when that is due.
fn home(person: &Candidate) -> Place {
    Place { tenant: person.tenant, user: person.user, required: false }
}

#[cfg(test)]
mod tests;
