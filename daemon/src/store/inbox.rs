//! The inbox of alerts. A row is written in the transaction of the event that tells of it, whoever
//! publishes; and what a person makes of an alert is such an event, too.

use gangplank_proto::channel::Line;
use gangplank_proto::id::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};

use super::row::{json, number, parsed, time};
use super::{Page, PageRequest, Store, StoreError};
use crate::audit::{By, Entry};
use crate::clock::Timestamp;
use crate::event::Topic;
use crate::inbox::AlertState;

/// Alerts kept of a tenant, at least; a few more until they are cleared away.
const KEPT: i64 = 20_000;

/// Old alerts are cleared away once for so many events.
const CLEARED: u64 = 256;

/// Alerts whose state is changed at once, at most.
pub const ALERTS_TOGETHER: usize = 500;

/// What has to be known of an alert to keep it; its form was looked at where it came in.
#[derive(Deserialize)]
struct Raised {
    id: String,
    status: String,
}

/// An alert and what people made of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredAlert {
    /// What was published last of it; its `status` is the state in the inbox.
    #[serde(flatten)]
    pub alert: Value,
    /// How often it was published.
    pub raised: u64,
    /// When it was published first.
    pub raised_at: Timestamp,
    /// When its state changed.
    pub changed_at: Timestamp,
    /// Who changed it; none when whoever publishes did.
    pub changed_by: Option<String>,
    /// What they said about it.
    pub note: Option<String>,
    #[serde(skip)]
    seq: u64,
}

/// How many alerts there are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct AlertCounts {
    /// Nobody has said anything about them.
    pub new: u64,
    /// Somebody looks into them.
    pub acknowledged: u64,
    /// They are dealt with.
    pub closed: u64,
}

/// What became of changing the state of alerts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settled {
    /// Those that are now in the state, in the order that was asked for.
    pub alerts: Vec<StoredAlert>,
    /// The number of the last event about it, if anything changed.
    pub seq: Option<u64>,
}

impl Store {
    /// The alerts of a tenant, those that were told of last first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alerts(
        &self,
        tenant: TenantId,
        state: Option<AlertState>,
        page: &PageRequest,
    ) -> Result<Page<StoredAlert>, StoreError> {
        let before = page.cursor.as_deref().and_then(|c| c.parse::<i64>().ok()).unwrap_or(i64::MAX);
        let rows = sqlx::query(
            "SELECT * FROM alerts WHERE tenant_id = $1 AND ($2 IS NULL OR state = $2) \
             AND seq < $3 ORDER BY seq DESC LIMIT $4",
        )
        .bind(tenant.to_string())
        .bind(state.map(AlertState::as_str))
        .bind(before)
        .bind(page.size() + 1)
        .fetch_all(&self.reader)
        .await?;
        let alerts = rows.iter().map(stored).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(alerts, page.size(), |alert| alert.seq.to_string()))
    }

    /// How many alerts a tenant has.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alert_counts(&self, tenant: TenantId) -> Result<AlertCounts, StoreError> {
        let rows = sqlx::query(
            "SELECT state, COUNT(*) AS count FROM alerts WHERE tenant_id = $1 GROUP BY state",
        )
        .bind(tenant.to_string())
        .fetch_all(&self.reader)
        .await?;
        let mut counts = AlertCounts::default();
        for row in rows {
            let count = number(&row, "count")?;
            match parsed(&row, "state")? {
                AlertState::New => counts.new = count,
                AlertState::Acknowledged => counts.acknowledged = count,
                AlertState::Closed => counts.closed = count,
            }
        }
        Ok(counts)
    }

    /// One alert.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alert(
        &self,
        tenant: TenantId,
        id: &str,
    ) -> Result<Option<StoredAlert>, StoreError> {
        let row = one(tenant, id).fetch_optional(&self.reader).await?;
        row.as_ref().map(stored).transpose()
    }

    /// Brings alerts into a state: all of them, or none when one is unknown. An alert that is in it
    /// already stays as it is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settle_alerts(
        &self,
        tenant: TenantId,
        by: &By,
        ids: &[String],
        state: AlertState,
        note: Option<&Line>,
    ) -> Result<Option<Settled>, StoreError> {
        let mut write = self.write().await?;
        let mut settled = Settled::default();
        for id in ids {
            let Some(row) = one(tenant, id).fetch_optional(&mut *write).await? else {
                return Ok(None);
            };
            if parsed::<AlertState>(&row, "state")? != state {
                settled.seq = Some(settle(&mut write, tenant, by, &row, state, note).await?);
            }
            let row = one(tenant, id).fetch_one(&mut *write).await?;
            settled.alerts.push(stored(&row)?);
        }
        write.commit().await?;
        Ok(Some(settled))
    }
}

async fn settle(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    by: &By,
    row: &SqliteRow,
    state: AlertState,
    note: Option<&Line>,
) -> Result<u64, StoreError> {
    let id: &str = row.try_get("id")?;
    let told = with(row, state)?;
    let event = super::event::append(write, tenant, Topic::Alerts.as_str(), told, by.at).await?;
    // The event has brought the row up to itself, as if whoever raised the alert had said so.
    sqlx::query(
        "UPDATE alerts SET state = $1, changed_at = $2, changed_by = $3, note = $4, \
         raised = raised - 1 WHERE tenant_id = $5 AND id = $6",
    )
    .bind(state.as_str())
    .bind(by.at.millis())
    .bind(by.actor.to_string())
    .bind(note.map(Line::as_str))
    .bind(tenant.to_string())
    .bind(id)
    .execute(&mut **write)
    .await?;
    let entry = Entry::done(tenant, state.action(), format!("alert:{id}"));
    let entry = entry.with(json!({ "note": note.map(Line::as_str) }));
    super::audit::append(write, by, entry).await?;
    Ok(event.seq)
}

/// Keeps what was published on a topic, if that is the one of alerts: numbers and texts.
pub(super) async fn keep(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    topic: &str,
    events: impl Iterator<Item = (u64, &str)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if topic == Topic::Alerts.as_str() {
        for (seq, data) in events {
            keep_one(write, tenant, seq, data, now).await?;
        }
    }
    Ok(())
}

/// What is no alert is none, whoever put it there.
async fn keep_one(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    seq: u64,
    data: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Ok(alert) = serde_json::from_str::<Raised>(data) else { return Ok(()) };
    let before = one(tenant, &alert.id).fetch_optional(&mut **write).await?;
    let before = before.map(|row| parsed::<AlertState>(&row, "state")).transpose()?;
    let state = AlertState::after(before, &alert.status);
    sqlx::query(
        "INSERT INTO alerts (tenant_id, id, seq, state, alert, raised, raised_at, changed_at) \
         VALUES ($1, $2, $3, $4, $5, 1, $6, $6) \
         ON CONFLICT (tenant_id, id) DO UPDATE SET seq = excluded.seq, alert = excluded.alert, \
         raised = alerts.raised + 1, state = excluded.state",
    )
    .bind(tenant.to_string())
    .bind(&alert.id)
    .bind(i64::try_from(seq).unwrap_or(i64::MAX))
    .bind(state.as_str())
    .bind(data)
    .bind(now.millis())
    .execute(&mut **write)
    .await?;
    if before.is_some_and(|before| before != state) {
        sqlx::query(
            "UPDATE alerts SET changed_at = $1, changed_by = NULL, note = NULL \
             WHERE tenant_id = $2 AND id = $3",
        )
        .bind(now.millis())
        .bind(tenant.to_string())
        .bind(&alert.id)
        .execute(&mut **write)
        .await?;
    }
    if seq.is_multiple_of(CLEARED) {
        sqlx::query(
            "DELETE FROM alerts WHERE tenant_id = $1 AND seq <= (SELECT seq FROM alerts \
             WHERE tenant_id = $1 ORDER BY seq DESC LIMIT 1 OFFSET $2)",
        )
        .bind(tenant.to_string())
        .bind(KEPT)
        .execute(&mut **write)
        .await?;
    }
    Ok(())
}

type Query = sqlx::query::Query<'static, Sqlite, sqlx::sqlite::SqliteArguments>;

fn one(tenant: TenantId, id: &str) -> Query {
    sqlx::query("SELECT * FROM alerts WHERE tenant_id = $1 AND id = $2")
        .bind(tenant.to_string())
        .bind(id.to_owned())
}

/// What was published, with the state of the inbox in it.
fn with(row: &SqliteRow, state: AlertState) -> Result<Value, StoreError> {
    let mut alert: serde_json::Map<String, Value> = json(row, "alert")?;
    alert.insert("status".to_owned(), state.as_str().into());
    Ok(alert.into())
}

fn stored(row: &SqliteRow) -> Result<StoredAlert, StoreError> {
    Ok(StoredAlert {
        alert: with(row, parsed(row, "state")?)?,
        raised: number(row, "raised")?,
        raised_at: time(row, "raised_at")?,
        changed_at: time(row, "changed_at")?,
        changed_by: row.try_get("changed_by")?,
        note: row.try_get("note")?,
        seq: number(row, "seq")?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::tests::{START, by, fixture};
    use super::*;

    fn published(id: &str, status: &str) -> Value {
        json!({
            "id": id, "title": "t", "severity": "high", "status": status, "source": "s",
            "iocs": [], "mitre_techniques": [], "timestamp": "2026-01-15T09:30:00Z",
        })
    }

    #[tokio::test]
    async fn the_inbox_follows_the_events_of_its_own_tenant() {
        let fixture = fixture().await;
        let (store, tenant) = (&fixture.store, fixture.tenant);
        let topic = Topic::Alerts.as_str();
        for data in [published("a", "new"), published("a", "new"), json!({ "id": "no alert" })] {
            store.append_event(tenant, topic, data, START).await.unwrap();
        }
        store.append_event(tenant, "security", published("b", "new"), START).await.unwrap();
        let found = store.alert(tenant, "a").await.unwrap().unwrap();
        assert_eq!((found.raised, found.alert["status"].as_str()), (2, Some("new")));
        let counts = store.alert_counts(tenant).await.unwrap();
        assert_eq!(counts, AlertCounts { new: 1, ..AlertCounts::default() });
        assert_eq!(store.alert_counts(fixture.other).await.unwrap(), AlertCounts::default());

        // Another tenant's alert is an unknown one, and takes the whole order with it.
        let ids = ["a".to_owned()];
        let state = AlertState::Closed;
        let none = store.settle_alerts(fixture.other, &by(START), &ids, state, None).await;
        assert_eq!(none.unwrap(), None);
        let settled = store.settle_alerts(tenant, &by(START), &ids, state, None).await;
        assert_eq!(settled.unwrap().unwrap().seq, Some(4));
        let missed = store.events_after(tenant, topic, 3, 10).await.unwrap();
        assert_eq!(missed.events[0].data, published("a", "closed"));
        // What a person does is not counted as raising it.
        let found = store.alert(tenant, "a").await.unwrap().unwrap();
        assert_eq!((found.raised, found.changed_by.as_deref()), (2, Some("daemon")));
    }
}
