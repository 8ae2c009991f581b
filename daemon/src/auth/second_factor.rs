//! Second factors: enrolling them, and asking for them at a login.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gangplank_proto::id::{LoginId, TenantId, UserId};
use gangplank_proto::secret::Secret;
use zeroize::Zeroizing;

use super::secret::ServerSecret;
use super::totp::{self, Typed};
use super::vault::Vault;
use super::{Account, Auth, AuthError, Change, Entrant, Principal};
use crate::audit::{By, Entry};
use crate::clock::Timestamp;
use crate::guard::Recent;
use crate::random;
use crate::store::{Factor, SecondFactors, StoreError, StoredTotp};

/// Codes that may be tried for one person within the window, from wherever. Only who knows the
/// password gets as far as trying, and each wrong code is in the audit, so nobody tries for long.
const TRIES: u32 = 5;

const WINDOW: Duration = Duration::from_secs(15 * 60);

/// People whose tries are remembered, at least.
const REMEMBERED: usize = 16_384;

/// What somebody shows to log in.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'a> {
    /// Their password.
    pub password: &'a Secret,
    /// A code by time, or a recovery code.
    pub code: Option<&'a Secret>,
    /// The tenant that they want to enter, by its id or name; their own when none is named.
    pub tenant: Option<&'a str>,
}

impl<'a> From<&'a Secret> for Proof<'a> {
    fn from(password: &'a Secret) -> Self {
        Self { password, code: None, tenant: None }
    }
}

/// What a login by password takes beside it.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pub(super) factor: Option<Factor>,
    pub(super) must_enrol: bool,
}

/// A secret for codes, to be shown once.
#[derive(Debug)]
pub struct TotpOffer {
    /// The secret in base32, for typing.
    pub secret: Secret,
    /// The same as an `otpauth://` address, for a QR code.
    pub uri: Secret,
}

#[derive(Debug, Default)]
struct Tries {
    count: u32,
    since: Option<Timestamp>,
}

/// Keys and counters of second factors.
#[derive(Clone)]
pub(super) struct Factors {
    vault: Vault,
    recovery_key: Zeroizing<[u8; 32]>,
    tries: Arc<Mutex<Recent<UserId, Tries>>>,
}

impl std::fmt::Debug for Factors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Factors(…)")
    }
}

impl Factors {
    pub(super) fn new(secret: &ServerSecret) -> Self {
        Self {
            vault: Vault::new(secret, "second factors 1"),
            recovery_key: secret.derive("recovery codes 1"),
            tries: Arc::new(Mutex::new(Recent::new(REMEMBERED))),
        }
    }

    /// Counts a try before it is made, so that many at once are no more than one after the other.
    fn attempt(&self, user: UserId, now: Timestamp) -> Result<(), AuthError> {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let tried = tries.touch(&user);
        let since = *tried.since.get_or_insert(now);
        if now.since(since) >= WINDOW {
            *tried = Tries { count: 0, since: Some(now) };
        }
        if tried.count >= TRIES {
            let retry_after = WINDOW.saturating_sub(now.since(since));
            return Err(AuthError::Throttled { retry_after });
        }
        tried.count += 1;
        Ok(())
    }

    fn succeeded(&self, user: UserId) {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner).forget(&user);
    }

    fn recovery_hashes(&self, user: UserId, codes: &[Secret]) -> Vec<String> {
        let plain = |code: &Secret| Zeroizing::new(code.expose().replace('-', ""));
        let owner = user.to_string();
        let hash = |code| totp::recovery_hash(&*self.recovery_key, &owner, &plain(code));
        codes.iter().map(hash).collect()
    }
}

impl Auth {
    /// What a login by password takes beside it. Called for people whose password was right only.
    pub(super) async fn beside(
        &self,
        Entrant { person, place }: &Entrant,
        code: Option<&Secret>,
        source: IpAddr,
    ) -> Result<Beside, AuthError> {
        let factors = self.store.second_factors(person.tenant, person.user).await?;
        if factors.active().is_some() {
            let code = code.ok_or(AuthError::CodeNeeded)?;
            let checked = self.check(person.user, &person.username, &factors, code);
            if let Err(AuthError::CodeWrong) = &checked {
                let entry = Entry::refused(Some(person.tenant), "login.code", &person.username);
                self.store.audit(&By::anonymous(source, self.clock.now()), entry).await?;
            }
            let factor = Some(checked?);
            return Ok(Beside { factor, must_enrol: false });
        }
        if !factors.required && !place.required {
            return Ok(Beside::default());
        }
        // Who has a passkey has to use it: whoever knows their password could enrol codes otherwise.
        if factors.passkeys > 0 {
            Err(AuthError::PasskeyNeeded)
        } else {
            Ok(Beside { factor: None, must_enrol: true })
        }
    }

    /// Reads a code: the step of a code by time, or the hash of a recovery code, which counts when
    /// the store finds it.
    fn check(
        &self,
        user: UserId,
        username: &str,
        factors: &SecondFactors,
        code: &Secret,
    ) -> Result<Factor, AuthError> {
        let now = self.clock.now();
        let stored = factors.active().ok_or(AuthError::CodeWrong)?;
        match Typed::read(code).ok_or(AuthError::CodeWrong)? {
            Typed::Recovery(plain) => {
                let owner = user.to_string();
                let hash = totp::recovery_hash(&*self.factors.recovery_key, &owner, &plain);
                Ok(Factor::Recovery(hash))
            }
            Typed::Digits(code) => {
                self.factors.attempt(user, now)?;
                let step = self.step(user, username, stored, &code, now)?;
                let step = step.filter(|step| *step > stored.last_step);
                let step = step.ok_or(AuthError::CodeWrong)?;
                self.factors.succeeded(user);
                Ok(Factor::Step(step))
            }
        }
    }

    fn step(
        &self,
        user: UserId,
        username: &str,
        stored: &StoredTotp,
        code: &str,
        now: Timestamp,
    ) -> Result<Option<i64>, AuthError> {
        let secret = self.factors.vault.open(&user.to_string(), &stored.sealed)?;
        let generator = totp::generator(&secret, username);
        Ok(generator.and_then(|generator| totp::step(&generator, code, now)))
    }

    /// What a person has beside their password.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn second_factors(&self, who: &Principal) -> Result<SecondFactors, AuthError> {
        let mut factors = self.store.second_factors(who.account.tenant, who.account.user).await?;
        factors.required |= self.store.second_factor_required(who.tenant).await?;
        Ok(factors)
    }

    /// Checks a person's password again, before something that whoever merely found their browser
    /// open must not do. Not asked of those who have just logged in to enrol.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] when it is wrong or missing.
    pub async fn again(
        &self,
        who: &Principal,
        password: Option<&Secret>,
        source: IpAddr,
    ) -> Result<(), AuthError> {
        if who.must_enrol {
            return Ok(());
        }
        let password = password.ok_or(AuthError::Invalid)?;
        let Entrant { person, .. } = self.identify(&who.username, password, None, source).await?;
        if person.user == who.account.user { Ok(()) } else { Err(AuthError::Invalid) }
    }

    /// Checks everything again by which a person logs in: their password, and a code where they have
    /// them.
    ///
    /// # Errors
    /// As [`again`](Self::again); [`AuthError::CodeNeeded`], [`AuthError::CodeWrong`].
    pub async fn wholly_again(
        &self,
        who: &Principal,
        Proof { password, code, .. }: Proof<'_>,
        source: IpAddr,
    ) -> Result<(), AuthError> {
        self.again(who, Some(password), source).await?;
        let Account { tenant, user } = who.account;
        let factors = self.store.second_factors(tenant, user).await?;
        if factors.active().is_none() {
            return Ok(());
        }
        let code = code.ok_or(AuthError::CodeNeeded)?;
        let shown = self.check(user, &who.username, &factors, code)?;
        self.store.spend_factor(tenant, user, &shown).await.map_err(used)
    }

    /// Offers a person a secret for codes. It counts once they have shown a code of it.
    ///
    /// # Errors
    /// When they have one already.
    pub async fn offer_totp(&self, who: &Principal, by: &By) -> Result<TotpOffer, AuthError> {
        let secret = Zeroizing::new(random::bytes::<{ totp::SECRET_BYTES }>()?);
        let generator = totp::generator(&*secret, &who.username).ok_or(AuthError::Invalid)?;
        let uri = generator.to_url().map_err(|_| AuthError::Invalid)?;
        let shown = totp_rs::Secret::new_stack(*secret).to_base32();
        let sealed = self.factors.vault.seal(&who.account.user.to_string(), &*secret)?;
        self.store.offer_totp(who.account.tenant, by, who.account.user, &sealed).await?;
        Ok(TotpOffer { secret: Secret::new(shown), uri: Secret::new(uri) })
    }

    /// Turns codes on by a first one. The recovery codes, shown this once.
    ///
    /// # Errors
    /// [`AuthError::CodeWrong`]; when nothing was offered.
    pub async fn confirm_totp(
        &self,
        who: &Principal,
        by: &By,
        code: &Secret,
    ) -> Result<Vec<Secret>, AuthError> {
        let factors = self.store.second_factors(who.account.tenant, who.account.user).await?;
        let offered = factors.totp.filter(|totp| !totp.confirmed);
        let offered = offered.ok_or(StoreError::Refused("there is nothing to confirm"))?;
        let Some(Typed::Digits(code)) = Typed::read(code) else {
            return Err(AuthError::CodeWrong);
        };
        self.factors.attempt(who.account.user, by.at)?;
        let step = self.step(who.account.user, &who.username, &offered, &code, by.at)?;
        let step = step.ok_or(AuthError::CodeWrong)?;
        self.factors.succeeded(who.account.user);
        let codes = totp::recovery_codes()?;
        let hashes = self.factors.recovery_hashes(who.account.user, &codes);
        self.store
            .confirm_totp(who.account.tenant, by, who.account.user, &offered, step, &hashes)
            .await?;
        Ok(codes)
    }

    /// Gives a person other recovery codes, for a code. Shown this once.
    ///
    /// # Errors
    /// [`AuthError::CodeWrong`].
    pub async fn replace_recovery_codes(
        &self,
        who: &Principal,
        by: &By,
        code: &Secret,
    ) -> Result<Vec<Secret>, AuthError> {
        let factors = self.store.second_factors(who.account.tenant, who.account.user).await?;
        let shown = self.check(who.account.user, &who.username, &factors, code)?;
        let codes = totp::recovery_codes()?;
        let hashes = self.factors.recovery_hashes(who.account.user, &codes);
        let done = self.store.replace_recovery_codes(
            who.account.tenant,
            by,
            who.account.user,
            &shown,
            &hashes,
        );
        done.await.map_err(used)?;
        Ok(codes)
    }

    /// Turns a person's codes off, for a code. Their password was checked [again](Self::again).
    ///
    /// # Errors
    /// [`AuthError::CodeWrong`].
    pub async fn disable_totp(
        &self,
        who: &Principal,
        by: &By,
        code: &Secret,
    ) -> Result<(), AuthError> {
        let factors = self.store.second_factors(who.account.tenant, who.account.user).await?;
        let shown = self.check(who.account.user, &who.username, &factors, code)?;
        self.store
            .disable_totp(who.account.tenant, by, who.account.user, &shown)
            .await
            .map_err(used)
    }

    /// Takes every second factor from a user and ends their logins. False when there is no such
    /// user.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn reset_second_factors(
        &self,
        tenant: TenantId,
        by: &By,
        user: UserId,
    ) -> Result<bool, AuthError> {
        let done = self.store.reset_second_factors(tenant, by, user).await?;
        Ok(self.told(done, Change::UserChanged(user)))
    }

    /// Gives a person another password at their own wish; their other logins end.
    ///
    /// # Errors
    /// When the password can't be taken.
    pub async fn change_own_password(
        &self,
        who: &Principal,
        by: &By,
        password: &Secret,
    ) -> Result<(), AuthError> {
        let hash = self.passwords.hash(password).await?;
        let Account { tenant, user } = who.account;
        self.store.change_own_password(tenant, by, user, who.login, &hash).await?;
        self.told_user(true, user).await?;
        Ok(())
    }

    /// Ends one of a person's own logins. False when it isn't theirs.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_own_login(
        &self,
        who: &Principal,
        by: &By,
        login: LoginId,
    ) -> Result<bool, AuthError> {
        if !self.store.is_login_of(who.tenant, who.user, login).await? {
            return Ok(false);
        }
        let done = self.store.end_login(who.tenant, by, login).await?;
        Ok(self.told(done, Change::LoginEnded(login)))
    }
}

/// A code that the store did not find, or found used.
pub(super) fn used(error: StoreError) -> AuthError {
    match error {
        StoreError::Refused(_) => AuthError::CodeWrong,
        error => error.into(),
    }
}

#[cfg(test)]
mod tests;
