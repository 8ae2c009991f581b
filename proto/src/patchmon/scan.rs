//! What a PatchMon agent posts of its scans, the body of `POST /compliance/scans`, and the same in
//! our words.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::{Deserialize, Serialize};

use super::update::null_is_nothing;
use crate::fact::FactText;
use crate::scan::{LongText, Report, RuleOutcome, RuleResult, Scan, Scanner, Severity};

/// Scans of one post at most.
const SCANS: usize = 16;

/// Scans of a host; or a single one, with its fields beside those of the host.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ScanUpload {
    /// Several.
    pub scans: Option<Vec<PostedScan>>,
    /// One.
    #[serde(flatten)]
    pub single: PostedScan,
    /// What its scanners are.
    #[serde(deserialize_with = "null_is_nothing")]
    pub scanner_info: ScannerVersions,
    /// The agent's hash of them all.
    pub compliance_hash: Option<String>,
}

/// What a host's scanners are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ScannerVersions {
    /// Version of OpenSCAP.
    #[serde(deserialize_with = "null_is_nothing")]
    pub openscap_version: FactText,
}

/// One scan.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PostedScan {
    /// What was looked for.
    #[serde(deserialize_with = "null_is_nothing")]
    pub profile_name: FactText,
    /// By which program.
    pub profile_type: Option<ProfileType>,
    /// How it ended.
    pub status: Option<ScanStatus>,
    /// What the scanner makes of it, in percent.
    pub score: Option<f64>,
    /// When it began.
    #[serde(deserialize_with = "null_is_nothing")]
    pub started_at: FactText,
    /// When it ended.
    #[serde(deserialize_with = "null_is_nothing")]
    pub completed_at: FactText,
    /// Its rules.
    #[serde(deserialize_with = "null_is_nothing")]
    pub results: Vec<PostedResult>,
    /// Why it failed.
    #[serde(deserialize_with = "null_is_nothing")]
    pub error: FactText,
}

/// Which program looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileType {
    /// OpenSCAP.
    Openscap,
    /// Docker Bench.
    DockerBench,
    /// OpenSCAP on an image.
    OscapDocker,
}

/// How a scan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScanStatus {
    /// All rules were looked at.
    Completed,
    /// They were not.
    Failed,
    /// It runs.
    InProgress,
}

/// One rule of a scan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PostedResult {
    /// Its name.
    #[serde(alias = "rule_id", alias = "id", deserialize_with = "null_is_nothing")]
    pub rule_ref: FactText,
    /// What it asks for.
    #[serde(deserialize_with = "null_is_nothing")]
    pub title: FactText,
    /// How it came out.
    #[serde(deserialize_with = "null_is_nothing")]
    pub status: PostedStatus,
    /// Why it asks for it.
    #[serde(deserialize_with = "null_is_nothing")]
    pub description: LongText,
    /// How bad it is when it fails.
    #[serde(deserialize_with = "null_is_nothing")]
    pub severity: FactText,
    /// What to do.
    #[serde(deserialize_with = "null_is_nothing")]
    pub remediation: LongText,
}

/// How a rule came out. Of several for one rule the one that stands higher here counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostedStatus {
    /// The host does not comply.
    Fail,
    /// It should not be so, or it only says something.
    Warn,
    /// The host complies.
    Pass,
    /// Nobody looked.
    Skip,
    /// It is not for such a host.
    Notapplicable,
    /// The check broke, or nothing was said.
    #[default]
    Error,
}

/// A post that can't be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadScans {
    /// Neither a list nor a single one.
    #[error("scans takes a list of scans")]
    None,
    /// More than any agent posts.
    #[error("scans takes up to {SCANS}")]
    TooMany,
    /// Nobody can say what was looked for.
    #[error("each scan takes a profile_name")]
    NoProfile,
}

impl ScanUpload {
    /// The scans, each with whether it is one that found something or only the news that it failed.
    ///
    /// # Errors
    /// When there is none, or one without a profile.
    pub fn scans(self) -> Result<(Vec<PostedScan>, ScannerVersions), BadScans> {
        let scans = match self.scans {
            Some(scans) => scans,
            None if self.single.profile_name.is_empty() => return Err(BadScans::None),
            None => vec![self.single],
        };
        if scans.len() > SCANS {
            return Err(BadScans::TooMany);
        }
        if scans.iter().any(|scan| scan.profile_name.is_empty()) {
            return Err(BadScans::NoProfile);
        }
        Ok((scans, self.scanner_info))
    }
}

impl PostedScan {
    /// Which program looked, as far as it was said.
    #[must_use]
    pub fn scanner(&self) -> Scanner {
        match self.profile_type {
            None | Some(ProfileType::Openscap) => Scanner::Openscap,
            Some(ProfileType::DockerBench) => Scanner::DockerBench,
            Some(ProfileType::OscapDocker) => Scanner::OscapDocker,
        }
    }

    /// Whether it only says that nothing could be found.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.results.is_empty() && self.status != Some(ScanStatus::Completed)
    }

    /// The scan in our own words.
    #[must_use]
    pub fn report(self, versions: &ScannerVersions) -> Report {
        let scanner = self.scanner();
        let scanner_version = match scanner {
            Scanner::Openscap => versions.openscap_version.clone(),
            _ => FactText::default(),
        };
        let scan = Scan {
            scanner,
            scanner_version,
            profile: self.profile_name,
            content: FactText::default(),
            started_at: self.started_at,
            finished_at: self.completed_at,
            partial: self.status != Some(ScanStatus::Completed),
            scanner_score: self.score.filter(|score| (0.0..=100.0).contains(score)),
            ..Scan::default()
        };
        let rules = distinct(self.results).into_iter().map(|result| rule(result, scanner));
        Report::new(scan, rules.collect())
    }
}

/// Each rule once, with the outcome that counts.
fn distinct(results: Vec<PostedResult>) -> Vec<PostedResult> {
    let mut places: HashMap<FactText, usize> = HashMap::new();
    let mut distinct: Vec<PostedResult> = Vec::new();
    for result in results.into_iter().filter(|result| !result.rule_ref.is_empty()) {
        match places.entry(result.rule_ref.clone()) {
            Entry::Vacant(place) => {
                place.insert(distinct.len());
                distinct.push(result);
            }
            Entry::Occupied(place) => {
                if let Some(kept) = distinct.get_mut(*place.get())
                    && result.status < kept.status
                {
                    *kept = result;
                }
            }
        }
    }
    distinct
}

fn rule(said: PostedResult, scanner: Scanner) -> RuleResult {
    let result = match said.status {
        PostedStatus::Pass => RuleOutcome::Pass,
        PostedStatus::Fail => RuleOutcome::Fail,
        PostedStatus::Skip => RuleOutcome::Notchecked,
        PostedStatus::Notapplicable => RuleOutcome::Notapplicable,
        PostedStatus::Error => RuleOutcome::Error,
        // OpenSCAP's agent says so what is informational, Docker Bench what should not be.
        PostedStatus::Warn if scanner == Scanner::Openscap => RuleOutcome::Informational,
        PostedStatus::Warn => RuleOutcome::Fail,
    };
    let severity = match said.severity.as_str() {
        "critical" => Severity::High,
        other => other.parse().unwrap_or_default(),
    };
    RuleResult {
        id: said.rule_ref,
        title: said.title,
        severity,
        result,
        rationale: said.description,
        fix: said.remediation,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reports(body: serde_json::Value) -> Result<Vec<Report>, BadScans> {
        let upload: ScanUpload = serde_json::from_value(body).unwrap();
        let (scans, versions) = upload.scans()?;
        Ok(scans.into_iter().map(|scan| scan.report(&versions)).collect())
    }

    #[test]
    fn scans_are_told_in_our_words() {
        let result = |id: &str, status: &str| json!({ "rule_ref": id, "status": status });
        let told = reports(json!({
            "scans": [
                { "profile_name": "level1_server", "profile_type": "openscap", "status": "completed",
                  "score": 66.6, "total_rules": 5, "started_at": "2026-01-02T03:04:05Z",
                  "results": [
                    { "rule_ref": "a", "title": "A", "status": "fail", "severity": "critical",
                      "description": "Because.", "remediation": "chmod", "finding": "x" },
                    result("b", "pass"), result("b", "fail"), result("b", "error"),
                    result("c", "warn"), result("d", "skip"), { "id": "e", "status": "pass" },
                    result("", "fail"),
                  ] },
                { "profile_name": "Docker Bench", "profile_type": "docker-bench",
                  "status": "in_progress", "results": [result("1.1", "warn")] },
            ],
            "scanner_info": { "openscap_version": "1.3.7" }, "hostname": "web",
        }))
        .unwrap();
        let [openscap, bench] = told.as_slice() else { unreachable!("two scans") };
        let counts = openscap.scan.counts;
        assert_eq!(
            (counts.pass, counts.fail, counts.informational, counts.notchecked),
            (1, 2, 1, 1)
        );
        assert_eq!(openscap.scan.scanner_version.as_str(), "1.3.7");
        assert_eq!(openscap.scan.scanner_score, Some(66.6));
        assert!(!openscap.scan.partial && bench.scan.partial);
        let first = openscap.rules.first().unwrap();
        assert_eq!((first.severity, first.fix.as_str()), (Severity::High, "chmod"));
        assert_eq!((bench.scan.scanner, bench.scan.counts.fail), (Scanner::DockerBench, 1));
    }

    #[test]
    fn a_flat_body_is_one_scan_and_nothing_is_none() {
        let flat = json!({ "profile_name": "standard", "status": "completed", "results": null });
        assert_eq!(reports(flat).unwrap().len(), 1);
        assert_eq!(reports(json!({ "hostname": "web" })), Err(BadScans::None));
        assert_eq!(reports(json!({ "scans": [{}] })), Err(BadScans::NoProfile));
        let many = vec![json!({ "profile_name": "p" }); SCANS + 1];
        assert_eq!(reports(json!({ "scans": many })), Err(BadScans::TooMany));
        assert!(serde_json::from_value::<ScanUpload>(json!({ "scans": "all" })).is_err());
        let failed = json!({ "profile_name": "p", "status": "failed", "error": "no content" });
        let upload: ScanUpload = serde_json::from_value(failed).unwrap();
        assert!(upload.single.is_failure());
    }
}
