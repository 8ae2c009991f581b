//! Events of a topic, numbered within tenant and topic without holes, and kept for a while so that a
//! subscriber that was away can be told what it missed.

mod keep;
mod once;
mod passage;
mod write;

use gangplank_proto::event::{Event, GapRange};
use gangplank_proto::id::TenantId;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

pub use keep::{Kept, Retention};
pub use once::Once;
pub use passage::Passage;
pub use write::{Appended, Appending, Published, StoredEvent};
pub(super) use write::{Draft, append, append_all};

use super::row::{json, number, time};
use super::{Store, StoreError};
use crate::clock::Timestamp;

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

    /// Number of a topic's latest event, 0 when there was none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_event(&self, tenant: TenantId, topic: &str) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT last_seq FROM topics WHERE tenant_id = $1 AND topic = $2")
            .bind(tenant.to_string())
            .bind(topic)
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.map(|row| number(&row, "last_seq")).transpose()?.unwrap_or(0))
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

pub(super) fn event(row: &SqliteRow) -> Result<Event, StoreError> {
    Ok(Event {
        topic: row.try_get("topic")?,
        seq: number(row, "seq")?,
        id: row.try_get("id")?,
        at: time(row, "at")?.to_string(),
        data: json(row, "data")?,
    })
}
