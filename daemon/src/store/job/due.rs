//! What time brings: starts, deadlines, and words that should have come by now.

use std::time::Duration;

use gangplank_proto::id::{HostId, TenantId};
use gangplank_proto::job::JobEvent;
use sqlx::Row as _;

use super::{JobWrite, Taken};
use crate::clock::Timestamp;
use crate::store::row::parsed;
use crate::store::{Store, StoreError, Whose};

/// Jobs whose time is over, looked at in one transaction.
const BATCH: i64 = 256;

/// A host that was away for so long after a job's deadline is not waited for.
const AWAY: Duration = Duration::from_secs(3600);

/// What is due.
#[derive(Debug, Default)]
pub struct Due {
    /// What came of jobs whose time is over.
    pub taken: Taken,
    /// Hosts for which something is to be sent, or sent once more.
    pub hosts: Vec<(TenantId, HostId)>,
    /// When to look next; none when nothing waits for a time.
    pub next: Option<Timestamp>,
}

impl Store {
    /// Ends what was not started in time, and says for which hosts something is due since `since`.
    /// What is out at a host that is not `here` ends as unknown.
    ///
    /// # Errors
    /// When the database fails; then nothing has changed.
    pub async fn due_jobs(
        &self,
        since: Timestamp,
        now: Timestamp,
        here: impl Fn(HostId) -> bool,
    ) -> Result<Due, StoreError> {
        let mut write = self.job_write(now).await?;
        let mut due = Due::default();
        let late = write.late(&mut due.taken, here).await?;
        let late = write.give_up(&mut due.taken).await? || late;
        due.hosts = write.hosts_due(since).await?;
        due.next = if late { Some(now) } else { write.next_due().await? };
        due.taken.announced = write.commit().await?;
        Ok(due)
    }
}

impl Store {
    /// Forgets jobs and batches that were over before a moment, a thousand at a time.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_old_jobs(&self, whose: Whose, before: Timestamp) -> Result<(), StoreError> {
        let theirs = whose.condition();
        let mut write = self.write().await?;
        let jobs = format!(
            "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE finished_at <= $1 \
             AND state NOT IN ('queued', 'leased', 'received', 'running') \
             AND {theirs} LIMIT 1000)"
        );
        sqlx::query(sqlx::AssertSqlSafe(jobs))
            .bind(before.millis())
            .bind(whose.text())
            .execute(&mut *write)
            .await?;
        let batches = format!(
            "DELETE FROM batches WHERE created_at <= $1 AND {theirs} \
             AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.batch_id = batches.id)"
        );
        sqlx::query(sqlx::AssertSqlSafe(batches))
            .bind(before.millis())
            .bind(whose.text())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(())
    }
}

impl JobWrite {
    /// Ends jobs whose deadline has passed. True when there may be more.
    async fn late(
        &mut self,
        taken: &mut Taken,
        here: impl Fn(HostId) -> bool,
    ) -> Result<bool, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM jobs WHERE deadline <= $1 \
             AND state IN ('queued', 'leased', 'received', 'running') \
             AND (state IN ('queued', 'leased') OR deadline <= $2) ORDER BY deadline LIMIT $3",
        )
        .bind(self.now.millis())
        .bind(self.now.minus(AWAY).millis())
        .bind(BATCH)
        .fetch_all(&mut *self.tx)
        .await?;
        let mut ended = 0;
        for row in &rows {
            let mut job = super::job_row(row)?;
            let batch = job.batch.map(|batch| (job.tenant, batch));
            job.error = Some("it was not started before its deadline".into());
            if self.step(&mut job, JobEvent::Expire)? {
                taken.batches.extend(batch);
                ended += 1;
            } else if !here(job.host) {
                job.error = Some("its deadline passed while its host was away".into());
                self.step(&mut job, JobEvent::Lose)?;
                taken.batches.extend(batch);
                ended += 1;
            }
        }
        Ok(ended == BATCH)
    }

    async fn hosts_due(&mut self, since: Timestamp) -> Result<Vec<(TenantId, HostId)>, StoreError> {
        let rows = sqlx::query(
            "SELECT DISTINCT tenant_id, host_id FROM jobs WHERE state = 'queued' AND NOT held \
             AND not_before > $1 AND not_before <= $2 \
             UNION SELECT tenant_id, host_id FROM jobs WHERE state = 'leased' AND lease_until <= $2 \
             AND cancel_at IS NULL",
        )
        .bind(since.millis())
        .bind(self.now.millis())
        .fetch_all(&mut **self.settled().await?)
        .await?;
        rows.iter().map(|row| Ok((parsed(row, "tenant_id")?, parsed(row, "host_id")?))).collect()
    }

    async fn next_due(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query(
            "SELECT MIN(at) AS at FROM (\
               SELECT MIN(not_before) AS at FROM jobs WHERE state = 'queued' AND not_before > $1 \
               UNION ALL SELECT MIN(deadline) FROM jobs \
                 WHERE state IN ('queued', 'leased', 'received', 'running') \
                 AND state IN ('queued', 'leased') AND deadline > $1 \
               UNION ALL SELECT MIN(lease_until) FROM jobs \
                 WHERE state = 'leased' AND lease_until > $1 \
               UNION ALL SELECT MIN(lease_until) FROM jobs \
                 WHERE state = 'running' AND lease_until > $1) AS moments",
        )
        .bind(self.now.millis())
        .fetch_one(&mut **self.settled().await?)
        .await?;
        Ok(row.try_get::<Option<i64>, _>("at")?.map(Timestamp::from_millis))
    }
}
