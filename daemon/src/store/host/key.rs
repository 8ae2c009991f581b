//! The credential that joins an agent to its host.

use gangplank_proto::id::{ApiId, HostId, TenantId};
use sqlx::Row as _;

use super::{HostState, finish};
use crate::audit::{By, Entry};
use crate::store::audit::append;
use crate::store::row::parsed;
use crate::store::{Store, StoreError};

/// A host's credential as it is stored.
#[derive(Clone)]
pub struct StoredKey {
    /// Its tenant.
    pub tenant: TenantId,
    /// The host.
    pub host: HostId,
    /// Whether it is let in.
    pub state: HostState,
    /// The stored form of the key.
    pub key_hash: String,
    /// Whether its tenant is let in.
    pub active: bool,
}

impl std::fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredKey").field("host", &self.host).finish_non_exhaustive()
    }
}

/// The id of nobody.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// As long as a stored key of the current form, and the form of no key.
const NOBODYS_KEY: &str = "nobody---------------------------------------------------------------";

impl Store {
    /// The credential that belongs to an API id; this finds the tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn stored_key(&self, api_id: &ApiId) -> Result<Option<StoredKey>, StoreError> {
        // For an unknown id a row of nobody's takes the place of the one that is missing, so that the
        // answer takes as long to read.
        let row = sqlx::query(
            "SELECT h.tenant_id, h.id, h.state, h.key_hash, t.active, 0 AS place FROM hosts h \
             JOIN tenants t ON t.id = h.tenant_id WHERE h.api_id = $1 \
             UNION ALL SELECT $2, $2, 'live', $3, TRUE, 1 ORDER BY place LIMIT 1",
        )
        .bind(api_id.as_str())
        .bind(NOBODY)
        .bind(NOBODYS_KEY)
        .fetch_one(&self.reader)
        .await?;
        let stored = StoredKey {
            tenant: parsed(&row, "tenant_id")?,
            host: parsed(&row, "id")?,
            state: row.try_get::<&str, _>("state")?.parse()?,
            key_hash: row.try_get("key_hash")?,
            active: row.try_get("active")?,
        };
        Ok((stored.key_hash != NOBODYS_KEY).then_some(stored))
    }

    /// Puts the stored form of the same key in place of an older form, unless the key was changed
    /// meanwhile.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn upgrade_key(
        &self,
        by: &By,
        stored: &StoredKey,
        new: &str,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let done = sqlx::query(
            "UPDATE hosts SET key_hash = $1 WHERE tenant_id = $2 AND id = $3 AND key_hash = $4",
        )
        .bind(new)
        .bind(stored.tenant.to_string())
        .bind(stored.host.to_string())
        .bind(&stored.key_hash)
        .execute(&mut *write)
        .await?;
        if done.rows_affected() > 0 {
            let object = format!("host:{}", stored.host);
            append(&mut write, by, Entry::done(stored.tenant, "host.key_upgrade", object)).await?;
        }
        write.commit().await?;
        Ok(())
    }

    /// Gives a host another credential. False when there is no such host.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_key(
        &self,
        tenant: TenantId,
        by: &By,
        host: HostId,
        api_id: &ApiId,
        key_hash: &str,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let done = sqlx::query(
            "UPDATE hosts SET api_id = $1, key_hash = $2 WHERE tenant_id = $3 AND id = $4",
        )
        .bind(api_id.as_str())
        .bind(key_hash)
        .bind(tenant.to_string())
        .bind(host.to_string())
        .execute(&mut *write)
        .await
        .map_err(|error| StoreError::named(error, "a host with that API id"))?;
        finish(write, tenant, by, host, "host.rotate_key", done.rows_affected()).await
    }
}
