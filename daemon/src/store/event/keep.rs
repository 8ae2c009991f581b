//! How long events are kept: by their number and by their age, topic by topic. What goes is always
//! the beginning of a topic, so that nothing is missing in between.

use std::collections::BTreeMap;
use std::time::Duration;

use gangplank_proto::id::TenantId;
use sqlx::Row as _;

use crate::clock::Timestamp;
use crate::store::row::{number, parsed, time_option};
use crate::store::{Store, StoreError};

/// Events removed in one transaction.
const STEP: i64 = 1000;

/// Transactions of one round, so that whoever writes meanwhile waits for little.
const STEPS: usize = 64;

/// How much of a topic is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The newest so many.
    pub events: u64,
    /// And of these what is younger than that.
    pub age: Duration,
}

/// How much of every topic is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Where nothing else is said.
    pub default: Kept,
    /// Topics that are kept otherwise.
    pub topics: BTreeMap<String, Kept>,
}

impl Retention {
    /// How much of a topic is kept.
    #[must_use]
    pub fn of(&self, topic: &str) -> Kept {
        self.topics.get(topic).copied().unwrap_or(self.default)
    }
}

impl Store {
    /// Removes events that are too many or too old by what `retention` says of their tenant, a
    /// bounded number of them. True when there may be more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_old_events<'a>(
        &self,
        retention: impl Fn(TenantId) -> &'a Retention,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = sqlx::query(
            "SELECT t.tenant_id, t.topic, t.last_seq, \
             (SELECT MIN(e.seq) FROM events e \
              WHERE e.tenant_id = t.tenant_id AND e.topic = t.topic) AS first_seq, \
             (SELECT f.at FROM events f WHERE f.tenant_id = t.tenant_id AND f.topic = t.topic \
              ORDER BY f.seq LIMIT 1) AS first_at FROM topics t",
        )
        .fetch_all(&self.reader)
        .await?;
        let mut steps = 0;
        for row in rows {
            let (tenant, topic) = (parsed(&row, "tenant_id")?, row.try_get("topic")?);
            let kept = removal(&row, retention(tenant).of(topic), now)?;
            let Some((surplus, before)) = kept else { continue };
            loop {
                if steps == STEPS {
                    return Ok(true);
                }
                steps += 1;
                if self.remove_step(tenant, topic, surplus, before).await? < STEP.unsigned_abs() {
                    break;
                }
            }
        }
        Ok(false)
    }

    async fn remove_step(
        &self,
        tenant: TenantId,
        topic: &str,
        surplus: i64,
        before: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut write = self.write().await?;
        let done = sqlx::query(
            "DELETE FROM events WHERE tenant_id = $1 AND topic = $2 AND seq <= \
             (SELECT COALESCE(MAX(seq), 0) FROM (SELECT seq, at FROM events \
              WHERE tenant_id = $1 AND topic = $2 ORDER BY seq LIMIT $3) AS oldest \
              WHERE oldest.seq <= $4 OR oldest.at < $5)",
        )
        .bind(tenant.to_string())
        .bind(topic)
        .bind(STEP)
        .bind(surplus)
        .bind(before.millis())
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(done.rows_affected())
    }
}

/// Up to which number a topic has too many, and before which moment it is too old; none when
/// it has nothing that goes.
fn removal(
    row: &sqlx::sqlite::SqliteRow,
    kept: Kept,
    now: Timestamp,
) -> Result<Option<(i64, Timestamp)>, StoreError> {
    let Some(first) = row.try_get::<Option<i64>, _>("first_seq")? else { return Ok(None) };
    let last: u64 = number(row, "last_seq")?;
    let surplus = i64::try_from(last.saturating_sub(kept.events)).unwrap_or(i64::MAX);
    let before = now.minus(kept.age);
    let old = time_option(row, "first_at")?.is_some_and(|at| at < before);
    Ok((first <= surplus || old).then_some((surplus, before)))
}
