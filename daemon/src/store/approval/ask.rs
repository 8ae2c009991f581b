//! Asking, and letting through what was agreed to: once, and only exactly that.

use gangplank_proto::fact::is_unfit;
use gangplank_proto::id::{ApprovalId, TenantId, UserId};
use sqlx::Row as _;

use super::{Announced, Approval, NewApproval, approval_row};
use crate::approval::{LIFE, Status};
use crate::audit::By;
use crate::store::job::JobWrite;
use crate::store::{Store, StoreError};

/// Requests of one person that wait, at most.
const PER_PERSON: i64 = 32;

/// Requests of one tenant that wait, at most.
const PER_TENANT: i64 = 1_000;

/// The longest action or object, in bytes.
const WORD: usize = 256;

/// The longest name of a case, in bytes.
const CASE: usize = 64;

/// The longest payload, in bytes: what a command takes, and what says which it is.
const PAYLOAD: usize = gangplank_proto::limit::JOB_PARAMS + 1_024;

/// The longest context, in bytes: it goes to all who follow the channel.
const CONTEXT: usize = 16 << 10;

/// What is to be let through by a request that was agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spending {
    /// The request.
    pub approval: ApprovalId,
    /// Who wants it.
    pub requester: UserId,
    /// The binding of what they want.
    pub hash: String,
}

impl NewApproval {
    fn check(&self, by: &By) -> Result<(), StoreError> {
        let word = |text: &str, most: usize| {
            !text.trim().is_empty() && text.len() <= most && !text.chars().any(is_unfit)
        };
        if !word(&self.subject.action, WORD) || !word(&self.subject.object, WORD) {
            return Err(StoreError::Invalid("action and object take 1 to 256 bytes of plain text"));
        }
        if self.case_id.as_deref().is_some_and(|case| !word(case, CASE)) {
            return Err(StoreError::Invalid("case_id takes 1 to 64 bytes of plain text"));
        }
        if !self.subject.payload.is_object() || !self.context.is_object() {
            return Err(StoreError::Invalid("payload and context take objects"));
        }
        let length = |value: &serde_json::Value| value.to_string().len();
        if length(&self.subject.payload) > PAYLOAD || length(&self.context) > CONTEXT {
            return Err(StoreError::Invalid("payload or context is longer than a request takes"));
        }
        let [_, longest] = LIFE;
        if self.expires_at <= by.at || self.expires_at.since(by.at) > longest {
            return Err(StoreError::Invalid("a request stands for up to 7d"));
        }
        Ok(())
    }
}

impl Store {
    /// Makes a request.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a field, [`StoreError::Refused`] when as many wait as may.
    pub async fn request_approval(
        &self,
        tenant: TenantId,
        by: &By,
        new: &NewApproval,
    ) -> Result<(Approval, Announced), StoreError> {
        let mut write = self.job_write(by.at).await?;
        let approval = write.ask(tenant, by, new).await?;
        Ok((approval, write.commit().await?))
    }

    /// Lets through what was agreed to, and nothing after it.
    ///
    /// # Errors
    /// [`StoreError::NotConsented`] for anything else.
    pub async fn spend_approval(
        &self,
        tenant: TenantId,
        by: &By,
        spending: &Spending,
    ) -> Result<(Approval, Announced), StoreError> {
        let mut write = self.job_write(by.at).await?;
        let approval = write.spend(tenant, by, spending).await?;
        Ok((approval, write.commit().await?))
    }
}

impl JobWrite {
    /// Makes a request within the transaction of what waits for it.
    pub(in crate::store) async fn ask(
        &mut self,
        tenant: TenantId,
        by: &By,
        new: &NewApproval,
    ) -> Result<Approval, StoreError> {
        new.check(by)?;
        let row = sqlx::query(
            "SELECT COUNT(*) AS all_of_them, \
             COALESCE(SUM(CASE WHEN requester_id = $2 THEN 1 ELSE 0 END), 0) AS own \
             FROM approvals WHERE tenant_id = $1 AND status = 'pending'",
        )
        .bind(tenant.to_string())
        .bind(new.requester.to_string())
        .fetch_one(&mut *self.tx)
        .await?;
        if row.try_get::<i64, _>("own")? >= PER_PERSON
            || row.try_get::<i64, _>("all_of_them")? >= PER_TENANT
        {
            return Err(StoreError::Refused("as many requests wait for approval as may"));
        }
        let row = sqlx::query(
            "INSERT INTO approvals (id, tenant_id, requester_id, requested_by, action, object, \
             payload, hash, risk_level, case_id, context, status, requested_at, expires_at, \
             job_id, batch_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'pending', \
             $12, $13, $14, $15) RETURNING *",
        )
        .bind(new.id.to_string())
        .bind(tenant.to_string())
        .bind(new.requester.to_string())
        .bind(&new.requested_by)
        .bind(&new.subject.action)
        .bind(&new.subject.object)
        .bind(new.subject.payload.to_string())
        .bind(new.subject.binding(tenant, new.requester))
        .bind(new.risk.as_str())
        .bind(new.case_id.as_deref())
        .bind(new.context.to_string())
        .bind(by.at.millis())
        .bind(new.expires_at.millis())
        .bind(new.job.map(|job| job.to_string()))
        .bind(new.batch.map(|batch| batch.to_string()))
        .fetch_one(&mut *self.tx)
        .await?;
        let approval = approval_row(&row)?;
        self.step_of_approval(by, "approval.request", &approval).await?;
        Ok(approval)
    }

    /// Uses a request up within the transaction of what it lets through.
    pub(in crate::store) async fn spend(
        &mut self,
        tenant: TenantId,
        by: &By,
        spending: &Spending,
    ) -> Result<Approval, StoreError> {
        let row = sqlx::query(
            "UPDATE approvals SET status = 'used', used_at = $1 WHERE tenant_id = $2 AND id = $3 \
             AND requester_id = $4 AND hash = $5 AND status = 'approved' AND expires_at > $1 \
             AND job_id IS NULL AND batch_id IS NULL RETURNING *",
        )
        .bind(by.at.millis())
        .bind(tenant.to_string())
        .bind(spending.approval.to_string())
        .bind(spending.requester.to_string())
        .bind(&spending.hash)
        .fetch_optional(&mut *self.tx)
        .await?;
        let Some(row) = row else { return Err(self.why_not(tenant, by, spending).await?) };
        let approval = approval_row(&row)?;
        self.step_of_approval(by, "approval.use", &approval).await?;
        Ok(approval)
    }

    /// Why a request lets something not through.
    async fn why_not(
        &mut self,
        tenant: TenantId,
        by: &By,
        spending: &Spending,
    ) -> Result<StoreError, StoreError> {
        let found = self.approval(tenant, spending.approval).await?;
        // Somebody else's is no different from one that isn't there.
        let found = found.filter(|approval| approval.requester == spending.requester);
        let reason = match found {
            None => "you have no such approval",
            Some(approval) if approval.hash != spending.hash => {
                "this approval is for another request; a changed request needs a new one"
            }
            Some(approval) => match approval.status {
                Status::Used => "this approval was used already",
                Status::Pending if approval.expires_at > by.at => "nobody has approved this yet",
                Status::Denied => "this was denied",
                Status::Cancelled => "this request was taken back",
                Status::Approved if approval.expires_at > by.at => {
                    "what waits for this approval goes on by itself"
                }
                Status::Pending | Status::Approved | Status::Expired => "this approval has expired",
            },
        };
        Ok(StoreError::NotConsented(reason))
    }

    /// One request as this transaction sees it.
    pub(super) async fn approval(
        &mut self,
        tenant: TenantId,
        id: ApprovalId,
    ) -> Result<Option<Approval>, StoreError> {
        let row = sqlx::query("SELECT * FROM approvals WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.as_ref().map(approval_row).transpose()
    }
}
