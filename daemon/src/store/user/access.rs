//! Whether a user gets in: their password, and being locked out.

use gangplank_proto::id::{TenantId, UserId};
use sqlx::{Sqlite, Transaction};

use super::roles::{has_admin, keep_an_admin};
use super::{read_user, username};
use crate::audit::{By, Entry};
use crate::store::audit::append;
use crate::store::{Store, StoreError};

impl Store {
    /// Gives a user another password and ends their logins. False when there is no such user.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_password(
        &self,
        tenant: TenantId,
        by: &By,
        user: UserId,
        password_hash: &str,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let done =
            sqlx::query("UPDATE users SET password_hash = $1 WHERE tenant_id = $2 AND id = $3")
                .bind(password_hash)
                .bind(tenant.to_string())
                .bind(user.to_string())
                .execute(&mut *write)
                .await?;
        if read_user(&mut write, tenant, user).await?.is_some_and(|user| user.guest) {
            return Err(StoreError::Refused("this user's account belongs to another tenant"));
        }
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        end_logins(&mut write, tenant, user).await?;
        let name = username(&mut write, tenant, user).await?;
        append(&mut write, by, Entry::done(tenant, "user.passwd", format!("user:{name}"))).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Puts the hash of the same password in a newer form, unless it was changed meanwhile.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rehash_password(
        &self,
        tenant: TenantId,
        user: UserId,
        old: &str,
        new: &str,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query(
            "UPDATE users SET password_hash = $1 \
             WHERE tenant_id = $2 AND id = $3 AND password_hash = $4",
        )
        .bind(new)
        .bind(tenant.to_string())
        .bind(user.to_string())
        .bind(old)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(())
    }

    /// Locks a user out, ending their logins, or lets them in again. False when there is no such
    /// user.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for the last user of the tenant who is an administrator.
    pub async fn set_disabled(
        &self,
        tenant: TenantId,
        by: &By,
        user: UserId,
        disabled: bool,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let before = has_admin(&mut write, tenant).await?;
        let done = sqlx::query("UPDATE users SET disabled = $1 WHERE tenant_id = $2 AND id = $3")
            .bind(disabled)
            .bind(tenant.to_string())
            .bind(user.to_string())
            .execute(&mut *write)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        if disabled {
            keep_an_admin(&mut write, tenant, before).await?;
            end_logins(&mut write, tenant, user).await?;
        }
        let action = if disabled { "user.disable" } else { "user.enable" };
        let name = username(&mut write, tenant, user).await?;
        append(&mut write, by, Entry::done(tenant, action, format!("user:{name}"))).await?;
        write.commit().await?;
        Ok(true)
    }
}

async fn end_logins(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    user: UserId,
) -> Result<(), StoreError> {
    // In other tenants, too: whoever loses their account loses everything that they do with it.
    sqlx::query(
        "DELETE FROM logins WHERE (tenant_id = $1 AND user_id = $2) \
         OR user_id IN (SELECT id FROM users WHERE account_id = $2)",
    )
    .bind(tenant.to_string())
    .bind(user.to_string())
    .execute(&mut **write)
    .await?;
    Ok(())
}
