//! One host: where it stands, and how it came there.

use gangplank_proto::fact::FactText;
use gangplank_proto::id::{HostId, ScanId, TenantId};
use gangplank_proto::scan::Scanner;
use serde::Serialize;
use sqlx::Row as _;

use super::{Series, StoredScan, scan_row};
use crate::clock::Timestamp;
use crate::store::row::{parsed, time};
use crate::store::{Store, StoreError};

/// Scans of a trend at most.
const POINTS: i64 = 100;

/// What is known of a host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HostCompliance {
    /// What was passed of what was judged, by the latest whole scan.
    pub score: Option<f64>,
    /// The latest whole scan.
    pub latest: Option<StoredScan>,
    /// A scan that came later, and was ended before all rules were looked at.
    pub partial: Option<StoredScan>,
    /// The whole scans that can be compared with the latest, oldest first.
    pub trend: Vec<TrendPoint>,
    /// What the host was scanned for: the latest whole scan of each scanner and profile.
    pub series: Vec<SeriesOfHost>,
}

/// One scan of a trend.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrendPoint {
    /// The scan.
    pub scan_id: ScanId,
    /// When it came.
    pub at: Timestamp,
    /// What was passed of what was judged.
    pub score: Option<f64>,
}

/// The latest of the scans that can be compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeriesOfHost {
    /// By which program.
    pub scanner: Scanner,
    /// For which profile.
    pub profile: FactText,
    /// The scan.
    #[serde(flatten)]
    pub latest: TrendPoint,
}

impl Store {
    /// Where a host stands, by all of its scans or by those of a series.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn host_compliance(
        &self,
        tenant: TenantId,
        host: HostId,
        series: &Series,
    ) -> Result<HostCompliance, StoreError> {
        let latest = self.latest_scan(tenant, host, series, false).await?;
        let partial = self.latest_scan(tenant, host, series, true).await?;
        let partial =
            partial.filter(|partial| latest.as_ref().is_none_or(|latest| latest.id < partial.id));
        let trend = match &latest {
            Some(latest) => self.trend(tenant, latest).await?,
            None => Vec::new(),
        };
        Ok(HostCompliance {
            score: latest.as_ref().and_then(|latest| latest.score),
            trend,
            series: self.series_of_host(tenant, host).await?,
            latest,
            partial,
        })
    }

    async fn latest_scan(
        &self,
        tenant: TenantId,
        host: HostId,
        series: &Series,
        partial: bool,
    ) -> Result<Option<StoredScan>, StoreError> {
        let row = sqlx::query(
            "SELECT s.*, h.friendly_name AS host_name FROM compliance_scans s \
             JOIN hosts h ON h.tenant_id = s.tenant_id AND h.id = s.host_id \
             WHERE s.tenant_id = $1 AND s.host_id = $2 AND s.partial = $3 \
             AND ($4 IS NULL OR s.scanner = $4) AND ($5 IS NULL OR s.profile = $5) \
             ORDER BY s.id DESC LIMIT 1",
        )
        .bind(tenant.to_string())
        .bind(host.to_string())
        .bind(partial)
        .bind(series.scanner.map(Scanner::as_str))
        .bind(series.profile.as_deref())
        .fetch_optional(&self.reader)
        .await?;
        row.as_ref().map(scan_row).transpose()
    }

    async fn trend(
        &self,
        tenant: TenantId,
        latest: &StoredScan,
    ) -> Result<Vec<TrendPoint>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, at, score FROM compliance_scans WHERE tenant_id = $1 AND host_id = $2 \
             AND scanner = $3 AND profile = $4 AND NOT partial ORDER BY id DESC LIMIT $5",
        )
        .bind(tenant.to_string())
        .bind(latest.host.to_string())
        .bind(latest.scanner.as_str())
        .bind(latest.profile.as_str())
        .bind(POINTS)
        .fetch_all(&self.reader)
        .await?;
        rows.iter().rev().map(point).collect()
    }

    async fn series_of_host(
        &self,
        tenant: TenantId,
        host: HostId,
    ) -> Result<Vec<SeriesOfHost>, StoreError> {
        let rows = sqlx::query(
            "SELECT s.id, s.at, s.score, s.scanner, s.profile FROM compliance_scans s \
             WHERE s.id IN (SELECT MAX(id) FROM compliance_scans \
               WHERE tenant_id = $1 AND host_id = $2 AND NOT partial GROUP BY scanner, profile) \
             ORDER BY s.id DESC LIMIT $3",
        )
        .bind(tenant.to_string())
        .bind(host.to_string())
        .bind(POINTS)
        .fetch_all(&self.reader)
        .await?;
        let series = rows.iter().map(|row| {
            Ok(SeriesOfHost {
                scanner: parsed(row, "scanner")?,
                profile: row.try_get::<&str, _>("profile")?.into(),
                latest: point(row)?,
            })
        });
        series.collect()
    }
}

fn point(row: &sqlx::sqlite::SqliteRow) -> Result<TrendPoint, StoreError> {
    Ok(TrendPoint {
        scan_id: parsed(row, "id")?,
        at: time(row, "at")?,
        score: row.try_get("score")?,
    })
}
