//! What compliance scanners found on hosts. Everything in here was said by hosts and is shown as text
//! only; the order of scans is that in which they came.

use gangplank_proto::fact::FactText;
use gangplank_proto::id::{HostId, JobId, ScanId, TenantId};
use gangplank_proto::scan::{Counts, LongText, RuleOutcome, Scanner, Severity};
use serde::Serialize;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::row::{json, parsed, parsed_option, time, time_option};
use super::{Page, PageRequest, Store, StoreError};
use crate::clock::Timestamp;

/// The hosts of tenant `$1`, each with its latest whole scan by scanner `$2` and for profile `$3`.
macro_rules! standing {
    ($rest:literal) => {
        concat!(
            "WITH standing AS (SELECT h.id AS host_id, h.friendly_name AS host_name, \
             (SELECT s.id FROM compliance_scans s WHERE s.tenant_id = h.tenant_id \
               AND s.host_id = h.id AND NOT s.partial AND ($2 IS NULL OR s.scanner = $2) \
               AND ($3 IS NULL OR s.profile = $3) ORDER BY s.id DESC LIMIT 1) AS scan_id \
             FROM hosts h WHERE h.tenant_id = $1 AND h.state = 'live') ",
            $rest
        )
    };
}

mod fleet;
mod keep;
mod result;
mod rule;
mod trend;

pub(super) use keep::keep;

pub use fleet::{FleetHost, FleetScore, WorstRule};
pub use keep::ScanSource;
pub use result::{RuleFilter, ScanRule};
pub use rule::{RuleOnHost, RuleWords};
pub use trend::{HostCompliance, TrendPoint};

/// A scan that was kept, without its rules.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredScan {
    /// Its id.
    pub id: ScanId,
    /// The host.
    #[serde(rename = "host_id")]
    pub host: HostId,
    /// The host's name.
    pub host_name: String,
    /// The job that it came of; none when the host's agent sent it by itself.
    #[serde(rename = "job_id")]
    pub job: Option<JobId>,
    /// Which program looked.
    pub scanner: Scanner,
    /// Its version, as far as it said.
    pub scanner_version: FactText,
    /// What was looked for.
    pub profile: FactText,
    /// By what rules.
    pub content: FactText,
    /// Whether it was ended before all rules were looked at.
    pub partial: bool,
    /// What was passed of what was judged, in percent; none when nothing was judged.
    pub score: Option<f64>,
    /// What the scanner itself makes of it, in percent.
    pub scanner_score: Option<f64>,
    /// Rules by outcome.
    pub counts: Counts,
    /// When it came.
    pub at: Timestamp,
    /// When it began, by the host's clock.
    pub started_at: Option<Timestamp>,
    /// When it ended, by the host's clock.
    pub finished_at: Option<Timestamp>,
}

/// Scans that can be compared with each other; without a field, those of any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Series {
    /// By this program.
    pub scanner: Option<Scanner>,
    /// For this profile.
    pub profile: Option<String>,
}

impl Store {
    /// One scan of a tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn scan(
        &self,
        tenant: TenantId,
        id: ScanId,
    ) -> Result<Option<StoredScan>, StoreError> {
        let row = sqlx::query(
            "SELECT s.*, h.friendly_name AS host_name FROM compliance_scans s \
             JOIN hosts h ON h.tenant_id = s.tenant_id AND h.id = s.host_id \
             WHERE s.tenant_id = $1 AND s.id = $2",
        )
        .bind(tenant.to_string())
        .bind(id.to_string())
        .fetch_optional(&self.reader)
        .await?;
        row.as_ref().map(scan_row).transpose()
    }

    /// The scans of a tenant, newest first, or of one of its hosts.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn scans(
        &self,
        tenant: TenantId,
        host: Option<HostId>,
        page: &PageRequest,
    ) -> Result<Page<StoredScan>, StoreError> {
        let rows = sqlx::query(
            "SELECT s.*, h.friendly_name AS host_name FROM compliance_scans s \
             JOIN hosts h ON h.tenant_id = s.tenant_id AND h.id = s.host_id \
             WHERE s.tenant_id = $1 AND s.id < $2 AND ($3 IS NULL OR s.host_id = $3) \
             ORDER BY s.id DESC LIMIT $4",
        )
        .bind(tenant.to_string())
        // Beyond every id.
        .bind(page.cursor.as_deref().unwrap_or("g"))
        .bind(host.map(|host| host.to_string()))
        .bind(page.size() + 1)
        .fetch_all(&self.reader)
        .await?;
        let scans = rows.iter().map(scan_row).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(scans, page.size(), |scan| scan.id.to_string()))
    }
}

/// A scan with the name of its host in `host_name`.
fn scan_row(row: &SqliteRow) -> Result<StoredScan, StoreError> {
    let text = |column| Ok::<FactText, StoreError>(row.try_get::<&str, _>(column)?.into());
    Ok(StoredScan {
        id: parsed(row, "id")?,
        host: parsed(row, "host_id")?,
        host_name: row.try_get("host_name")?,
        job: parsed_option(row, "job_id")?,
        scanner: parsed(row, "scanner")?,
        scanner_version: text("scanner_version")?,
        profile: text("profile")?,
        content: text("content")?,
        partial: row.try_get("partial")?,
        score: row.try_get("score")?,
        scanner_score: row.try_get("scanner_score")?,
        counts: json(row, "counts")?,
        at: time(row, "at")?,
        started_at: time_option(row, "started_at")?,
        finished_at: time_option(row, "finished_at")?,
    })
}

/// The words of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Words {
    rule: FactText,
    title: FactText,
    severity: Severity,
    rationale: LongText,
    fix: LongText,
}

fn words(row: &SqliteRow) -> Result<Words, StoreError> {
    Ok(Words {
        rule: row.try_get::<&str, _>("rule")?.into(),
        title: row.try_get::<&str, _>("title")?.into(),
        severity: parsed(row, "severity")?,
        rationale: row.try_get::<&str, _>("rationale")?.into(),
        fix: row.try_get::<&str, _>("fix")?.into(),
    })
}

fn outcome(row: &SqliteRow) -> Result<RuleOutcome, StoreError> {
    parsed(row, "result")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
