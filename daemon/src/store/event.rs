//! Events of a topic, numbered within tenant and topic without holes, and kept for a while so that a
//! subscriber that was away can be told what it missed.

use std::collections::{BTreeMap, HashMap};

use gangplank_proto::event::{Event, GapRange};
use gangplank_proto::id::TenantId;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite, Transaction};
use uuid::Uuid;

use super::row::{json, number, time};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::event::Topic;

/// Events kept of each topic of a tenant, at least; a few more until they are cleared away.
const KEPT: i64 = 10_000;

/// Old events are cleared away once for so many new ones.
const CLEARED: i64 = 256;

/// Events that one statement adds.
const TOGETHER: usize = 128;

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

/// An event that has no number yet.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) tenant: TenantId,
    pub(super) topic: Topic,
    pub(super) data: Value,
}

/// Adds an event within the transaction of what it tells of.
pub(super) async fn append(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    topic: &str,
    data: Value,
    now: Timestamp,
) -> Result<Event, StoreError> {
    let seq = number_next(write, tenant, topic, 1).await?;
    let event = numbered(topic, seq, data, now)?;
    insert(write, tenant, std::slice::from_ref(&event), now).await?;
    clear(write, tenant, topic, (seq, seq)).await?;
    Ok(event)
}

/// Adds events within the transaction of what they tell of, in their order. Answers the newest
/// number of each topic.
pub(super) async fn append_all(
    write: &mut Transaction<'static, Sqlite>,
    drafts: Vec<Draft>,
    now: Timestamp,
) -> Result<HashMap<(TenantId, Topic), u64>, StoreError> {
    let mut topics: BTreeMap<(TenantId, &'static str), (Topic, Vec<Value>)> = BTreeMap::new();
    for Draft { tenant, topic, data } in drafts {
        topics.entry((tenant, topic.as_str())).or_insert((topic, Vec::new())).1.push(data);
    }
    let mut newest = HashMap::new();
    for ((tenant, name), (topic, data)) in topics {
        let count = i64::try_from(data.len()).unwrap_or(i64::MAX);
        let last = number_next(write, tenant, name, count).await?;
        let first = last - count + 1;
        let events = (first..).zip(data).map(|(seq, data)| numbered(name, seq, data, now));
        let events = events.collect::<Result<Vec<_>, _>>()?;
        for events in events.chunks(TOGETHER) {
            insert(write, tenant, events, now).await?;
        }
        clear(write, tenant, name, (first, last)).await?;
        newest.insert((tenant, topic), u64::try_from(last).unwrap_or_default());
    }
    Ok(newest)
}

/// Takes the next numbers of a topic; answers the last of them.
async fn number_next(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    topic: &str,
    count: i64,
) -> Result<i64, StoreError> {
    let row = sqlx::query(
        "INSERT INTO topics (tenant_id, topic, last_seq) VALUES ($1, $2, $3) \
         ON CONFLICT (tenant_id, topic) DO UPDATE SET last_seq = topics.last_seq + $3 \
         RETURNING last_seq",
    )
    .bind(tenant.to_string())
    .bind(topic)
    .bind(count)
    .fetch_one(&mut **write)
    .await?;
    Ok(row.try_get("last_seq")?)
}

fn numbered(topic: &str, seq: i64, data: Value, now: Timestamp) -> Result<Event, StoreError> {
    Ok(Event {
        topic: topic.to_owned(),
        seq: u64::try_from(seq).map_err(|_| StoreError::Corrupt("last_seq"))?,
        id: Uuid::now_v7().to_string(),
        at: now.to_string(),
        data,
    })
}

async fn insert(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    events: &[Event],
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut query = QueryBuilder::new("INSERT INTO events (tenant_id, topic, seq, id, at, data) ");
    query.push_values(events, |mut row, event| {
        row.push_bind(tenant.to_string())
            .push_bind(event.topic.as_str())
            .push_bind(i64::try_from(event.seq).unwrap_or(i64::MAX))
            .push_bind(event.id.as_str())
            .push_bind(now.millis())
            .push_bind(event.data.to_string());
    });
    query.build().execute(&mut **write).await?;
    Ok(())
}

/// Clears old events away, now and then as new ones come.
async fn clear(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    topic: &str,
    (first, last): (i64, i64),
) -> Result<(), StoreError> {
    if (first - 1) / CLEARED == last / CLEARED {
        return Ok(());
    }
    sqlx::query("DELETE FROM events WHERE tenant_id = $1 AND topic = $2 AND seq <= $3")
        .bind(tenant.to_string())
        .bind(topic)
        .bind(last - KEPT)
        .execute(&mut **write)
        .await?;
    Ok(())
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
