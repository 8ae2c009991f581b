//! What was told on a topic, newest first.

use gangplank_proto::event::Event;
use gangplank_proto::id::TenantId;

use super::event::event;
use super::{Page, PageRequest, Store, StoreError};

impl Store {
    /// Events of a topic that are kept, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn events_before(
        &self,
        tenant: TenantId,
        topic: &str,
        page: &PageRequest,
    ) -> Result<Page<Event>, StoreError> {
        let before = page.cursor.as_deref().and_then(|c| c.parse::<i64>().ok()).unwrap_or(i64::MAX);
        let rows = sqlx::query(
            "SELECT topic, seq, id, at, data FROM events \
             WHERE tenant_id = $1 AND topic = $2 AND seq < $3 ORDER BY seq DESC LIMIT $4",
        )
        .bind(tenant.to_string())
        .bind(topic)
        .bind(before)
        .bind(page.size() + 1)
        .fetch_all(&self.reader)
        .await?;
        let events = rows.iter().map(event).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(events, page.size(), |event| event.seq.to_string()))
    }
}
