//! What people order that may need somebody's consent first.

use std::time::Duration;

use gangplank_proto::id::{ApprovalId, JobId};

use super::{hand, order};
use crate::app::App;
use crate::approval::Asker;
use crate::audit::By;
use crate::auth::Principal;
use crate::store::{
    Consent, Created, CreatedBatch, Host, NewBatch, NewJob, Released, Spending, StoreError,
};

/// What came of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ordered {
    /// The job.
    pub job: JobId,
    /// The consent that it waits for.
    pub approval: Option<ApprovalId>,
}

/// Orders one job for a person: it waits when a policy wants somebody's consent, unless it comes
/// with it. None when the host is gone.
///
/// # Errors
/// As [`Store::create_job_with`](crate::store::Store::create_job_with).
pub async fn order_as(
    app: &App,
    who: &Principal,
    by: &By,
    host: &Host,
    new: &NewJob,
    given: Option<ApprovalId>,
) -> Result<Option<Ordered>, StoreError> {
    let consent = match given {
        Some(approval) => {
            let subject = Asker::command_subject(new, host.id);
            let hash = subject.binding(who.tenant, who.user);
            Consent::Given(Spending { approval, requester: who.user, hash })
        }
        None => wanted(&Asker::of(app, who).await?, new, host),
    };
    let created = app.store.create_job_with(who.tenant, by, host.id, new, consent).await?;
    Ok(created.map(|created| made(app, who, host, created)))
}

/// Orders a job again, as a new one, for a person. None when there is no such job.
///
/// # Errors
/// As [`Store::retry_job`](crate::store::Store::retry_job).
pub async fn retry_as(
    app: &App,
    who: &Principal,
    by: &By,
    id: JobId,
) -> Result<Option<Ordered>, StoreError> {
    let Some(old) = app.store.job(who.tenant, id).await? else { return Ok(None) };
    let Some(host) = app.store.host(who.tenant, old.host).await? else {
        return Err(StoreError::Refused("the job's host was removed"));
    };
    let asker = Asker::of(app, who).await?;
    let consent = |new: &NewJob| wanted(&asker, new, &host);
    let life = app.config().jobs.deadline;
    let created = app.store.retry_job(who.tenant, by, id, life, consent).await?;
    Ok(created.map(|created| made(app, who, &host, created)))
}

/// Orders a job of many hosts for a person: all of it waits when a policy wants somebody's consent
/// for any of them, unless it comes with it.
///
/// # Errors
/// As [`Store::create_batch`](crate::store::Store::create_batch).
pub async fn order_many_as(
    app: &App,
    who: &Principal,
    by: &By,
    new: &NewBatch,
    spread: Duration,
    given: Option<ApprovalId>,
) -> Result<CreatedBatch, StoreError> {
    let asker = Asker::of(app, who).await?;
    let asks = |id, hosts: &[_]| match given {
        Some(approval) => {
            let hash = Asker::batch_subject(new, hosts).binding(who.tenant, who.user);
            Consent::Given(Spending { approval, requester: who.user, hash })
        }
        None => {
            let wanted = asker.batch(&new.job, id, hosts);
            wanted.map_or(Consent::Free, |wanted| Consent::Wanted(Box::new(wanted)))
        }
    };
    let created = order::order_many_asking(app, who.tenant, by, new, spread, asks).await?;
    if created.approval.is_some() {
        app.approvals.changed();
    }
    Ok(created)
}

/// Tells and moves on what follows from a step of a request.
///
/// # Errors
/// When the store fails.
pub async fn consented(app: &App, released: Released) -> Result<(), StoreError> {
    hand::tell(app, &released.announced);
    app.approvals.changed();
    if !released.hosts.is_empty() {
        order::due(app, released.hosts);
    }
    for (tenant, batch) in released.batches {
        hand::advance(app, tenant, batch).await?;
    }
    Ok(())
}

fn wanted(asker: &Asker<'_>, new: &NewJob, host: &Host) -> Consent {
    asker.command(new, host).map_or(Consent::Free, |wanted| Consent::Wanted(Box::new(wanted)))
}

fn made(app: &App, who: &Principal, host: &Host, created: Created) -> Ordered {
    hand::tell(app, &created.announced);
    if created.approval.is_some() {
        app.approvals.changed();
    }
    order::due(app, [(who.tenant, host.id)]);
    Ordered { job: created.job, approval: created.approval }
}
