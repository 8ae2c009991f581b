//! Provisioning keys: short-lived, counted rights to bring hosts in.

use gangplank_proto::id::TenantId;
use ipnet::IpNet;
use serde::Serialize;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::audit::append;
use super::row::{json, number, parsed, time, to_json};
use super::{Store, StoreError};
use crate::audit::{By, Entry};
use crate::clock::Timestamp;

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewProvisioningKey {
    /// Hash of the key.
    pub hash: String,
    /// How many hosts it brings in.
    pub uses: u32,
    /// Until when.
    pub expires_at: Timestamp,
    /// Whether those hosts wait for a person's consent.
    pub approve: bool,
    /// Whether those hosts are forgotten when their agents stay away.
    pub ephemeral: bool,
    /// Labels that those hosts get.
    pub labels: Vec<String>,
    /// Networks from which it may be used; none means everywhere.
    pub networks: Vec<IpNet>,
}

/// A key as administrators see it.
#[derive(Debug, Clone, Serialize)]
pub struct ProvisioningKey {
    /// Its id.
    pub id: Uuid,
    /// Hosts that it still brings in.
    pub uses_left: u32,
    /// Until when.
    pub expires_at: Timestamp,
    /// Whether those hosts wait for a person's consent.
    pub approve: bool,
    /// Whether those hosts are forgotten when their agents stay away.
    pub ephemeral: bool,
    /// Labels that those hosts get.
    pub labels: Vec<String>,
    /// Networks from which it may be used; none means everywhere.
    pub networks: Vec<IpNet>,
    /// Who made it.
    pub created_by: String,
}

impl Store {
    /// Keeps a new key.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn create_provisioning_key(
        &self,
        tenant: TenantId,
        by: &By,
        new: NewProvisioningKey,
    ) -> Result<Uuid, StoreError> {
        let id = Uuid::now_v7();
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO provisioning_keys (id, tenant_id, hash, uses_left, expires_at, approve, \
             ephemeral, labels, networks, created_by, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(id.to_string())
        .bind(tenant.to_string())
        .bind(new.hash)
        .bind(i64::from(new.uses))
        .bind(new.expires_at.millis())
        .bind(new.approve)
        .bind(new.ephemeral)
        .bind(to_json(&new.labels, "labels")?)
        .bind(to_json(&new.networks, "networks")?)
        .bind(by.actor.to_string())
        .bind(by.at.millis())
        .execute(&mut *write)
        .await?;
        let entry = Entry::done(tenant, "token.create", format!("token:{id}")).with(
            serde_json::json!({ "uses": new.uses, "expires_at": new.expires_at, "approve": new.approve, "networks": new.networks }),
        );
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(id)
    }

    /// The keys of a tenant that can still be used.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn provisioning_keys(
        &self,
        tenant: TenantId,
        now: Timestamp,
    ) -> Result<Vec<ProvisioningKey>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, uses_left, expires_at, approve, ephemeral, labels, networks, created_by \
             FROM provisioning_keys WHERE tenant_id = $1 AND uses_left > 0 AND expires_at > $2 \
             ORDER BY id",
        )
        .bind(tenant.to_string())
        .bind(now.millis())
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(provisioning_key).collect()
    }

    /// Withdraws a key. False when there is no such key.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_provisioning_key(
        &self,
        tenant: TenantId,
        by: &By,
        id: Uuid,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let done = sqlx::query("DELETE FROM provisioning_keys WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.to_string())
            .bind(id.to_string())
            .execute(&mut *write)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        append(&mut write, by, Entry::done(tenant, "token.delete", format!("token:{id}"))).await?;
        write.commit().await?;
        Ok(true)
    }
}

fn provisioning_key(row: &SqliteRow) -> Result<ProvisioningKey, StoreError> {
    Ok(ProvisioningKey {
        id: parsed(row, "id")?,
        uses_left: number(row, "uses_left")?,
        expires_at: time(row, "expires_at")?,
        approve: row.try_get("approve")?,
        ephemeral: row.try_get("ephemeral")?,
        labels: json(row, "labels")?,
        networks: json(row, "networks")?,
        created_by: row.try_get("created_by")?,
    })
}
