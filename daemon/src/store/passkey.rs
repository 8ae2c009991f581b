//! Passkeys: what is kept of them is public; the private half never leaves the person's device.

use gangplank_proto::id::{TenantId, UserId};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::audit::append;
use super::row::{parsed, time, time_option};
use super::second_factor::enrolled;
use super::{Candidate, Store, StoreError};
use crate::audit::{By, Entry};
use crate::clock::Timestamp;

/// Passkeys that one person may have.
const MOST: i64 = 20;

/// A passkey as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPasskey {
    /// Its id.
    pub id: Uuid,
    /// What its owner calls it.
    pub name: String,
    /// The name of the daemon for which it was made, and for which alone it works.
    pub rp_id: String,
    /// The credential, as the library writes it.
    pub credential: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When somebody last logged in with it.
    pub used_at: Option<Timestamp>,
}

/// A passkey to be kept.
#[derive(Debug, Clone)]
pub struct NewPasskey {
    /// The credential's own id, in hex.
    pub credential_id: String,
    /// What its owner calls it.
    pub name: String,
    /// The name of the daemon for which it was made.
    pub rp_id: String,
    /// The credential, as the library writes it.
    pub credential: String,
}

impl Store {
    /// The passkeys of a user, in the order they were made.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn passkeys(
        &self,
        tenant: TenantId,
        user: UserId,
    ) -> Result<Vec<StoredPasskey>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, name, rp_id, credential, created_at, used_at FROM passkeys \
             WHERE tenant_id = $1 AND user_id = $2 ORDER BY id",
        )
        .bind(tenant.to_string())
        .bind(user.to_string())
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(read).collect()
    }

    /// Keeps a passkey. Logins of its owner that waited for a second factor may do everything now.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when somebody has it already, [`StoreError::Refused`] when they have
    /// too many.
    pub async fn add_passkey(
        &self,
        tenant: TenantId,
        by: &By,
        user: UserId,
        new: &NewPasskey,
    ) -> Result<Uuid, StoreError> {
        let id = Uuid::now_v7();
        let mut write = self.write().await?;
        let kept = sqlx::query(
            "INSERT INTO passkeys (id, tenant_id, user_id, credential_id, name, rp_id, credential, \
             created_at) SELECT $1, u.tenant_id, u.id, $4, $5, $6, $7, $8 FROM users u \
             WHERE u.tenant_id = $2 AND u.id = $3 AND (SELECT COUNT(*) FROM passkeys p \
             WHERE p.tenant_id = $2 AND p.user_id = $3) < $9",
        )
        .bind(id.to_string())
        .bind(tenant.to_string())
        .bind(user.to_string())
        .bind(&new.credential_id)
        .bind(&new.name)
        .bind(&new.rp_id)
        .bind(&new.credential)
        .bind(by.at.millis())
        .bind(MOST)
        .execute(&mut *write)
        .await
        .map_err(|error| StoreError::named(error, "that passkey"))?;
        if kept.rows_affected() == 0 {
            return Err(StoreError::Refused("20 passkeys are enough; remove one first"));
        }
        enrolled(&mut write, tenant, user).await?;
        let entry = Entry::done(tenant, "passkey.add", format!("passkey:{id}"))
            .with(serde_json::json!({ "name": new.name }));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(id)
    }

    /// Gives a passkey of a user another name. False when they have no such passkey.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rename_passkey(
        &self,
        tenant: TenantId,
        by: &By,
        user: UserId,
        passkey: Uuid,
        name: &str,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let done = sqlx::query(
            "UPDATE passkeys SET name = $1 WHERE tenant_id = $2 AND user_id = $3 AND id = $4",
        )
        .bind(name)
        .bind(tenant.to_string())
        .bind(user.to_string())
        .bind(passkey.to_string())
        .execute(&mut *write)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let entry = Entry::done(tenant, "passkey.rename", format!("passkey:{passkey}"))
            .with(serde_json::json!({ "name": name }));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Removes a passkey of a user. False when they have no such passkey.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_passkey(
        &self,
        tenant: TenantId,
        by: &By,
        user: UserId,
        passkey: Uuid,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let done =
            sqlx::query("DELETE FROM passkeys WHERE tenant_id = $1 AND user_id = $2 AND id = $3")
                .bind(tenant.to_string())
                .bind(user.to_string())
                .bind(passkey.to_string())
                .execute(&mut *write)
                .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let entry = Entry::done(tenant, "passkey.remove", format!("passkey:{passkey}"));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(true)
    }

    /// The passkey that a login names by its credential's id, and whose it is. This finds the
    /// tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn passkey_of_credential(
        &self,
        credential_id: &str,
    ) -> Result<Option<(Candidate, StoredPasskey)>, StoreError> {
        let row = sqlx::query(
            "SELECT p.id, p.name, p.rp_id, p.credential, p.created_at, p.used_at, u.tenant_id, \
             u.id AS user_id, u.username, u.password_hash, \
             (t.active AND NOT u.disabled) AS enabled FROM passkeys p \
             JOIN users u ON u.tenant_id = p.tenant_id AND u.id = p.user_id \
             JOIN tenants t ON t.id = u.tenant_id WHERE p.credential_id = $1",
        )
        .bind(credential_id)
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let owner = Candidate {
            tenant: parsed(&row, "tenant_id")?,
            user: parsed(&row, "user_id")?,
            username: row.try_get("username")?,
            password_hash: row.try_get("password_hash")?,
            enabled: row.try_get("enabled")?,
        };
        Ok(Some((owner, read(&row)?)))
    }
}

fn read(row: &SqliteRow) -> Result<StoredPasskey, StoreError> {
    Ok(StoredPasskey {
        id: parsed(row, "id")?,
        name: row.try_get("name")?,
        rp_id: row.try_get("rp_id")?,
        credential: row.try_get("credential")?,
        created_at: time(row, "created_at")?,
        used_at: time_option(row, "used_at")?,
    })
}
