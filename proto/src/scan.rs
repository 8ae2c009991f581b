//! Compliance scans: what a scanner found on a host, whichever scanner it was. Everything here is a
//! claim of a possibly hostile host and is bounded as it is read.

mod fit;
mod score;
mod text;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use score::Counts;
pub use text::LongText;

use crate::fact::FactText;

/// Rules of one scan that are told at most.
pub const RULES: usize = 4096;

/// Which program looked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scanner {
    /// OpenSCAP, by rules of a SCAP data stream.
    #[default]
    Openscap,
    /// Lynis, by tests of its own.
    Lynis,
    /// Docker Bench, by tests of its own; through PatchMon's agent only.
    #[serde(rename = "docker-bench")]
    DockerBench,
    /// OpenSCAP on a container's image; through PatchMon's agent only.
    #[serde(rename = "oscap-docker")]
    OscapDocker,
}

impl Scanner {
    /// Every scanner.
    pub const ALL: [Self; 4] = [Self::Openscap, Self::Lynis, Self::DockerBench, Self::OscapDocker];

    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Openscap => "openscap",
            Self::Lynis => "lynis",
            Self::DockerBench => "docker-bench",
            Self::OscapDocker => "oscap-docker",
        }
    }
}

impl fmt::Display for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names none of the known ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such {0}")]
pub struct UnknownWord(&'static str);

impl FromStr for Scanner {
    type Err = UnknownWord;

    fn from_str(name: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.into_iter().find(|scanner| scanner.as_str() == name);
        found.ok_or(UnknownWord("scanner"))
    }
}

/// How a rule came out, in the words of XCCDF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleOutcome {
    /// The host complies.
    Pass,
    /// It does not.
    Fail,
    /// The check broke.
    Error,
    /// The check could not tell.
    Unknown,
    /// The rule is not for such a host.
    Notapplicable,
    /// There is no check that a program could do.
    Notchecked,
    /// The profile leaves it out.
    Notselected,
    /// It says something, without judging.
    Informational,
    /// It failed and was put right.
    Fixed,
}

impl RuleOutcome {
    /// Every outcome, the one that matters most first: where one rule has several, the first
    /// counts.
    pub const ALL: [Self; 9] = [
        Self::Fail,
        Self::Error,
        Self::Unknown,
        Self::Fixed,
        Self::Pass,
        Self::Informational,
        Self::Notchecked,
        Self::Notapplicable,
        Self::Notselected,
    ];

    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Unknown => "unknown",
            Self::Notapplicable => "notapplicable",
            Self::Notchecked => "notchecked",
            Self::Notselected => "notselected",
            Self::Informational => "informational",
            Self::Fixed => "fixed",
        }
    }

    /// The one of two that matters more.
    #[must_use]
    pub fn graver(self, other: Self) -> Self {
        let found = Self::ALL.into_iter().find(|known| [self, other].contains(known));
        found.unwrap_or(self)
    }
}

impl fmt::Display for RuleOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RuleOutcome {
    type Err = UnknownWord;

    fn from_str(name: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.into_iter().find(|outcome| outcome.as_str() == name);
        found.ok_or(UnknownWord("outcome of a rule"))
    }
}

/// How bad it is when a rule fails.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nobody said.
    #[default]
    Unknown,
    /// Not at all.
    Info,
    /// A little.
    Low,
    /// Somebody should look.
    Medium,
    /// Somebody should look today.
    High,
}

impl Severity {
    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Severity {
    type Err = UnknownWord;

    fn from_str(name: &str) -> Result<Self, UnknownWord> {
        let known = [Self::Unknown, Self::Info, Self::Low, Self::Medium, Self::High];
        known.into_iter().find(|word| word.as_str() == name).ok_or(UnknownWord("severity"))
    }
}

/// One scan, without its rules.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Scan {
    /// Which program looked.
    pub scanner: Scanner,
    /// Its version, as far as it said.
    #[serde(default)]
    pub scanner_version: FactText,
    /// What was looked for: a profile's full id, or a group of Lynis' tests.
    pub profile: FactText,
    /// By what rules: the content's file name; empty with Lynis, whose rules are its own.
    #[serde(default)]
    pub content: FactText,
    /// When it began, RFC 3339.
    pub started_at: FactText,
    /// When it ended, RFC 3339.
    pub finished_at: FactText,
    /// Whether it was ended before all rules were looked at.
    #[serde(default)]
    pub partial: bool,
    /// What was passed of what was judged, in percent; none when nothing was judged.
    #[serde(default)]
    pub score: Option<f64>,
    /// What the scanner itself makes of it, in percent.
    #[serde(default)]
    pub scanner_score: Option<f64>,
    /// Rules by outcome.
    #[serde(default)]
    pub counts: Counts,
}

/// One rule of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleResult {
    /// Its name in the content.
    pub id: FactText,
    /// What it asks for.
    #[serde(default)]
    pub title: FactText,
    /// How bad it is when it fails.
    #[serde(default)]
    pub severity: Severity,
    /// How it came out.
    pub result: RuleOutcome,
    /// Why it asks for it.
    #[serde(default, skip_serializing_if = "LongText::is_empty")]
    pub rationale: LongText,
    /// What to do.
    #[serde(default, skip_serializing_if = "LongText::is_empty")]
    pub fix: LongText,
}

/// A scan with its rules: all that the profile selects, [`RULES`] at most.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Unbounded")]
pub struct Report {
    /// The scan.
    #[serde(flatten)]
    pub scan: Scan,
    /// Its rules, in the content's order.
    pub rules: Vec<RuleResult>,
}

impl Report {
    /// A scan with its rules; counts and score follow from them. What the profile leaves out is
    /// counted only.
    #[must_use]
    pub fn new(scan: Scan, mut rules: Vec<RuleResult>) -> Self {
        let mut counts = Counts::default();
        for rule in &rules {
            counts.add(rule.result);
        }
        rules.retain(|rule| rule.result != RuleOutcome::Notselected);
        rules.truncate(RULES);
        Self { scan: Scan { score: counts.score(), counts, ..scan }, rules }
    }
}

#[derive(Deserialize)]
struct Unbounded {
    #[serde(flatten)]
    scan: Scan,
    #[serde(default)]
    rules: Vec<RuleResult>,
}

impl From<Unbounded> for Report {
    fn from(read: Unbounded) -> Self {
        let Unbounded { scan, mut rules } = read;
        rules.truncate(RULES);
        Self { scan, rules }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn rule(id: &str, result: RuleOutcome) -> RuleResult {
        RuleResult {
            id: id.into(),
            title: "A title".into(),
            severity: Severity::High,
            result,
            rationale: "Because.\nReally.".into(),
            fix: LongText::default(),
        }
    }

    #[test]
    fn names_round_trip() {
        for outcome in RuleOutcome::ALL {
            assert_eq!(outcome.as_str().parse(), Ok(outcome));
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
        for severity in ["unknown", "info", "low", "medium", "high"] {
            assert_eq!(severity.parse::<Severity>().unwrap().as_str(), severity);
        }
        for scanner in Scanner::ALL {
            assert_eq!(scanner.as_str().parse(), Ok(scanner));
            assert_eq!(serde_json::to_value(scanner).unwrap(), scanner.as_str());
        }
        assert_eq!(
            "passed".parse::<RuleOutcome>().unwrap_err().to_string(),
            "there is no such outcome of a rule"
        );
    }

    #[test]
    fn the_graver_outcome_counts() {
        assert_eq!(RuleOutcome::Pass.graver(RuleOutcome::Fail), RuleOutcome::Fail);
        assert_eq!(RuleOutcome::Notapplicable.graver(RuleOutcome::Pass), RuleOutcome::Pass);
    }

    #[test]
    fn a_report_counts_what_it_leaves_out() {
        let rules = vec![
            rule("a", RuleOutcome::Pass),
            rule("b", RuleOutcome::Fail),
            rule("c", RuleOutcome::Notselected),
        ];
        let report = Report::new(Scan::default(), rules);
        assert_eq!(report.rules.len(), 2);
        assert_eq!(report.scan.counts.notselected, 1);
        assert_eq!(report.scan.score, Some(50.0));
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }

    #[test]
    fn a_report_is_bounded_as_it_is_read() {
        let rule = serde_json::to_value(rule("a", RuleOutcome::Pass)).unwrap();
        let mut report = serde_json::to_value(Scan::default()).unwrap();
        report["rules"] = vec![rule; RULES + 1].into();
        report["profile"] = "p\u{1b}".repeat(1000).into();
        let report: Report = serde_json::from_value(report).unwrap();
        assert_eq!(report.rules.len(), RULES);
        assert_eq!(report.scan.profile.as_str().chars().count(), 256);
        assert!(!report.scan.profile.as_str().contains('\u{1b}'));
    }
}
