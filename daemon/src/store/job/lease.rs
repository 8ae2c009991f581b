//! Handing jobs out: which of a host's are due, as far as its and its tenant's bounds allow.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use gangplank_proto::id::{HostId, TenantId};
use gangplank_proto::job::JobEvent;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::{Announced, Job, JobWrite};
use crate::clock::Timestamp;
use crate::store::row::{number, parsed};
use crate::store::{Store, StoreError};

/// Hosts that are looked at by one statement.
const TOGETHER: usize = 128;

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
        let mut tenants: BTreeMap<TenantId, Vec<HostId>> = BTreeMap::new();
        for (tenant, host) in hosts {
            tenants.entry(*tenant).or_default().push(*host);
        }
        let mut write = self.job_write(now).await?;
        let mut leased = Leased::default();
        for (tenant, hosts) in tenants {
            for hosts in hosts.chunks(TOGETHER) {
                write.lease(tenant, hosts, bounds, lease, &mut leased).await?;
            }
        }
        leased.announced = write.commit().await?;
        Ok(leased)
    }
}

/// A host's jobs that are out, heavy and light.
type Out = HashMap<(HostId, bool), u32>;

impl JobWrite {
    async fn lease(
        &mut self,
        tenant: TenantId,
        hosts: &[HostId],
        bounds: Concurrency,
        lease: Duration,
        leased: &mut Leased,
    ) -> Result<(), StoreError> {
        let until = Some(self.now.plus(lease));
        for mut job in self.unheard_of(tenant, hosts).await? {
            job.lease_until = until;
            self.keep(&job, (job.state, job.attempt))?;
            leased.jobs.push(job);
        }
        let due = self.due_of(tenant, hosts, bounds).await?;
        if due.is_empty() {
            return Ok(());
        }
        let mut out = self.out_of(tenant, hosts).await?;
        let mut left = bounds.tenant.saturating_sub(self.out_of_tenant(tenant).await?);
        for mut job in due {
            let out = out.entry((job.host, job.command.is_heavy())).or_default();
            let bound = if job.command.is_heavy() { bounds.heavy } else { bounds.light };
            if *out >= bound {
                continue;
            }
            if left == 0 {
                let short = (tenant, job.host);
                if leased.short.last() != Some(&short) {
                    leased.short.push(short);
                }
                continue;
            }
            (*out, left) = (*out + 1, left - 1);
            job.lease_until = until;
            job.sent_at = Some(self.now);
            self.step(&mut job, JobEvent::Lease)?;
            leased.jobs.push(job);
        }
        Ok(())
    }

    /// What was sent to hosts, and not heard of since for too long.
    async fn unheard_of(
        &mut self,
        tenant: TenantId,
        hosts: &[HostId],
    ) -> Result<Vec<Job>, StoreError> {
        let mut query = of_hosts("SELECT * FROM jobs", tenant, hosts);
        query.push(" AND state = 'leased' AND cancel_at IS NULL AND lease_until <= ");
        query.push_bind(self.now.millis());
        let rows = query.build().fetch_all(&mut **self.settled().await?).await?;
        super::in_order(&rows)
    }

    /// What each host could begin with if it had nothing else to do, the most urgent first.
    async fn due_of(
        &mut self,
        tenant: TenantId,
        hosts: &[HostId],
        bounds: Concurrency,
    ) -> Result<Vec<Job>, StoreError> {
        let mut query = of_hosts(
            "SELECT * FROM (SELECT *, ROW_NUMBER() OVER \
             (PARTITION BY host_id, heavy ORDER BY priority DESC, id) AS place FROM jobs",
            tenant,
            hosts,
        );
        query.push(" AND state = 'queued' AND NOT held AND not_before <= ");
        query.push_bind(self.now.millis()).push(" AND deadline > ").push_bind(self.now.millis());
        query.push(") AS due WHERE place <= CASE WHEN heavy THEN ");
        query.push_bind(i64::from(bounds.heavy)).push(" ELSE ");
        query.push_bind(i64::from(bounds.light)).push(" END ORDER BY host_id, heavy DESC, place");
        let rows = query.build().fetch_all(&mut **self.settled().await?).await?;
        rows.iter().map(super::job_row).collect()
    }

    async fn out_of(&mut self, tenant: TenantId, hosts: &[HostId]) -> Result<Out, StoreError> {
        let select = "SELECT host_id, heavy, COUNT(*) AS jobs FROM jobs";
        let mut query = of_hosts(select, tenant, hosts);
        query.push(" AND state IN ('leased', 'received', 'running') GROUP BY host_id, heavy");
        let rows = query.build().fetch_all(&mut **self.settled().await?).await?;
        let out = rows.iter().map(|row| {
            Ok(((parsed(row, "host_id")?, row.try_get("heavy")?), number(row, "jobs")?))
        });
        out.collect()
    }

    async fn out_of_tenant(&mut self, tenant: TenantId) -> Result<u32, StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS jobs FROM jobs WHERE tenant_id = $1 \
             AND state IN ('leased', 'received', 'running')",
        )
        .bind(tenant.to_string())
        .fetch_one(&mut **self.settled().await?)
        .await?;
        number(&row, "jobs")
    }
}

/// The beginning of a query about hosts of a tenant.
fn of_hosts(select: &str, tenant: TenantId, hosts: &[HostId]) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(select);
    query.push(" WHERE tenant_id = ").push_bind(tenant.to_string()).push(" AND host_id IN (");
    let mut ids = query.separated(", ");
    for host in hosts {
        ids.push_bind(host.to_string());
    }
    query.push(")");
    query
}
