//! Events on their way to receivers outside: each is written down before it is sent, and goes on
//! until it is delivered or given up.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use gangplank_proto::event::{Gap, GapRange};
use gangplank_proto::id::{DeliveryId, TenantId, WebhookId};
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};

use super::Webhook;
use crate::audit::{By, Entry};
use crate::clock::Timestamp;
use crate::event::Topic;
use crate::store::audit::append;
use crate::store::row::{number, number_option, parsed, time, time_option};
use crate::store::{Page, PageRequest, Store, StoreError};

/// Events of one topic that are written down at a time.
const TOGETHER: u32 = 32;

/// How long is remembered what was delivered, and what was given up.
const KEPT: (Duration, Duration) =
    (Duration::from_secs(7 * 24 * 3600), Duration::from_secs(30 * 24 * 3600));

/// Deliveries that are forgotten at a time.
const FORGOTTEN: i64 = 1000;

/// Longest reason that is kept, in characters.
const REASON: usize = 300;

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is to be sent.
    Waiting,
    /// The receiver has it.
    Delivered,
    /// It was given up.
    Dead,
}

impl DeliveryState {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DeliveryState {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let all = [Self::Waiting, Self::Delivered, Self::Dead];
        all.into_iter().find(|s| s.as_str() == text).ok_or(StoreError::Corrupt("delivery state"))
    }
}

/// An event on its way to a receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Its id, which the receiver sees; the same at every attempt.
    pub id: DeliveryId,
    /// The event's topic.
    pub topic: String,
    /// The event's number.
    pub seq: u64,
    /// What is sent.
    #[serde(skip)]
    pub body: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Whether somebody asked for it again.
    pub replayed: bool,
    /// How often it was sent.
    pub attempts: u32,
    /// Status of the last answer.
    pub status: Option<u16>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// When it was written down.
    pub created_at: Timestamp,
    /// When it is sent next.
    pub next_at: Timestamp,
    /// When it was delivered or given up.
    pub settled_at: Option<Timestamp>,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Status of the answer, if there was one.
    pub status: Option<u16>,
    /// Why it failed; none when it went well.
    pub error: Option<String>,
    /// When it is tried again; none when it is given up.
    pub again_at: Option<Timestamp>,
}

impl Store {
    /// Writes down what of a receiver's topics has happened since, where nothing waits.
    ///
    /// # Errors
    /// When the database fails; then nothing was written.
    pub async fn note_deliveries(&self, hook: &Webhook, now: Timestamp) -> Result<(), StoreError> {
        for topic in hook.topics.iter().filter_map(|name| Topic::named(name)) {
            let name = topic.as_str();
            let row = sqlx::query(
                "SELECT seq, EXISTS (SELECT 1 FROM webhook_deliveries d \
                 WHERE d.webhook_id = c.webhook_id AND d.topic = c.topic \
                 AND d.state = 'waiting' AND NOT d.replayed) AS busy FROM webhook_cursors c \
                 WHERE tenant_id = $1 AND webhook_id = $2 AND topic = $3",
            )
            .bind(hook.tenant.to_string())
            .bind(hook.id.to_string())
            .bind(name)
            .fetch_optional(&self.reader)
            .await?;
            let Some(row) = row else { continue };
            if row.try_get("busy")? {
                continue;
            }
            let after: u64 = number(&row, "seq")?;
            let missed = self.events_after(hook.tenant, name, after, TOGETHER).await?;
            let mut bodies = Vec::new();
            if after > missed.last_seq {
                // The cursor comes from a database that was since restored.
                bodies.push((missed.last_seq, gap(name, 1, missed.last_seq)));
            } else if let Some(GapRange { from, to }) = missed.gap {
                bodies.push((to, gap(name, from, to)));
            }
            bodies.extend(missed.events.iter().map(|e| (e.seq, serde_json::to_string(e))));
            let Some((last, _)) = bodies.last() else { continue };
            let last = *last;
            let mut write = self.write().await?;
            for (seq, body) in bodies {
                let body = body.map_err(|_| StoreError::Corrupt("event"))?;
                insert(&mut write, hook, name, seq, &body, now).await?;
            }
            sqlx::query(
                "UPDATE webhook_cursors SET seq = $1 \
                 WHERE tenant_id = $2 AND webhook_id = $3 AND topic = $4",
            )
            .bind(i64::try_from(last).unwrap_or(i64::MAX))
            .bind(hook.tenant.to_string())
            .bind(hook.id.to_string())
            .bind(name)
            .execute(&mut *write)
            .await?;
            write.commit().await?;
        }
        Ok(())
    }

    /// What is to be sent to a receiver: of each topic the first that waits, and every one that
    /// somebody asked for again; the soonest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next_deliveries(&self, hook: &Webhook) -> Result<Vec<Delivery>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM webhook_deliveries d WHERE d.tenant_id = $1 AND d.webhook_id = $2 \
             AND d.state = 'waiting' AND (d.replayed OR d.seq = (SELECT MIN(f.seq) \
             FROM webhook_deliveries f WHERE f.webhook_id = d.webhook_id AND f.topic = d.topic \
             AND f.state = 'waiting' AND NOT f.replayed)) ORDER BY d.next_at, d.id LIMIT 64",
        )
        .bind(hook.tenant.to_string())
        .bind(hook.id.to_string())
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(delivery).collect()
    }

    /// Writes down what came of an attempt.
    ///
    /// # Errors
    /// When the database fails; then it is sent once more.
    pub async fn attempted(
        &self,
        tenant: TenantId,
        id: DeliveryId,
        attempt: &Attempt,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let state = match (&attempt.error, attempt.again_at) {
            (None, _) => DeliveryState::Delivered,
            (Some(_), Some(_)) => DeliveryState::Waiting,
            (Some(_), None) => DeliveryState::Dead,
        };
        let settled = (state != DeliveryState::Waiting).then_some(now.millis());
        let reason = |text: &String| text.chars().take(REASON).collect::<String>();
        let mut write = self.write().await?;
        sqlx::query(
            "UPDATE webhook_deliveries SET state = $1, attempts = attempts + 1, status = $2, \
             error = $3, next_at = $4, settled_at = $5 \
             WHERE tenant_id = $6 AND id = $7 AND state = 'waiting'",
        )
        .bind(state.as_str())
        .bind(attempt.status.map(i64::from))
        .bind(attempt.error.as_ref().map(reason))
        .bind(attempt.again_at.unwrap_or(now).millis())
        .bind(settled)
        .bind(tenant.to_string())
        .bind(id.to_string())
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(())
    }

    /// The deliveries to a receiver, newest first, of one state perhaps.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deliveries(
        &self,
        tenant: TenantId,
        hook: WebhookId,
        state: Option<DeliveryState>,
        page: &PageRequest,
    ) -> Result<Page<Delivery>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM webhook_deliveries WHERE tenant_id = $1 AND webhook_id = $2 \
             AND id < $3 AND ($4 IS NULL OR state = $4) ORDER BY id DESC LIMIT $5",
        )
        .bind(tenant.to_string())
        .bind(hook.to_string())
        .bind(page.cursor.as_deref().unwrap_or("g"))
        .bind(state.map(DeliveryState::as_str))
        .bind(page.size() + 1)
        .fetch_all(&self.reader)
        .await?;
        let deliveries = rows.iter().map(delivery).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(deliveries, page.size(), |delivery| delivery.id.to_string()))
    }

    /// Has a delivery sent again that was settled. False when there is none.
    ///
    /// # Errors
    /// [`StoreError::Refused`] while it waits.
    pub async fn replay_delivery(
        &self,
        tenant: TenantId,
        by: &By,
        hook: WebhookId,
        id: DeliveryId,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let row = sqlx::query(
            "SELECT state FROM webhook_deliveries \
             WHERE tenant_id = $1 AND webhook_id = $2 AND id = $3",
        )
        .bind(tenant.to_string())
        .bind(hook.to_string())
        .bind(id.to_string())
        .fetch_optional(&mut *write)
        .await?;
        let Some(row) = row else { return Ok(false) };
        if parsed::<DeliveryState>(&row, "state")? == DeliveryState::Waiting {
            return Err(StoreError::Refused("the delivery is on its way"));
        }
        sqlx::query(
            "UPDATE webhook_deliveries SET state = 'waiting', replayed = TRUE, attempts = 0, \
             next_at = $1, settled_at = NULL WHERE tenant_id = $2 AND id = $3",
        )
        .bind(by.at.millis())
        .bind(tenant.to_string())
        .bind(id.to_string())
        .execute(&mut *write)
        .await?;
        let entry = Entry::done(tenant, "webhook.replay", format!("webhook:{hook}"))
            .with(serde_json::json!({ "delivery": id }));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Forgets deliveries that were settled long ago, a bounded number of them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_deliveries(&self, now: Timestamp) -> Result<(), StoreError> {
        let (delivered, dead) = KEPT;
        let mut write = self.write().await?;
        sqlx::query(
            "DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries \
             WHERE settled_at IS NOT NULL AND settled_at <= $1 \
             AND (state = 'delivered' OR settled_at <= $2) LIMIT $3)",
        )
        .bind(now.minus(delivered).millis())
        .bind(now.minus(dead).millis())
        .bind(FORGOTTEN)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(())
    }
}

/// Has a receiver begin at the end of every topic that is new to it, and forget those that it gets
/// no more.
pub(super) async fn begin(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    hook: WebhookId,
    topics: &[Topic],
) -> Result<(), StoreError> {
    for topic in Topic::ALL {
        let sql = if topics.contains(&topic) {
            "INSERT INTO webhook_cursors (webhook_id, tenant_id, topic, seq) \
             SELECT id, tenant_id, $1, COALESCE((SELECT last_seq FROM topics \
             WHERE topics.tenant_id = webhooks.tenant_id AND topics.topic = $1), 0) \
             FROM webhooks WHERE tenant_id = $2 AND id = $3 \
             ON CONFLICT (webhook_id, topic) DO NOTHING"
        } else {
            "DELETE FROM webhook_cursors WHERE topic = $1 AND tenant_id = $2 AND webhook_id = $3"
        };
        sqlx::query(sql)
            .bind(topic.as_str())
            .bind(tenant.to_string())
            .bind(hook.to_string())
            .execute(&mut **write)
            .await?;
    }
    Ok(())
}

async fn insert(
    write: &mut Transaction<'static, Sqlite>,
    hook: &Webhook,
    topic: &str,
    seq: u64,
    body: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO webhook_deliveries (id, webhook_id, tenant_id, topic, seq, body, state, \
         replayed, attempts, created_at, next_at) \
         SELECT $1, id, tenant_id, $2, $3, $4, 'waiting', FALSE, 0, $5, $5 FROM webhooks \
         WHERE tenant_id = $6 AND id = $7",
    )
    .bind(DeliveryId::new().to_string())
    .bind(topic)
    .bind(i64::try_from(seq).unwrap_or(i64::MAX))
    .bind(body)
    .bind(now.millis())
    .bind(hook.tenant.to_string())
    .bind(hook.id.to_string())
    .execute(&mut **write)
    .await?;
    Ok(())
}

fn gap(topic: &str, from: u64, to: u64) -> serde_json::Result<String> {
    serde_json::to_string(&Gap { topic: topic.to_owned(), gap: GapRange { from, to } })
}

fn delivery(row: &SqliteRow) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        id: parsed(row, "id")?,
        topic: row.try_get("topic")?,
        seq: number(row, "seq")?,
        body: row.try_get("body")?,
        state: parsed(row, "state")?,
        replayed: row.try_get("replayed")?,
        attempts: number(row, "attempts")?,
        status: number_option(row, "status")?,
        error: row.try_get("error")?,
        created_at: time(row, "created_at")?,
        next_at: time(row, "next_at")?,
        settled_at: time_option(row, "settled_at")?,
    })
}
