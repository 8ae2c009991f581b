//! Keeping a scan, and letting old ones go.

use std::collections::BTreeMap;

use gangplank_proto::fact::FactText;
use gangplank_proto::id::{HostId, JobId, ScanId, TenantId};
use gangplank_proto::scan::{Report, RuleResult, Scanner};
use sha2::{Digest as _, Sha256};
use sqlx::{QueryBuilder, Sqlite, Transaction};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::clock::Timestamp;
use crate::store::row::{parsed, to_json};
use crate::store::{Store, StoreError, Whose};

/// Scans of one host at most, whatever the configuration says: a host that sends scans by itself fills
/// no disk between two rounds of upkeep.
const PER_HOST: u32 = 1_000;

/// Rules written in one statement.
const TOGETHER: usize = 256;

/// Scans removed in one transaction.
const REMOVED: i64 = 200;

/// The words of a rule, as short as a key may be.
type Digest = [u8; 16];

/// Where a scan comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanSource {
    /// From a job, which has one scan at most.
    Job(JobId),
    /// From the host's agent, by itself. The same scan sent twice is one.
    Agent,
}

impl Store {
    /// Keeps what a scanner found on a host. None when there is no such host, or the scan of this job
    /// is there already; the id of the scan that is there when an agent sends it again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_scan(
        &self,
        tenant: TenantId,
        host: HostId,
        source: ScanSource,
        report: &Report,
        now: Timestamp,
    ) -> Result<Option<ScanId>, StoreError> {
        let mut write = self.write().await?;
        let scan = keep(&mut write, tenant, host, source, report, now).await?;
        write.commit().await?;
        Ok(scan)
    }

    /// Removes scans that came before a moment, and of each host all but the newest.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_old_scans(
        &self,
        whose: Whose,
        before: Timestamp,
        per_host: u32,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT id FROM (SELECT id, at, ROW_NUMBER() OVER \
               (PARTITION BY tenant_id, host_id ORDER BY id DESC) AS place \
               FROM compliance_scans WHERE {}) AS scans WHERE at <= $1 OR place > $3 LIMIT $4",
            whose.condition()
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(before.millis())
            .bind(whose.text())
            .bind(i64::from(per_host))
            .bind(REMOVED)
            .fetch_all(&self.reader)
            .await?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut write = self.write().await?;
        for row in &rows {
            remove(&mut write, parsed(row, "id")?).await?;
        }
        write.commit().await?;
        Ok(())
    }
}

/// The same within a transaction.
pub(in crate::store) async fn keep(
    tx: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    host: HostId,
    source: ScanSource,
    report: &Report,
    now: Timestamp,
) -> Result<Option<ScanId>, StoreError> {
    let there = match source {
        ScanSource::Job(job) => kept_of_job(tx, tenant, job).await?,
        ScanSource::Agent => kept_before(tx, tenant, host, report).await?,
    };
    if there.is_some() {
        return Ok(there);
    }
    let id = ScanId::new();
    let scan = &report.scan;
    let job = match source {
        ScanSource::Job(job) => Some(job.to_string()),
        ScanSource::Agent => None,
    };
    // A host that was removed meanwhile has no scans.
    let done = sqlx::query(
        "INSERT INTO compliance_scans (id, tenant_id, host_id, job_id, scanner, scanner_version, \
         profile, content, partial, score, scanner_score, counts, at, started_at, finished_at) \
         SELECT $1, tenant_id, id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13 FROM hosts \
         WHERE tenant_id = $14 AND id = $15",
    )
    .bind(id.to_string())
    .bind(job)
    .bind(scan.scanner.as_str())
    .bind(scan.scanner_version.as_str())
    .bind(scan.profile.as_str())
    .bind(scan.content.as_str())
    .bind(scan.partial)
    // Reckoned here: the host's own figure is one more claim.
    .bind(scan.counts.score())
    .bind(scan.scanner_score.map(|score| score.clamp(0.0, 100.0)))
    .bind(to_json(&scan.counts, "counts")?)
    .bind(now.millis())
    .bind(moment(&scan.started_at).map(Timestamp::millis))
    .bind(moment(&scan.finished_at).map(Timestamp::millis))
    .bind(tenant.to_string())
    .bind(host.to_string())
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(None);
    }
    let rules = once(scan.scanner, &report.rules);
    for rules in rules.chunks(TOGETHER) {
        keep_rules(tx, tenant, id, scan.scanner, rules).await?;
    }
    let rows = sqlx::query(
        "SELECT id FROM compliance_scans WHERE tenant_id = $1 AND host_id = $2 \
         ORDER BY id DESC LIMIT $3 OFFSET $4",
    )
    .bind(tenant.to_string())
    .bind(host.to_string())
    .bind(REMOVED)
    .bind(i64::from(PER_HOST))
    .fetch_all(&mut **tx)
    .await?;
    for row in &rows {
        remove(tx, parsed(row, "id")?).await?;
    }
    Ok(Some(id))
}

async fn kept_of_job(
    tx: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    job: JobId,
) -> Result<Option<ScanId>, StoreError> {
    let row = sqlx::query("SELECT id FROM compliance_scans WHERE tenant_id = $1 AND job_id = $2")
        .bind(tenant.to_string())
        .bind(job.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(|row| parsed(row, "id")).transpose()
}

async fn kept_before(
    tx: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    host: HostId,
    report: &Report,
) -> Result<Option<ScanId>, StoreError> {
    let scan = &report.scan;
    let row = sqlx::query(
        "SELECT id FROM compliance_scans WHERE tenant_id = $1 AND host_id = $2 AND scanner = $3 \
         AND profile = $4 AND started_at = $5 AND finished_at = $6 AND counts = $7 LIMIT 1",
    )
    .bind(tenant.to_string())
    .bind(host.to_string())
    .bind(scan.scanner.as_str())
    .bind(scan.profile.as_str())
    .bind(moment(&scan.started_at).map(Timestamp::millis))
    .bind(moment(&scan.finished_at).map(Timestamp::millis))
    .bind(to_json(&scan.counts, "counts")?)
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(|row| parsed(row, "id")).transpose()
}

/// The rules with their digests. What is told twice is told once, by the outcome that matters more.
fn once(scanner: Scanner, rules: &[RuleResult]) -> Vec<(Digest, &RuleResult)> {
    let mut found = BTreeMap::<Digest, &RuleResult>::new();
    for rule in rules {
        let there = found.entry(digest(scanner, rule)).or_insert(rule);
        if there.result.graver(rule.result) != there.result {
            *there = rule;
        }
    }
    found.into_iter().collect()
}

async fn keep_rules(
    tx: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    id: ScanId,
    scanner: Scanner,
    rules: &[(Digest, &RuleResult)],
) -> Result<(), StoreError> {
    let (tenant, id) = (tenant.to_string(), id.to_string());
    let mut words = QueryBuilder::<Sqlite>::new(
        "INSERT INTO compliance_rules \
         (tenant_id, digest, scanner, rule, title, severity, rationale, fix) ",
    );
    words.push_values(rules, |mut row, (digest, rule)| {
        row.push_bind(&tenant)
            .push_bind(digest.to_vec())
            .push_bind(scanner.as_str())
            .push_bind(rule.id.as_str())
            .push_bind(rule.title.as_str())
            .push_bind(rule.severity.as_str())
            .push_bind(rule.rationale.as_str())
            .push_bind(rule.fix.as_str());
    });
    words.push(" ON CONFLICT (tenant_id, digest) DO NOTHING");
    words.build().execute(&mut **tx).await?;
    let mut results =
        QueryBuilder::<Sqlite>::new("INSERT INTO compliance_results (scan_id, result, digest) ");
    results.push_values(rules, |mut row, (digest, rule)| {
        row.push_bind(&id).push_bind(rule.result.as_str()).push_bind(digest.to_vec());
    });
    results.build().execute(&mut **tx).await?;
    Ok(())
}

/// Removes a scan, and the words that nothing else uses.
async fn remove(tx: &mut Transaction<'static, Sqlite>, id: ScanId) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM compliance_rules WHERE tenant_id = \
           (SELECT tenant_id FROM compliance_scans WHERE id = $1) \
         AND digest IN (SELECT digest FROM compliance_results WHERE scan_id = $1) \
         AND NOT EXISTS (SELECT 1 FROM compliance_results other \
           JOIN compliance_scans s ON s.id = other.scan_id \
           WHERE other.digest = compliance_rules.digest AND other.scan_id <> $1 \
           AND s.tenant_id = compliance_rules.tenant_id)",
    )
    .bind(id.to_string())
    .execute(&mut **tx)
    .await?;
    sqlx::query("DELETE FROM compliance_scans WHERE id = $1")
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// A digest over every word, each preceded by its length, so that no two rules have the same.
fn digest(scanner: Scanner, rule: &RuleResult) -> Digest {
    let words = [
        scanner.as_str(),
        rule.id.as_str(),
        rule.title.as_str(),
        rule.severity.as_str(),
        rule.rationale.as_str(),
        rule.fix.as_str(),
    ];
    let mut hasher = Sha256::new();
    for word in words {
        hasher.update(u64::try_from(word.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(word.as_bytes());
    }
    let whole: [u8; 32] = hasher.finalize().into();
    let mut digest = Digest::default();
    digest.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
    digest
}

/// A host's moment, if it is one.
fn moment(text: &FactText) -> Option<Timestamp> {
    let moment = OffsetDateTime::parse(text.as_str(), &Rfc3339).ok()?;
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok().map(Timestamp::from_millis)
}
