//! Changes to tenants and roles, and people who belong to several tenants.

use std::net::IpAddr;

use gangplank_proto::id::TenantId;

use super::{
    API_AUDIENCE, AccessToken, Auth, AuthError, Change, CookieLogin, Permission, Principal,
};
use crate::audit::By;
use crate::random;
use crate::store::{Delivery, LOGIN_LIFE, License, Licensed, StoreError, TenantPatch};

/// A login that goes on in another tenant, in the form that it had.
#[derive(Debug)]
pub enum Switched {
    /// A browser's.
    Cookie(CookieLogin),
    /// A program's.
    Token(AccessToken),
}

impl Auth {
    /// Lets a role allow something else. False when there is no such role.
    ///
    /// # Errors
    /// For a built-in role, and when nobody would be an administrator any more.
    pub async fn set_role(
        &self,
        tenant: TenantId,
        by: &By,
        name: &str,
        permissions: &[Permission],
    ) -> Result<bool, AuthError> {
        let users = self.store.set_role(tenant, by, name, permissions).await?;
        for user in users.iter().flatten() {
            self.revocations.tell(Change::UserChanged(*user));
        }
        Ok(users.is_some())
    }

    /// Takes a license for a tenant, once.
    ///
    /// # Errors
    /// When the store fails; the message then may come again.
    pub async fn license(
        &self,
        by: &By,
        delivery: &Delivery,
        tenant: &str,
        license: License,
    ) -> Result<Licensed, AuthError> {
        let licensed = self.store.license(by, delivery, tenant, license).await?;
        if let Licensed::Done(tenant) = &licensed {
            self.revocations.tell(Change::TenantChanged(tenant.id));
        }
        Ok(licensed)
    }

    /// Changes a tenant; a suspended one loses what it has open. False when there is no such tenant.
    ///
    /// # Errors
    /// When a value can't be taken, or the first tenant would be suspended.
    pub async fn patch_tenant(
        &self,
        by: &By,
        tenant: TenantId,
        patch: TenantPatch,
    ) -> Result<bool, AuthError> {
        let done = self.store.patch_tenant(by, tenant, patch).await?;
        Ok(self.told(done, Change::TenantChanged(tenant)))
    }

    /// Deletes a tenant and ends what it has open. False when there is no such tenant.
    ///
    /// # Errors
    /// For the first tenant.
    pub async fn delete_tenant(&self, by: &By, tenant: TenantId) -> Result<bool, AuthError> {
        let done = self.store.delete_tenant(by, tenant).await?;
        Ok(self.told(done, Change::TenantChanged(tenant)))
    }

    /// Ends a person's login and begins one in another tenant of theirs, by its id or name. None
    /// when they don't belong to it.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] when the login ended meanwhile; [`AuthError::FactorLacking`] when that
    /// tenant wants a second factor and the person has none.
    pub async fn switch(
        &self,
        who: &Principal,
        tenant: &str,
        with_cookie: bool,
        source: IpAddr,
    ) -> Result<Option<Switched>, AuthError> {
        let memberships = self.store.memberships(who).await?;
        let meant = |id: TenantId, name: &str| id.to_string() == tenant || name == tenant;
        let to = memberships.into_iter().find(|membership| meant(membership.id, &membership.name));
        let Some(to) = to else { return Ok(None) };
        if self.store.lacks_second_factor(&to).await? {
            return Err(AuthError::FactorLacking);
        }
        let now = self.clock.now();
        let by = who.by(Some(source), now);
        let cookie = if with_cookie { Some(random::token()?) } else { None };
        let hash = cookie.as_ref().map(|cookie| random::token_hash(cookie.expose()));
        let login = self.store.switch_login(&by, who, &to, hash).await?;
        let login = login.ok_or(AuthError::Invalid)?;
        self.revocations.tell(Change::LoginEnded(who.login));
        let found = self.store.principal_of_login(to.id, login, false, now).await?;
        let principal = found.ok_or(AuthError::Invalid)?;
        Ok(Some(match cookie {
            Some(cookie) => Switched::Cookie(CookieLogin { principal, cookie, life: LOGIN_LIFE }),
            None => Switched::Token(self.token_for(&principal, API_AUDIENCE)?),
        }))
    }

    /// Takes roles and API tokens whose time is over, and tells whatever hangs on them. To be called
    /// every few seconds.
    ///
    /// # Errors
    /// When the store fails; the rest goes the next time.
    pub async fn expire(&self) -> Result<(), StoreError> {
        let by = By::daemon(self.clock.now());
        for user in self.store.expire_grants(&by).await? {
            self.revocations.tell(Change::UserChanged(user));
        }
        for login in self.store.expire_api_tokens(&by).await? {
            self.revocations.tell(Change::LoginEnded(login));
        }
        Ok(())
    }
}
