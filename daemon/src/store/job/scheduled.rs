//! Orders of a schedule: for hosts that are here and whose turn it is, as far as its bound allows.

use std::time::Duration;

use gangplank_proto::id::{HostId, ScheduleId, TenantId};
use gangplank_proto::job::Command;
use serde_json::{Map, Value};

use super::create::Placed;
use super::{Announced, JobWrite, NewJob};
use crate::audit::By;
use crate::clock::Timestamp;
use crate::store::schedule::{DueHosts, Schedule, due_hosts, schedule_of};
use crate::store::{Store, StoreError};

/// A scan that was not begun for so long gives its place back. Its host comes again when it is here.
const WAITS: Duration = Duration::from_secs(3600);

/// What people order goes first.
const PRIORITY: u8 = 3;

/// Orders of one transaction: whoever else writes waits no longer than for these.
const TOGETHER: usize = 100;

/// What a schedule ordered.
#[derive(Debug, Default)]
pub struct Scheduled {
    /// The hosts that have something to do now.
    pub hosts: Vec<HostId>,
    /// Whether there may be room and need for more.
    pub more: bool,
    /// To whom to tell of it.
    pub announced: Announced,
}

impl Store {
    /// Orders what is due of a schedule for hosts that are `here`. A host that has an order of it has
    /// no second one, and no more than the schedule's bound are open at once.
    ///
    /// # Errors
    /// When the database fails; then nothing was ordered.
    pub async fn order_due_scans(
        &self,
        tenant: TenantId,
        id: ScheduleId,
        now: Timestamp,
        here: impl Fn(HostId) -> bool,
    ) -> Result<Scheduled, StoreError> {
        // Mostly nothing is due, and whoever writes keeps others waiting.
        let mut reader = self.reader.begin().await?;
        let found = schedule_of(&mut reader, tenant, id).await?;
        let Some(schedule) = found.filter(|schedule| schedule.what.enabled) else {
            return Ok(Scheduled::default());
        };
        let due = due_hosts(&mut reader, tenant, &schedule, now).await?;
        reader.commit().await?;
        if next(&schedule, due, &here).is_empty() {
            return Ok(Scheduled::default());
        }
        let mut write = self.job_write(now).await?;
        let found = schedule_of(&mut write.tx, tenant, id).await?;
        let Some(schedule) = found.filter(|schedule| schedule.what.enabled) else {
            return Ok(Scheduled::default());
        };
        let due = due_hosts(&mut write.tx, tenant, &schedule, now).await?;
        let hosts = next(&schedule, due, &here);
        let mut ordered = Scheduled::default();
        for (host, name) in hosts {
            match write.order_scan(tenant, &schedule, host, &name).await {
                Ok(()) => ordered.hosts.push(host),
                // It has as many orders as may wait for it; another turn comes.
                Err(StoreError::Refused(reason)) => {
                    tracing::warn!(%host, schedule = %id, reason, "a scan was not ordered");
                }
                Err(error) => return Err(error),
            }
        }
        ordered.more = ordered.hosts.len() == TOGETHER;
        ordered.announced = write.commit().await?;
        Ok(ordered)
    }
}

/// Who gets an order now: those who are here, as many as there is room for.
fn next(
    schedule: &Schedule,
    due: DueHosts,
    here: impl Fn(HostId) -> bool,
) -> Vec<(HostId, String)> {
    let bound = usize::try_from(schedule.what.max_concurrent).unwrap_or(usize::MAX);
    let room = bound.saturating_sub(due.open).min(TOGETHER);
    due.hosts.into_iter().filter(|(host, _)| here(*host)).take(room).collect()
}

impl JobWrite {
    async fn order_scan(
        &mut self,
        tenant: TenantId,
        schedule: &Schedule,
        host: HostId,
        host_name: &str,
    ) -> Result<(), StoreError> {
        let mut params = Map::new();
        params.insert("scanner".to_owned(), schedule.what.scanner.as_str().into());
        if let Some(profile) = &schedule.what.profile {
            params.insert("profile".to_owned(), profile.as_str().into());
        }
        let new = NewJob {
            command: Command::ComplianceScan,
            params: Value::Object(params),
            priority: PRIORITY,
            retries: 0,
            not_before: self.now,
            deadline: self.now.plus(WAITS),
            idempotency_key: None,
        };
        let placed = Placed {
            host,
            host_name,
            batch: None,
            ring: 0,
            held: false,
            approval: None,
            retry_of: None,
        };
        let job = self.order(tenant, &By::daemon(self.now), &new, &placed).await?;
        sqlx::query(
            "INSERT INTO scheduled_hosts (schedule_id, tenant_id, host_id, job_id, at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (schedule_id, host_id) \
             DO UPDATE SET job_id = excluded.job_id, at = excluded.at",
        )
        .bind(schedule.id.to_string())
        .bind(tenant.to_string())
        .bind(host.to_string())
        .bind(job.to_string())
        .bind(self.now.millis())
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }
}
