//! All hosts of a tenant together. A host stands where its latest whole scan says.

use gangplank_proto::fact::FactText;
use gangplank_proto::id::{HostId, ScanId, TenantId};
use gangplank_proto::scan::{Counts, Scanner, Severity};
use serde::Serialize;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::Series;
use crate::clock::Timestamp;
use crate::store::row::{json, number, parsed, parsed_option, time_option};
use crate::store::{Page, PageRequest, Store, StoreError};

/// Where a scanned host comes that has no score, and one that was never scanned: at the end.
const NOT_JUDGED: f64 = 1_000.0;

/// Rules told as the worst.
const WORST: i64 = 20;

/// A host of the fleet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FleetHost {
    /// The host.
    pub host_id: HostId,
    /// Its name.
    pub host_name: String,
    /// Its latest whole scan; none when it was not scanned yet.
    pub scan_id: Option<ScanId>,
    /// When that came.
    pub at: Option<Timestamp>,
    /// By which program.
    pub scanner: Option<Scanner>,
    /// For which profile.
    pub profile: Option<FactText>,
    /// What was passed of what was judged.
    pub score: Option<f64>,
    /// Rules by outcome.
    pub counts: Option<Counts>,
}

/// The fleet in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FleetScore {
    /// The mean of its hosts' scores.
    pub score: Option<f64>,
    /// Its hosts.
    pub hosts: u64,
    /// Those that were scanned.
    pub scanned: u64,
}

/// A rule that hosts fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorstRule {
    /// By which program.
    pub scanner: Scanner,
    /// Its name in the content.
    pub rule: FactText,
    /// What it asks for.
    pub title: FactText,
    /// How bad it is when it fails.
    pub severity: Severity,
    /// Hosts that fail it, or on which the check broke.
    pub hosts: u64,
}

impl Store {
    /// The fleet in numbers.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn fleet_score(
        &self,
        tenant: TenantId,
        series: &Series,
    ) -> Result<FleetScore, StoreError> {
        let row = sqlx::query(standing!(
            "SELECT AVG(s.score) AS score, COUNT(*) AS hosts, COUNT(s.id) AS scanned \
             FROM standing LEFT JOIN compliance_scans s ON s.id = standing.scan_id"
        ))
        .bind(tenant.to_string())
        .bind(series.scanner.map(Scanner::as_str))
        .bind(series.profile.as_deref())
        .fetch_one(&self.reader)
        .await?;
        Ok(FleetScore {
            score: row.try_get("score")?,
            hosts: number(&row, "hosts")?,
            scanned: number(&row, "scanned")?,
        })
    }

    /// The hosts of the fleet, those with the lowest score first, those without at the end.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn fleet_hosts(
        &self,
        tenant: TenantId,
        series: &Series,
        page: &PageRequest,
    ) -> Result<Page<FleetHost>, StoreError> {
        let wrong = StoreError::Invalid("cursor takes what the page before said");
        let (rank, after) = match page.cursor.as_deref() {
            None => (-1.0, ""),
            Some(cursor) => match cursor.split_once(':') {
                Some((rank, host)) => match rank.parse::<f64>() {
                    Ok(rank) => (rank, host),
                    Err(_) => return Err(wrong),
                },
                None => return Err(wrong),
            },
        };
        let rows = sqlx::query(standing!(
            "SELECT standing.*, s.at, s.scanner, s.profile, s.score, s.counts \
             FROM standing LEFT JOIN compliance_scans s ON s.id = standing.scan_id \
             WHERE COALESCE(s.score, $4) > $5 \
             OR (COALESCE(s.score, $4) = $5 AND standing.host_id > $6) \
             ORDER BY COALESCE(s.score, $4), standing.host_id LIMIT $7"
        ))
        .bind(tenant.to_string())
        .bind(series.scanner.map(Scanner::as_str))
        .bind(series.profile.as_deref())
        .bind(NOT_JUDGED)
        .bind(rank)
        .bind(after)
        .bind(page.size() + 1)
        .fetch_all(&self.reader)
        .await?;
        let hosts = rows.iter().map(fleet_host).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(hosts, page.size(), |host| {
            format!("{}:{}", host.score.unwrap_or(NOT_JUDGED), host.host_id)
        }))
    }

    /// The rules that most hosts fail.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn worst_rules(
        &self,
        tenant: TenantId,
        series: &Series,
    ) -> Result<Vec<WorstRule>, StoreError> {
        let rows = sqlx::query(standing!(
            "SELECT r.scanner, r.rule, MAX(r.title) AS title, CAST(SUM(failing.hosts) AS BIGINT) AS hosts, \
             MIN(CASE r.severity WHEN 'high' THEN 0 WHEN 'medium' THEN 1 WHEN 'low' THEN 2 \
               WHEN 'info' THEN 3 ELSE 4 END) AS grade \
             FROM (SELECT o.digest, COUNT(*) AS hosts FROM standing \
               JOIN compliance_results o ON o.scan_id = standing.scan_id \
               WHERE o.result IN ('fail', 'error', 'unknown') GROUP BY o.digest) AS failing \
             JOIN compliance_rules r ON r.tenant_id = $1 AND r.digest = failing.digest \
             GROUP BY r.scanner, r.rule ORDER BY hosts DESC, grade, r.rule LIMIT $4"
        ))
        .bind(tenant.to_string())
        .bind(series.scanner.map(Scanner::as_str))
        .bind(series.profile.as_deref())
        .bind(WORST)
        .fetch_all(&self.reader)
        .await?;
        let rules = rows.iter().map(|row| {
            let severity = match row.try_get::<i64, _>("grade")? {
                0 => Severity::High,
                1 => Severity::Medium,
                2 => Severity::Low,
                3 => Severity::Info,
                _ => Severity::Unknown,
            };
            Ok(WorstRule {
                scanner: parsed(row, "scanner")?,
                rule: row.try_get::<&str, _>("rule")?.into(),
                title: row.try_get::<&str, _>("title")?.into(),
                severity,
                hosts: number(row, "hosts")?,
            })
        });
        rules.collect()
    }
}

fn fleet_host(row: &SqliteRow) -> Result<FleetHost, StoreError> {
    let optional = |column| row.try_get::<Option<&str>, _>(column);
    Ok(FleetHost {
        host_id: parsed(row, "host_id")?,
        host_name: row.try_get("host_name")?,
        scan_id: parsed_option(row, "scan_id")?,
        at: time_option(row, "at")?,
        scanner: parsed_option(row, "scanner")?,
        profile: optional("profile")?.map(FactText::from),
        score: row.try_get("score")?,
        counts: optional("counts")?.map(|_| json(row, "counts")).transpose()?,
    })
}
