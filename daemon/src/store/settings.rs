//! What people set each host's agent to.

use gangplank_proto::id::{HostId, TenantId};
use gangplank_proto::settings::Settings;

use super::audit::append;
use super::row::{json, to_json};
use super::{Store, StoreError};
use crate::audit::{By, Entry};

impl Store {
    /// The settings of a host; without any of its own they say nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn host_settings(
        &self,
        tenant: TenantId,
        host: HostId,
    ) -> Result<Settings, StoreError> {
        let row = select(tenant, host).fetch_optional(&self.reader).await?;
        row.map_or(Ok(Settings::default()), |row| json(&row, "settings"))
    }

    /// Lays settings over those that a host has, with its audit row. The settings as they are now;
    /// none when there is no such host.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_host(
        &self,
        tenant: TenantId,
        by: &By,
        host: HostId,
        said: Settings,
    ) -> Result<Option<Settings>, StoreError> {
        let mut tx = self.write().await?;
        let before = select(tenant, host).fetch_optional(&mut *tx).await?;
        let before = before.map_or(Ok(Settings::default()), |row| json(&row, "settings"))?;
        let settings = said.over(before);
        let put = sqlx::query(
            "INSERT INTO host_settings (tenant_id, host_id, settings) \
             SELECT tenant_id, id, $1 FROM hosts WHERE tenant_id = $2 AND id = $3 \
             ON CONFLICT (tenant_id, host_id) DO UPDATE SET settings = excluded.settings",
        )
        .bind(to_json(&settings, "settings")?)
        .bind(tenant.to_string())
        .bind(host.to_string())
        .execute(&mut *tx)
        .await?;
        if put.rows_affected() == 0 {
            return Ok(None);
        }
        let entry = Entry::done(tenant, "host.settings", format!("host:{host}"));
        append(&mut tx, by, entry.with(serde_json::json!(said))).await?;
        tx.commit().await?;
        Ok(Some(settings))
    }
}

type Query = sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn select(tenant: TenantId, host: HostId) -> Query {
    sqlx::query("SELECT settings FROM host_settings WHERE tenant_id = $1 AND host_id = $2")
        .bind(tenant.to_string())
        .bind(host.to_string())
}
