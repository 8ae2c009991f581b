//! The rules of one scan.

use gangplank_proto::fact::FactText;
use gangplank_proto::id::{ScanId, TenantId};
use gangplank_proto::scan::{LongText, RuleOutcome, Severity};
use serde::Serialize;
use sqlx::sqlite::SqliteRow;

use super::{Words, outcome, words};
use crate::store::{Page, PageRequest, Store, StoreError};

/// A rule and how it came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScanRule {
    /// Its name in the content.
    pub rule: FactText,
    /// What it asks for.
    pub title: FactText,
    /// How bad it is when it fails.
    pub severity: Severity,
    /// How it came out.
    pub result: RuleOutcome,
    /// Why it asks for it.
    pub rationale: LongText,
    /// What to do.
    pub fix: LongText,
}

/// Which rules of a scan are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleFilter {
    /// With this outcome.
    pub result: Option<RuleOutcome>,
    /// With this severity.
    pub severity: Option<Severity>,
    /// With this text in name or title.
    pub text: Option<String>,
}

impl Store {
    /// The rules of a scan, those that need somebody most first. Rules of a scan never change, so a
    /// cursor is a number of rules.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn scan_rules(
        &self,
        tenant: TenantId,
        id: ScanId,
        filter: &RuleFilter,
        page: &PageRequest,
    ) -> Result<Page<ScanRule>, StoreError> {
        let wrong = |_| StoreError::Invalid("cursor takes what the page before said");
        let skipped: u32 = page.cursor.as_deref().unwrap_or("0").parse().map_err(wrong)?;
        let rows = sqlx::query(
            "SELECT r.rule, r.title, r.severity, r.rationale, r.fix, o.result \
             FROM compliance_results o \
             JOIN compliance_scans s ON s.id = o.scan_id \
             JOIN compliance_rules r ON r.tenant_id = s.tenant_id AND r.digest = o.digest \
             WHERE s.tenant_id = $1 AND s.id = $2 AND ($3 IS NULL OR o.result = $3) \
             AND ($4 IS NULL OR r.severity = $4) AND ($5 IS NULL \
               OR LOWER(r.title) LIKE $5 ESCAPE '\\' OR LOWER(r.rule) LIKE $5 ESCAPE '\\') \
             ORDER BY CASE o.result WHEN 'fail' THEN 0 WHEN 'error' THEN 1 WHEN 'unknown' THEN 2 \
               WHEN 'fixed' THEN 3 WHEN 'pass' THEN 4 WHEN 'informational' THEN 5 \
               WHEN 'notchecked' THEN 6 ELSE 7 END, \
             CASE r.severity WHEN 'high' THEN 0 WHEN 'medium' THEN 1 WHEN 'low' THEN 2 \
               WHEN 'info' THEN 3 ELSE 4 END, r.rule, r.digest LIMIT $6 OFFSET $7",
        )
        .bind(tenant.to_string())
        .bind(id.to_string())
        .bind(filter.result.map(RuleOutcome::as_str))
        .bind(filter.severity.map(Severity::as_str))
        .bind(filter.text.as_deref().map(pattern))
        .bind(page.size() + 1)
        .bind(i64::from(skipped))
        .fetch_all(&self.reader)
        .await?;
        let rules = rows.iter().map(rule).collect::<Result<Vec<_>, _>>()?;
        let size = u32::try_from(page.size()).unwrap_or(u32::MAX);
        Ok(Page::cut(rules, page.size(), |_| skipped.saturating_add(size).to_string()))
    }
}

/// What contains a text, for `LIKE`.
fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

fn rule(row: &SqliteRow) -> Result<ScanRule, StoreError> {
    let Words { rule, title, severity, rationale, fix } = words(row)?;
    Ok(ScanRule { rule, title, severity, result: outcome(row)?, rationale, fix })
}
