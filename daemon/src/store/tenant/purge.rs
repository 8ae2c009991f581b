//! What is left of a tenant that was deleted goes piece by piece, so that nobody waits for it.

use gangplank_proto::id::TenantId;

use crate::store::row::parsed;
use crate::store::{Store, StoreError};

/// Tables whose rows go by themselves, before those that they refer to; the rest goes with these.
/// The audit stays: without its rows the chain would not hold.
pub(in crate::store) const TABLES: [&str; 17] = [
    "alerts",
    "approvals",
    "approval_policies",
    "security_events",
    "webhooks",
    "compliance_scans",
    "compliance_rules",
    "jobs",
    "batches",
    "scan_schedules",
    "event_keys",
    "events",
    "topics",
    "sessions",
    "provisioning_keys",
    "hosts",
    "users",
];

impl Store {
    /// Removes what deleted tenants have left. True when there was anything.
    ///
    /// # Errors
    /// When the database fails; the rest goes the next time.
    pub async fn purge_tenants(&self) -> Result<bool, StoreError> {
        // Roles go last, so a tenant that has some is not done.
        let rows = sqlx::query(
            "SELECT id FROM tenants WHERE deleted_at IS NOT NULL \
             AND id IN (SELECT tenant_id FROM roles)",
        )
        .fetch_all(&self.reader)
        .await?;
        for row in &rows {
            self.purge(parsed(row, "id")?).await?;
        }
        Ok(!rows.is_empty())
    }

    async fn purge(&self, tenant: TenantId) -> Result<(), StoreError> {
        let accounts = "DELETE FROM users WHERE account_id IN \
                        (SELECT id FROM users WHERE tenant_id = $1)";
        self.remove(tenant, accounts.to_owned()).await?;
        for table in TABLES {
            self.remove(tenant, format!("DELETE FROM {table} WHERE tenant_id = $1")).await?;
        }
        self.remove(tenant, "DELETE FROM roles WHERE tenant_id = $1".to_owned()).await
    }

    async fn remove(&self, tenant: TenantId, sql: String) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(tenant.to_string()).execute(&mut *write).await?;
        write.commit().await?;
        Ok(())
    }
}
