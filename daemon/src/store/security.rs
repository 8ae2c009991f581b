//! What the guard saw, kept for people and told on the topic `security` in one transaction.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use gangplank_proto::id::{LoginId, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::event::append;
use super::row::{json as json_of, parsed, parsed_option, time};
use super::{Page, PageRequest, Store, StoreError};
use crate::clock::Timestamp;
use crate::event::Topic;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Worth a look.
    Warning,
    /// Worth a look now.
    High,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecurityKind {
    /// Refusals to a source are held back.
    SourceSlowed,
    /// Nobody unknown logs in from a source for a while.
    SourceBlocked,
    /// A source is not answered for a while.
    SourceClosed,
    /// A login's standing changed.
    LoginStanding,
    /// More happened than is written.
    Summary,
}

macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        impl $name {
            /// Its name in the API and in the store.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = StoreError;

            fn from_str(word: &str) -> Result<Self, StoreError> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(StoreError::Invalid(concat!("there is no such ", stringify!($name)))),
                }
            }
        }
    };
}

words!(Severity { Info = "info", Warning = "warning", High = "high" });
words!(SecurityKind {
    SourceSlowed = "source_slowed",
    SourceBlocked = "source_blocked",
    SourceClosed = "source_closed",
    LoginStanding = "login_standing",
    Summary = "summary",
});

/// A security event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SecurityEvent {
    /// Its id; ids are in the order of time.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub kind: SecurityKind,
    /// How bad it is.
    pub severity: Severity,
    /// One line for people.
    pub title: String,
    /// From which address or network.
    pub source: Option<IpAddr>,
    /// Whose login it is about.
    pub user: Option<String>,
    /// The login that it is about.
    pub login_id: Option<LoginId>,
    /// What it is based on.
    pub evidence: Map<String, Value>,
}

/// Which security events are wanted.
#[derive(Debug, Clone, Default)]
pub struct SecurityFilter {
    /// Of this kind.
    pub kind: Option<SecurityKind>,
    /// Of this severity.
    pub severity: Option<Severity>,
    /// From this address or network.
    pub source: Option<IpAddr>,
    /// About this user.
    pub user: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

impl Store {
    /// Keeps a security event of a tenant and appends it to the topic; answers its number there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_security_event(
        &self,
        tenant: TenantId,
        event: &SecurityEvent,
    ) -> Result<u64, StoreError> {
        let data = json!({ "title": event.title, "evidence": event.evidence });
        let told = serde_json::to_value(event)
            .map_err(|_| StoreError::Invalid("a security event that is not JSON"))?;
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO security_events \
             (tenant_id, id, at, kind, severity, source, username, login_id, data) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(tenant.to_string())
        .bind(event.id.to_string())
        .bind(event.at.millis())
        .bind(event.kind.as_str())
        .bind(event.severity.as_str())
        .bind(event.source.map(|source| source.to_string()))
        .bind(&event.user)
        .bind(event.login_id.map(|login| login.to_string()))
        .bind(data.to_string())
        .execute(&mut *write)
        .await?;
        let told = json!({ "type": "alert", "data": told });
        let topic = Topic::Security.as_str();
        let told = append(&mut write, tenant, topic, told, event.at).await?;
        write.commit().await?;
        Ok(told.seq)
    }

    /// The security events of a tenant, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn security_events(
        &self,
        tenant: TenantId,
        wanted: &SecurityFilter,
        page: &PageRequest,
    ) -> Result<Page<SecurityEvent>, StoreError> {
        // Beyond every id, which begins with a digit or a letter up to f.
        let before = page.cursor.clone().unwrap_or_else(|| "g".to_owned());
        let rows = sqlx::query(
            "SELECT id, at, kind, severity, source, username, login_id, data \
             FROM security_events WHERE tenant_id = $1 AND id < $2 \
             AND ($3 IS NULL OR kind = $3) AND ($4 IS NULL OR severity = $4) \
             AND ($5 IS NULL OR source = $5) AND ($6 IS NULL OR lower(username) = lower($6)) \
             AND at >= $7 AND at < $8 ORDER BY id DESC LIMIT $9",
        )
        .bind(tenant.to_string())
        .bind(before)
        .bind(wanted.kind.map(SecurityKind::as_str))
        .bind(wanted.severity.map(Severity::as_str))
        .bind(wanted.source.map(|source| source.to_string()))
        .bind(&wanted.user)
        .bind(wanted.since.map_or(i64::MIN, Timestamp::millis))
        .bind(wanted.until.map_or(i64::MAX, Timestamp::millis))
        .bind(page.size() + 1)
        .fetch_all(&self.reader)
        .await?;
        let events = rows.iter().map(security_event).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(events, page.size(), |event| event.id.to_string()))
    }

    /// Removes security events from before a moment.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_old_security_events(&self, before: Timestamp) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query("DELETE FROM security_events WHERE at < $1")
            .bind(before.millis())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(())
    }
}

fn security_event(row: &SqliteRow) -> Result<SecurityEvent, StoreError> {
    #[derive(Deserialize)]
    struct Data {
        title: String,
        evidence: Map<String, Value>,
    }

    let Data { title, evidence } = json_of(row, "data")?;
    Ok(SecurityEvent {
        id: parsed(row, "id")?,
        at: time(row, "at")?,
        kind: parsed(row, "kind")?,
        severity: parsed(row, "severity")?,
        title,
        source: parsed_option(row, "source")?,
        user: row.try_get("username")?,
        login_id: parsed_option(row, "login_id")?,
        evidence,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::store::tests::{START, fixture};

    fn event(at: Timestamp, kind: SecurityKind, user: Option<&str>) -> SecurityEvent {
        SecurityEvent {
            id: Uuid::now_v7(),
            at,
            kind,
            severity: Severity::Warning,
            title: "something".to_owned(),
            source: Some("192.0.2.1".parse().unwrap()),
            user: user.map(str::to_owned),
            login_id: None,
            evidence: Map::from_iter([("count".to_owned(), json!(7))]),
        }
    }

    #[tokio::test]
    async fn events_are_kept_filtered_and_told_to_their_tenant_alone() {
        let f = fixture().await;
        let later = START.plus(std::time::Duration::from_secs(60));
        let first = event(START, SecurityKind::SourceBlocked, None);
        let second = event(later, SecurityKind::LoginStanding, Some("Alice"));
        assert_eq!(f.store.add_security_event(f.tenant, &first).await.unwrap(), 1);
        assert_eq!(f.store.add_security_event(f.tenant, &second).await.unwrap(), 2);
        let find = async |tenant, filter: SecurityFilter| {
            let page = PageRequest { limit: Some(1), cursor: None };
            let mut page = f.store.security_events(tenant, &filter, &page).await.unwrap();
            let mut found = Vec::new();
            loop {
                found.append(&mut page.items);
                let Some(cursor) = page.next_cursor.take() else { break found };
                let next = PageRequest { limit: Some(1), cursor: Some(cursor) };
                page = f.store.security_events(tenant, &filter, &next).await.unwrap();
            }
        };
        let all = find(f.tenant, SecurityFilter::default()).await;
        assert_eq!(all, [second.clone(), first.clone()]);
        let kind = Some(SecurityKind::LoginStanding);
        let kind = SecurityFilter { kind, ..SecurityFilter::default() };
        assert_eq!(find(f.tenant, kind).await, std::slice::from_ref(&second));
        let user = SecurityFilter { user: Some("alice".to_owned()), ..SecurityFilter::default() };
        assert_eq!(find(f.tenant, user).await, [second]);
        let until = SecurityFilter { until: Some(later), ..SecurityFilter::default() };
        assert_eq!(find(f.tenant, until).await, [first]);
        assert!(find(f.other, SecurityFilter::default()).await.is_empty());
        let told = f.store.events_after(f.tenant, "security", 0, 10).await.unwrap();
        assert_eq!(told.events[0].data["type"], "alert");
        assert_eq!(told.events[1].data["data"]["user"], "Alice");
        f.store.remove_old_security_events(later).await.unwrap();
        assert_eq!(find(f.tenant, SecurityFilter::default()).await.len(), 1);
    }
}
