//! What PatchMon's agents tell beside their socket. Their reports are kept as those of our own
//! agents are, and their hashes beside them.

use gangplank_proto::fact::HostFacts;
use gangplank_proto::id::{HostId, ScanId, TenantId};
use gangplank_proto::job::{Command, Done, Outcome};
use gangplank_proto::patchmon::{Hashes, Ping, Section, Update};
use gangplank_proto::scan::Report;

use super::claim::{self, Claim};
use super::compliance::{self, ScanSource};
use super::job::{JobWrite, Taken};
use super::row::{json, to_json};
use super::{Store, StoreError};
use crate::clock::Timestamp;

/// What came of a report.
#[derive(Debug)]
pub struct Reported {
    /// Whether it is the host's first.
    pub first: bool,
    /// What came of the jobs that asked for it.
    pub taken: Taken,
}

impl Store {
    /// Notes that a host's agent is PatchMon's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn patchmon_came(&self, tenant: TenantId, host: HostId) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO patchmon_agents (tenant_id, host_id, hashes) \
             SELECT tenant_id, id, '{}' FROM hosts WHERE tenant_id = $1 AND id = $2 \
             ON CONFLICT (host_id) DO NOTHING",
        )
        .bind(tenant.to_string())
        .bind(host.to_string())
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(())
    }

    /// Takes a sign of life, and answers the parts that the agent is to send whole.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn patchmon_ping(
        &self,
        tenant: TenantId,
        host: HostId,
        ping: Ping,
        now: Timestamp,
    ) -> Result<Vec<Section>, StoreError> {
        let mut write = self.job_write(now).await?;
        let kept = write.hashes(tenant, host).await?;
        let differing = ping.differing(&kept.unwrap_or_default());
        if let Some(mut facts) = write.facts(tenant, host).await? {
            if !ping.agent_version.is_empty() {
                facts.agent_version = ping.agent_version.as_str().into();
            }
            write.put_facts(tenant, host, &facts).await?;
        }
        if let Some(report) = write.report(tenant, host).await? {
            let report = ping.metrics.over(report).bounded();
            write.touch_up_report(tenant, host, &report).await?;
        }
        // A sign of life is nobody's news.
        let _ = write.commit().await?;
        Ok(differing)
    }

    /// Keeps a report, and ends the jobs that asked for it. None when there is no such host.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn patchmon_report(
        &self,
        tenant: TenantId,
        host: HostId,
        update: Update,
        hashes: &Hashes,
        now: Timestamp,
    ) -> Result<Option<Reported>, StoreError> {
        let mut write = self.job_write(now).await?;
        if write.facts(tenant, host).await?.is_none() {
            return Ok(None);
        }
        let before = write.report(tenant, host).await?.unwrap_or_default();
        let report = update.over(before);
        let first = write.first_report(tenant, host).await?;
        write.put_facts(tenant, host, &report.host).await?;
        write.put_hashes(tenant, host, hashes).await?;
        let mut taken = Taken::default();
        let done = Done::new(Outcome::Succeeded, None);
        let job = write.answer(tenant, host, Command::ReportNow, &done, &mut taken).await?;
        write.put_report(tenant, host, job, &report).await?;
        taken.announced = write.commit().await?;
        Ok(Some(Reported { first, taken }))
    }
}

impl Store {
    /// Keeps what a host says beside its report, made by `change` out of what it said before, and
    /// ends the jobs of the command that asks for it. None when there is no such host.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn patchmon_claim<T: Claim>(
        &self,
        tenant: TenantId,
        host: HostId,
        (command, hashes): (Command, &Hashes),
        now: Timestamp,
        change: impl FnOnce(Option<T>) -> T,
    ) -> Result<Option<Taken>, StoreError> {
        let mut write = self.job_write(now).await?;
        let before = claim::find::<T>(&mut write.tx, tenant, host).await?;
        let mut taken = Taken::default();
        let done = Done::new(Outcome::Succeeded, None);
        let job = write.answer(tenant, host, command, &done, &mut taken).await?;
        let said = change(before);
        if !claim::keep(&mut write.tx, tenant, host, job, said, now).await? {
            return Ok(None);
        }
        write.put_hashes(tenant, host, hashes).await?;
        taken.announced = write.commit().await?;
        Ok(Some(taken))
    }
}

/// What came of scans.
#[derive(Debug)]
pub struct Scanned {
    /// Their ids, in their order; none for a scan that was here already.
    pub scans: Vec<Option<ScanId>>,
    /// What came of the jobs that asked for them.
    pub taken: Taken,
}

impl Store {
    /// Keeps scans, and ends the jobs that asked for them as `done` says. The first one is that of
    /// the job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn patchmon_scans(
        &self,
        tenant: TenantId,
        host: HostId,
        reports: &[Report],
        (done, hashes): (&Done, &Hashes),
        now: Timestamp,
    ) -> Result<Scanned, StoreError> {
        let mut write = self.job_write(now).await?;
        let mut taken = Taken::default();
        let command = Command::ComplianceScan;
        let mut job = write.answer(tenant, host, command, done, &mut taken).await?;
        let mut scans = Vec::with_capacity(reports.len());
        for report in reports {
            let source = job.take().map_or(ScanSource::Agent, ScanSource::Job);
            let scan = compliance::keep(&mut write.tx, tenant, host, source, report, now).await?;
            scans.push(scan);
        }
        write.put_hashes(tenant, host, hashes).await?;
        taken.announced = write.commit().await?;
        Ok(Scanned { scans, taken })
    }
}

impl JobWrite {
    async fn hashes(
        &mut self,
        tenant: TenantId,
        host: HostId,
    ) -> Result<Option<Hashes>, StoreError> {
        let row =
            sqlx::query("SELECT hashes FROM patchmon_agents WHERE tenant_id = $1 AND host_id = $2")
                .bind(tenant.to_string())
                .bind(host.to_string())
                .fetch_optional(&mut *self.tx)
                .await?;
        row.map(|row| json(&row, "hashes")).transpose()
    }

    /// Lays hashes over those that are kept.
    pub(super) async fn put_hashes(
        &mut self,
        tenant: TenantId,
        host: HostId,
        said: &Hashes,
    ) -> Result<(), StoreError> {
        let mut hashes = self.hashes(tenant, host).await?.unwrap_or_default();
        for section in Section::ALL {
            if let Some(hash) = said.of(section) {
                hashes.set(section, hash.to_owned());
            }
        }
        sqlx::query(
            "INSERT INTO patchmon_agents (tenant_id, host_id, hashes) \
             SELECT tenant_id, id, $1 FROM hosts WHERE tenant_id = $2 AND id = $3 \
             ON CONFLICT (host_id) DO UPDATE SET hashes = excluded.hashes",
        )
        .bind(to_json(&hashes, "hashes")?)
        .bind(tenant.to_string())
        .bind(host.to_string())
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    async fn facts(
        &mut self,
        tenant: TenantId,
        host: HostId,
    ) -> Result<Option<HostFacts>, StoreError> {
        let row = sqlx::query("SELECT facts FROM hosts WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.to_string())
            .bind(host.to_string())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.map(|row| json(&row, "facts")).transpose()
    }

    async fn put_facts(
        &mut self,
        tenant: TenantId,
        host: HostId,
        facts: &HostFacts,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE hosts SET facts = $1, last_seen_at = $2 WHERE tenant_id = $3 AND id = $4",
        )
        .bind(to_json(facts, "facts")?)
        .bind(self.now.millis())
        .bind(tenant.to_string())
        .bind(host.to_string())
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Notes that a host has reported. True when it had not before.
    async fn first_report(&mut self, tenant: TenantId, host: HostId) -> Result<bool, StoreError> {
        let first = sqlx::query(
            "UPDATE hosts SET first_report_at = $1 \
             WHERE tenant_id = $2 AND id = $3 AND first_report_at IS NULL",
        )
        .bind(self.now.millis())
        .bind(tenant.to_string())
        .bind(host.to_string())
        .execute(&mut *self.tx)
        .await?;
        Ok(first.rows_affected() > 0)
    }
}
