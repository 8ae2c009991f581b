//! What a person changes about themselves: their password, and where they are logged in.

use gangplank_proto::id::{LoginId, TenantId, UserId};
use sqlx::Row as _;

use super::audit::append;
use super::login::LOGIN_IDLE;
use super::row::{parsed, time};
use super::{Store, StoreError};
use crate::audit::{By, Entry};
use crate::clock::Timestamp;

/// Most logins of one person that are listed: the newest.
const LISTED: i64 = 100;

/// A login as the person sees it who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnLogin {
    /// Its id.
    pub id: LoginId,
    /// Address it was made from.
    pub source: Option<String>,
    /// Whether it is a browser's; a program's otherwise.
    pub browser: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to within some minutes.
    pub used_at: Timestamp,
}

impl Store {
    /// Where a person is logged in, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn logins_of(
        &self,
        tenant: TenantId,
        user: UserId,
        now: Timestamp,
    ) -> Result<Vec<OwnLogin>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, source, token_hash IS NOT NULL AS browser, created_at, used_at \
             FROM logins WHERE tenant_id = $1 AND user_id = $2 AND expires_at > $3 \
             AND (used_at > $4 OR token_hash IS NULL) ORDER BY created_at DESC LIMIT $5",
        )
        .bind(tenant.to_string())
        .bind(user.to_string())
        .bind(now.millis())
        .bind(now.minus(LOGIN_IDLE).millis())
        .bind(LISTED)
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(OwnLogin {
                    id: parsed(row, "id")?,
                    source: row.try_get("source")?,
                    browser: row.try_get("browser")?,
                    created_at: time(row, "created_at")?,
                    used_at: time(row, "used_at")?,
                })
            })
            .collect()
    }

    /// Whether a login is this person's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_login_of(
        &self,
        tenant: TenantId,
        user: UserId,
        login: LoginId,
    ) -> Result<bool, StoreError> {
        let found =
            sqlx::query("SELECT id FROM logins WHERE tenant_id = $1 AND user_id = $2 AND id = $3")
                .bind(tenant.to_string())
                .bind(user.to_string())
                .bind(login.to_string())
                .fetch_optional(&self.reader)
                .await?;
        Ok(found.is_some())
    }

    /// Gives an account another password at its person's own wish: every login of theirs ends, in
    /// whatever tenant, but the one that they do it by.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn change_own_password(
        &self,
        tenant: TenantId,
        by: &By,
        user: UserId,
        login: LoginId,
        password_hash: &str,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query("UPDATE users SET password_hash = $1 WHERE tenant_id = $2 AND id = $3")
            .bind(password_hash)
            .bind(tenant.to_string())
            .bind(user.to_string())
            .execute(&mut *write)
            .await?;
        sqlx::query(
            "DELETE FROM logins WHERE id <> $3 AND ((tenant_id = $1 AND user_id = $2) \
             OR user_id IN (SELECT id FROM users WHERE account_id = $2))",
        )
        .bind(tenant.to_string())
        .bind(user.to_string())
        .bind(login.to_string())
        .execute(&mut *write)
        .await?;
        append(&mut write, by, Entry::done(tenant, "user.passwd", format!("user:{user}"))).await?;
        write.commit().await?;
        Ok(())
    }
}
