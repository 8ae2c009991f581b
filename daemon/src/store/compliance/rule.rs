//! One rule over the fleet.
//!
//! A cross join is one in the order in which it is written: from the hosts, of which there are some, by
//! the rule, of which there is one, to its results. All outcomes are named, because results lie by
//! outcome.

use std::collections::BTreeMap;

use gangplank_proto::fact::FactText;
use gangplank_proto::id::{HostId, ScanId, TenantId};
use gangplank_proto::scan::{LongText, RuleOutcome, Scanner, Severity};
use serde::Serialize;
use sqlx::Row as _;

use super::{Words, outcome, words};
use crate::clock::Timestamp;
use crate::store::row::{number, parsed, time};
use crate::store::{Page, PageRequest, Store, StoreError};

/// The words of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleWords {
    /// By which program.
    pub scanner: Scanner,
    /// Its name in the content.
    pub rule: FactText,
    /// What it asks for.
    pub title: FactText,
    /// How bad it is when it fails.
    pub severity: Severity,
    /// Why it asks for it.
    pub rationale: LongText,
    /// What to do.
    pub fix: LongText,
}

/// How a rule came out on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleOnHost {
    /// The host.
    pub host_id: HostId,
    /// Its name.
    pub host_name: String,
    /// Its latest whole scan.
    pub scan_id: ScanId,
    /// When that came.
    pub at: Timestamp,
    /// How the rule came out.
    pub result: RuleOutcome,
}

impl Store {
    /// The words of a rule, as most hosts of the tenant know them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rule_words(
        &self,
        tenant: TenantId,
        rule: &str,
        scanner: Option<Scanner>,
    ) -> Result<Option<RuleWords>, StoreError> {
        let row = sqlx::query(
            "SELECT r.*, (SELECT COUNT(DISTINCT s.host_id) FROM compliance_results o \
               JOIN compliance_scans s ON s.id = o.scan_id \
               WHERE o.digest = r.digest AND s.tenant_id = r.tenant_id) AS known \
             FROM compliance_rules r WHERE r.tenant_id = $1 AND r.rule = $2 \
             AND ($3 IS NULL OR r.scanner = $3) \
             ORDER BY CASE WHEN r.fix = '' AND r.rationale = '' THEN 1 ELSE 0 END, known DESC, \
             r.digest LIMIT 1",
        )
        .bind(tenant.to_string())
        .bind(rule)
        .bind(scanner.map(Scanner::as_str))
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let Words { rule, title, severity, rationale, fix } = words(&row)?;
        let scanner = parsed(&row, "scanner")?;
        Ok(Some(RuleWords { scanner, rule, title, severity, rationale, fix }))
    }

    /// Number of hosts of the fleet by how a rule came out on them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rule_results(
        &self,
        tenant: TenantId,
        rule: &RuleWords,
    ) -> Result<BTreeMap<String, u64>, StoreError> {
        let rows = sqlx::query(standing!(
            "SELECT o.result, COUNT(DISTINCT standing.host_id) AS hosts FROM standing \
             CROSS JOIN compliance_rules r CROSS JOIN compliance_results o \
             WHERE r.tenant_id = $1 AND r.rule = $4 AND r.scanner = $2 \
             AND o.scan_id = standing.scan_id AND o.digest = r.digest \
             AND o.result IN ('pass', 'fail', 'error', 'unknown', 'notapplicable', 'notchecked', \
               'notselected', 'informational', 'fixed') GROUP BY o.result"
        ))
        .bind(tenant.to_string())
        .bind(rule.scanner.as_str())
        .bind(None::<&str>)
        .bind(rule.rule.as_str())
        .fetch_all(&self.reader)
        .await?;
        let results = rows.iter().map(|row| Ok((row.try_get("result")?, number(row, "hosts")?)));
        results.collect()
    }

    /// How a rule came out on the hosts of the fleet, by the host's id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rule_on_hosts(
        &self,
        tenant: TenantId,
        rule: &RuleWords,
        result: Option<RuleOutcome>,
        page: &PageRequest,
    ) -> Result<Page<RuleOnHost>, StoreError> {
        let rows = sqlx::query(standing!(
            "SELECT standing.host_id, standing.host_name, standing.scan_id, s.at, o.result \
             FROM standing CROSS JOIN compliance_rules r CROSS JOIN compliance_results o \
             CROSS JOIN compliance_scans s \
             WHERE r.tenant_id = $1 AND r.rule = $4 AND r.scanner = $2 \
             AND o.scan_id = standing.scan_id AND o.digest = r.digest \
             AND o.result IN ('pass', 'fail', 'error', 'unknown', 'notapplicable', 'notchecked', \
               'notselected', 'informational', 'fixed') AND s.id = o.scan_id \
             AND standing.host_id > $5 AND ($6 IS NULL OR o.result = $6) \
             ORDER BY standing.host_id, o.digest LIMIT $7"
        ))
        .bind(tenant.to_string())
        .bind(rule.scanner.as_str())
        .bind(None::<&str>)
        .bind(rule.rule.as_str())
        .bind(page.cursor.as_deref().unwrap_or(""))
        .bind(result.map(RuleOutcome::as_str))
        .bind(page.size() + 1)
        .fetch_all(&self.reader)
        .await?;
        let hosts = rows.iter().map(|row| {
            Ok(RuleOnHost {
                host_id: parsed(row, "host_id")?,
                host_name: row.try_get("host_name")?,
                scan_id: parsed(row, "scan_id")?,
                at: time(row, "at")?,
                result: outcome(row)?,
            })
        });
        let hosts = hosts.collect::<Result<Vec<_>, StoreError>>()?;
        Ok(Page::cut(hosts, page.size(), |host| host.host_id.to_string()))
    }
}
