//! The audit chain's rows.

use gangplank_proto::id::TenantId;
use serde::Serialize;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};

use super::row::{json, number, time};
use super::{Page, PageRequest, Store, StoreError};
use crate::audit::{By, Entry, seal};
use crate::clock::Timestamp;

/// A row of the audit as people read it.
#[derive(Debug, Clone, Serialize)]
pub struct AuditRow {
    /// Its number in the chain.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who, such as `user:alice`.
    pub actor: String,
    /// What, such as `login.create`.
    pub action: String,
    /// To what.
    pub object: String,
    /// From which address.
    pub source: Option<String>,
    /// `ok`, `refused` or `failed`.
    pub outcome: String,
    /// More about it.
    pub detail: Value,
}

/// What verifying the chain says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum AuditVerdict {
    /// Every row is as it was written.
    Whole {
        /// Number of rows.
        rows: u64,
    },
    /// The row with this number was changed, or is missing, or was put in its place later.
    BrokenAt {
        /// The first number that is wrong.
        seq: u64,
    },
}

impl Store {
    /// Writes one audit row of its own. What changes the store writes its row itself.
    ///
    /// # Errors
    /// When it could not be written; the action must then not be confirmed.
    pub async fn audit(&self, by: &By, entry: Entry) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(())
    }

    /// The audit of a tenant, newest first. The first tenant also sees what happened before anybody
    /// was known.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_page(
        &self,
        tenant: TenantId,
        page: &PageRequest,
    ) -> Result<Page<AuditRow>, StoreError> {
        let before = page.cursor.as_deref().and_then(|c| c.parse::<i64>().ok()).unwrap_or(i64::MAX);
        let rows = sqlx::query(
            "SELECT seq, at, actor, action, object, source, outcome, detail FROM audit \
             WHERE seq < $1 AND (tenant_id = $2 OR (tenant_id IS NULL AND $2 = \
               (SELECT value FROM meta WHERE name = 'first_tenant'))) \
             ORDER BY seq DESC LIMIT $3",
        )
        .bind(before)
        .bind(tenant.to_string())
        .bind(page.size() + 1)
        .fetch_all(&self.reader)
        .await?;
        let rows = rows.iter().map(audit_row).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(rows, page.size(), |row| row.seq.to_string()))
    }

    /// Recomputes the whole chain, a thousand rows at a time.
    ///
    /// # Errors
    /// When the database fails; a broken chain is a verdict, not an error.
    pub async fn verify_audit(&self) -> Result<AuditVerdict, StoreError> {
        // The head first: rows that come in meanwhile are beyond it and don't count.
        let head = sqlx::query("SELECT seq, hash FROM audit_head WHERE id = 1")
            .fetch_one(&self.reader)
            .await?;
        let (end, end_hash) = (head.try_get::<i64, _>("seq")?, head.try_get::<String, _>("hash")?);
        let (mut seq, mut hash) = (0_i64, String::new());
        loop {
            let rows = sqlx::query(
                "SELECT seq, tenant_id, at, actor, action, object, source, outcome, detail, \
                 prev_hash, hash FROM audit WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT 1000",
            )
            .bind(seq)
            .bind(end)
            .fetch_all(&self.reader)
            .await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                seq += 1;
                hash = match verified(row, seq, &hash)? {
                    Some(hash) => hash,
                    None => return Ok(broken(seq)),
                };
            }
        }
        let whole = seq == end && hash == end_hash;
        let rows = u64::try_from(seq).unwrap_or_default();
        Ok(if whole { AuditVerdict::Whole { rows } } else { broken(seq + 1) })
    }
}

fn broken(seq: i64) -> AuditVerdict {
    AuditVerdict::BrokenAt { seq: u64::try_from(seq).unwrap_or_default() }
}

/// Puts a row at the end of the chain, within the transaction of what it tells of.
pub(super) async fn append(
    write: &mut Transaction<'static, Sqlite>,
    by: &By,
    entry: Entry,
) -> Result<(), StoreError> {
    // The update locks the head, so that two writers can't take the same place.
    let head = sqlx::query("UPDATE audit_head SET seq = seq + 1 WHERE id = 1 RETURNING seq, hash")
        .fetch_one(&mut **write)
        .await?;
    let seq = head.try_get::<i64, _>("seq")?;
    let previous = head.try_get::<String, _>("hash")?;
    let tenant = entry.tenant.map(|tenant| tenant.to_string());
    let actor = by.actor.to_string();
    let source = by.source.map(|source| source.to_string());
    let detail = entry.detail.to_string();
    let hash = seal(
        &previous,
        seq,
        &[
            tenant.as_deref().unwrap_or(""),
            &by.at.millis().to_string(),
            &actor,
            entry.action,
            &entry.object,
            source.as_deref().unwrap_or(""),
            entry.outcome.as_str(),
            &detail,
        ],
    );
    sqlx::query(
        "INSERT INTO audit (seq, tenant_id, at, actor, action, object, source, outcome, detail, \
         prev_hash, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(seq)
    .bind(tenant)
    .bind(by.at.millis())
    .bind(actor)
    .bind(entry.action)
    .bind(entry.object)
    .bind(source)
    .bind(entry.outcome.as_str())
    .bind(detail)
    .bind(previous)
    .bind(&hash)
    .execute(&mut **write)
    .await?;
    sqlx::query("UPDATE audit_head SET hash = $1 WHERE id = 1")
        .bind(hash)
        .execute(&mut **write)
        .await?;
    Ok(())
}

/// The row's hash when it is the one that must stand at `seq` after `previous`.
fn verified(row: &SqliteRow, seq: i64, previous: &str) -> Result<Option<String>, StoreError> {
    let text = |column| row.try_get::<Option<&str>, _>(column).map(Option::unwrap_or_default);
    let hash = seal(
        previous,
        seq,
        &[
            text("tenant_id")?,
            &row.try_get::<i64, _>("at")?.to_string(),
            text("actor")?,
            text("action")?,
            text("object")?,
            text("source")?,
            text("outcome")?,
            text("detail")?,
        ],
    );
    let right = row.try_get::<i64, _>("seq")? == seq
        && text("prev_hash")? == previous
        && text("hash")? == hash;
    Ok(right.then_some(hash))
}

fn audit_row(row: &SqliteRow) -> Result<AuditRow, StoreError> {
    Ok(AuditRow {
        seq: number(row, "seq")?,
        at: time(row, "at")?,
        actor: row.try_get("actor")?,
        action: row.try_get("action")?,
        object: row.try_get("object")?,
        source: row.try_get("source")?,
        outcome: row.try_get("outcome")?,
        detail: json(row, "detail")?,
    })
}
