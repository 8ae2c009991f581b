//! People whom a provider of single sign-on knows.

use gangplank_proto::id::TenantId;
use sqlx::Row as _;

use super::audit::append;
use super::row::parsed;
use super::{Candidate, NewUser, Store, StoreError, user};
use crate::audit::{By, Entry};
use crate::auth::{Account, Username};

/// A hash of no password: whoever comes by single sign-on has none here.
pub(super) const NO_PASSWORD: &str = "!";

/// An account that a provider knows.
#[derive(Debug)]
pub struct External {
    /// The account.
    pub person: Candidate,
    /// Whether its person has linked it by themselves; it was made for them otherwise.
    pub linked: bool,
}

impl Store {
    /// The account of somebody whom a provider knows. This finds the tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn external_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<External>, StoreError> {
        let row = sqlx::query(
            "SELECT e.linked, u.tenant_id, u.id, u.username, u.password_hash, \
             (t.active AND NOT u.disabled) AS enabled FROM external_identities e \
             JOIN users u ON u.tenant_id = e.tenant_id AND u.id = e.user_id \
             JOIN tenants t ON t.id = u.tenant_id WHERE e.issuer = $1 AND e.subject = $2",
        )
        .bind(issuer)
        .bind(subject)
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let person = Candidate {
            tenant: parsed(&row, "tenant_id")?,
            user: parsed(&row, "id")?,
            username: row.try_get("username")?,
            password_hash: row.try_get("password_hash")?,
            enabled: row.try_get("enabled")?,
        };
        Ok(Some(External { person, linked: row.try_get("linked")? }))
    }

    /// Whether a provider knows an account as somebody's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_linked(&self, account: Account, issuer: &str) -> Result<bool, StoreError> {
        let found = sqlx::query(
            "SELECT subject FROM external_identities \
             WHERE tenant_id = $1 AND user_id = $2 AND issuer = $3",
        )
        .bind(account.tenant.to_string())
        .bind(account.user.to_string())
        .bind(issuer)
        .fetch_optional(&self.reader)
        .await?;
        Ok(found.is_some())
    }

    /// Links an account to somebody whom a provider knows.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when either is linked already.
    pub async fn link_identity(
        &self,
        account: Account,
        by: &By,
        issuer: &str,
        subject: &str,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let done = sqlx::query(
            "INSERT INTO external_identities \
             (issuer, subject, tenant_id, user_id, created_at, linked) \
             SELECT $1, $2, u.tenant_id, u.id, $5, TRUE FROM users u \
             WHERE u.tenant_id = $3 AND u.id = $4 AND NOT EXISTS (SELECT 1 \
             FROM external_identities e WHERE e.user_id = $4 AND e.issuer = $1)",
        )
        .bind(issuer)
        .bind(subject)
        .bind(account.tenant.to_string())
        .bind(account.user.to_string())
        .bind(by.at.millis())
        .execute(&mut *write)
        .await
        .map_err(|error| StoreError::named(error, "an account of that person"))?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Exists("a link of this account"));
        }
        let entry = Entry::done(account.tenant, "sign_on.link", format!("user:{}", account.user));
        append(&mut write, by, entry.with(serde_json::json!({ "issuer": issuer }))).await?;
        write.commit().await?;
        Ok(())
    }

    /// Takes the link of an account to a provider back. False when there is none.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for an account without a password, which could not be entered any more.
    pub async fn unlink_identity(
        &self,
        account: Account,
        by: &By,
        issuer: &str,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let bare = sqlx::query(
            "SELECT id FROM users WHERE tenant_id = $1 AND id = $2 AND password_hash = $3",
        )
        .bind(account.tenant.to_string())
        .bind(account.user.to_string())
        .bind(NO_PASSWORD)
        .fetch_optional(&mut *write)
        .await?;
        if bare.is_some() {
            return Err(StoreError::Refused("this account has no password to be entered by"));
        }
        let done = sqlx::query(
            "DELETE FROM external_identities \
             WHERE tenant_id = $1 AND user_id = $2 AND issuer = $3",
        )
        .bind(account.tenant.to_string())
        .bind(account.user.to_string())
        .bind(issuer)
        .execute(&mut *write)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let entry = Entry::done(account.tenant, "sign_on.unlink", format!("user:{}", account.user));
        append(&mut write, by, entry.with(serde_json::json!({ "issuer": issuer }))).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Makes an account for somebody whom a provider knows. It has no password.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the name is taken or somebody was faster, [`StoreError::Invalid`]
    /// when a role is unknown.
    pub async fn create_external_user(
        &self,
        tenant: TenantId,
        by: &By,
        issuer: &str,
        subject: &str,
        username: Username,
        roles: Vec<String>,
    ) -> Result<(), StoreError> {
        let new = NewUser { username, password_hash: NO_PASSWORD.to_owned(), roles };
        let mut write = self.write().await?;
        let user = user::insert(&mut write, tenant, by, &new).await?;
        sqlx::query(
            "INSERT INTO external_identities (issuer, subject, tenant_id, user_id, created_at) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(issuer)
        .bind(subject)
        .bind(tenant.to_string())
        .bind(user.to_string())
        .bind(by.at.millis())
        .execute(&mut *write)
        .await
        .map_err(|error| StoreError::named(error, "an account of that person"))?;
        write.commit().await?;
        Ok(())
    }

    /// A tenant by its name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tenant_named(&self, name: &str) -> Result<Option<TenantId>, StoreError> {
        let row = sqlx::query("SELECT id FROM tenants WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| parsed(&row, "id")).transpose()
    }
}
