//! Reading what hosts sent.

use gangplank_proto::id::{HostId, TenantId};
use serde::Serialize;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::Readings;
use crate::clock::Timestamp;
use crate::store::row::{json, time};
use crate::store::{Page, PageRequest, Store, StoreError};

/// Steps that are read at once: a day of minutes, a week of five minutes, and hours of more than a
/// year fit in.
const MOST: i64 = 16_384;

/// A row that a host sent, as it came.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// Its id, by which rows are in the order in which they came.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// When it happened, as the host says.
    pub at: Timestamp,
    /// What the host sent.
    pub data: Value,
}

impl Store {
    /// What a host measured from one moment until another, oldest first, in steps that are finer the
    /// newer they are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn telemetry(
        &self,
        tenant: TenantId,
        host: HostId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(Timestamp, Readings)>, StoreError> {
        let rows = sqlx::query(
            "SELECT at, readings FROM telemetry \
             WHERE tenant_id = $1 AND host_id = $2 AND at >= $3 AND at < $4 \
             ORDER BY at LIMIT $5",
        )
        .bind(tenant.to_string())
        .bind(host.to_string())
        .bind(from.millis())
        .bind(to.millis())
        .bind(MOST)
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(|row| Ok((time(row, "at")?, json(row, "readings")?))).collect()
    }

    /// Rows of a host that were kept as they came, newest first; of one kind, or of all.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn records(
        &self,
        tenant: TenantId,
        host: HostId,
        kind: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<Record>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, kind, at, data FROM records \
             WHERE tenant_id = $1 AND host_id = $2 AND id < $3 AND ($4 IS NULL OR kind = $4) \
             ORDER BY id DESC LIMIT $5",
        )
        .bind(tenant.to_string())
        .bind(host.to_string())
        // After every id in the order of text.
        .bind(page.cursor.as_deref().unwrap_or("g"))
        .bind(kind)
        .bind(page.size() + 1)
        .fetch_all(&self.reader)
        .await?;
        let records = rows.iter().map(record).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(records, page.size(), |record| record.id.clone()))
    }

    /// Names of its own that a host measures.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn telemetry_names(
        &self,
        tenant: TenantId,
        host: HostId,
    ) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT name FROM telemetry_names WHERE tenant_id = $1 AND host_id = $2 ORDER BY name",
        )
        .bind(tenant.to_string())
        .bind(host.to_string())
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(|row| Ok(row.try_get("name")?)).collect()
    }
}

fn record(row: &SqliteRow) -> Result<Record, StoreError> {
    Ok(Record {
        id: row.try_get("id")?,
        kind: row.try_get("kind")?,
        at: time(row, "at")?,
        data: json(row, "data")?,
    })
}
