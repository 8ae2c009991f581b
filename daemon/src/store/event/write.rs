//! Adding events, many in one transaction.

use std::collections::{BTreeMap, HashMap};

use gangplank_proto::event::Event;
use gangplank_proto::id::TenantId;
use serde_json::Value;
use sqlx::{QueryBuilder, Sqlite, Transaction};
use uuid::Uuid;

use super::once::{self, Once};
use crate::clock::Timestamp;
use crate::event::Topic;
use crate::store::inbox;
use crate::store::row::number;
use crate::store::{Store, StoreError};

/// Rows that one statement adds.
const ROWS: usize = 128;

/// Events of one topic, to be added together.
#[derive(Debug)]
pub struct Appending {
    /// Whose topic.
    pub tenant: TenantId,
    /// The topic.
    pub topic: &'static str,
    /// JSON, one text an event.
    pub messages: Vec<String>,
    /// What makes a second time the first one.
    pub once: Option<Once>,
}

/// An event as it is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Number within tenant and topic.
    pub seq: u64,
    /// Unique id.
    pub id: String,
    /// When it was added.
    pub at: Timestamp,
    /// What it says, as JSON.
    pub data: String,
}

/// What whoever published an event is told.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Published {
    /// Unique id.
    pub id: String,
    /// Number within tenant and topic.
    pub seq: u64,
    /// When it was added.
    pub at: Timestamp,
}

/// What became of events that were to be added.
#[derive(Debug)]
pub enum Appended {
    /// They were added now.
    New(Vec<StoredEvent>),
    /// They had been added before.
    Before(Vec<Published>),
}

impl Appended {
    /// What whoever published them is told.
    #[must_use]
    pub fn published(self) -> Vec<Published> {
        match self {
            Self::New(events) => events.iter().map(Published::of).collect(),
            Self::Before(published) => published,
        }
    }
}

impl Published {
    pub(super) fn of(event: &StoredEvent) -> Self {
        Self { id: event.id.clone(), seq: event.seq, at: event.at }
    }
}

impl Store {
    /// Adds events, in the order given, in one transaction.
    ///
    /// # Errors
    /// When the database fails, or one was published before as something else; nothing was added
    /// then.
    pub async fn append_events(
        &self,
        appendings: &[Appending],
        now: Timestamp,
    ) -> Result<Vec<Appended>, StoreError> {
        let mut write = self.write().await?;
        let mut done: Vec<Appended> = Vec::new();
        let mut rest = appendings;
        while let Some(first) = rest.first() {
            if let Some(once) = &first.once {
                done.push(append_once(&mut write, first, once, now).await?);
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            // Neighbours of one topic are written as one.
            let same = |other: &&Appending| {
                (other.tenant, other.topic) == (first.tenant, first.topic) && other.once.is_none()
            };
            let run = rest.iter().take_while(same).count();
            let (together, others) = rest.split_at(run);
            let texts = together.iter().flat_map(|appending| &appending.messages);
            let stored = append_texts(&mut write, first.tenant, first.topic, texts, now).await?;
            let mut stored = stored.into_iter();
            done.extend(together.iter().map(|appending| {
                Appended::New(stored.by_ref().take(appending.messages.len()).collect())
            }));
            rest = others;
        }
        write.commit().await?;
        Ok(done)
    }
}

async fn append_once(
    write: &mut Transaction<'static, Sqlite>,
    appending: &Appending,
    once: &Once,
    now: Timestamp,
) -> Result<Appended, StoreError> {
    let Appending { tenant, topic, messages, .. } = appending;
    if let Some(published) = once::find(write, *tenant, topic, once).await? {
        return Ok(Appended::Before(published));
    }
    let stored = append_texts(write, *tenant, topic, messages.iter(), now).await?;
    let published: Vec<_> = stored.iter().map(Published::of).collect();
    once::keep(write, *tenant, topic, once, &published, now).await?;
    Ok(Appended::New(stored))
}

/// An event that has no number yet.
#[derive(Debug)]
pub(in crate::store) struct Draft {
    pub(in crate::store) tenant: TenantId,
    pub(in crate::store) topic: Topic,
    pub(in crate::store) data: Value,
}

/// Adds an event within the transaction of what it tells of.
pub(in crate::store) async fn append(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    topic: &str,
    data: Value,
    now: Timestamp,
) -> Result<Event, StoreError> {
    let text = [data.to_string()];
    let stored = append_texts(write, tenant, topic, text.iter(), now).await?;
    let stored = stored.into_iter().next().ok_or(StoreError::Corrupt("event"))?;
    let StoredEvent { seq, id, at, .. } = stored;
    Ok(Event { topic: topic.to_owned(), seq, id, at: at.to_string(), data })
}

/// Adds events within the transaction of what they tell of, in their order. Answers the newest
/// number of each topic.
pub(in crate::store) async fn append_all(
    write: &mut Transaction<'static, Sqlite>,
    drafts: Vec<Draft>,
    now: Timestamp,
) -> Result<HashMap<(TenantId, Topic), u64>, StoreError> {
    let mut topics: BTreeMap<(TenantId, &'static str), (Topic, Vec<String>)> = BTreeMap::new();
    for Draft { tenant, topic, data } in drafts {
        let (_, texts) = topics.entry((tenant, topic.as_str())).or_insert((topic, Vec::new()));
        texts.push(data.to_string());
    }
    let mut newest = HashMap::new();
    for ((tenant, name), (topic, texts)) in topics {
        let stored = append_texts(write, tenant, name, texts.iter(), now).await?;
        newest.extend(stored.last().map(|event| ((tenant, topic), event.seq)));
    }
    Ok(newest)
}

/// Adds events of one topic.
async fn append_texts(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    topic: &str,
    texts: impl Iterator<Item = &String>,
    now: Timestamp,
) -> Result<Vec<StoredEvent>, StoreError> {
    let mut events: Vec<_> = texts
        .map(|text| {
            let id = Uuid::now_v7().to_string();
            StoredEvent { seq: 0, id, at: now, data: text.clone() }
        })
        .collect();
    let count = events.len() as u64;
    if count == 0 {
        return Ok(events);
    }
    let row = sqlx::query(
        "INSERT INTO topics (tenant_id, topic, last_seq) VALUES ($1, $2, $3) \
         ON CONFLICT (tenant_id, topic) DO UPDATE SET last_seq = topics.last_seq + $3 \
         RETURNING last_seq",
    )
    .bind(tenant.to_string())
    .bind(topic)
    .bind(i64::try_from(count).unwrap_or(i64::MAX))
    .fetch_one(&mut **write)
    .await?;
    let last: u64 = number(&row, "last_seq")?;
    for (event, seq) in events.iter_mut().zip(last.saturating_sub(count - 1)..) {
        event.seq = seq;
    }
    let texts = events.iter().map(|event| (event.seq, event.data.as_str()));
    inbox::keep(write, tenant, topic, texts, now).await?;
    let tenant = tenant.to_string();
    if let [event] = events.as_slice() {
        // By far the most frequent, and a statement that stays prepared.
        sqlx::query(
            "INSERT INTO events (tenant_id, topic, seq, id, at, data) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&tenant)
        .bind(topic)
        .bind(i64::try_from(event.seq).unwrap_or(i64::MAX))
        .bind(&event.id)
        .bind(event.at.millis())
        .bind(&event.data)
        .execute(&mut **write)
        .await?;
        return Ok(events);
    }
    for rows in events.chunks(ROWS) {
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO events (tenant_id, topic, seq, id, at, data) ",
        );
        insert.push_values(rows, |mut row, event| {
            row.push_bind(&tenant)
                .push_bind(topic)
                .push_bind(i64::try_from(event.seq).unwrap_or(i64::MAX))
                .push_bind(&event.id)
                .push_bind(event.at.millis())
                .push_bind(&event.data);
        });
        // Only a full one comes again.
        insert.build().persistent(rows.len() == ROWS).execute(&mut **write).await?;
    }
    Ok(events)
}
