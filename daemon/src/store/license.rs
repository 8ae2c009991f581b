//! What internal services decide about tenants: whether they are let in, and how much they may have.

use gangplank_proto::id::TenantId;
use sqlx::{Executor, Sqlite, Transaction};

use super::audit::append;
use super::row::{number, number_option};
use super::tenant::{named, put_limits};
use super::{Limits, Store, StoreError, Tenant};
use crate::audit::{By, Entry};
use crate::clock::Timestamp;

/// A signed message, which counts once.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What its sender calls it.
    pub id: String,
    /// Its signature, which the same words under another id would have too.
    pub signature: String,
}

/// What a license says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct License {
    /// Whether the tenant's people and agents are let in.
    pub active: bool,
    /// How much it may have; what it had stays when this is absent.
    pub limits: Option<Limits>,
}

/// What became of a license that was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Licensed {
    /// It is in force.
    Done(Tenant),
    /// This message was taken before.
    Again,
    /// There is no such tenant.
    NoTenant,
}

impl Store {
    /// Takes a license for the tenant of an id or a name, once.
    ///
    /// # Errors
    /// When the database fails; the message then may come again.
    pub async fn license(
        &self,
        by: &By,
        delivery: &Delivery,
        tenant: &str,
        license: License,
    ) -> Result<Licensed, StoreError> {
        let mut write = self.write().await?;
        let taken = sqlx::query(
            "INSERT INTO deliveries (id, signature, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(&delivery.id)
        .bind(&delivery.signature)
        .bind(by.at.millis())
        .execute(&mut *write)
        .await?;
        if taken.rows_affected() == 0 {
            return Ok(Licensed::Again);
        }
        let Some(tenant) = named(&mut write, tenant).await? else {
            return Ok(Licensed::NoTenant);
        };
        sqlx::query("UPDATE tenants SET active = $1 WHERE id = $2")
            .bind(license.active)
            .bind(tenant.id.to_string())
            .execute(&mut *write)
            .await?;
        if let Some(limits) = license.limits {
            put_limits(&mut write, tenant.id, limits).await?;
        }
        let detail = serde_json::json!({ "active": license.active, "limits": license.limits });
        let entry = Entry::done(tenant.id, "tenant.license", format!("tenant:{}", tenant.name));
        append(&mut write, by, entry.with(detail)).await?;
        write.commit().await?;
        let limits = license.limits.unwrap_or(tenant.limits);
        Ok(Licensed::Done(Tenant { active: license.active, limits, ..tenant }))
    }

    /// Forgets messages whose signatures have long been too old to be taken.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_deliveries(&self, before: Timestamp) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query("DELETE FROM deliveries WHERE at < $1")
            .bind(before.millis())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(())
    }
}

/// Refuses a host that is one more than the tenant may have.
pub(super) async fn room_for_host(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
) -> Result<(), StoreError> {
    let sql = "SELECT (SELECT COUNT(*) FROM hosts WHERE tenant_id = $1) AS has, max_hosts AS may \
               FROM tenants WHERE id = $1";
    room(&mut **write, tenant, sql, "this tenant has as many hosts as its license allows").await
}

impl Store {
    /// Looks whether the tenant may have another terminal, before anything is dialled for it. Whether
    /// it still may is decided when the terminal is written down.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when it has as many as it may.
    pub async fn look_for_room_for_terminal(&self, tenant: TenantId) -> Result<(), StoreError> {
        room_for_terminal(&self.reader, tenant).await
    }
}

/// Refuses a terminal that is one more than the tenant may have.
pub(super) async fn room_for_terminal(
    store: impl Executor<'_, Database = Sqlite>,
    tenant: TenantId,
) -> Result<(), StoreError> {
    let sql = "SELECT (SELECT COUNT(*) FROM sessions WHERE tenant_id = $1 AND ended_at IS NULL) \
               AS has, max_terminals AS may FROM tenants WHERE id = $1";
    room(store, tenant, sql, "this tenant has as many terminals as it may; end one first").await
}

/// Refuses a user that is one more than the tenant may have.
pub(super) async fn room_for_user(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
) -> Result<(), StoreError> {
    let sql = "SELECT (SELECT COUNT(*) FROM users WHERE tenant_id = $1) AS has, max_users AS may \
               FROM tenants WHERE id = $1";
    room(&mut **write, tenant, sql, "this tenant has as many users as its license allows").await
}

async fn room(
    store: impl Executor<'_, Database = Sqlite>,
    tenant: TenantId,
    sql: &'static str,
    full: &'static str,
) -> Result<(), StoreError> {
    let row = sqlx::query(sql).bind(tenant.to_string()).fetch_one(store).await?;
    let has: u64 = number(&row, "has")?;
    let may: Option<u64> = number_option(&row, "may")?;
    if may.is_none_or(|may| has < may) { Ok(()) } else { Err(StoreError::Refused(full)) }
}
