//! All jobs of a tenant at one moment, for those who follow them.

use std::collections::BTreeMap;

use gangplank_proto::id::{BatchId, TenantId};
use gangplank_proto::job::JobState;
use serde::{Serialize, Serializer};
use sqlx::{Row as _, Sqlite, Transaction};

use super::batch::batch_of;
use super::{Batch, Brief, Job, job_row};
use crate::event::Topic;
use crate::store::row::{number, parsed};
use crate::store::{Store, StoreError};

/// Jobs of each part that are listed, the newest; what is more is only counted.
const LISTED: i64 = 100;

const RUNNING: [JobState; 3] = [JobState::Leased, JobState::Received, JobState::Running];
const FAILED: [JobState; 3] = [JobState::Failed, JobState::Expired, JobState::Unknown];
const DONE: [JobState; 3] = [JobState::Succeeded, JobState::Cancelled, JobState::Cancelled];

/// Batches that are listed, the newest.
const BATCHES: i64 = 50;

/// The newest jobs in three states: the latest to end, or else to be made. The ids come out of an
/// index, so that only rows that are listed are read, and of those neither what a job takes nor what
/// it found, which may be long.
const NEWEST: &str = "SELECT id, tenant_id, host_id, host_name, batch_id, ring, command, \
    '{}' AS params, idempotent, priority, state, attempt, retries, held, not_before, deadline, \
    lease_until, cancel_at, created_at, created_by, sent_at, received_at, started_at, finished_at, \
    progress, exit_status, error, NULL AS result, output_end, retry_of, subject, approval_id \
    FROM jobs \
    WHERE id IN (SELECT id FROM jobs WHERE tenant_id = $1 AND state IN ($2, $3, $4) \
      ORDER BY finished_at DESC, id DESC LIMIT $5) \
    ORDER BY finished_at DESC, id DESC";

/// The jobs and batches of a tenant at one moment.
#[derive(Debug, Serialize)]
pub struct Board {
    /// Number of the newest event that it contains: what comes after is a change to it.
    pub seq: u64,
    /// Number of jobs in each state.
    pub counts: BTreeMap<String, u64>,
    /// The newest that are out at their hosts.
    #[serde(serialize_with = "briefs")]
    pub running: Vec<Job>,
    /// The newest that wait.
    #[serde(serialize_with = "briefs")]
    pub queued: Vec<Job>,
    /// The latest that ended badly.
    #[serde(serialize_with = "briefs")]
    pub failed: Vec<Job>,
    /// The latest that ended well or were called off.
    #[serde(serialize_with = "briefs")]
    pub done: Vec<Job>,
    /// The newest batches that are not over.
    pub batches: Vec<Batch>,
}

/// How many jobs are in each state, and how far some batches are.
#[derive(Debug, Serialize)]
pub struct Tally {
    /// Number of jobs in each state.
    pub counts: BTreeMap<String, u64>,
    /// The batches.
    pub batches: Vec<Batch>,
}

fn briefs<S: Serializer>(jobs: &[Job], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(jobs.iter().map(Brief::of))
}

impl Store {
    /// The board of a tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn job_board(&self, tenant: TenantId) -> Result<Board, StoreError> {
        // One moment of everything.
        let mut reader = self.reader.begin().await?;
        let row = sqlx::query("SELECT last_seq FROM topics WHERE tenant_id = $1 AND topic = $2")
            .bind(tenant.to_string())
            .bind(Topic::Jobs.as_str())
            .fetch_optional(&mut *reader)
            .await?;
        let seq = row.map(|row| number(&row, "last_seq")).transpose()?.unwrap_or(0);
        let counts = counts(&mut reader, tenant).await?;
        let running = newest(&mut reader, tenant, RUNNING).await?;
        let queued = newest(&mut reader, tenant, [JobState::Queued; 3]).await?;
        let failed = newest(&mut reader, tenant, FAILED).await?;
        let done = newest(&mut reader, tenant, DONE).await?;
        let rows = sqlx::query(
            "SELECT id FROM batches WHERE tenant_id = $1 AND state IN ('running', 'paused') \
             ORDER BY id DESC LIMIT $2",
        )
        .bind(tenant.to_string())
        .bind(BATCHES)
        .fetch_all(&mut *reader)
        .await?;
        let mut batches = Vec::with_capacity(rows.len());
        for row in &rows {
            batches.extend(batch_of(&mut reader, tenant, parsed(row, "id")?).await?);
        }
        reader.commit().await?;
        Ok(Board { seq, counts, running, queued, failed, done, batches })
    }

    /// How many jobs of a tenant are in each state, and how far some of its batches are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn job_tally(
        &self,
        tenant: TenantId,
        batches: impl IntoIterator<Item = BatchId>,
    ) -> Result<Tally, StoreError> {
        let mut reader = self.reader.begin().await?;
        let counts = counts(&mut reader, tenant).await?;
        let mut found = Vec::new();
        for id in batches {
            found.extend(batch_of(&mut reader, tenant, id).await?);
        }
        reader.commit().await?;
        Ok(Tally { counts, batches: found })
    }
}

async fn counts(
    reader: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
) -> Result<BTreeMap<String, u64>, StoreError> {
    let rows =
        sqlx::query("SELECT state, COUNT(*) AS jobs FROM jobs WHERE tenant_id = $1 GROUP BY state")
            .bind(tenant.to_string())
            .fetch_all(&mut **reader)
            .await?;
    rows.iter().map(|row| Ok((row.try_get("state")?, number(row, "jobs")?))).collect()
}

async fn newest(
    reader: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    states: [JobState; 3],
) -> Result<Vec<Job>, StoreError> {
    let mut query = sqlx::query(NEWEST).bind(tenant.to_string());
    for state in states {
        query = query.bind(state.as_str());
    }
    let rows = query.bind(LISTED).fetch_all(&mut **reader).await?;
    rows.iter().map(job_row).collect()
}
