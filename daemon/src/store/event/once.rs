//! A publication with a key of its publisher's is made once, however often it is sent.

use std::time::Duration;

use gangplank_proto::id::TenantId;
use sqlx::{Row as _, Sqlite, Transaction};

use super::write::Published;
use crate::clock::Timestamp;
use crate::store::row::{json, to_json};
use crate::store::{Store, StoreError};

/// How long a key is known.
const KNOWN: Duration = Duration::from_secs(24 * 3600);

/// Keys forgotten at a time.
const FORGOTTEN: i64 = 1000;

/// What a publisher calls its publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// Its key.
    pub key: String,
    /// A hash of what is published.
    pub digest: String,
}

pub(super) async fn find(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    topic: &str,
    once: &Once,
) -> Result<Option<Vec<Published>>, StoreError> {
    let row = sqlx::query(
        "SELECT digest, published FROM event_keys \
         WHERE tenant_id = $1 AND topic = $2 AND idempotency_key = $3",
    )
    .bind(tenant.to_string())
    .bind(topic)
    .bind(&once.key)
    .fetch_optional(&mut **write)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.try_get::<&str, _>("digest")? != once.digest {
        return Err(StoreError::Refused("something else was published with this Idempotency-Key"));
    }
    json(&row, "published").map(Some)
}

pub(super) async fn keep(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    topic: &str,
    once: &Once,
    published: &[Published],
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO event_keys (tenant_id, topic, idempotency_key, digest, published, at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(tenant.to_string())
    .bind(topic)
    .bind(&once.key)
    .bind(&once.digest)
    .bind(to_json(&published, "published")?)
    .bind(now.millis())
    .execute(&mut **write)
    .await?;
    Ok(())
}

impl Store {
    /// Forgets the keys of publications that were made long ago, a bounded number of them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_event_keys(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query(
            "DELETE FROM event_keys WHERE (tenant_id, topic, idempotency_key) IN \
             (SELECT tenant_id, topic, idempotency_key FROM event_keys WHERE at < $1 \
              ORDER BY at LIMIT $2)",
        )
        .bind(now.minus(KNOWN).millis())
        .bind(FORGOTTEN)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(())
    }
}
