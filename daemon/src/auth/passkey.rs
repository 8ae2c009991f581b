//! Passkeys (WebAuthn): a person proves by their device, which has checked that it is them, who
//! they are; no password goes anywhere. Signatures, origins, flags and counters are the library's
//! business; what is signed, for whom and how often is decided here.

use std::net::IpAddr;

use gangplank_proto::id::UserId;
use gangplank_proto::secret::Secret;
use serde_json::Value;
use url::Url;
use uuid::Uuid;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, DiscoverableKey, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Webauthn, WebauthnBuilder, WebauthnError,
};

use super::challenge::{Challenges, LIFE};
use super::second_factor::{Beside, used};
use super::{Account, Auth, AuthError, CookieLogin, Principal};
use crate::audit::{By, Entry};
use crate::guard::Source;
use crate::store::{Factor, NewPasskey, StoreError, StoredPasskey};

/// Longest name of a passkey, in characters.
const LONGEST_NAME: usize = 64;

/// The daemon as a browser sees it: passkeys are bound to the name in the address bar.
#[derive(Debug, Clone)]
pub struct Site {
    rp_id: String,
    origin: Url,
}

impl Site {
    /// The site behind `HOST[:PORT]`, which must be known to be ours. None for an address of
    /// numbers, for which browsers make no passkeys.
    #[must_use]
    pub fn of(authority: &str) -> Option<Self> {
        let origin = Url::parse(&format!("https://{authority}")).ok()?;
        let rp_id = origin.domain()?.to_owned();
        Some(Self { rp_id, origin })
    }

    fn library(&self) -> Result<Webauthn, AuthError> {
        let builder = WebauthnBuilder::new(&self.rp_id, &self.origin).map_err(refused)?;
        builder.rp_name("Gangplank").timeout(LIFE).build().map_err(refused)
    }
}

/// What a browser was asked for.
#[derive(Debug)]
pub(super) enum Asked {
    Registration { site: Site, user: UserId, state: Box<PasskeyRegistration> },
    Login { site: Site, state: Box<DiscoverableAuthentication> },
}

pub(super) type Passkeys = Challenges<Asked>;

/// What a page gives to its browser.
#[derive(Debug)]
pub struct PasskeyChallenge {
    /// The name under which the answer is brought.
    pub name: Secret,
    /// The options for the browser, in the form of the standard's JSON.
    pub options: Value,
}

impl Auth {
    /// Asks a person's browser for a new passkey. Their password was checked
    /// [again](Self::again).
    ///
    /// # Errors
    /// When the store fails.
    pub async fn offer_passkey(
        &self,
        who: &Principal,
        site: Site,
        source: IpAddr,
    ) -> Result<PasskeyChallenge, AuthError> {
        let had = self.store.passkeys(who.account.tenant, who.account.user).await?;
        let had = had.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let had = had.iter().map(|key| key.cred_id().clone()).collect();
        let (name, user) = (&who.username, who.account.user);
        let (challenge, state) = site
            .library()?
            .start_passkey_registration(user.uuid(), name, name, Some(had))
            .map_err(refused)?;
        let mut options = serde_json::to_value(challenge.public_key).map_err(|_| CORRUPT)?;
        // People log in without typing a name, so the device has to know it by itself.
        if let Some(selection) = options.get_mut("authenticatorSelection") {
            selection["residentKey"] = "required".into();
            selection["requireResidentKey"] = true.into();
        }
        let asked = Asked::Registration { site, user, state: Box::new(state) };
        let name = self.passkeys.keep(Source::from(source), self.clock.now(), asked)?;
        Ok(PasskeyChallenge { name, options })
    }

    /// Keeps the passkey that a person's browser has made.
    ///
    /// # Errors
    /// [`AuthError::PasskeyRefused`] when it is not an answer to what was asked.
    pub async fn add_passkey(
        &self,
        who: &Principal,
        by: &By,
        challenge: &str,
        name: &str,
        answer: &RegisterPublicKeyCredential,
    ) -> Result<Uuid, AuthError> {
        let name = named(name)?;
        let asked = self.passkeys.take(challenge, self.clock.now());
        let Some(Asked::Registration { site, user, state }) = asked else {
            return Err(AuthError::PasskeyRefused);
        };
        if user != who.account.user {
            return Err(AuthError::PasskeyRefused);
        }
        let key = site.library()?.finish_passkey_registration(answer, &state).map_err(refused)?;
        let new = NewPasskey {
            credential_id: hex::encode(key.cred_id()),
            name,
            rp_id: site.rp_id,
            credential: serde_json::to_string(&key).map_err(|_| CORRUPT)?,
        };
        Ok(self.store.add_passkey(who.account.tenant, by, who.account.user, &new).await?)
    }

    /// Gives a passkey another name. False when the person has no such passkey.
    ///
    /// # Errors
    /// When the name can't be one.
    pub async fn rename_passkey(
        &self,
        who: &Principal,
        by: &By,
        passkey: Uuid,
        name: &str,
    ) -> Result<bool, AuthError> {
        let name = named(name)?;
        let Account { tenant, user } = who.account;
        Ok(self.store.rename_passkey(tenant, by, user, passkey, &name).await?)
    }

    /// Asks a browser for any passkey of this site that its person has.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn ask_passkey(&self, site: Site, source: IpAddr) -> Result<PasskeyChallenge, AuthError> {
        let started = site.library()?.start_discoverable_authentication();
        let (challenge, state) = started.map_err(refused)?;
        let options = serde_json::to_value(challenge.public_key).map_err(|_| CORRUPT)?;
        let asked = Asked::Login { site, state: Box::new(state) };
        let name = self.passkeys.keep(Source::from(source), self.clock.now(), asked)?;
        Ok(PasskeyChallenge { name, options })
    }

    /// Logs a person in by their passkey, for a browser; into the tenant of an id or a name, if one is
    /// given.
    ///
    /// # Errors
    /// [`AuthError::Invalid`], alike for unknown passkeys, wrong signatures, disabled users and tenants
    /// that aren't theirs.
    pub async fn passkey_login(
        &self,
        challenge: &str,
        answer: &PublicKeyCredential,
        tenant: Option<&str>,
        source: IpAddr,
    ) -> Result<CookieLogin, AuthError> {
        let now = self.clock.now();
        let Some(Asked::Login { site, state }) = self.passkeys.take(challenge, now) else {
            return Err(AuthError::Invalid);
        };
        let library = site.library()?;
        let named = library.identify_discoverable_authentication(answer);
        let (user, credential) = named.map_err(|_| AuthError::Invalid)?;
        let found = self.store.passkey_of_credential(&hex::encode(credential)).await?;
        let (owner, stored) = found.ok_or(AuthError::Invalid)?;
        if owner.user.uuid() != user || !owner.enabled || stored.rp_id != site.rp_id {
            return Err(AuthError::Invalid);
        }
        let mut key = parse(&stored)?;
        let proved = library.finish_discoverable_authentication_v2(
            answer,
            *state,
            DiscoverableKey::from(&key),
        );
        let proved = match proved {
            Ok(proved) if proved.user_verified() => proved,
            // The device counts its signatures; who is behind what was seen is a copy of it.
            Err(WebauthnError::CredentialPossibleCompromise) => {
                let entry = Entry::refused(
                    Some(owner.tenant),
                    "passkey.copied",
                    format!("passkey:{}", stored.id),
                );
                self.store.audit(&By::anonymous(source, now), entry).await?;
                return Err(AuthError::Invalid);
            }
            Ok(_) | Err(_) => return Err(AuthError::Invalid),
        };
        key.update_credential(&proved);
        let factor = Factor::Passkey {
            id: stored.id,
            before: stored.credential,
            after: serde_json::to_string(&key).map_err(|_| CORRUPT)?,
            at: now,
        };
        let beside = Beside { factor: Some(factor), must_enrol: false };
        let entrant = self.entrant(owner, tenant).await?;
        let login = self.cookie_login(entrant, beside, source).await;
        login.map_err(|error| match error {
            // Somebody was faster with the same count.
            AuthError::CodeWrong => AuthError::Invalid,
            error => error,
        })
    }

    /// Removes a passkey of a person. False when they have no such passkey.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove_passkey(
        &self,
        who: &Principal,
        by: &By,
        passkey: Uuid,
    ) -> Result<bool, AuthError> {
        let Account { tenant, user } = who.account;
        self.store.remove_passkey(tenant, by, user, passkey).await.map_err(used)
    }
}

const CORRUPT: StoreError = StoreError::Corrupt("passkey");

fn parse(stored: &StoredPasskey) -> Result<Passkey, AuthError> {
    Ok(serde_json::from_str(&stored.credential).map_err(|_| CORRUPT)?)
}

fn named(name: &str) -> Result<String, AuthError> {
    let name = name.trim();
    let fits = !name.is_empty() && name.chars().count() <= LONGEST_NAME;
    if fits && !name.chars().any(char::is_control) {
        return Ok(name.to_owned());
    }
    Err(StoreError::Invalid("a passkey's name has 1 to 64 characters").into())
}

fn refused(error: WebauthnError) -> AuthError {
    tracing::debug!(%error, "a passkey was refused");
    AuthError::PasskeyRefused
}
