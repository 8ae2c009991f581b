//! Commands to hosts. Each change of a job is one transaction with its event and, where a person
//! made it, its audit row; subscribers are told once it is committed.

use std::collections::HashMap;

use gangplank_proto::fact::FactText;
use gangplank_proto::id::{ApprovalId, BatchId, HostId, JobId, TenantId};
use gangplank_proto::job::{Command, JobState, Progress};
use serde::Serialize;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::row::{json, number, parsed, parsed_option, time, time_option};
use super::{Page, PageRequest, Store, StoreError};
use crate::clock::Timestamp;
use crate::event::Topic;

mod batch;
mod board;
mod case;
mod consent;
mod create;
mod due;
mod lease;
mod mute;
mod output;
mod receipt;
mod report;
mod scan;
mod scheduled;
mod word;
mod write;

pub use batch::{Batch, BatchState, Chosen, CreatedBatch, NewBatch, Selector};
pub use board::{Board, Tally};
pub use consent::Consent;
pub use create::{Created, NewJob};
pub use due::Due;
pub use lease::{Concurrency, Leased};
pub use output::{Gap, JobOutput, JobPiece};
pub use report::StoredReport;
pub use scheduled::Scheduled;
pub use word::{Heard, JobReply, Reply, Taken};
pub(super) use write::JobWrite;

/// A command to a host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Whose it is.
    #[serde(skip)]
    pub tenant: TenantId,
    /// The host.
    #[serde(rename = "host_id")]
    pub host: HostId,
    /// The host's name when the job was made.
    pub host_name: String,
    /// The batch that it belongs to.
    #[serde(rename = "batch_id")]
    pub batch: Option<BatchId>,
    /// Its ring within the batch, from 0.
    #[serde(skip)]
    pub ring: u8,
    /// What is to be done.
    pub command: Command,
    /// What that is about, in a word, such as the tool.
    pub subject: Option<FactText>,
    /// What that takes.
    pub params: Value,
    /// Whether it may run again when nobody knows how far it got.
    pub idempotent: bool,
    /// 0 to 9; higher goes first.
    pub priority: u8,
    /// How far it is.
    pub state: JobState,
    /// Which attempt it is at, from 1.
    pub attempt: u32,
    /// Attempts after the first that a failure is worth.
    pub retries: u32,
    /// Whether its batch keeps it back, or it waits for consent.
    pub held: bool,
    /// The consent that it waits for, or waited for.
    #[serde(rename = "approval_id")]
    pub approval: Option<ApprovalId>,
    /// It is not sent before.
    pub not_before: Timestamp,
    /// It is not started after.
    pub deadline: Timestamp,
    /// When it is sent again.
    #[serde(skip)]
    pub lease_until: Option<Timestamp>,
    /// When somebody called it off.
    pub cancel_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When it was first sent, in this attempt.
    pub sent_at: Option<Timestamp>,
    /// When its agent had it.
    pub received_at: Option<Timestamp>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
    /// How far the command is.
    pub progress: Option<Progress>,
    /// Exit status of its program.
    pub exit_status: Option<i32>,
    /// Why it did not succeed.
    pub error: Option<FactText>,
    /// What it found.
    pub result: Option<Value>,
    /// Bytes that it printed, as far as they are here.
    pub output_end: u64,
    /// The job that it repeats.
    pub retry_of: Option<JobId>,
}

/// Which jobs of a tenant are wanted.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Of this host.
    pub host: Option<HostId>,
    /// In this state.
    pub state: Option<JobState>,
    /// Of this batch.
    pub batch: Option<BatchId>,
    /// Of this command.
    pub command: Option<Command>,
}

/// The newest events that a transaction committed, by tenant and topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "subscribers are to be told"]
pub struct Announced(pub HashMap<(TenantId, Topic), u64>);

/// What an event tells of a job.
#[derive(Serialize)]
struct Brief<'a> {
    kind: &'static str,
    id: JobId,
    host_id: HostId,
    host_name: &'a str,
    batch_id: Option<BatchId>,
    command: Command,
    subject: Option<&'a FactText>,
    state: JobState,
    attempt: u32,
    held: bool,
    approval_id: Option<ApprovalId>,
    cancel_at: Option<Timestamp>,
    progress: Option<&'a Progress>,
    exit_status: Option<i32>,
    error: Option<&'a FactText>,
    created_at: Timestamp,
    created_by: &'a str,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

impl<'a> Brief<'a> {
    fn of(job: &'a Job) -> Self {
        Self {
            kind: "job",
            id: job.id,
            host_id: job.host,
            host_name: &job.host_name,
            batch_id: job.batch,
            command: job.command,
            subject: job.subject.as_ref(),
            state: job.state,
            attempt: job.attempt,
            held: job.held,
            approval_id: job.approval,
            cancel_at: job.cancel_at,
            progress: job.progress.as_ref(),
            exit_status: job.exit_status,
            error: job.error.as_ref(),
            created_at: job.created_at,
            created_by: &job.created_by,
            started_at: job.started_at,
            finished_at: job.finished_at,
        }
    }
}

impl Store {
    /// One job of a tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn job(&self, tenant: TenantId, id: JobId) -> Result<Option<Job>, StoreError> {
        let row = sqlx::query("SELECT * FROM jobs WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(job_row).transpose()
    }

    /// The jobs of a tenant, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn jobs(
        &self,
        tenant: TenantId,
        filter: &JobFilter,
        page: &PageRequest,
    ) -> Result<Page<Job>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM jobs WHERE tenant_id = $1 AND id < $2 \
             AND ($3 IS NULL OR host_id = $3) AND ($4 IS NULL OR state = $4) \
             AND ($5 IS NULL OR batch_id = $5) AND ($6 IS NULL OR command = $6) \
             ORDER BY id DESC LIMIT $7",
        )
        .bind(tenant.to_string())
        // Beyond every id.
        .bind(page.cursor.as_deref().unwrap_or("g"))
        .bind(filter.host.map(|host| host.to_string()))
        .bind(filter.state.map(JobState::as_str))
        .bind(filter.batch.map(|batch| batch.to_string()))
        .bind(filter.command.map(Command::as_str))
        .bind(page.size() + 1)
        .fetch_all(&self.reader)
        .await?;
        let jobs = rows.iter().map(job_row).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(jobs, page.size(), |job| job.id.to_string()))
    }
}

/// Jobs in the order in which they were made.
fn in_order(rows: &[SqliteRow]) -> Result<Vec<Job>, StoreError> {
    let mut jobs = rows.iter().map(job_row).collect::<Result<Vec<_>, _>>()?;
    jobs.sort_by_key(|job| job.id);
    Ok(jobs)
}

fn job_row(row: &SqliteRow) -> Result<Job, StoreError> {
    let optional = |column| row.try_get::<Option<&str>, _>(column);
    let progress = optional("progress")?.map(|_| json(row, "progress")).transpose()?;
    let result = optional("result")?.map(|_| json(row, "result")).transpose()?;
    let exit_status: Option<i64> = row.try_get("exit_status")?;
    Ok(Job {
        id: parsed(row, "id")?,
        tenant: parsed(row, "tenant_id")?,
        host: parsed(row, "host_id")?,
        host_name: row.try_get("host_name")?,
        batch: parsed_option(row, "batch_id")?,
        ring: number(row, "ring")?,
        command: parsed(row, "command")?,
        subject: optional("subject")?.map(FactText::from),
        params: json(row, "params")?,
        idempotent: row.try_get("idempotent")?,
        priority: number(row, "priority")?,
        state: parsed(row, "state")?,
        attempt: number(row, "attempt")?,
        retries: number(row, "retries")?,
        held: row.try_get("held")?,
        approval: parsed_option(row, "approval_id")?,
        not_before: time(row, "not_before")?,
        deadline: time(row, "deadline")?,
        lease_until: time_option(row, "lease_until")?,
        cancel_at: time_option(row, "cancel_at")?,
        created_at: time(row, "created_at")?,
        created_by: row.try_get("created_by")?,
        sent_at: time_option(row, "sent_at")?,
        received_at: time_option(row, "received_at")?,
        started_at: time_option(row, "started_at")?,
        finished_at: time_option(row, "finished_at")?,
        progress,
        exit_status: exit_status.and_then(|status| i32::try_from(status).ok()),
        error: optional("error")?.map(FactText::from),
        result,
        output_end: number(row, "output_end")?,
        retry_of: parsed_option(row, "retry_of")?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
