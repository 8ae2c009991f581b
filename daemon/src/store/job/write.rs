//! A transaction about jobs. What it changes is gathered and written at its end: each job once,
//! however often it moved, and all events together. A whole fleet may speak at once, and every
//! statement has its price.

use std::collections::HashMap;

use gangplank_proto::fact::FactText;
use gangplank_proto::id::{JobId, TenantId};
use gangplank_proto::job::{JobEvent, JobState};
use serde::Serialize;
use sqlx::{QueryBuilder, Sqlite, Transaction};

use super::{Announced, Brief, Job, job_row};
use crate::clock::Timestamp;
use crate::event::Topic;
use crate::store::event::{Draft, append_all};
use crate::store::row::to_json;
use crate::store::{Store, StoreError};

/// Jobs that are read by one statement.
const TOGETHER: usize = 128;

/// A transaction about jobs, which remembers what it changes and announces.
pub(in crate::store) struct JobWrite {
    pub(in crate::store) tx: Transaction<'static, Sqlite>,
    pub(in crate::store) now: Timestamp,
    known: HashMap<JobId, Known>,
    /// Jobs that are over, for which nobody's consent is needed any more.
    moot: Vec<(TenantId, JobId)>,
    drafts: Vec<Draft>,
}

/// A job as the transaction sees it.
struct Known {
    job: Job,
    /// State and attempt that the database has, if the job has changed since.
    before: Option<(JobState, u32)>,
}

impl Store {
    /// Begins a change of jobs.
    pub(in crate::store) async fn job_write(&self, now: Timestamp) -> Result<JobWrite, StoreError> {
        let tx = self.write().await?;
        Ok(JobWrite { tx, now, known: HashMap::new(), moot: Vec::new(), drafts: Vec::new() })
    }
}

impl JobWrite {
    /// The transaction, with everything in it that has changed so far: for queries that compare
    /// what changes of jobs.
    pub(super) async fn settled(
        &mut self,
    ) -> Result<&mut Transaction<'static, Sqlite>, StoreError> {
        for known in self.known.values_mut() {
            if let Some(before) = known.before.take() {
                put(&mut self.tx, &known.job, before).await?;
            }
        }
        Ok(&mut self.tx)
    }

    /// Reads jobs that will be looked for.
    pub(super) async fn foresee(
        &mut self,
        tenant: TenantId,
        wanted: &[JobId],
    ) -> Result<(), StoreError> {
        for wanted in wanted.chunks(TOGETHER) {
            let mut query = QueryBuilder::new("SELECT * FROM jobs WHERE tenant_id = ");
            query.push_bind(tenant.to_string()).push(" AND id IN (");
            let mut ids = query.separated(", ");
            for id in wanted {
                ids.push_bind(id.to_string());
            }
            query.push(")");
            for row in query.build().fetch_all(&mut *self.tx).await? {
                let job = job_row(&row)?;
                self.known.entry(job.id).or_insert(Known { job, before: None });
            }
        }
        Ok(())
    }

    pub(super) async fn find(
        &mut self,
        tenant: TenantId,
        id: JobId,
    ) -> Result<Option<Job>, StoreError> {
        if let Some(known) = self.known.get(&id) {
            return Ok((known.job.tenant == tenant).then(|| known.job.clone()));
        }
        let row = sqlx::query("SELECT * FROM jobs WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.as_ref().map(job_row).transpose()
    }

    /// Changes a job's state by an event; false where the event has no place.
    pub(super) fn step(&mut self, job: &mut Job, event: JobEvent) -> Result<bool, StoreError> {
        let Some(after) = job.state.after(event) else { return Ok(false) };
        let before = (job.state, job.attempt);
        job.state = after;
        if after.is_over() {
            if job.held && job.approval.is_some() && job.batch.is_none() {
                self.moot.push((job.tenant, job.id));
            }
            job.finished_at = Some(self.now);
            job.lease_until = None;
            job.held = false;
        }
        self.save(job, before)?;
        if after.is_over() {
            self.announce_end(job)?;
            self.announce_receipt(job)?;
        }
        Ok(true)
    }

    /// Keeps what has changed of a job, which was in `before` when it was read, and announces it.
    pub(super) fn save(&mut self, job: &Job, before: (JobState, u32)) -> Result<(), StoreError> {
        self.keep(job, before)?;
        self.announce_job(job)
    }

    /// Keeps what has changed of a job, which is nobody's news.
    pub(super) fn keep(&mut self, job: &Job, before: (JobState, u32)) -> Result<(), StoreError> {
        match self.known.get_mut(&job.id) {
            None => {
                let known = Known { job: job.clone(), before: Some(before) };
                self.known.insert(job.id, known);
            }
            Some(known) if (known.job.state, known.job.attempt) == before => {
                known.before.get_or_insert(before);
                known.job = job.clone();
            }
            Some(_) => return Err(CHANGED),
        }
        Ok(())
    }

    pub(super) fn announce_job(&mut self, job: &Job) -> Result<(), StoreError> {
        self.announce(job.tenant, Topic::Jobs, &Brief::of(job))
    }

    /// Announces something once all of it is committed.
    pub(in crate::store) fn announce(
        &mut self,
        tenant: TenantId,
        topic: Topic,
        data: &impl Serialize,
    ) -> Result<(), StoreError> {
        let data = serde_json::to_value(data).map_err(|_| StoreError::Corrupt("event"))?;
        self.drafts.push(Draft { tenant, topic, data });
        Ok(())
    }

    /// Writes everything down.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when a job is not as it was when it was read; then nothing is written.
    pub(in crate::store) async fn commit(mut self) -> Result<Announced, StoreError> {
        self.settled().await?;
        for (tenant, job) in std::mem::take(&mut self.moot) {
            self.moot_job(tenant, job).await?;
        }
        let announced = append_all(&mut self.tx, self.drafts, self.now).await?;
        self.tx.commit().await?;
        Ok(Announced(announced))
    }
}

const CHANGED: StoreError = StoreError::Refused("the job has changed meanwhile");

/// Writes what can change of a job, which was in `before` when it was read.
async fn put(
    tx: &mut Transaction<'static, Sqlite>,
    job: &Job,
    before: (JobState, u32),
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "UPDATE jobs SET state = $1, attempt = $2, held = $3, not_before = $4, \
         lease_until = $5, cancel_at = $6, sent_at = $7, received_at = $8, started_at = $9, \
         finished_at = $10, progress = $11, exit_status = $12, error = $13, result = $14, \
         output_end = $15 WHERE tenant_id = $16 AND id = $17 AND state = $18 AND attempt = $19",
    )
    .bind(job.state.as_str())
    .bind(i64::from(job.attempt))
    .bind(job.held)
    .bind(job.not_before.millis())
    .bind(job.lease_until.map(Timestamp::millis))
    .bind(job.cancel_at.map(Timestamp::millis))
    .bind(job.sent_at.map(Timestamp::millis))
    .bind(job.received_at.map(Timestamp::millis))
    .bind(job.started_at.map(Timestamp::millis))
    .bind(job.finished_at.map(Timestamp::millis))
    .bind(job.progress.as_ref().map(|p| to_json(p, "progress")).transpose()?)
    .bind(job.exit_status.map(i64::from))
    .bind(job.error.as_ref().map(FactText::as_str))
    .bind(job.result.as_ref().map(ToString::to_string))
    .bind(i64::try_from(job.output_end).unwrap_or(i64::MAX))
    .bind(job.tenant.to_string())
    .bind(job.id.to_string())
    .bind(before.0.as_str())
    .bind(i64::from(before.1))
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 { Err(CHANGED) } else { Ok(()) }
}
