//! People whom a provider of single sign-on knows.

use gangplank_proto::id::TenantId;
use sqlx::Row as _;

use super::row::parsed;
use super::{Candidate, NewUser, Store, StoreError, user};
use crate::audit::By;
use crate::auth::Username;

/// A hash of no password: whoever comes by single sign-on has none here.
const NO_PASSWORD: &str = "!";

impl Store {
    /// The account of somebody whom a provider knows. This finds the tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn external_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<Candidate>, StoreError> {
        let row = sqlx::query(
            "SELECT u.tenant_id, u.id, u.username, u.password_hash, \
             (t.active AND NOT u.disabled) AS enabled FROM external_identities e \
             JOIN users u ON u.tenant_id = e.tenant_id AND u.id = e.user_id \
             JOIN tenants t ON t.id = u.tenant_id WHERE e.issuer = $1 AND e.subject = $2",
        )
        .bind(issuer)
        .bind(subject)
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Candidate {
            tenant: parsed(&row, "tenant_id")?,
            user: parsed(&row, "id")?,
            username: row.try_get("username")?,
            password_hash: row.try_get("password_hash")?,
            enabled: row.try_get("enabled")?,
        }))
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
