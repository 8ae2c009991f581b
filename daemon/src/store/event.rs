//! Events of a topic, numbered within tenant and topic without holes, and kept for a while so that a
//! subscriber that was away can be told what it missed.

use gangplank_proto::event::{Event, GapRange};
use gangplank_proto::id::TenantId;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};
use uuid::Uuid;

use super::row::{json, number, time};
use super::{Store, StoreError};
use crate::clock::Timestamp;

/// Events kept of each topic of a tenant, at least; a few more until they are cleared away.
const KEPT: i64 = 10_000;

/// What a subscriber missed.
#[derive(Debug, Clone, PartialEq)]
pub struct Missed {
    /// Events after its cursor that are gone.
    pub gap: Option<GapRange>,
    /// The events after cursor and gap, oldest first, up to the asked number.
    pub events: Vec<Event>,
    /// The topic's latest number. A cursor beyond it comes from a database that was since restored.
    pub last_seq: u64,
}

impl Store {
    /// Adds an event and numbers it.
    ///
    /// # Errors
    /// When the database fails; the event must then not be sent.
    pub async fn append_event(
        &self,
        tenant: TenantId,
        topic: &str,
        data: Value,
        now: Timestamp,
    ) -> Result<Event, StoreError> {
        let mut write = self.write().await?;
        let event = append(&mut write, tenant, topic, data, now).await?;
        write.commit().await?;
        Ok(event)
    }

    /// What came after a cursor, at most `limit` events.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn events_after(
        &self,
        tenant: TenantId,
        topic: &str,
        after: u64,
        limit: u32,
    ) -> Result<Missed, StoreError> {
        let mut reader = self.reader.begin().await?;
        let row = sqlx::query("SELECT last_seq FROM topics WHERE tenant_id = $1 AND topic = $2")
            .bind(tenant.to_string())
            .bind(topic)
            .fetch_optional(&mut *reader)
            .await?;
        let last_seq: u64 = row.map(|row| number(&row, "last_seq")).transpose()?.unwrap_or(0);
        let rows = sqlx::query(
            "SELECT topic, seq, id, at, data FROM events \
             WHERE tenant_id = $1 AND topic = $2 AND seq > $3 ORDER BY seq LIMIT $4",
        )
        .bind(tenant.to_string())
        .bind(topic)
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(&mut *reader)
        .await?;
        reader.commit().await?;
        let events = rows.iter().map(event).collect::<Result<Vec<_>, _>>()?;
        let first_kept = events.first().map_or(last_seq.saturating_add(1), |event| event.seq);
        let wanted = after.saturating_add(1);
        let lost = wanted < first_kept && limit > 0;
        let gap = lost.then(|| GapRange { from: wanted, to: first_kept.saturating_sub(1) });
        Ok(Missed { gap, events, last_seq })
    }
}

/// Adds an event within the transaction of what it tells of.
pub(super) async fn append(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    topic: &str,
    data: Value,
    now: Timestamp,
) -> Result<Event, StoreError> {
    let row = sqlx::query(
        "INSERT INTO topics (tenant_id, topic, last_seq) VALUES ($1, $2, 1) \
         ON CONFLICT (tenant_id, topic) DO UPDATE SET last_seq = topics.last_seq + 1 \
         RETURNING last_seq",
    )
    .bind(tenant.to_string())
    .bind(topic)
    .fetch_one(&mut **write)
    .await?;
    let seq: i64 = row.try_get("last_seq")?;
    let event = Event {
        topic: topic.to_owned(),
        seq: number(&row, "last_seq")?,
        id: Uuid::now_v7().to_string(),
        at: now.to_string(),
        data,
    };
    sqlx::query(
        "INSERT INTO events (tenant_id, topic, seq, id, at, data) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(tenant.to_string())
    .bind(topic)
    .bind(seq)
    .bind(&event.id)
    .bind(now.millis())
    .bind(event.data.to_string())
    .execute(&mut **write)
    .await?;
    if seq % 256 == 0 {
        sqlx::query("DELETE FROM events WHERE tenant_id = $1 AND topic = $2 AND seq <= $3")
            .bind(tenant.to_string())
            .bind(topic)
            .bind(seq - KEPT)
            .execute(&mut **write)
            .await?;
    }
    Ok(event)
}

fn event(row: &SqliteRow) -> Result<Event, StoreError> {
    Ok(Event {
        topic: row.try_get("topic")?,
        seq: number(row, "seq")?,
        id: row.try_get("id")?,
        at: time(row, "at")?.to_string(),
        data: json(row, "data")?,
    })
}
