//! Whose turn it is.

use gangplank_proto::id::{HostId, TenantId};
use gangplank_proto::job::JobState;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};

use super::Schedule;
use crate::clock::Timestamp;
use crate::store::row::{json, parsed, parsed_option, time_option};
use crate::store::{Store, StoreError};

/// How far a schedule is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Turns {
    /// Hosts that it means.
    pub hosts: usize,
    /// Its scans that are not over.
    pub open: usize,
    /// Hosts whose turn it is, and that wait for a place or are away.
    pub waiting: usize,
    /// When the next turn of a host is.
    pub next_at: Option<Timestamp>,
}

/// The hosts of a schedule whose turn it is, and how many of its scans are open.
#[derive(Debug, Default)]
pub(in crate::store) struct DueHosts {
    /// The hosts with their names, who waits longest first.
    pub(in crate::store) hosts: Vec<(HostId, String)>,
    /// Scans that are not over, also on hosts that it means no more.
    pub(in crate::store) open: usize,
    meant: usize,
    next_at: Option<Timestamp>,
}

/// A host and the latest job of a schedule on it.
struct Place {
    host: HostId,
    name: String,
    labels: Vec<String>,
    ordered_at: Option<Timestamp>,
    job: Option<JobState>,
    finished_at: Option<Timestamp>,
}

impl Place {
    /// Up to when the host has had its turns; none when it had none.
    fn served(&self) -> Option<Timestamp> {
        match self.job {
            // It was never begun.
            Some(JobState::Expired) => None,
            // A scan that ended after a turn came was that turn's, too.
            _ => self.ordered_at.max(self.finished_at),
        }
    }

    fn is_open(&self) -> bool {
        self.job.is_some_and(|job| !job.is_over())
    }
}

impl Store {
    /// How far a schedule is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn schedule_turns(
        &self,
        tenant: TenantId,
        schedule: &Schedule,
        now: Timestamp,
    ) -> Result<Turns, StoreError> {
        let mut reader = self.reader.begin().await?;
        let due = due_hosts(&mut reader, tenant, schedule, now).await?;
        reader.commit().await?;
        let enabled = schedule.what.enabled;
        Ok(Turns {
            hosts: due.meant,
            open: due.open,
            waiting: if enabled { due.hosts.len() } else { 0 },
            next_at: due.next_at.filter(|_| enabled),
        })
    }
}

/// The hosts of a schedule whose turn it is, here or not.
pub(in crate::store) async fn due_hosts(
    tx: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    schedule: &Schedule,
    now: Timestamp,
) -> Result<DueHosts, StoreError> {
    let rows = sqlx::query(
        "SELECT h.id, h.friendly_name, h.labels, s.at, j.state, j.finished_at FROM hosts h \
         LEFT JOIN scheduled_hosts s ON s.schedule_id = $2 AND s.host_id = h.id \
         LEFT JOIN jobs j ON j.tenant_id = h.tenant_id AND j.id = s.job_id \
         WHERE h.tenant_id = $1 AND h.state = 'live' ORDER BY h.id",
    )
    .bind(tenant.to_string())
    .bind(schedule.id.to_string())
    .fetch_all(&mut **tx)
    .await?;
    let (mut found, mut due) = (DueHosts::default(), Vec::new());
    for row in &rows {
        let place = place(row)?;
        found.open += usize::from(place.is_open());
        if !schedule.what.labels.iter().all(|label| place.labels.contains(label)) {
            continue;
        }
        found.meant += 1;
        let timing = schedule.what.timing;
        let next = timing.next(schedule.id, place.host, now);
        found.next_at = Some(found.next_at.map_or(next, |earliest| earliest.min(next)));
        let turn = timing.latest(schedule.id, place.host, now);
        let turn = turn.filter(|turn| *turn >= schedule.since && Some(*turn) > place.served());
        if let (Some(turn), false) = (turn, place.is_open()) {
            due.push((turn, place.host, place.name));
        }
    }
    due.sort_by_key(|(turn, host, _)| (*turn, *host));
    found.hosts = due.into_iter().map(|(_, host, name)| (host, name)).collect();
    Ok(found)
}

fn place(row: &SqliteRow) -> Result<Place, StoreError> {
    Ok(Place {
        host: parsed(row, "id")?,
        name: row.try_get("friendly_name")?,
        labels: json(row, "labels")?,
        ordered_at: time_option(row, "at")?,
        job: parsed_option(row, "state")?,
        finished_at: time_option(row, "finished_at")?,
    })
}
