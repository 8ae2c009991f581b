//! Orders for compliance scans that come again and again.

use std::time::Duration;

use gangplank_proto::fact::FactText;
use gangplank_proto::id::{ScheduleId, TenantId};
use gangplank_proto::scan::Scanner;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};

use super::audit::append;
use super::row::{json, number, parsed, time, to_json};
use super::{Page, PageRequest, Store, StoreError};
use crate::audit::{By, Entry};
use crate::clock::Timestamp;
use crate::schedule::Timing;

mod due;

pub(super) use due::{DueHosts, due_hosts};

pub use due::Turns;

/// Schedules of a tenant at most: each costs a look at every host.
const PER_TENANT: i64 = 50;

/// The shortest and the longest time between two turns.
const EVERY: [Duration; 2] = [Duration::from_secs(3600), Duration::from_secs(366 * 24 * 3600)];

/// What a person decides about a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSchedule {
    /// What people call it.
    pub name: String,
    /// Hosts that have all of these labels; all hosts when there are none.
    pub labels: Vec<String>,
    /// Which program looks.
    pub scanner: Scanner,
    /// For what; the scanner's own choice when absent.
    pub profile: Option<FactText>,
    /// When.
    pub timing: Timing,
    /// Scans of it that are open at once, at most.
    pub max_concurrent: u32,
    /// Whether it orders anything.
    pub enabled: bool,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Its id.
    pub id: ScheduleId,
    /// What was decided about it.
    pub what: NewSchedule,
    /// Turns before this moment don't count.
    pub since: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
}

impl NewSchedule {
    fn checked(self) -> Result<Self, StoreError> {
        let Timing { every, jitter, .. } = self.timing;
        let [shortest, longest] = EVERY;
        if !(shortest..=longest).contains(&every) {
            return Err(StoreError::Invalid("every takes a duration from 1h to 366d"));
        }
        if jitter > every {
            return Err(StoreError::Invalid("jitter is longer than the time between two scans"));
        }
        if !(1..=10_000).contains(&self.max_concurrent) {
            return Err(StoreError::Invalid("max_concurrent takes a number from 1 to 10000"));
        }
        let name = super::host::friendly_name(&self.name).map_err(|_| {
            StoreError::Invalid("name takes 1 to 255 characters without control characters")
        })?;
        Ok(Self { name, labels: super::host::labels(self.labels)?, ..self })
    }
}

impl Store {
    /// Makes a schedule.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a field, [`StoreError::Refused`] when there are as many as may be.
    pub async fn create_schedule(
        &self,
        tenant: TenantId,
        by: &By,
        new: NewSchedule,
    ) -> Result<ScheduleId, StoreError> {
        let what = new.checked()?;
        let mut write = self.write().await?;
        let count =
            sqlx::query("SELECT COUNT(*) AS count FROM scan_schedules WHERE tenant_id = $1")
                .bind(tenant.to_string())
                .fetch_one(&mut *write)
                .await?;
        if count.try_get::<i64, _>("count")? >= PER_TENANT {
            return Err(StoreError::Refused("there are 50 schedules, which is as many as may be"));
        }
        let id = ScheduleId::new();
        let schedule = Schedule {
            id,
            what,
            since: by.at,
            created_at: by.at,
            created_by: by.actor.to_string(),
        };
        save(&mut write, tenant, &schedule).await?;
        audit(&mut write, tenant, by, "schedule.create", &schedule).await?;
        write.commit().await?;
        Ok(id)
    }

    /// Changes a schedule. Turns that passed before don't count any more when it changes when they
    /// are, or when it was switched off. None when there is no such schedule.
    ///
    /// # Errors
    /// As [`create_schedule`](Self::create_schedule).
    pub async fn patch_schedule(
        &self,
        tenant: TenantId,
        by: &By,
        id: ScheduleId,
        change: impl FnOnce(&mut NewSchedule),
    ) -> Result<Option<Schedule>, StoreError> {
        let mut write = self.write().await?;
        let row = sqlx::query(ONE)
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_optional(&mut *write)
            .await?;
        let Some(before) = row.as_ref().map(schedule_row).transpose()? else { return Ok(None) };
        let mut what = before.what.clone();
        change(&mut what);
        let what = what.checked()?;
        let woken = what.enabled && !before.what.enabled;
        let since = if woken || what.timing != before.what.timing { by.at } else { before.since };
        let after = Schedule { what, since, ..before };
        save(&mut write, tenant, &after).await?;
        audit(&mut write, tenant, by, "schedule.change", &after).await?;
        write.commit().await?;
        Ok(Some(after))
    }

    /// Removes a schedule; what it ordered stays. False when there is no such schedule.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_schedule(
        &self,
        tenant: TenantId,
        by: &By,
        id: ScheduleId,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let done = sqlx::query("DELETE FROM scan_schedules WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.to_string())
            .bind(id.to_string())
            .execute(&mut *write)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let entry = Entry::done(tenant, "schedule.delete", format!("schedule:{id}"));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(true)
    }

    /// One schedule of a tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn schedule(
        &self,
        tenant: TenantId,
        id: ScheduleId,
    ) -> Result<Option<Schedule>, StoreError> {
        let row = sqlx::query(ONE)
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(schedule_row).transpose()
    }

    /// The schedules of a tenant, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn schedules(
        &self,
        tenant: TenantId,
        page: &PageRequest,
    ) -> Result<Page<Schedule>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM scan_schedules WHERE tenant_id = $1 AND id < $2 \
             ORDER BY id DESC LIMIT $3",
        )
        .bind(tenant.to_string())
        // Beyond every id.
        .bind(page.cursor.as_deref().unwrap_or("g"))
        .bind(page.size() + 1)
        .fetch_all(&self.reader)
        .await?;
        let schedules = rows.iter().map(schedule_row).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(schedules, page.size(), |schedule| schedule.id.to_string()))
    }

    /// The schedules of every tenant that order something, for whoever gives what is due.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn enabled_schedules(&self) -> Result<Vec<(TenantId, ScheduleId)>, StoreError> {
        let rows =
            sqlx::query("SELECT tenant_id, id FROM scan_schedules WHERE enabled ORDER BY id")
                .fetch_all(&self.reader)
                .await?;
        rows.iter().map(|row| Ok((parsed(row, "tenant_id")?, parsed(row, "id")?))).collect()
    }
}

const ONE: &str = "SELECT * FROM scan_schedules WHERE tenant_id = $1 AND id = $2";

/// One schedule of a tenant as a transaction sees it.
pub(super) async fn schedule_of(
    tx: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    id: ScheduleId,
) -> Result<Option<Schedule>, StoreError> {
    let row = sqlx::query(ONE)
        .bind(tenant.to_string())
        .bind(id.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(schedule_row).transpose()
}

/// Writes a schedule down, or what can change of it.
async fn save(
    tx: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    schedule: &Schedule,
) -> Result<(), StoreError> {
    let what = &schedule.what;
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    sqlx::query(
        "INSERT INTO scan_schedules (id, tenant_id, name, labels, scanner, profile, every_ms, \
         jitter_ms, max_concurrent, enabled, starts_at, since, created_at, created_by) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, labels = excluded.labels, \
         scanner = excluded.scanner, profile = excluded.profile, every_ms = excluded.every_ms, \
         jitter_ms = excluded.jitter_ms, max_concurrent = excluded.max_concurrent, \
         enabled = excluded.enabled, starts_at = excluded.starts_at, since = excluded.since \
         WHERE scan_schedules.tenant_id = excluded.tenant_id",
    )
    .bind(schedule.id.to_string())
    .bind(tenant.to_string())
    .bind(&what.name)
    .bind(to_json(&what.labels, "labels")?)
    .bind(what.scanner.as_str())
    .bind(what.profile.as_ref().map(FactText::as_str))
    .bind(millis(what.timing.every))
    .bind(millis(what.timing.jitter))
    .bind(i64::from(what.max_concurrent))
    .bind(what.enabled)
    .bind(what.timing.starts_at.millis())
    .bind(schedule.since.millis())
    .bind(schedule.created_at.millis())
    .bind(&schedule.created_by)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn audit(
    tx: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    by: &By,
    action: &'static str,
    schedule: &Schedule,
) -> Result<(), StoreError> {
    let what = &schedule.what;
    let entry = Entry::done(tenant, action, format!("schedule:{}", schedule.id)).with(
        serde_json::json!({ "name": what.name, "labels": what.labels, "enabled": what.enabled }),
    );
    append(tx, by, entry).await
}

fn schedule_row(row: &SqliteRow) -> Result<Schedule, StoreError> {
    let span = |column| number::<u64>(row, column).map(Duration::from_millis);
    let profile = row.try_get::<Option<&str>, _>("profile")?;
    Ok(Schedule {
        id: parsed(row, "id")?,
        what: NewSchedule {
            name: row.try_get("name")?,
            labels: json(row, "labels")?,
            scanner: parsed(row, "scanner")?,
            profile: profile.map(FactText::from),
            timing: Timing {
                starts_at: time(row, "starts_at")?,
                every: span("every_ms")?,
                jitter: span("jitter_ms")?,
            },
            max_concurrent: number(row, "max_concurrent")?,
            enabled: row.try_get("enabled")?,
        },
        since: time(row, "since")?,
        created_at: time(row, "created_at")?,
        created_by: row.try_get("created_by")?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
mod tests;
