//! One command to many hosts: rings that open one after the other, a pause and a halt.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use gangplank_proto::id::{ApprovalId, BatchId, HostId, TenantId};
use gangplank_proto::job::Command;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};

use super::{Announced, JobWrite, NewJob};
use crate::clock::Timestamp;
use crate::event::Topic;
use crate::store::row::{number, parsed, parsed_option, time};
use crate::store::{Page, PageRequest, Store, StoreError};

mod order;
mod steer;

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchState {
    /// Its jobs are handed out.
    Running,
    /// Nothing more is handed out until somebody resumes it.
    Paused,
    /// It was called off.
    Halted,
    /// Every job is over.
    Done,
}

/// Which hosts are meant.
#[derive(Debug, Clone)]
pub enum Selector {
    /// These.
    Hosts(Vec<HostId>),
    /// Those that have all of these labels.
    Labels(Vec<String>),
}

/// A host that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Its id.
    pub id: HostId,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Vec<String>,
}

/// An order to many hosts.
#[derive(Debug, Clone)]
pub struct NewBatch {
    /// What each host is to do.
    pub job: NewJob,
    /// Which hosts.
    pub selector: Selector,
    /// Whether 1 % and 10 % of the hosts come first.
    pub rings: bool,
    /// Percent of failures beyond which no further ring opens.
    pub max_failures: u8,
}

/// What came of an order to many hosts.
#[derive(Debug)]
pub struct CreatedBatch {
    /// The batch.
    pub batch: BatchId,
    /// Number of its jobs.
    pub jobs: u64,
    /// The consent that it waits for.
    pub approval: Option<ApprovalId>,
    /// To whom to tell of it.
    pub announced: Announced,
}

/// A batch and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// What each host is to do.
    pub command: Command,
    /// Where it stands.
    pub state: BatchState,
    /// The last ring that is open, from 0.
    pub ring: u8,
    /// The last ring that there is.
    pub last_ring: u8,
    /// Percent of failures beyond which no further ring opens.
    pub max_failures: u8,
    /// Why it was paused by itself, or called off.
    pub reason: Option<String>,
    /// The consent that it waits for, or waited for.
    #[serde(rename = "approval_id")]
    pub approval: Option<ApprovalId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// Number of its jobs in each state.
    pub jobs: BTreeMap<String, u64>,
}

/// What an event tells of a batch.
#[derive(Serialize)]
struct Brief<'a> {
    kind: &'static str,
    #[serde(flatten)]
    batch: &'a Batch,
}

impl BatchState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Halted => "halted",
            Self::Done => "done",
        }
    }
}

impl fmt::Display for BatchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for BatchState {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let all = [Self::Running, Self::Paused, Self::Halted, Self::Done];
        all.into_iter().find(|s| s.as_str() == text).ok_or(StoreError::Corrupt("batch state"))
    }
}

impl Store {
    /// One batch of a tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn batch(&self, tenant: TenantId, id: BatchId) -> Result<Option<Batch>, StoreError> {
        let row = sqlx::query(ONE)
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_optional(&self.reader)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let counts = sqlx::query(COUNTS)
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_all(&self.reader)
            .await?;
        Ok(Some(batch_row(&row, &counts)?))
    }

    /// The batches of a tenant, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn batches(
        &self,
        tenant: TenantId,
        page: &PageRequest,
    ) -> Result<Page<Batch>, StoreError> {
        let rows = sqlx::query(
            "SELECT id FROM batches WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        )
        .bind(tenant.to_string())
        .bind(page.cursor.as_deref().unwrap_or("g"))
        .bind(page.size() + 1)
        .fetch_all(&self.reader)
        .await?;
        let mut batches = Vec::with_capacity(rows.len());
        for row in &rows {
            batches.extend(self.batch(tenant, parsed(row, "id")?).await?);
        }
        Ok(Page::cut(batches, page.size(), |batch| batch.id.to_string()))
    }

    /// Batches of every tenant whose jobs are handed out, for whoever opens their rings.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn running_batches(&self) -> Result<Vec<(TenantId, BatchId)>, StoreError> {
        let rows = sqlx::query("SELECT tenant_id, id FROM batches WHERE state = 'running'")
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(|row| Ok((parsed(row, "tenant_id")?, parsed(row, "id")?))).collect()
    }
}

const ONE: &str = "SELECT * FROM batches WHERE tenant_id = $1 AND id = $2";

const COUNTS: &str = "SELECT state, COUNT(*) AS jobs FROM jobs WHERE tenant_id = $1 \
    AND batch_id = $2 GROUP BY state";

/// One batch of a tenant as a transaction sees it.
pub(super) async fn batch_of(
    tx: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    id: BatchId,
) -> Result<Option<Batch>, StoreError> {
    let row = sqlx::query(ONE)
        .bind(tenant.to_string())
        .bind(id.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let counts = sqlx::query(COUNTS)
        .bind(tenant.to_string())
        .bind(id.to_string())
        .fetch_all(&mut **tx)
        .await?;
    Ok(Some(batch_row(&row, &counts)?))
}

impl JobWrite {
    async fn batch(&mut self, tenant: TenantId, id: BatchId) -> Result<Option<Batch>, StoreError> {
        batch_of(self.settled().await?, tenant, id).await
    }

    pub(super) async fn announce_batch(
        &mut self,
        tenant: TenantId,
        id: BatchId,
    ) -> Result<(), StoreError> {
        let Some(batch) = self.batch(tenant, id).await? else { return Ok(()) };
        self.announce(tenant, Topic::Jobs, &Brief { kind: "batch", batch: &batch })
    }
}

fn batch_row(row: &SqliteRow, counts: &[SqliteRow]) -> Result<Batch, StoreError> {
    let mut jobs = BTreeMap::new();
    for count in counts {
        jobs.insert(count.try_get("state")?, number(count, "jobs")?);
    }
    Ok(Batch {
        id: parsed(row, "id")?,
        command: parsed(row, "command")?,
        state: parsed(row, "state")?,
        ring: number(row, "ring")?,
        last_ring: number(row, "last_ring")?,
        max_failures: number(row, "max_failures")?,
        reason: row.try_get("reason")?,
        approval: parsed_option(row, "approval_id")?,
        created_at: time(row, "created_at")?,
        created_by: row.try_get("created_by")?,
        jobs,
    })
}
