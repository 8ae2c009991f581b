//! Moving a batch on: rings that open, a pause, a halt.

use futures_util::TryStreamExt as _;
use gangplank_proto::id::{BatchId, HostId, JobId, TenantId};
use sqlx::Row as _;

use super::BatchState;
use crate::audit::{By, Entry};
use crate::clock::Timestamp;
use crate::store::audit::append;
use crate::store::job::{Announced, Job, JobWrite};
use crate::store::row::{number, parsed};
use crate::store::{Store, StoreError};

impl Store {
    /// Opens the next ring of a batch when nothing of those before is waited for, or ends the batch.
    /// Hosts that are not `here` are not waited for. Answers the hosts whose jobs may now go.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn advance_batch(
        &self,
        tenant: TenantId,
        id: BatchId,
        now: Timestamp,
        here: impl Fn(HostId) -> bool,
    ) -> Result<(Vec<HostId>, Announced), StoreError> {
        let mut write = self.job_write(now).await?;
        let (mut opened, mut changed) = (Vec::new(), false);
        loop {
            // Mostly somebody is waited for, and who is, is known sooner than how far all are.
            let Some((ring, last)) = write.open_ring(tenant, id).await? else { break };
            if write.waited_for(tenant, id, ring, |host| last || here(host)).await? {
                break;
            }
            let Some(batch) = write.batch(tenant, id).await? else { break };
            changed = true;
            let bad: u64 = ["failed", "expired", "unknown"]
                .iter()
                .filter_map(|state| batch.jobs.get(*state))
                .sum();
            let over = bad + batch.jobs.get("succeeded").copied().unwrap_or(0);
            if last {
                write.set_batch(tenant, id, BatchState::Done, batch.ring, None).await?;
            } else if bad * 100 > over * u64::from(batch.max_failures) {
                let reason = format!("{bad} of the first {over} failed");
                let ring = batch.ring;
                write.set_batch(tenant, id, BatchState::Paused, ring, Some(&reason)).await?;
            } else {
                let ring = batch.ring + 1;
                write.set_batch(tenant, id, BatchState::Running, ring, None).await?;
                opened.extend(write.hold(tenant, id, Some(ring)).await?);
            }
        }
        if changed {
            write.announce_batch(tenant, id).await?;
        }
        Ok((opened, write.commit().await?))
    }

    /// Pauses a batch, resumes it, or halts it for good. None when there is no such batch; else the
    /// hosts whose jobs may now go, or are to be stopped at the agent.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when it is over.
    pub async fn steer_batch(
        &self,
        tenant: TenantId,
        by: &By,
        id: BatchId,
        to: BatchState,
    ) -> Result<Option<(Vec<HostId>, Vec<Job>, Announced)>, StoreError> {
        let mut write = self.job_write(by.at).await?;
        let Some(batch) = write.batch(tenant, id).await? else { return Ok(None) };
        if batch.state == to {
            return Ok(Some((Vec::new(), Vec::new(), Announced::default())));
        }
        if matches!(batch.state, BatchState::Halted | BatchState::Done) {
            return Err(StoreError::Refused("the batch is over"));
        }
        if to == BatchState::Running && write.waits_for_consent(tenant, id).await? {
            return Err(StoreError::Refused("the batch waits for approval"));
        }
        write.set_batch(tenant, id, to, batch.ring, None).await?;
        if to == BatchState::Halted {
            write.moot_batch(tenant, id).await?;
        }
        let (mut hosts, mut out) = (Vec::new(), Vec::new());
        match to {
            BatchState::Running => hosts = write.hold(tenant, id, Some(batch.ring)).await?,
            BatchState::Paused => drop(write.hold(tenant, id, None).await?),
            BatchState::Halted | BatchState::Done => out = write.halt(tenant, id).await?,
        }
        let entry = Entry::done(tenant, "batch.steer", format!("batch:{id}"))
            .with(serde_json::json!({ "to": to }));
        append(&mut write.tx, by, entry).await?;
        write.announce_batch(tenant, id).await?;
        Ok(Some((hosts, out, write.commit().await?)))
    }
}

impl JobWrite {
    /// Whether a job of the open rings is waited for.
    async fn waited_for(
        &mut self,
        tenant: TenantId,
        id: BatchId,
        ring: u8,
        here: impl Fn(HostId) -> bool,
    ) -> Result<bool, StoreError> {
        let out = sqlx::query(
            "SELECT host_id FROM jobs WHERE tenant_id = $1 AND batch_id = $2 AND ring <= $3 \
             AND state IN ('leased', 'received', 'running') LIMIT 1",
        )
        .bind(tenant.to_string())
        .bind(id.to_string())
        .bind(i64::from(ring))
        .fetch_optional(&mut **self.settled().await?)
        .await?;
        if out.is_some() {
            return Ok(true);
        }
        let mut queued = sqlx::query(
            "SELECT host_id FROM jobs WHERE tenant_id = $1 AND batch_id = $2 AND ring <= $3 \
             AND state = 'queued'",
        )
        .bind(tenant.to_string())
        .bind(id.to_string())
        .bind(i64::from(ring))
        .fetch(&mut *self.tx);
        while let Some(row) = queued.try_next().await? {
            if here(parsed(&row, "host_id")?) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The last ring that is open of a batch that goes on, and whether that is the last of all.
    async fn open_ring(
        &mut self,
        tenant: TenantId,
        id: BatchId,
    ) -> Result<Option<(u8, bool)>, StoreError> {
        let row = sqlx::query(
            "SELECT ring, last_ring FROM batches \
             WHERE tenant_id = $1 AND id = $2 AND state = 'running'",
        )
        .bind(tenant.to_string())
        .bind(id.to_string())
        .fetch_optional(&mut *self.tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let (ring, last): (u8, u8) = (number(&row, "ring")?, number(&row, "last_ring")?);
        Ok(Some((ring, ring >= last)))
    }

    /// Whether a request holds a batch.
    pub(super) async fn waits_for_consent(
        &mut self,
        tenant: TenantId,
        id: BatchId,
    ) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT id FROM approvals WHERE tenant_id = $1 AND batch_id = $2 AND status <> 'used'",
        )
        .bind(tenant.to_string())
        .bind(id.to_string())
        .fetch_optional(&mut *self.tx)
        .await?;
        Ok(row.is_some())
    }

    pub(in crate::store::job) async fn set_batch(
        &mut self,
        tenant: TenantId,
        id: BatchId,
        state: BatchState,
        ring: u8,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE batches SET state = $1, ring = $2, reason = $3 WHERE tenant_id = $4 AND id = $5",
        )
        .bind(state.as_str())
        .bind(i64::from(ring))
        .bind(reason)
        .bind(tenant.to_string())
        .bind(id.to_string())
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Keeps back what waits of a batch beyond a ring, or all of it; answers the hosts of the rest.
    pub(in crate::store::job) async fn hold(
        &mut self,
        tenant: TenantId,
        id: BatchId,
        beyond: Option<u8>,
    ) -> Result<Vec<HostId>, StoreError> {
        let beyond = beyond.map_or(-1, i64::from);
        let rows = sqlx::query(
            "UPDATE jobs SET held = ring > $1 \
             WHERE tenant_id = $2 AND batch_id = $3 AND state = 'queued' RETURNING host_id, held",
        )
        .bind(beyond)
        .bind(tenant.to_string())
        .bind(id.to_string())
        .fetch_all(&mut *self.tx)
        .await?;
        let mut hosts = Vec::new();
        for row in &rows {
            if !row.try_get::<bool, _>("held")? {
                hosts.push(parsed(row, "host_id")?);
            }
        }
        Ok(hosts)
    }

    /// Calls off what waits of a batch, and answers what agents are to stop.
    pub(in crate::store::job) async fn halt(
        &mut self,
        tenant: TenantId,
        id: BatchId,
    ) -> Result<Vec<Job>, StoreError> {
        sqlx::query(
            "UPDATE jobs SET state = 'cancelled', held = FALSE, cancel_at = $1, finished_at = $1 \
             WHERE tenant_id = $2 AND batch_id = $3 AND state = 'queued'",
        )
        .bind(self.now.millis())
        .bind(tenant.to_string())
        .bind(id.to_string())
        .execute(&mut *self.tx)
        .await?;
        let rows = sqlx::query(
            "SELECT id FROM jobs WHERE tenant_id = $1 AND batch_id = $2 \
             AND state IN ('leased', 'received', 'running')",
        )
        .bind(tenant.to_string())
        .bind(id.to_string())
        .fetch_all(&mut *self.tx)
        .await?;
        let mut out = Vec::with_capacity(rows.len());
        for row in &rows {
            let job: JobId = parsed(row, "id")?;
            let Some(mut job) = self.find(tenant, job).await? else { continue };
            self.call_off(&mut job).await?;
            out.push(job);
        }
        Ok(out)
    }
}
