//! What becomes of measurements as they age: coarser, then nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use gangplank_proto::id::{HostId, TenantId};

use super::{Readings, Step, merge, put};
use crate::clock::Timestamp;
use crate::store::row::{json, parsed, time};
use crate::store::{Store, StoreError, Whose};

/// Rows that are put together in one transaction, so that nobody waits long for it.
const AT_ONCE: i64 = 500;

/// Transactions in one go; what is left waits for the next.
const TURNS: u32 = 40;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long what hosts send is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ages {
    /// By the minute.
    pub minutes: Duration,
    /// By five minutes.
    pub five_minutes: Duration,
    /// By the hour.
    pub hours: Duration,
    /// Other rows.
    pub records: Duration,
    /// Names that a host measures no more.
    pub names: Duration,
}

impl Ages {
    /// Measurements are kept for so long in all, and other rows for so long.
    #[must_use]
    pub fn new(kept: Duration, records: Duration) -> Self {
        Self {
            minutes: DAY.min(kept),
            five_minutes: (7 * DAY).min(kept),
            hours: kept,
            records,
            names: 7 * DAY,
        }
    }
}

impl Store {
    /// Puts older measurements together, and forgets what is too old.
    ///
    /// # Errors
    /// When the database fails; what was done stays done.
    pub async fn age_telemetry(
        &self,
        whose: Whose,
        ages: Ages,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.forget(whose, ages, now).await?;
        for (from, to, age) in [
            (Step::MINUTE, Step::FIVE_MINUTES, ages.minutes),
            (Step::FIVE_MINUTES, Step::HOUR, ages.five_minutes),
        ] {
            // Whole steps only, so that each is put together once.
            let before = to.start(now.minus(age));
            for _ in 0..TURNS {
                if self.roll_up(whose, from, to, before).await? < AT_ONCE {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Puts some steps together. How many there were.
    async fn roll_up(
        &self,
        whose: Whose,
        from: Step,
        to: Step,
        before: i64,
    ) -> Result<i64, StoreError> {
        let sql = format!(
            "SELECT tenant_id, host_id, at, readings FROM telemetry \
             WHERE step = $1 AND {} AND at < $3 ORDER BY step, at LIMIT $4",
            whose.condition()
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(from.0)
            .bind(whose.text())
            .bind(before)
            .bind(AT_ONCE)
            .fetch_all(&self.reader)
            .await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let mut tx = self.write().await?;
        let mut coarse: BTreeMap<(TenantId, HostId, i64), Readings> = BTreeMap::new();
        for row in &rows {
            let tenant: TenantId = parsed(row, "tenant_id")?;
            let host: HostId = parsed(row, "host_id")?;
            let at = time(row, "at")?;
            // What came meanwhile for the same minute belongs to it, so it is read as it is deleted.
            let taken = sqlx::query(
                "DELETE FROM telemetry \
                 WHERE tenant_id = $1 AND host_id = $2 AND step = $3 AND at = $4 \
                 RETURNING readings",
            )
            .bind(tenant.to_string())
            .bind(host.to_string())
            .bind(from.0)
            .bind(at.millis())
            .fetch_optional(&mut *tx)
            .await?;
            let Some(taken) = taken else { continue };
            let readings: Readings = json(&taken, "readings")?;
            merge(coarse.entry((tenant, host, to.start(at))).or_default(), readings);
        }
        for ((tenant, host, at), readings) in coarse {
            put(&mut tx, tenant, host, to, at, readings).await?;
        }
        tx.commit().await?;
        Ok(i64::try_from(rows.len()).unwrap_or(i64::MAX))
    }

    async fn forget(&self, whose: Whose, ages: Ages, now: Timestamp) -> Result<(), StoreError> {
        let theirs = whose.condition();
        let mut tx = self.write().await?;
        for (sql, age) in [
            ("DELETE FROM telemetry WHERE step = 3600000 AND at < $1", ages.hours),
            ("DELETE FROM telemetry WHERE step = 300000 AND at < $1", ages.hours),
            ("DELETE FROM telemetry WHERE step = 60000 AND at < $1", ages.hours),
            ("DELETE FROM records WHERE at < $1", ages.records),
            ("DELETE FROM telemetry_names WHERE at < $1", ages.names),
        ] {
            sqlx::query(sqlx::AssertSqlSafe(format!("{sql} AND {theirs}")))
                .bind(now.minus(age).millis())
                .bind(whose.text())
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
