//! What agents make known: that they are there, and what their hosts are.

use gangplank_proto::fact::{HostFacts, PolicyFacts};
use gangplank_proto::id::{HostId, TenantId};

use crate::clock::Timestamp;
use crate::store::row::to_json;
use crate::store::{Store, StoreError};

/// The last change of a host's presence, kept so that it can be told after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// When it changed.
    pub since: Timestamp,
    /// Why, such as `connected` or `heartbeat missed`.
    pub reason: String,
    /// Whether the link was (or is) encrypted.
    pub secure: bool,
}

impl Store {
    /// Keeps what an agent of our own reported. True when it is the host's first report; none when there is no
    /// such host.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_report(
        &self,
        tenant: TenantId,
        host: HostId,
        facts: &HostFacts,
        policy: &PolicyFacts,
        ssh_ports: &[u16],
        now: Timestamp,
    ) -> Result<Option<bool>, StoreError> {
        let mut write = self.write().await?;
        let first = sqlx::query(
            "UPDATE hosts SET first_report_at = $1 \
             WHERE tenant_id = $2 AND id = $3 AND first_report_at IS NULL",
        )
        .bind(now.millis())
        .bind(tenant.to_string())
        .bind(host.to_string())
        .execute(&mut *write)
        .await?;
        let done = sqlx::query(
            "UPDATE hosts SET facts = $1, policy = $2, ssh_ports = $3, last_seen_at = $4 \
             WHERE tenant_id = $5 AND id = $6",
        )
        .bind(to_json(facts, "facts")?)
        .bind(to_json(policy, "policy")?)
        .bind(to_json(&ssh_ports, "ssh_ports")?)
        .bind(now.millis())
        .bind(tenant.to_string())
        .bind(host.to_string())
        .execute(&mut *write)
        .await?;
        // It has taken the place of PatchMon's, if there was one.
        sqlx::query("DELETE FROM patchmon_agents WHERE tenant_id = $1 AND host_id = $2")
            .bind(tenant.to_string())
            .bind(host.to_string())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok((done.rows_affected() > 0).then_some(first.rows_affected() > 0))
    }

    /// Keeps a change of presence. False when there is no such host.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_presence(
        &self,
        tenant: TenantId,
        host: HostId,
        presence: &Presence,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let done = sqlx::query(
            "UPDATE hosts SET presence_at = $1, presence_reason = $2, presence_secure = $3, \
             last_seen_at = $1 WHERE tenant_id = $4 AND id = $5",
        )
        .bind(presence.since.millis())
        .bind(&presence.reason)
        .bind(presence.secure)
        .bind(tenant.to_string())
        .bind(host.to_string())
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Ephemeral hosts whose agents have not been heard of since `before`, of every tenant, a
    /// hundred at most; for whoever removes them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn abandoned_hosts(
        &self,
        before: Timestamp,
    ) -> Result<Vec<(TenantId, HostId)>, StoreError> {
        use crate::store::row::parsed;

        let rows = sqlx::query(
            "SELECT tenant_id, id FROM hosts \
             WHERE ephemeral AND COALESCE(last_seen_at, created_at) < $1 LIMIT 100",
        )
        .bind(before.millis())
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(|row| Ok((parsed(row, "tenant_id")?, parsed(row, "id")?))).collect()
    }
}
