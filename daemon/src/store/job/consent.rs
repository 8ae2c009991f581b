//! Jobs that wait for the consent of a second person: ordered and held, and let go or called off by
//! what becomes of the request.

use gangplank_proto::id::{ApprovalId, BatchId, HostId, JobId, TenantId};
use gangplank_proto::job::{JobEvent, JobState};

use super::create::Placed;
use super::{BatchState, JobWrite, NewJob};
use crate::audit::By;
use crate::store::StoreError;
use crate::store::approval::{Approval, NewApproval, Spending};
use crate::store::row::parsed;

/// What an order has to do with consent.
#[derive(Debug, Clone, Default)]
pub enum Consent {
    /// It needs none.
    #[default]
    Free,
    /// It waits for this.
    Wanted(Box<NewApproval>),
    /// It has this.
    Given(Spending),
}

impl JobWrite {
    /// Writes one order down with what it has to do with consent.
    pub(super) async fn order_with(
        &mut self,
        tenant: TenantId,
        by: &By,
        new: &NewJob,
        mut placed: Placed<'_>,
        consent: Consent,
    ) -> Result<(JobId, Option<ApprovalId>), StoreError> {
        match consent {
            Consent::Free => Ok((self.order(tenant, by, new, &placed).await?, None)),
            Consent::Given(spending) => {
                placed.approval = Some(self.spend(tenant, by, &spending).await?.id);
                Ok((self.order(tenant, by, new, &placed).await?, None))
            }
            Consent::Wanted(mut wanted) => {
                placed.approval = Some(wanted.id);
                placed.held = true;
                let job = self.order(tenant, by, new, &placed).await?;
                wanted.job = Some(job);
                self.ask(tenant, by, &wanted).await?;
                Ok((job, placed.approval))
            }
        }
    }

    /// Lets go what a request holds.
    pub(in crate::store) async fn release_jobs(
        &mut self,
        tenant: TenantId,
        approval: ApprovalId,
    ) -> Result<Vec<HostId>, StoreError> {
        let rows = sqlx::query(
            "UPDATE jobs SET held = FALSE WHERE tenant_id = $1 AND approval_id = $2 \
             AND state = 'queued' RETURNING id, host_id",
        )
        .bind(tenant.to_string())
        .bind(approval.to_string())
        .fetch_all(&mut **self.settled().await?)
        .await?;
        let mut hosts = Vec::with_capacity(rows.len());
        for row in &rows {
            hosts.push(parsed(row, "host_id")?);
            if let Some(job) = self.find(tenant, parsed(row, "id")?).await? {
                self.announce_job(&job)?;
            }
        }
        Ok(hosts)
    }

    /// Calls off what a request holds.
    pub(in crate::store) async fn call_off_waiting(
        &mut self,
        approval: &Approval,
        why: &str,
    ) -> Result<(), StoreError> {
        let tenant = approval.tenant;
        if let Some(batch) = approval.batch {
            self.halt(tenant, batch).await?;
            self.set_batch(tenant, batch, BatchState::Halted, 0, Some(why)).await?;
            return self.announce_batch(tenant, batch).await;
        }
        let Some(job) = approval.job else { return Ok(()) };
        let Some(mut job) = self.find(tenant, job).await? else { return Ok(()) };
        // One that was let go is nobody's to call off by a request.
        if job.state == JobState::Queued && job.held {
            job.error = Some(why.into());
            job.cancel_at = Some(self.now);
            self.step(&mut job, JobEvent::Cancel)?;
        }
        Ok(())
    }

    /// Lets go a batch that a request holds: its first ring, and by itself the others after it.
    pub(in crate::store) async fn release_batch(
        &mut self,
        tenant: TenantId,
        batch: BatchId,
    ) -> Result<Vec<HostId>, StoreError> {
        self.set_batch(tenant, batch, BatchState::Running, 0, None).await?;
        let hosts = self.hold(tenant, batch, Some(0)).await?;
        self.announce_batch(tenant, batch).await?;
        Ok(hosts)
    }
}
