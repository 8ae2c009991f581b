//! What people order, call off and steer.

use std::time::Duration;

use gangplank_proto::id::{BatchId, HostId, JobId, ScheduleId, TenantId};
use gangplank_proto::job::Command;
use serde_json::Value;

use super::hand;
use crate::app::App;
use crate::audit::By;
use crate::clock::Timestamp;
use crate::store::{BatchState, Chosen, Consent, CreatedBatch, Job, NewBatch, NewJob, StoreError};

/// Priority of an order that says none.
pub const PRIORITY: u8 = 5;

/// An order for now, as far as nothing else is said.
#[must_use]
pub fn plain(app: &App, command: Command, params: Value) -> NewJob {
    let now = app.clock.now();
    NewJob {
        command,
        params,
        priority: PRIORITY,
        retries: 0,
        not_before: now,
        deadline: now.plus(app.config().jobs.deadline),
        idempotency_key: None,
    }
}

/// Orders one job. None when there is no such host.
///
/// # Errors
/// As [`Store::create_job`](crate::store::Store::create_job).
pub async fn order(
    app: &App,
    tenant: TenantId,
    by: &By,
    host: HostId,
    new: &NewJob,
) -> Result<Option<JobId>, StoreError> {
    let Some(created) = app.store.create_job(tenant, by, host, new).await? else {
        return Ok(None);
    };
    hand::tell(app, &created.announced);
    due(app, [(tenant, host)]);
    Ok(Some(created.job))
}

/// Orders a job of many hosts, whose starts are spread over `spread`.
///
/// # Errors
/// As [`Store::create_batch`](crate::store::Store::create_batch).
pub async fn order_many(
    app: &App,
    tenant: TenantId,
    by: &By,
    new: &NewBatch,
    spread: Duration,
) -> Result<CreatedBatch, StoreError> {
    order_many_asking(app, tenant, by, new, spread, |_, _| Consent::Free).await
}

/// The same for an order that may need consent, which is found out from the hosts that it means.
pub(super) async fn order_many_asking(
    app: &App,
    tenant: TenantId,
    by: &By,
    new: &NewBatch,
    spread: Duration,
    asks: impl FnOnce(BatchId, &[Chosen]) -> Consent,
) -> Result<CreatedBatch, StoreError> {
    let here = |host| app.jobs.here.is_here(host, by.at);
    let first = new.job.not_before;
    let start = || first.plus(spread.mul_f64(random()));
    let created = app.store.create_batch_asking(tenant, by, new, here, start, asks).await?;
    hand::tell(app, &created.announced);
    // Whose turn it is, is found by the moment: there may be very many.
    hand::advance(app, tenant, created.batch).await?;
    app.jobs.again_since(first);
    Ok(created)
}

/// Orders what is due of a schedule for the hosts that are here.
///
/// # Errors
/// When the store fails.
pub async fn order_scheduled(
    app: &App,
    tenant: TenantId,
    schedule: ScheduleId,
) -> Result<(), StoreError> {
    loop {
        let now = app.clock.now();
        let here = |host| app.jobs.here.is_here(host, now);
        let ordered = app.store.order_due_scans(tenant, schedule, now, here).await?;
        hand::tell(app, &ordered.announced);
        if !ordered.hosts.is_empty() {
            due(app, ordered.hosts.into_iter().map(|host| (tenant, host)));
        }
        if !ordered.more {
            return Ok(());
        }
    }
}

/// Calls a job off. None when there is no such job; else the job as it is now.
///
/// # Errors
/// As [`Store::cancel_job`](crate::store::Store::cancel_job).
pub async fn cancel(
    app: &App,
    tenant: TenantId,
    by: &By,
    id: JobId,
) -> Result<Option<Job>, StoreError> {
    let Some((job, announced)) = app.store.cancel_job(tenant, by, id).await? else {
        return Ok(None);
    };
    hand::tell(app, &announced);
    if job.approval.is_some() {
        app.approvals.changed();
    }
    if job.state.is_out() {
        hand::stop(app, &job).await;
    }
    if let Some(batch) = job.batch {
        hand::advance(app, tenant, batch).await?;
    }
    Ok(Some(job))
}

/// Pauses, resumes or halts a batch. False when there is no such batch.
///
/// # Errors
/// As [`Store::steer_batch`](crate::store::Store::steer_batch).
pub async fn steer(
    app: &App,
    tenant: TenantId,
    by: &By,
    id: BatchId,
    to: BatchState,
) -> Result<bool, StoreError> {
    let Some((hosts, out, announced)) = app.store.steer_batch(tenant, by, id, to).await? else {
        return Ok(false);
    };
    hand::tell(app, &announced);
    for job in &out {
        hand::stop(app, job).await;
    }
    due(app, hosts.into_iter().map(|host| (tenant, host)));
    hand::advance(app, tenant, id).await?;
    Ok(true)
}

/// Ends the jobs of a host that was removed.
pub async fn end_host(app: &App, tenant: TenantId, host: HostId) {
    match app.store.end_jobs_of_host(tenant, host, app.clock.now()).await {
        Ok(announced) => hand::tell(app, &announced),
        Err(error) => {
            tracing::error!(%error, %host, "jobs of a removed host could not be ended");
        }
    }
}

/// Has hosts looked at, and the next moment looked up.
pub(super) fn due(app: &App, hosts: impl IntoIterator<Item = (TenantId, HostId)>) {
    app.jobs.looks().due = None;
    app.jobs.look(hosts);
}

/// Uniform in 0..1.
fn random() -> f64 {
    getrandom::u32().map_or(0.0, |number| f64::from(number) / f64::from(u32::MAX))
}

impl super::Jobs {
    /// Has all hosts looked at for which something is due since a moment.
    fn again_since(&self, moment: Timestamp) {
        let mut looks = self.looks();
        looks.since = Some(looks.since.map_or(moment, |since| since.min(moment)));
        looks.due = None;
        drop(looks);
        self.wake.notify_one();
    }
}
