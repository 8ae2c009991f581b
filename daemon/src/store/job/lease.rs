//! Handing jobs out: which of a host's are due, as far as its and its tenant's bounds allow.

use std::time::Duration;

use gangplank_proto::id::{HostId, TenantId};
use gangplank_proto::job::JobEvent;
use sqlx::Row as _;

use super::{Announced, Job, JobWrite};
use crate::clock::Timestamp;
use crate::store::{Store, StoreError};

/// What was handed out.
#[derive(Debug, Default)]
pub struct Leased {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// Hosts whose jobs wait because their tenant has as many out as it may.
    pub short: Vec<(TenantId, HostId)>,
    /// To whom to tell of it.
    pub announced: Announced,
}

/// How many jobs may be out at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concurrency {
    /// Of one host, of those that it feels.
    pub heavy: u32,
    /// Of one host, of the others.
    pub light: u32,
    /// Of one tenant, of all kinds.
    pub tenant: u32,
}

impl Store {
    /// Takes what is due of each host and marks it as sent; what was sent before, and not heard of
    /// since, is taken again.
    ///
    /// # Errors
    /// When the database fails; then nothing is taken.
    pub async fn lease_jobs(
        &self,
        hosts: &[(TenantId, HostId)],
        bounds: Concurrency,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Leased, StoreError> {
        let mut write = self.job_write(now).await?;
        let mut leased = Leased::default();
        for (tenant, host) in hosts {
            write.lease(*tenant, *host, bounds, lease, &mut leased).await?;
        }
        leased.announced = write.commit().await?;
        Ok(leased)
    }
}

impl JobWrite {
    async fn lease(
        &mut self,
        tenant: TenantId,
        host: HostId,
        bounds: Concurrency,
        lease: Duration,
        leased: &mut Leased,
    ) -> Result<(), StoreError> {
        for mut job in self.unheard_of(tenant, host).await? {
            job.lease_until = Some(self.now.plus(lease));
            self.extend(&job).await?;
            leased.jobs.push(job);
        }
        let (heavy, light) = self.out_of(tenant, host).await?;
        for (is_heavy, used, bound) in [(true, heavy, bounds.heavy), (false, light, bounds.light)] {
            let room = i64::from(bound) - used;
            let due = self.due_of(tenant, host, is_heavy, room).await?;
            if due.is_empty() {
                continue;
            }
            let left = i64::from(bounds.tenant) - self.out_of_tenant(tenant).await?;
            if i64::try_from(due.len()).is_ok_and(|due| due > left) {
                leased.short.push((tenant, host));
            }
            for mut job in due.into_iter().take(usize::try_from(left).unwrap_or_default()) {
                job.lease_until = Some(self.now.plus(lease));
                job.sent_at = Some(self.now);
                self.step(&mut job, JobEvent::Lease).await?;
                leased.jobs.push(job);
            }
        }
        Ok(())
    }

    /// What was sent to a host, and not heard of since for too long.
    async fn unheard_of(&mut self, tenant: TenantId, host: HostId) -> Result<Vec<Job>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM jobs WHERE tenant_id = $1 AND host_id = $2 AND state = 'leased' \
             AND lease_until <= $3 AND cancel_at IS NULL ORDER BY id",
        )
        .bind(tenant.to_string())
        .bind(host.to_string())
        .bind(self.now.millis())
        .fetch_all(&mut *self.tx)
        .await?;
        rows.iter().map(super::job_row).collect()
    }

    async fn due_of(
        &mut self,
        tenant: TenantId,
        host: HostId,
        heavy: bool,
        room: i64,
    ) -> Result<Vec<Job>, StoreError> {
        if room <= 0 {
            return Ok(Vec::new());
        }
        let rows = sqlx::query(
            "SELECT * FROM jobs WHERE tenant_id = $1 AND host_id = $2 AND state = 'queued' \
             AND NOT held AND heavy = $3 AND not_before <= $4 AND deadline > $4 \
             ORDER BY priority DESC, id LIMIT $5",
        )
        .bind(tenant.to_string())
        .bind(host.to_string())
        .bind(heavy)
        .bind(self.now.millis())
        .bind(room)
        .fetch_all(&mut *self.tx)
        .await?;
        rows.iter().map(super::job_row).collect()
    }

    /// A host's jobs that are out, heavy and light.
    async fn out_of(&mut self, tenant: TenantId, host: HostId) -> Result<(i64, i64), StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS jobs, COALESCE(SUM(CASE WHEN heavy THEN 1 ELSE 0 END), 0) AS heavy \
             FROM jobs WHERE tenant_id = $1 AND host_id = $2 \
             AND state IN ('leased', 'received', 'running')",
        )
        .bind(tenant.to_string())
        .bind(host.to_string())
        .fetch_one(&mut *self.tx)
        .await?;
        let (jobs, heavy): (i64, i64) = (row.try_get("jobs")?, row.try_get("heavy")?);
        Ok((heavy, jobs - heavy))
    }

    async fn out_of_tenant(&mut self, tenant: TenantId) -> Result<i64, StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS jobs FROM jobs WHERE tenant_id = $1 \
             AND state IN ('leased', 'received', 'running')",
        )
        .bind(tenant.to_string())
        .fetch_one(&mut *self.tx)
        .await?;
        Ok(row.try_get("jobs")?)
    }

    /// Puts off when a job is sent once more, which is nobody's news.
    async fn extend(&mut self, job: &Job) -> Result<(), StoreError> {
        sqlx::query("UPDATE jobs SET lease_until = $1 WHERE tenant_id = $2 AND id = $3")
            .bind(job.lease_until.map(Timestamp::millis))
            .bind(job.tenant.to_string())
            .bind(job.id.to_string())
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }
}
