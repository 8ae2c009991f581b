//! What hosts measure, and the other rows that they send. Measurements are kept by the minute for a
//! day, then coarser and coarser; other rows are kept as they came, the newest of each host.

use std::collections::{BTreeMap, BTreeSet};

use gangplank_proto::id::{HostId, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{Row as _, Sqlite, Transaction};
use uuid::Uuid;

use super::row::{json, to_json};
use super::{Store, StoreError, event};
use crate::clock::Timestamp;
use crate::event::Topic;
use crate::ingest::{Batch, Measured, NewRecord};

mod age;
mod read;

pub use age::Ages;
pub use read::Record;

/// Keys of batches that are remembered of each host: the newest.
const KEYS: i64 = 1000;

/// Other rows that are kept of each host, and their bytes.
const RECORDS: i64 = 2000;
const RECORD_BYTES: i64 = 4 << 20;

/// A measured name that is in use is written down as often, in milliseconds.
const TOUCH: i64 = 3_600_000;

/// How long one kept measurement is, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step(i64);

impl Step {
    /// As they come.
    const MINUTE: Self = Self(60_000);
    /// After a day.
    const FIVE_MINUTES: Self = Self(300_000);
    /// After a week.
    const HOUR: Self = Self(3_600_000);

    /// The beginning of the step that a moment is in.
    fn start(self, at: Timestamp) -> i64 {
        at.millis() - at.millis().rem_euclid(self.0)
    }
}

/// Measurements of one name within one step: how many, their sum, the lowest, the highest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reading(pub u64, pub f64, pub f64, pub f64);

impl Reading {
    fn of(value: f64) -> Self {
        Self(1, value, value, value)
    }

    /// Both together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let Self(count, sum, low, high) = self;
        Self(count.saturating_add(other.0), sum + other.1, low.min(other.2), high.max(other.3))
    }

    /// Their mean.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "nobody measures 2^53 times")]
    pub fn mean(self) -> f64 {
        self.1 / self.0.max(1) as f64
    }
}

/// Readings by name.
pub type Readings = BTreeMap<String, Reading>;

/// A batch as it was delivered.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// The sender's key for it, if it has one.
    pub key: Option<String>,
    /// Hash of its bytes.
    pub hash: String,
    /// Its rows.
    pub batch: Batch,
}

/// How many names of their own hosts may measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names {
    /// One host.
    pub of_host: u32,
    /// All hosts of a tenant together.
    pub of_tenant: u32,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ingested {
    /// It was kept, with an event of this number on the topic of hosts.
    Kept(Option<u64>),
    /// It was kept before.
    Before,
    /// Another batch was kept under its key.
    OtherBody,
    /// It would name more than may be named.
    Names,
    /// There is no such host.
    NoHost,
}

impl Store {
    /// Keeps a batch, all of it or nothing.
    ///
    /// # Errors
    /// When the database fails; then nothing is kept.
    pub async fn ingest(
        &self,
        tenant: TenantId,
        host: HostId,
        parcel: Parcel,
        names: Names,
        now: Timestamp,
    ) -> Result<Ingested, StoreError> {
        let mut tx = self.write().await?;
        let known = sqlx::query("SELECT id FROM hosts WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.to_string())
            .bind(host.to_string())
            .fetch_optional(&mut *tx)
            .await?;
        if known.is_none() {
            return Ok(Ingested::NoHost);
        }
        let Parcel { key, hash, batch } = parcel;
        if let Some(key) = key
            && let Some(before) = remember(&mut tx, tenant, host, &key, &hash, now).await?
        {
            return Ok(if before == hash { Ingested::Before } else { Ingested::OtherBody });
        }
        if !take_names(&mut tx, tenant, host, &batch, names, now).await? {
            return Ok(Ingested::Names);
        }
        for (at, readings) in by_minute(batch.measured) {
            put(&mut tx, tenant, host, Step::MINUTE, at, readings).await?;
        }
        if !batch.records.is_empty() {
            put_records(&mut tx, tenant, host, &batch.records).await?;
        }
        let mut told = None;
        for happening in batch.told {
            let data = json!({ "kind": "event", "host_id": host, "event": happening });
            let event = event::append(&mut tx, tenant, Topic::Hosts.as_str(), data, now).await?;
            told = Some(event.seq);
        }
        tx.commit().await?;
        Ok(Ingested::Kept(told))
    }
}

/// Writes down that a batch was taken. The hash of the one that was taken under this key before.
async fn remember(
    tx: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    host: HostId,
    key: &str,
    hash: &str,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    let row =
        sqlx::query("SELECT hash FROM ingested WHERE tenant_id = $1 AND host_id = $2 AND key = $3")
            .bind(tenant.to_string())
            .bind(host.to_string())
            .bind(key)
            .fetch_optional(&mut **tx)
            .await?;
    if let Some(row) = row {
        return Ok(Some(row.try_get("hash")?));
    }
    sqlx::query(
        "INSERT INTO ingested (tenant_id, host_id, key, hash, at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(tenant.to_string())
    .bind(host.to_string())
    .bind(key)
    .bind(hash)
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "DELETE FROM ingested WHERE tenant_id = $1 AND host_id = $2 AND at < \
         (SELECT at FROM ingested WHERE tenant_id = $1 AND host_id = $2 \
          ORDER BY at DESC LIMIT 1 OFFSET $3)",
    )
    .bind(tenant.to_string())
    .bind(host.to_string())
    .bind(KEYS)
    .execute(&mut **tx)
    .await?;
    Ok(None)
}

/// Writes down the names that a host measures. False when they are too many.
async fn take_names(
    tx: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    host: HostId,
    batch: &Batch,
    bounds: Names,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let wanted: BTreeSet<&str> = batch.own_names().collect();
    if wanted.is_empty() {
        return Ok(true);
    }
    let rows =
        sqlx::query("SELECT name, at FROM telemetry_names WHERE tenant_id = $1 AND host_id = $2")
            .bind(tenant.to_string())
            .bind(host.to_string())
            .fetch_all(&mut **tx)
            .await?;
    let mut known = BTreeMap::new();
    for row in rows {
        known.insert(row.try_get::<String, _>("name")?, row.try_get::<i64, _>("at")?);
    }
    let new = wanted.iter().filter(|name| !known.contains_key(**name)).count();
    if new > 0 {
        let all: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM telemetry_names WHERE tenant_id = $1")
                .bind(tenant.to_string())
                .fetch_one(&mut **tx)
                .await?;
        let all = usize::try_from(all).unwrap_or(usize::MAX).saturating_add(new);
        if known.len() + new > bounds.of_host as usize || all > bounds.of_tenant as usize {
            return Ok(false);
        }
    }
    for name in wanted {
        if known.get(name).is_some_and(|at| now.millis() - at < TOUCH) {
            continue;
        }
        sqlx::query(
            "INSERT INTO telemetry_names (tenant_id, host_id, name, at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant_id, host_id, name) DO UPDATE SET at = excluded.at",
        )
        .bind(tenant.to_string())
        .bind(host.to_string())
        .bind(name)
        .bind(now.millis())
        .execute(&mut **tx)
        .await?;
    }
    Ok(true)
}

fn by_minute(measured: Vec<Measured>) -> BTreeMap<i64, Readings> {
    let mut minutes: BTreeMap<i64, Readings> = BTreeMap::new();
    for Measured { at, values } in measured {
        let readings = minutes.entry(Step::MINUTE.start(at)).or_default();
        merge(readings, values.into_iter().map(|(name, value)| (name, Reading::of(value))));
    }
    minutes
}

fn merge(into: &mut Readings, more: impl IntoIterator<Item = (String, Reading)>) {
    for (name, reading) in more {
        let merged = into.get(&name).map_or(reading, |before| before.with(reading));
        into.insert(name, merged);
    }
}

/// Adds readings to what is there of the same step.
async fn put(
    tx: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    host: HostId,
    step: Step,
    at: i64,
    readings: Readings,
) -> Result<(), StoreError> {
    let inserted = sqlx::query(
        "INSERT INTO telemetry (tenant_id, host_id, step, at, readings) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, host_id, step, at) DO NOTHING",
    )
    .bind(tenant.to_string())
    .bind(host.to_string())
    .bind(step.0)
    .bind(at)
    .bind(to_json(&readings, "readings")?)
    .execute(&mut **tx)
    .await?;
    if inserted.rows_affected() > 0 {
        return Ok(());
    }
    let row = sqlx::query(
        "SELECT readings FROM telemetry \
         WHERE tenant_id = $1 AND host_id = $2 AND step = $3 AND at = $4",
    )
    .bind(tenant.to_string())
    .bind(host.to_string())
    .bind(step.0)
    .bind(at)
    .fetch_one(&mut **tx)
    .await?;
    let mut merged: Readings = json(&row, "readings")?;
    merge(&mut merged, readings);
    sqlx::query(
        "UPDATE telemetry SET readings = $1 \
         WHERE tenant_id = $2 AND host_id = $3 AND step = $4 AND at = $5",
    )
    .bind(to_json(&merged, "readings")?)
    .bind(tenant.to_string())
    .bind(host.to_string())
    .bind(step.0)
    .bind(at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps rows as they came, and forgets the oldest of the host's that are beyond its bounds.
async fn put_records(
    tx: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    host: HostId,
    records: &[NewRecord],
) -> Result<(), StoreError> {
    for record in records {
        sqlx::query(
            "INSERT INTO records (id, tenant_id, host_id, kind, at, bytes, data) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(Uuid::now_v7().to_string())
        .bind(tenant.to_string())
        .bind(host.to_string())
        .bind(&record.kind)
        .bind(record.at.millis())
        .bind(i64::try_from(record.data.len()).unwrap_or(i64::MAX))
        .bind(&record.data)
        .execute(&mut **tx)
        .await?;
    }
    sqlx::query(
        "DELETE FROM records WHERE tenant_id = $1 AND host_id = $2 AND id IN ( \
         SELECT id FROM (SELECT id, COUNT(*) OVER newest AS number, SUM(bytes) OVER newest AS size \
         FROM records WHERE tenant_id = $1 AND host_id = $2 WINDOW newest AS (ORDER BY id DESC)) \
         AS placed WHERE number > $3 OR size > $4)",
    )
    .bind(tenant.to_string())
    .bind(host.to_string())
    .bind(RECORDS)
    .bind(RECORD_BYTES)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
