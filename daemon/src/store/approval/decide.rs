//! Deciding: by somebody else, in time, once.

use gangplank_proto::id::{ApprovalId, TenantId, UserId};

use super::{Approval, Released, approval_row};
use crate::approval::{BATCH, COMMAND, INSPECTION, Status};
use crate::audit::{By, Entry};
use crate::auth::Permission;
use crate::clock::Timestamp;
use crate::store::audit::append;
use crate::store::job::JobWrite;
use crate::store::{Store, StoreError};

/// The longest note, in characters.
const NOTE: usize = 1_000;

/// What somebody decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Approve,
    /// No.
    Deny,
}

/// What came of a decision.
#[derive(Debug)]
pub enum Decision {
    /// It counts.
    Done(Box<Approval>, Released),
    /// There is no such request.
    Unknown,
    /// Nobody decides on what they asked for themselves.
    Own,
    /// It came too late.
    Expired,
    /// Something else had been decided, or there is nothing to decide on any more.
    Over(Status),
    /// Whoever asked may no longer do what they asked for.
    Withdrawn,
}

impl Store {
    /// Decides on a request, if nobody has yet; what waits for it goes, or is called off, in the
    /// same transaction. What doesn't count is written down, too.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a note that is too long.
    pub async fn decide_approval(
        &self,
        tenant: TenantId,
        by: &By,
        decider: UserId,
        id: ApprovalId,
        verdict: Verdict,
        note: Option<&str>,
    ) -> Result<Decision, StoreError> {
        if note.is_some_and(|note| note.chars().count() > NOTE) {
            return Err(StoreError::Invalid("note takes up to 1000 characters"));
        }
        let withdrawn = match verdict {
            Verdict::Approve => !self.may_still(tenant, id, by.at).await?,
            Verdict::Deny => false,
        };
        let mut write = self.job_write(by.at).await?;
        if !withdrawn
            && let Some(approval) = write.decide(tenant, by, decider, id, verdict, note).await?
        {
            let mut released = Released::default();
            let approval = match verdict {
                Verdict::Approve => write.let_go(by, approval, &mut released).await?,
                Verdict::Deny => {
                    let name = approval.decided_by.clone().unwrap_or_default();
                    let why = match &approval.note {
                        Some(note) => format!("{name} denied it: {note}"),
                        None => format!("{name} denied it"),
                    };
                    write.call_off_waiting(&approval, &why).await?;
                    approval
                }
            };
            released.announced = write.commit().await?;
            return Ok(Decision::Done(Box::new(approval), released));
        }
        let Some(approval) = write.approval(tenant, id).await? else {
            return Ok(Decision::Unknown);
        };
        let (decision, why) = if approval.status != Status::Pending {
            (Decision::Over(approval.status), "decided")
        } else if approval.expires_at <= by.at {
            (Decision::Expired, "expired")
        } else if approval.requester == decider {
            (Decision::Own, "own")
        } else {
            (Decision::Withdrawn, "withdrawn")
        };
        let detail = serde_json::json!({ "why": why, "status": approval.status });
        let entry = Entry::refused(Some(tenant), "approval.decide", format!("approval:{id}"));
        append(&mut write.tx, by, entry.with(detail)).await?;
        drop(write.commit().await?);
        Ok(decision)
    }

    /// Whether who asked may do it at this moment, as far as it goes on by itself.
    async fn may_still(
        &self,
        tenant: TenantId,
        id: ApprovalId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(approval) = self.approval(tenant, id).await? else { return Ok(true) };
        let needed = match approval.action.as_str() {
            INSPECTION => Permission::Admin,
            COMMAND | BATCH => Permission::JobsRun,
            _ if approval.job.is_some() || approval.batch.is_some() => Permission::JobsRun,
            _ => return Ok(true),
        };
        let rights = self.permissions_of_user(tenant, approval.requester, now).await?;
        Ok(rights.is_some_and(|rights| rights.allow(needed)))
    }
}

impl JobWrite {
    async fn decide(
        &mut self,
        tenant: TenantId,
        by: &By,
        decider: UserId,
        id: ApprovalId,
        verdict: Verdict,
        note: Option<&str>,
    ) -> Result<Option<Approval>, StoreError> {
        let (status, action) = match verdict {
            Verdict::Approve => (Status::Approved, "approval.approve"),
            Verdict::Deny => (Status::Denied, "approval.deny"),
        };
        let name = by.actor.to_string();
        let name = name.strip_prefix("user:").unwrap_or(&name);
        let row = sqlx::query(
            "UPDATE approvals SET status = $1, decided_at = $2, decided_by = $3, note = $4 \
             WHERE tenant_id = $5 AND id = $6 AND status = 'pending' AND expires_at > $2 \
             AND requester_id <> $7 RETURNING *",
        )
        .bind(status.as_str())
        .bind(by.at.millis())
        .bind(name)
        .bind(note)
        .bind(tenant.to_string())
        .bind(id.to_string())
        .bind(decider.to_string())
        .fetch_optional(&mut *self.tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let approval = approval_row(&row)?;
        self.step_of_approval(by, action, &approval).await?;
        Ok(Some(approval))
    }

    /// Lets go what waits in the store; what waits elsewhere uses the request up by itself.
    async fn let_go(
        &mut self,
        by: &By,
        approval: Approval,
        released: &mut Released,
    ) -> Result<Approval, StoreError> {
        if approval.job.is_none() && approval.batch.is_none() {
            return Ok(approval);
        }
        let tenant = approval.tenant;
        let hosts = match approval.batch {
            Some(batch) => {
                released.batches.push((tenant, batch));
                self.release_batch(tenant, batch).await?
            }
            None => self.release_jobs(tenant, approval.id).await?,
        };
        released.hosts.extend(hosts.into_iter().map(|host| (tenant, host)));
        let row = sqlx::query(
            "UPDATE approvals SET status = 'used', used_at = $1 WHERE tenant_id = $2 AND id = $3 \
             AND status = 'approved' RETURNING *",
        )
        .bind(self.now.millis())
        .bind(tenant.to_string())
        .bind(approval.id.to_string())
        .fetch_one(&mut *self.tx)
        .await?;
        let approval = approval_row(&row)?;
        self.step_of_approval(by, "approval.use", &approval).await?;
        Ok(approval)
    }
}
