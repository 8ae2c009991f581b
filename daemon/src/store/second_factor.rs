//! What a person shows beside their password: codes by time, and codes for the day on which those
//! are lost.

use gangplank_proto::id::{TenantId, UserId};
use sqlx::{Row as _, Sqlite, Transaction};
use uuid::Uuid;

use super::audit::append;
use super::{Store, StoreError};
use crate::audit::{By, Entry};
use crate::clock::Timestamp;

/// The codes by time of a user.
#[derive(Clone)]
pub struct StoredTotp {
    /// The secret, sealed.
    pub sealed: String,
    /// Whether the user has shown that they can make codes from it.
    pub confirmed: bool,
    /// The latest step whose code was used.
    pub last_step: i64,
}

impl std::fmt::Debug for StoredTotp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredTotp").field("confirmed", &self.confirmed).finish_non_exhaustive()
    }
}

/// What a user has beside their password.
#[derive(Debug, Clone)]
pub struct SecondFactors {
    /// Codes by time, confirmed or about to be.
    pub totp: Option<StoredTotp>,
    /// Recovery codes that were not used yet.
    pub recovery_codes: u32,
    /// Passkeys.
    pub passkeys: u32,
    /// Whether the tenant wants everybody to have a second factor.
    pub required: bool,
}

impl SecondFactors {
    /// The codes by time, if they count.
    #[must_use]
    pub fn active(&self) -> Option<&StoredTotp> {
        self.totp.as_ref().filter(|totp| totp.confirmed)
    }
}

/// What was shown beside a password, or in place of it: used up in the transaction of what it is
/// shown for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Factor {
    /// The code of a step of time.
    Step(i64),
    /// A recovery code, by its hash.
    Recovery(String),
    /// A passkey, whose count of signatures goes on from what was seen.
    Passkey {
        /// Which.
        id: Uuid,
        /// The credential that was proved.
        before: String,
        /// The same with what the proof changed of it.
        after: String,
        /// When.
        at: Timestamp,
    },
}

const USED: StoreError = StoreError::Refused("that code is wrong or was used already");

impl Store {
    /// What a user has beside their password, and whether they have to.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn second_factors(
        &self,
        tenant: TenantId,
        user: UserId,
    ) -> Result<SecondFactors, StoreError> {
        let row = sqlx::query(
            "SELECT t.second_factor_required, o.secret, o.confirmed, o.last_step, \
             (SELECT COUNT(*) FROM recovery_codes r WHERE r.tenant_id = $1 AND r.user_id = $2) \
             AS recovery, \
             (SELECT COUNT(*) FROM passkeys p WHERE p.tenant_id = $1 AND p.user_id = $2) AS passkeys \
             FROM tenants t LEFT JOIN totp o ON o.tenant_id = t.id AND o.user_id = $2 \
             WHERE t.id = $1",
        )
        .bind(tenant.to_string())
        .bind(user.to_string())
        .fetch_one(&self.reader)
        .await?;
        let totp = match row.try_get::<Option<String>, _>("secret")? {
            Some(sealed) => Some(StoredTotp {
                sealed,
                confirmed: row.try_get("confirmed")?,
                last_step: row.try_get("last_step")?,
            }),
            None => None,
        };
        Ok(SecondFactors {
            totp,
            recovery_codes: super::row::number(&row, "recovery")?,
            passkeys: super::row::number(&row, "passkeys")?,
            required: row.try_get("second_factor_required")?,
        })
    }

    /// Keeps a secret that the user has yet to confirm, in place of an earlier one of the kind.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when codes count already.
    pub async fn offer_totp(
        &self,
        tenant: TenantId,
        by: &By,
        user: UserId,
        sealed: &str,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let kept = sqlx::query(
            "INSERT INTO totp (user_id, tenant_id, secret, confirmed, last_step, created_at) \
             SELECT id, tenant_id, $3, FALSE, 0, $4 FROM users WHERE tenant_id = $1 AND id = $2 \
             ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, \
             created_at = excluded.created_at WHERE NOT totp.confirmed",
        )
        .bind(tenant.to_string())
        .bind(user.to_string())
        .bind(sealed)
        .bind(by.at.millis())
        .execute(&mut *write)
        .await?;
        if kept.rows_affected() == 0 {
            return Err(StoreError::Refused("codes are on already; turn them off first"));
        }
        write.commit().await?;
        Ok(())
    }

    /// Makes the offered codes count, with the step that confirmed them used and these recovery
    /// codes. Logins that waited for it may do everything now.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when another secret was offered meanwhile, or none.
    pub async fn confirm_totp(
        &self,
        tenant: TenantId,
        by: &By,
        user: UserId,
        offered: &StoredTotp,
        step: i64,
        recovery: &[String],
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let done = sqlx::query(
            "UPDATE totp SET confirmed = TRUE, last_step = $1 \
             WHERE tenant_id = $2 AND user_id = $3 AND secret = $4 AND NOT confirmed",
        )
        .bind(step)
        .bind(tenant.to_string())
        .bind(user.to_string())
        .bind(&offered.sealed)
        .execute(&mut *write)
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Refused("there is nothing to confirm any more"));
        }
        put_recovery(&mut write, tenant, user, recovery).await?;
        enrolled(&mut write, tenant, user).await?;
        append(&mut write, by, Entry::done(tenant, "totp.enable", format!("user:{user}"))).await?;
        write.commit().await?;
        Ok(())
    }

    /// Gives a user other recovery codes.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the code that was shown for it doesn't count.
    pub async fn replace_recovery_codes(
        &self,
        tenant: TenantId,
        by: &By,
        user: UserId,
        shown: &Factor,
        recovery: &[String],
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        use_factor(&mut write, tenant, user, shown).await?;
        put_recovery(&mut write, tenant, user, recovery).await?;
        let entry = Entry::done(tenant, "recovery_codes.replace", format!("user:{user}"));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(())
    }

    /// Uses a code up that was shown for something else than a login.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when it doesn't count.
    pub async fn spend_factor(
        &self,
        tenant: TenantId,
        user: UserId,
        shown: &Factor,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        use_factor(&mut write, tenant, user, shown).await?;
        write.commit().await?;
        Ok(())
    }

    /// Turns a user's codes off.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the code that was shown for it doesn't count.
    pub async fn disable_totp(
        &self,
        tenant: TenantId,
        by: &By,
        user: UserId,
        shown: &Factor,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        use_factor(&mut write, tenant, user, shown).await?;
        forget_totp(&mut write, tenant, user).await?;
        append(&mut write, by, Entry::done(tenant, "totp.disable", format!("user:{user}"))).await?;
        write.commit().await?;
        Ok(())
    }

    /// Takes every second factor from a user, for an administrator who helps somebody that lost
    /// theirs, and ends their logins. False when there is no such user.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reset_second_factors(
        &self,
        tenant: TenantId,
        by: &By,
        user: UserId,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let found = sqlx::query("SELECT id FROM users WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.to_string())
            .bind(user.to_string())
            .fetch_optional(&mut *write)
            .await?;
        if found.is_none() {
            return Ok(false);
        }
        forget_totp(&mut write, tenant, user).await?;
        for table in [
            "DELETE FROM passkeys WHERE tenant_id = $1 AND user_id = $2",
            "DELETE FROM logins WHERE tenant_id = $1 AND user_id = $2",
        ] {
            sqlx::query(table)
                .bind(tenant.to_string())
                .bind(user.to_string())
                .execute(&mut *write)
                .await?;
        }
        let entry = Entry::done(tenant, "user.reset_second_factor", format!("user:{user}"));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Whether a tenant wants everybody to have a second factor.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn second_factor_required(&self, tenant: TenantId) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT second_factor_required FROM tenants WHERE id = $1")
            .bind(tenant.to_string())
            .fetch_one(&self.reader)
            .await?;
        Ok(row.try_get("second_factor_required")?)
    }

    /// Sets whether a tenant wants everybody to have a second factor, from their next login on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn require_second_factor(
        &self,
        tenant: TenantId,
        by: &By,
        required: bool,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query("UPDATE tenants SET second_factor_required = $1 WHERE id = $2")
            .bind(required)
            .bind(tenant.to_string())
            .execute(&mut *write)
            .await?;
        let entry = Entry::done(tenant, "settings.change", format!("tenant:{tenant}"))
            .with(serde_json::json!({ "second_factor_required": required }));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(())
    }
}

/// Uses a code up within a transaction: a step once and only forward, a recovery code once.
pub(super) async fn use_factor(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    user: UserId,
    shown: &Factor,
) -> Result<(), StoreError> {
    let done = match shown {
        Factor::Step(step) => {
            sqlx::query(
                "UPDATE totp SET last_step = $1 \
                 WHERE tenant_id = $2 AND user_id = $3 AND confirmed AND last_step < $1",
            )
            .bind(step)
            .bind(tenant.to_string())
            .bind(user.to_string())
            .execute(&mut **write)
            .await?
        }
        Factor::Recovery(hash) => {
            sqlx::query(
                "DELETE FROM recovery_codes \
                 WHERE tenant_id = $1 AND user_id = $2 AND code_hash = $3",
            )
            .bind(tenant.to_string())
            .bind(user.to_string())
            .bind(hash)
            .execute(&mut **write)
            .await?
        }
        Factor::Passkey { id, before, after, at } => {
            sqlx::query(
                "UPDATE passkeys SET credential = $1, used_at = $2 \
                 WHERE tenant_id = $3 AND user_id = $4 AND id = $5 AND credential = $6",
            )
            .bind(after)
            .bind(at.millis())
            .bind(tenant.to_string())
            .bind(user.to_string())
            .bind(id.to_string())
            .bind(before)
            .execute(&mut **write)
            .await?
        }
    };
    if done.rows_affected() == 0 { Err(USED) } else { Ok(()) }
}

/// Lets an account's logins that waited for a second factor do everything, in other tenants too.
pub(super) async fn enrolled(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    user: UserId,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE logins SET must_enrol = FALSE WHERE (tenant_id = $1 AND user_id = $2) \
         OR user_id IN (SELECT id FROM users WHERE account_id = $2)",
    )
    .bind(tenant.to_string())
    .bind(user.to_string())
    .execute(&mut **write)
    .await?;
    Ok(())
}

async fn forget_totp(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    user: UserId,
) -> Result<(), StoreError> {
    for table in [
        "DELETE FROM totp WHERE tenant_id = $1 AND user_id = $2",
        "DELETE FROM recovery_codes WHERE tenant_id = $1 AND user_id = $2",
    ] {
        sqlx::query(table)
            .bind(tenant.to_string())
            .bind(user.to_string())
            .execute(&mut **write)
            .await?;
    }
    Ok(())
}

async fn put_recovery(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    user: UserId,
    recovery: &[String],
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM recovery_codes WHERE tenant_id = $1 AND user_id = $2")
        .bind(tenant.to_string())
        .bind(user.to_string())
        .execute(&mut **write)
        .await?;
    for hash in recovery {
        sqlx::query(
            "INSERT INTO recovery_codes (tenant_id, user_id, code_hash) VALUES ($1, $2, $3)",
        )
        .bind(tenant.to_string())
        .bind(user.to_string())
        .bind(hash)
        .execute(&mut **write)
        .await?;
    }
    Ok(())
}
