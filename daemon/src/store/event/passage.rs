//! Reading on from a number, up to so many bytes.

use futures_util::TryStreamExt as _;
use gangplank_proto::event::GapRange;
use gangplank_proto::id::TenantId;
use sqlx::Row as _;

use super::write::StoredEvent;
use crate::store::row::{number, time};
use crate::store::{Store, StoreError};

/// Events of a passage at most.
const EVENTS: i64 = 512;

/// What came after a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Events after that number that are gone.
    pub gap: Option<GapRange>,
    /// The events after number and gap, oldest first.
    pub events: Vec<StoredEvent>,
    /// The topic's latest number. A cursor beyond it comes from a database that was since restored.
    pub last_seq: u64,
}

impl Store {
    /// What came after a number, until there are so many bytes of it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn passage(
        &self,
        tenant: TenantId,
        topic: &str,
        after: u64,
        bytes: usize,
    ) -> Result<Passage, StoreError> {
        let mut reader = self.reader.begin().await?;
        let row = sqlx::query("SELECT last_seq FROM topics WHERE tenant_id = $1 AND topic = $2")
            .bind(tenant.to_string())
            .bind(topic)
            .fetch_optional(&mut *reader)
            .await?;
        let last_seq: u64 = row.map(|row| number(&row, "last_seq")).transpose()?.unwrap_or(0);
        let (mut events, mut size) = (Vec::new(), 0);
        {
            let mut rows = sqlx::query(
                "SELECT seq, id, at, data FROM events \
                 WHERE tenant_id = $1 AND topic = $2 AND seq > $3 ORDER BY seq LIMIT $4",
            )
            .bind(tenant.to_string())
            .bind(topic)
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(EVENTS)
            .fetch(&mut *reader);
            while size < bytes
                && let Some(row) = rows.try_next().await?
            {
                let data: String = row.try_get("data")?;
                size += data.len();
                let (seq, at) = (number(&row, "seq")?, time(&row, "at")?);
                events.push(StoredEvent { seq, id: row.try_get("id")?, at, data });
            }
        }
        reader.commit().await?;
        let first = events.first().map_or(last_seq.saturating_add(1), |event| event.seq);
        let wanted = after.saturating_add(1);
        let gap = (wanted < first).then(|| GapRange { from: wanted, to: first.saturating_sub(1) });
        Ok(Passage { gap, events, last_seq })
    }
}
