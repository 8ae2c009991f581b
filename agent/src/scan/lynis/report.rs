//! Lynis' report file, `key=value` in lines: its tests become rules. A test with a warning or a
//! suggestion failed; one that ran without either passed; one that was skipped is for other hosts.

use std::collections::{BTreeMap, HashMap};

use gangplank_proto::scan::{RULES, RuleOutcome, RuleResult, Severity};

/// Findings about one test that are kept.
const FINDINGS: usize = 32;

/// What a report file says.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) version: String,
    pub(super) hardening_index: Option<f64>,
    /// Whether Lynis came to its end.
    pub(super) finished: bool,
    pub(super) rules: Vec<RuleResult>,
}

/// A test with what was found about it.
struct Test {
    outcome: RuleOutcome,
    severity: Severity,
    findings: Vec<String>,
    fixes: Vec<String>,
}

/// Reads a report; `tests` is Lynis' own list of its tests.
pub(super) fn read(report: &str, tests: &str) -> Found {
    let mut found = Found::default();
    let mut all: BTreeMap<&str, Test> = BTreeMap::new();
    let mut note = |id, outcome, severity| note(&mut all, id, outcome, severity);
    for (key, value) in report.lines().filter_map(|line| line.split_once('=')) {
        match key {
            "lynis_version" => found.version = value.to_owned(),
            "hardening_index" => {
                let index = value.trim().parse::<f64>().ok();
                found.hardening_index = index.filter(|index| (0.0..=100.0).contains(index));
            }
            "finish" => found.finished = value.trim() == "true",
            "warning[]" => note(value, RuleOutcome::Fail, Severity::Medium),
            "suggestion[]" => note(value, RuleOutcome::Fail, Severity::Low),
            "exception_event[]" => note(value, RuleOutcome::Error, Severity::Unknown),
            "tests_executed" => {
                for id in value.split('|') {
                    note(id, RuleOutcome::Pass, Severity::Unknown);
                }
            }
            "tests_skipped" => {
                for id in value.split('|') {
                    note(id, RuleOutcome::Notapplicable, Severity::Unknown);
                }
            }
            _ => {}
        }
    }
    let titles = titles(tests);
    found.rules = all.into_iter().map(|(id, test)| rule(id, test, &titles)).collect();
    found
}

/// Takes `ID|what was found|details|what to do|`.
fn note<'a>(
    all: &mut BTreeMap<&'a str, Test>,
    entry: &'a str,
    outcome: RuleOutcome,
    severity: Severity,
) {
    let mut fields = entry.split('|').map(str::trim);
    // An exception says where in a test it was: `BOOT-5104:001`.
    let id = fields.next().unwrap_or_default().split(':').next().unwrap_or_default();
    // Without a number it is about Lynis itself, not about the host.
    let is_id = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !id.contains('-') || id.len() > 64 || !id.chars().all(is_id) {
        return;
    }
    if all.len() >= RULES && !all.contains_key(id) {
        return;
    }
    let test = all.entry(id).or_insert_with(|| Test {
        outcome,
        severity,
        findings: Vec::new(),
        fixes: Vec::new(),
    });
    test.outcome = test.outcome.graver(outcome);
    test.severity = test.severity.max(severity);
    let mut said = |kind: fn(&mut Test) -> &mut Vec<String>| {
        let text = fields.next().filter(|text| !text.is_empty() && *text != "-");
        let kept = kind(test);
        if let Some(text) = text.filter(|_| kept.len() < FINDINGS) {
            kept.push(text.strip_prefix("text:").unwrap_or(text).to_owned());
        }
    };
    said(|test| &mut test.findings);
    said(|test| &mut test.findings);
    said(|test| &mut test.fixes);
}

fn rule(id: &str, test: Test, titles: &HashMap<&str, &str>) -> RuleResult {
    // A plugin's tests have no titles.
    let title = titles.get(id).copied().or(test.findings.first().map(String::as_str));
    // A suggestion is itself what to do.
    let fixes = if test.fixes.is_empty() { &test.findings } else { &test.fixes };
    RuleResult {
        id: id.into(),
        title: title.unwrap_or(id).into(),
        severity: test.severity,
        result: test.outcome,
        rationale: test.findings.join("\n").into(),
        fix: if test.outcome == RuleOutcome::Fail { fixes.join("\n").into() } else { "".into() },
    }
}

/// Reads `ID:type:category:group:system:title:`.
fn titles(tests: &str) -> HashMap<&str, &str> {
    let lines = tests.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| {
        let (id, rest) = line.split_once(':')?;
        let title = rest.splitn(5, ':').nth(4)?;
        Some((id, title.trim_end_matches(':')))
    });
    pairs.take(RULES).collect()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REPORT: &str = "# Lynis Report\nlynis_version=3.0.8\n\
        suggestion[]=LYNIS|This release is old|-|-|\n\
        suggestion[]=AUTH-9286|Configure minimum password age in /etc/login.defs|-|-|\n\
        suggestion[]=AUTH-9286|Configure maximum password age in /etc/login.defs|-|-|\n\
        warning[]=PKGS-7392|Found one or more vulnerable packages.|-|-|\n\
        suggestion[]=PKGS-7392|Update your system|apt|text:Run apt-get upgrade|\n\
        exception_event[]=BOOT-5104:001|Unknown service manager|\n\
        manual_event[]=AUTH-9328:03\nhardening_index=56\n\
        tests_executed=AUTH-9286|PKGS-7392|BOOT-5104|KRNL-5820|\n\
        tests_skipped=FINT-4402|\nfinish=true\n";

    #[test]
    fn tests_become_rules() {
        let found = read(REPORT, "KRNL-5820:test:security:kernel:Linux:Core dumps: off:\n");
        assert!(found.finished);
        assert_eq!((found.version.as_str(), found.hardening_index), ("3.0.8", Some(56.0)));
        let short =
            |rule: &RuleResult| format!("{} {} {}", rule.id.as_str(), rule.result, rule.severity);
        let rules: Vec<String> = found.rules.iter().map(short).collect();
        let expected = [
            "AUTH-9286 fail low",
            "BOOT-5104 error unknown",
            "FINT-4402 notapplicable unknown",
            "KRNL-5820 pass unknown",
            "PKGS-7392 fail medium",
        ];
        assert_eq!(rules, expected);
        assert_eq!(found.rules[0].rationale.as_str().lines().count(), 2);
        assert_eq!(found.rules[3].title.as_str(), "Core dumps: off");
        assert_eq!(found.rules[4].fix.as_str(), "Run apt-get upgrade");
        assert_eq!(found.rules[4].rationale.as_str().lines().count(), 3);
    }

    #[test]
    fn what_is_cut_off_is_not_finished() {
        let cut = REPORT.find("hardening_index").unwrap_or_default();
        let found = read(&REPORT[..cut], "");
        assert!(!found.finished);
        assert_eq!(found.rules.len(), 3);
        assert!(read("hardening_index=1000\n", "").hardening_index.is_none());
    }

    #[test]
    fn a_report_has_no_more_rules_than_are_taken() {
        let many: String = (0..RULES + 10).map(|n| format!("warning[]=T-{n}|x|-|-|\n")).collect();
        assert_eq!(read(&many, "").rules.len(), RULES);
        let often = "warning[]=T-1|x|y|z|\n".repeat(1000);
        let found = read(&often, "");
        assert_eq!(found.rules[0].fix.as_str().lines().count(), FINDINGS);
    }

    proptest! {
        #[test]
        fn any_text_is_read(report in "(?s)([a-z_\\[\\]]{0,20}=[^\\n]{0,40}\\n|(warning|suggestion)\\[\\]=[A-Z|:.-]{0,30}\\n){0,20}") {
            let found = read(&report, &report);
            prop_assert!(found.rules.len() <= RULES);
        }
    }
}
