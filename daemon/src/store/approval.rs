//! Requests for the consent of a second person. Each step of one is a single conditional `UPDATE`, in
//! one transaction with its audit row, its event, and what it lets go or calls off.

use gangplank_proto::id::{ApprovalId, BatchId, HostId, JobId, TenantId, UserId};
use serde::Serialize;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::audit::append;
use super::job::{Announced, JobWrite};
use super::row::{json, parsed, parsed_option, time, time_option};
use super::{Page, PageRequest, Store, StoreError};
use crate::approval::{Risk, Status, Subject};
use crate::audit::{By, Entry};
use crate::clock::Timestamp;
use crate::event::Topic;

mod ask;
mod decide;
mod over;
mod policy;

pub use ask::Spending;
pub use decide::{Decision, Verdict};
pub use over::ExpiredApprovals;

/// A request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// Whose it is.
    #[serde(skip)]
    pub tenant: TenantId,
    /// What is to be done, in a word.
    pub action: String,
    /// To what.
    pub object: String,
    /// With what exactly.
    pub payload: Value,
    /// What binds it to that.
    pub hash: String,
    /// The case that it is for.
    pub case_id: Option<String>,
    /// How much harm it may do.
    pub risk_level: Risk,
    /// How far it is.
    pub status: Status,
    /// Who asked.
    #[serde(rename = "requester_id")]
    pub requester: UserId,
    /// Their name.
    pub requested_by: String,
    /// Whatever helps to decide.
    pub context: Value,
    /// When it was made.
    pub requested_at: Timestamp,
    /// From when on it lets nothing through.
    pub expires_at: Timestamp,
    /// When somebody decided.
    pub decided_at: Option<Timestamp>,
    /// Who.
    pub decided_by: Option<String>,
    /// What they said.
    pub note: Option<String>,
    /// When it let something through.
    pub used_at: Option<Timestamp>,
    /// The job that waits, or waited, for it.
    #[serde(rename = "job_id")]
    pub job: Option<JobId>,
    /// The batch that does.
    #[serde(rename = "batch_id")]
    pub batch: Option<BatchId>,
}

/// A request that is to be made.
#[derive(Debug, Clone)]
pub struct NewApproval {
    /// Its id.
    pub id: ApprovalId,
    /// Who asks.
    pub requester: UserId,
    /// Their name.
    pub requested_by: String,
    /// For what.
    pub subject: Subject,
    /// How much harm it may do.
    pub risk: Risk,
    /// The case that it is for.
    pub case_id: Option<String>,
    /// Whatever helps to decide.
    pub context: Value,
    /// From when on it lets nothing through.
    pub expires_at: Timestamp,
    /// The job that waits for it.
    pub job: Option<JobId>,
    /// The batch that does.
    pub batch: Option<BatchId>,
}

/// Which requests of a tenant are wanted.
#[derive(Debug, Clone, Default)]
pub struct ApprovalFilter {
    /// That are so far.
    pub status: Option<Status>,
    /// Of this person.
    pub requester: Option<UserId>,
}

/// What follows from a committed step.
#[derive(Debug, Default)]
pub struct Released {
    /// Hosts that have something to do now.
    pub hosts: Vec<(TenantId, HostId)>,
    /// Batches that were let go.
    pub batches: Vec<(TenantId, BatchId)>,
    /// To whom to tell of it.
    pub announced: Announced,
}

/// What an event tells of a request: exactly the fields of the channel. What else is known of it is in
/// its context.
#[derive(Serialize)]
struct Brief<'a> {
    id: ApprovalId,
    action: &'a str,
    case_id: Option<&'a str>,
    risk_level: Risk,
    status: Status,
    requested_by: &'a str,
    context: Value,
    requested_at: Timestamp,
    expires_at: Timestamp,
}

impl<'a> Brief<'a> {
    fn of(approval: &'a Approval) -> Self {
        let mut context = approval.context.clone();
        let known = [
            ("object", serde_json::json!(approval.object)),
            ("decided_by", serde_json::json!(approval.decided_by)),
            ("note", serde_json::json!(approval.note)),
            ("job_id", serde_json::json!(approval.job)),
            ("batch_id", serde_json::json!(approval.batch)),
        ];
        if let Value::Object(context) = &mut context {
            let known = known.into_iter().filter(|(_, value)| !value.is_null());
            context.extend(known.map(|(name, value)| (name.to_owned(), value)));
        }
        Self {
            id: approval.id,
            action: &approval.action,
            case_id: approval.case_id.as_deref(),
            risk_level: approval.risk_level,
            status: approval.status,
            requested_by: &approval.requested_by,
            context,
            requested_at: approval.requested_at,
            expires_at: approval.expires_at,
        }
    }
}

impl Store {
    /// One request of a tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn approval(
        &self,
        tenant: TenantId,
        id: ApprovalId,
    ) -> Result<Option<Approval>, StoreError> {
        let row = sqlx::query("SELECT * FROM approvals WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(approval_row).transpose()
    }

    /// The requests of a tenant, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn approvals(
        &self,
        tenant: TenantId,
        filter: &ApprovalFilter,
        page: &PageRequest,
    ) -> Result<Page<Approval>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM approvals WHERE tenant_id = $1 AND id < $2 \
             AND ($3 IS NULL OR status = $3) AND ($4 IS NULL OR requester_id = $4) \
             ORDER BY id DESC LIMIT $5",
        )
        .bind(tenant.to_string())
        // Beyond every id.
        .bind(page.cursor.as_deref().unwrap_or("g"))
        .bind(filter.status.map(Status::as_str))
        .bind(filter.requester.map(|user| user.to_string()))
        .bind(page.size() + 1)
        .fetch_all(&self.reader)
        .await?;
        let approvals = rows.iter().map(approval_row).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(approvals, page.size(), |approval| approval.id.to_string()))
    }
}

impl JobWrite {
    /// Writes down and announces a step of a request that was just taken.
    async fn step_of_approval(
        &mut self,
        by: &By,
        action: &'static str,
        approval: &Approval,
    ) -> Result<(), StoreError> {
        let detail = serde_json::json!({
            "action": approval.action,
            "object": approval.object,
            "hash": approval.hash,
            "risk_level": approval.risk_level,
            "requested_by": approval.requested_by,
            "note": approval.note,
            "job": approval.job,
            "batch": approval.batch,
        });
        let entry = Entry::done(approval.tenant, action, format!("approval:{}", approval.id));
        append(&mut self.tx, by, entry.with(detail)).await?;
        self.announce(approval.tenant, Topic::Approvals, &Brief::of(approval))
    }
}

fn approval_row(row: &SqliteRow) -> Result<Approval, StoreError> {
    Ok(Approval {
        id: parsed(row, "id")?,
        tenant: parsed(row, "tenant_id")?,
        action: row.try_get("action")?,
        object: row.try_get("object")?,
        payload: json(row, "payload")?,
        hash: row.try_get("hash")?,
        case_id: row.try_get("case_id")?,
        risk_level: parsed(row, "risk_level")?,
        status: parsed(row, "status")?,
        requester: parsed(row, "requester_id")?,
        requested_by: row.try_get("requested_by")?,
        context: json(row, "context")?,
        requested_at: time(row, "requested_at")?,
        expires_at: time(row, "expires_at")?,
        decided_at: time_option(row, "decided_at")?,
        decided_by: row.try_get("decided_by")?,
        note: row.try_get("note")?,
        used_at: time_option(row, "used_at")?,
        job: parsed_option(row, "job_id")?,
        batch: parsed_option(row, "batch_id")?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
