//! Requests that end undecided: their time is over, or what they are for is not wanted any more.

use gangplank_proto::id::{ApprovalId, BatchId, JobId, TenantId, UserId};
use sqlx::Row as _;

use super::{Announced, Approval, Released, approval_row};
use crate::approval::{INSPECTION, TERMINAL};
use crate::audit::By;
use crate::clock::Timestamp;
use crate::store::job::JobWrite;
use crate::store::{Store, StoreError, Whose};

/// Requests ended in one transaction.
const TOGETHER: i64 = 64;

/// What was ended because its time is over.
#[derive(Debug, Default)]
pub struct ExpiredApprovals {
    /// How many.
    pub count: usize,
    /// Whether there may be more.
    pub more: bool,
    /// When the next one's time is over.
    pub next: Option<Timestamp>,
    /// To whom to tell of it.
    pub released: Released,
}

impl Store {
    /// Ends requests of every tenant whose time is over, and calls off what waits for them.
    ///
    /// # Errors
    /// When the database fails; then nothing has ended.
    pub async fn expire_approvals(&self, now: Timestamp) -> Result<ExpiredApprovals, StoreError> {
        // Mostly there is nothing to do, and whoever writes keeps others waiting.
        let next = sqlx::query(
            "SELECT MIN(expires_at) AS at FROM approvals WHERE status IN ('pending', 'approved')",
        )
        .fetch_one(&self.reader)
        .await?
        .try_get::<Option<i64>, _>("at")?
        .map(Timestamp::from_millis);
        if next.is_none_or(|next| next > now) {
            return Ok(ExpiredApprovals { next, ..ExpiredApprovals::default() });
        }
        let mut write = self.job_write(now).await?;
        let rows = sqlx::query(
            "UPDATE approvals SET status = 'expired' WHERE status IN ('pending', 'approved') \
             AND expires_at <= $1 AND id IN (SELECT id FROM approvals \
               WHERE status IN ('pending', 'approved') AND expires_at <= $1 \
               ORDER BY expires_at LIMIT $2) RETURNING *",
        )
        .bind(now.millis())
        .bind(TOGETHER)
        .fetch_all(&mut *write.tx)
        .await?;
        let by = By::daemon(now);
        for row in &rows {
            let approval = approval_row(row)?;
            write.step_of_approval(&by, "approval.expire", &approval).await?;
            write.call_off_waiting(&approval, "nobody approved it in time").await?;
        }
        let announced = write.commit().await?;
        Ok(ExpiredApprovals {
            count: rows.len(),
            more: true,
            next: None,
            released: Released { announced, ..Released::default() },
        })
    }

    /// Takes a request back, by who made it: also one that was agreed to and not used. What waits
    /// for it is called off. None when there is nothing to take back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel_approval(
        &self,
        tenant: TenantId,
        by: &By,
        requester: UserId,
        id: ApprovalId,
    ) -> Result<Option<(Approval, Announced)>, StoreError> {
        let mut write = self.job_write(by.at).await?;
        let row = sqlx::query(
            "UPDATE approvals SET status = 'cancelled' WHERE tenant_id = $1 AND id = $2 \
             AND requester_id = $3 AND status IN ('pending', 'approved') RETURNING *",
        )
        .bind(tenant.to_string())
        .bind(id.to_string())
        .bind(requester.to_string())
        .fetch_optional(&mut *write.tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let approval = approval_row(&row)?;
        write.step_of_approval(by, "approval.cancel", &approval).await?;
        write.call_off_waiting(&approval, "the request for approval was taken back").await?;
        Ok(Some((approval, write.commit().await?)))
    }

    /// Takes back requests of every tenant for terminals and inspections: what waited for them lived
    /// in a process that is gone, and asks anew.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel_orphaned_approvals(&self, now: Timestamp) -> Result<(), StoreError> {
        let by = By::daemon(now);
        loop {
            let mut write = self.job_write(now).await?;
            let rows = sqlx::query(
                "UPDATE approvals SET status = 'cancelled' WHERE id IN (SELECT id FROM approvals \
                   WHERE status IN ('pending', 'approved') AND action IN ($1, $2) LIMIT $3) \
                 RETURNING *",
            )
            .bind(TERMINAL)
            .bind(INSPECTION)
            .bind(TOGETHER)
            .fetch_all(&mut *write.tx)
            .await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in &rows {
                write.step_of_approval(&by, "approval.cancel", &approval_row(row)?).await?;
            }
            // Nobody listens yet.
            drop(write.commit().await?);
        }
    }

    /// Forgets requests that were made before a moment and are over, a thousand at a time.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_old_approvals(
        &self,
        whose: Whose,
        before: Timestamp,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let sql = format!(
            "DELETE FROM approvals WHERE id IN (SELECT id FROM approvals \
             WHERE requested_at <= $1 AND status NOT IN ('pending', 'approved') \
             AND {} LIMIT 1000)",
            whose.condition()
        );
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(before.millis())
            .bind(whose.text())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(())
    }
}

impl JobWrite {
    /// A job that waits for consent is over without it.
    pub(in crate::store) async fn moot_job(
        &mut self,
        tenant: TenantId,
        job: JobId,
    ) -> Result<(), StoreError> {
        let row = sqlx::query(
            "UPDATE approvals SET status = 'cancelled' WHERE tenant_id = $1 AND job_id = $2 \
             AND status = 'pending' RETURNING *",
        )
        .bind(tenant.to_string())
        .bind(job.to_string())
        .fetch_optional(&mut *self.tx)
        .await?;
        let Some(row) = row else { return Ok(()) };
        let by = By::daemon(self.now);
        self.step_of_approval(&by, "approval.cancel", &approval_row(&row)?).await
    }

    /// The same for a batch.
    pub(in crate::store) async fn moot_batch(
        &mut self,
        tenant: TenantId,
        batch: BatchId,
    ) -> Result<(), StoreError> {
        let row = sqlx::query(
            "UPDATE approvals SET status = 'cancelled' WHERE tenant_id = $1 AND batch_id = $2 \
             AND status = 'pending' RETURNING *",
        )
        .bind(tenant.to_string())
        .bind(batch.to_string())
        .fetch_optional(&mut *self.tx)
        .await?;
        let Some(row) = row else { return Ok(()) };
        let by = By::daemon(self.now);
        self.step_of_approval(&by, "approval.cancel", &approval_row(&row)?).await
    }
}
