//! Jobs of agents that know none. Such an agent is told what to do and never says that it heard:
//! its job runs once it was told, and is over when what it was to tell comes in another way, or
//! when that has not come for too long.

use std::time::Duration;

use gangplank_proto::id::{HostId, JobId, TenantId};
use gangplank_proto::job::{Command, Done, JobEvent, JobState, Outcome, Progress};

use super::{Job, JobWrite, Taken};
use crate::clock::Timestamp;
use crate::store::{Store, StoreError};

/// Jobs that are given up in one transaction.
const BATCH: i64 = 256;

impl Store {
    /// A host did what a command asks for: its jobs of that command that are out are over.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn answer_jobs(
        &self,
        tenant: TenantId,
        host: HostId,
        command: Command,
        done: &Done,
        now: Timestamp,
    ) -> Result<Taken, StoreError> {
        let mut write = self.job_write(now).await?;
        let mut taken = Taken::default();
        write.answer(tenant, host, command, done, &mut taken).await?;
        taken.announced = write.commit().await?;
        Ok(taken)
    }
}

impl JobWrite {
    /// Such an agent has just come: what it was not told yet is told to it once more.
    pub(super) async fn arrived(
        &mut self,
        tenant: TenantId,
        host: HostId,
        taken: &mut Taken,
    ) -> Result<(), StoreError> {
        for mut job in self.unfinished(tenant, host).await? {
            if job.state == JobState::Leased {
                self.release(&mut job, taken).await?;
            }
        }
        taken.freed.push((tenant, host));
        Ok(())
    }

    /// The agent was told of an attempt.
    pub(super) async fn told(
        &mut self,
        (tenant, host): (TenantId, HostId),
        (id, attempt): (JobId, u32),
        patience: Duration,
    ) -> Result<(), StoreError> {
        let job = self.find(tenant, id).await?;
        let job = job.filter(|job| job.host == host && job.attempt == attempt);
        let Some(mut job) = job else { return Ok(()) };
        job.received_at = job.received_at.or(Some(self.now));
        job.started_at = Some(self.now);
        job.lease_until = Some(self.now.plus(patience));
        self.step(&mut job, JobEvent::Start)?;
        Ok(())
    }

    /// How far the agent is with what it was told last.
    pub(super) async fn advanced(
        &mut self,
        tenant: TenantId,
        host: HostId,
        command: Command,
        progress: &Progress,
    ) -> Result<(), StoreError> {
        for mut job in self.unfinished(tenant, host).await? {
            let mine = job.command == command && job.state == JobState::Running;
            if mine && job.progress.as_ref() != Some(progress) {
                job.progress = Some(progress.clone());
                self.save(&job, (job.state, job.attempt))?;
            }
        }
        Ok(())
    }

    /// What was asked for has come. Answers the first of the jobs that asked.
    pub(in crate::store) async fn answer(
        &mut self,
        tenant: TenantId,
        host: HostId,
        command: Command,
        done: &Done,
        taken: &mut Taken,
    ) -> Result<Option<JobId>, StoreError> {
        let mut first = None;
        for mut job in self.unfinished(tenant, host).await? {
            if job.command != command || !job.state.is_out() {
                continue;
            }
            first = first.or(Some(job.id));
            // Called off, it tells what it had until then.
            let called_off = job.cancel_at.is_some() && command == Command::ComplianceScan;
            let outcome = if called_off { Outcome::Cancelled } else { done.status };
            job.error.clone_from(&done.error);
            job.result.clone_from(&done.result);
            self.end(job, JobEvent::Finish(outcome), taken).await?;
        }
        Ok(first)
    }

    /// Gives up what was told and never answered. True when there may be more.
    pub(super) async fn give_up(&mut self, taken: &mut Taken) -> Result<bool, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM jobs WHERE state = 'running' AND lease_until <= $1 \
             ORDER BY lease_until LIMIT $2",
        )
        .bind(self.now.millis())
        .bind(BATCH)
        .fetch_all(&mut **self.settled().await?)
        .await?;
        for row in &rows {
            let mut job = super::job_row(row)?;
            job.error = Some("its host was told, and nothing came of it in time".into());
            self.end(job, JobEvent::Lose, taken).await?;
        }
        Ok(i64::try_from(rows.len()).is_ok_and(|count| count == BATCH))
    }

    async fn end(
        &mut self,
        mut job: Job,
        event: JobEvent,
        taken: &mut Taken,
    ) -> Result<(), StoreError> {
        if self.step(&mut job, event)? {
            taken.batches.extend(job.batch.map(|batch| (job.tenant, batch)));
            taken.freed.push((job.tenant, job.host));
        }
        Ok(())
    }
}
