//! OpenSCAP: runs `oscap xccdf eval` and reads what it found.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use gangplank_proto::scan::{RULES, Report, RuleOutcome, RuleResult, Scan, Scanner};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::content::{self, Content};
use super::process::{self, End};
use super::xccdf::{self, Document, Rule, TestResult};
use super::{Bounds, Finding, Progress, Request, ScanError, Setup, Stopped, profile};

/// Exit status when a rule failed; 0 is that none did, and 1 that the scanner itself failed.
const SOME_FAILED: i32 = 2;

/// What the scanner writes its results into.
const RESULTS: &str = "results.xml";

/// Content, and what is looked for by it.
struct Plan {
    content: Content,
    document: Document,
    profile: String,
    rules: usize,
}

/// A rule as it came out while the scanner ran.
struct Line {
    id: String,
    title: String,
    outcome: RuleOutcome,
}

pub(super) async fn scan(
    request: &Request,
    setup: &Setup,
    cancel: &CancellationToken,
    mut progress: impl FnMut(Progress),
) -> Result<Finding, ScanError> {
    let program = setup.program("oscap", "openscap-scanner")?;
    let directory = tempfile::tempdir().map_err(ScanError::io("a directory can't be made"))?;
    let candidates = match &request.content {
        Some(path) => vec![Content::given(path)],
        None => content::candidates(&setup.content, &setup.release, directory.path())?,
    };
    let (mut misfit, mut others) = (None, Vec::new());
    for content in candidates {
        let plan = match plan(content, request.profile.clone(), setup.bounds).await? {
            Ok(plan) => plan,
            Err(other) => {
                others.push(other);
                continue;
            }
        };
        match evaluate(&program, plan, request, setup, cancel, &directory, &mut progress).await {
            // Content for another version of the system: the next may fit.
            Err(error @ ScanError::NotApplicable { .. }) => misfit = Some(misfit.unwrap_or(error)),
            other => return other,
        }
    }
    Err(misfit.unwrap_or_else(|| no_profile(request, setup, &others)))
}

/// Finds the profile in content, which is never replaced by another; else what there is instead.
async fn plan(
    content: Content,
    asked: Option<String>,
    bounds: Bounds,
) -> Result<Result<Plan, String>, ScanError> {
    aside(move || {
        let document = content.read(&bounds)?;
        let found = match asked.as_deref() {
            Some(asked) => profile::find(&document, asked)?,
            None => Some(profile::default(&content, &document)?),
        };
        let found = found.map(|found| (found.id.clone(), profile::rules(&document, found)));
        Ok(match found {
            Some((profile, rules)) => Ok(Plan { content, document, profile, rules }),
            None => Err(format!("{} ({})", profile::offered(&document), content.name)),
        })
    })
    .await
}

/// Does what takes a while where it keeps nothing else waiting, such as a terminal's keys.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ScanError> + Send + 'static,
) -> Result<T, ScanError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other);
    done.map_err(ScanError::io("a document can't be read")).flatten()
}

fn no_profile(request: &Request, setup: &Setup, others: &[String]) -> ScanError {
    ScanError::NoProfile {
        system: setup.release.to_string(),
        profile: request.profile.as_deref().unwrap_or("standard").escape_debug().to_string(),
        offered: if others.is_empty() { "none".to_owned() } else { others.join("; ") },
    }
}

async fn evaluate(
    program: &Path,
    plan: Plan,
    request: &Request,
    setup: &Setup,
    cancel: &CancellationToken,
    directory: &TempDir,
    progress: &mut impl FnMut(Progress),
) -> Result<Finding, ScanError> {
    let started_at = setup.timestamp();
    let results = directory.path().join(RESULTS);
    let arguments = arguments(&plan, request, &results)?;
    let mut lines: Vec<Line> = Vec::new();
    let seen = |text: &str| {
        let Some(line) = read_line(text) else { return };
        if lines.len() < RULES {
            lines.push(line);
        }
        let (done, total) = (lines.len(), plan.rules.max(lines.len()));
        let what = lines.last().map(|line| line.title.clone()).unwrap_or_default();
        progress(Progress { done, total: Some(total), what });
    };
    let ended = process::run(program, &arguments, directory.path(), &setup.limits, cancel, seen);
    let ended = ended.await.map_err(ScanError::io("oscap can't be started"))?;
    let scan = Scan {
        scanner: Scanner::Openscap,
        profile: plan.profile.as_str().into(),
        content: plan.content.name.as_str().into(),
        started_at: started_at.into(),
        finished_at: setup.timestamp().into(),
        ..Scan::default()
    };
    let stopped = match ended.end {
        End::Exited(status @ (0 | SOME_FAILED)) => {
            let (bounds, name) = (setup.bounds, plan.content.name.clone());
            let report = aside(move || whole(&results, scan, &bounds, &name)).await?;
            if applies_nowhere(&report) {
                let system = setup.release.to_string();
                return Err(ScanError::NotApplicable { content: plan.content.name, system });
            }
            return Ok(Finding { report, stopped: None, exit_status: Some(status) });
        }
        End::Exited(status) => {
            let complaints = ended.complaints.escape_debug().to_string();
            return Err(ScanError::Failed { scanner: Scanner::Openscap, status, complaints });
        }
        End::Signalled(signal) => {
            return Err(ScanError::Signalled { scanner: Scanner::Openscap, signal });
        }
        End::Cancelled => Stopped::Cancelled,
        End::TooLong => Stopped::TooLong,
    };
    let report = partial(scan, &plan.document, lines);
    Ok(Finding { report, stopped: Some(stopped), exit_status: None })
}

fn arguments(plan: &Plan, request: &Request, results: &Path) -> Result<Vec<OsString>, ScanError> {
    let mut arguments: Vec<OsString> =
        ["xccdf", "eval", "--progress-full", "--profile"].into_iter().map(OsString::from).collect();
    arguments.extend([OsString::from(&plan.profile), "--results".into(), results.into()]);
    if let Some(page) = &request.page {
        // The scanner runs elsewhere.
        let page = std::path::absolute(page).map_err(ScanError::io(page.display()))?;
        arguments.extend(["--report".into(), page.into()]);
    }
    arguments.push(plan.content.path.clone().into());
    Ok(arguments)
}

/// Reads `id|title|result`; a title may have any character.
fn read_line(text: &str) -> Option<Line> {
    let (rest, outcome) = text.rsplit_once('|')?;
    let (id, title) = rest.split_once('|')?;
    let outcome = outcome.trim().parse().ok()?;
    Some(Line { id: id.to_owned(), title: title.to_owned(), outcome })
}

/// The report of a scanner that came to its end.
fn whole(results: &Path, scan: Scan, bounds: &Bounds, content: &str) -> Result<Report, ScanError> {
    let file = File::open(results).map_err(ScanError::io("oscap left no results"))?;
    let parsed = xccdf::parse(BufReader::new(file), bounds);
    let name = || format!("results by {content}");
    let document = parsed.map_err(|error| ScanError::Document { file: name(), error })?;
    let Some(test) = document.test else {
        return Err(ScanError::Document { file: name(), error: xccdf::XmlError::Truncated });
    };
    let scan = Scan {
        scanner_version: test.scanner_version.as_str().into(),
        scanner_score: test.score,
        ..scan
    };
    Ok(Report::new(scan, judged(&document.rules, test)))
}

/// Joins results with what their rules say; where a rule was checked several times, the gravest
/// result counts.
fn judged(rules: &[Rule], test: TestResult) -> Vec<RuleResult> {
    let known: HashMap<&str, &Rule> = rules.iter().map(|rule| (rule.id.as_str(), rule)).collect();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut results: Vec<RuleResult> = Vec::new();
    for judged in test.results {
        if let Some(before) = places.get(&judged.id).and_then(|place| results.get_mut(*place)) {
            before.result = before.result.graver(judged.outcome);
            continue;
        }
        let mut result = result(known.get(judged.id.as_str()).copied(), &judged.id, judged.outcome);
        result.severity = judged.severity.unwrap_or(result.severity);
        if !judged.fix.is_empty() {
            result.fix = judged.fix;
        }
        places.insert(judged.id, results.len());
        results.push(result);
    }
    results
}

fn result(rule: Option<&Rule>, id: &str, outcome: RuleOutcome) -> RuleResult {
    RuleResult {
        id: id.into(),
        title: rule.map(|rule| rule.title.as_str()).unwrap_or_default().into(),
        severity: rule.map(|rule| rule.severity).unwrap_or_default(),
        result: outcome,
        rationale: rule.map(|rule| rule.rationale.clone()).unwrap_or_default(),
        fix: rule.map(|rule| rule.fix.clone()).unwrap_or_default(),
    }
}

/// The report of a scanner that was ended: it had written nothing yet, but said each rule.
fn partial(scan: Scan, document: &Document, lines: Vec<Line>) -> Report {
    let known: HashMap<&str, &Rule> =
        document.rules.iter().map(|rule| (rule.id.as_str(), rule)).collect();
    let rules = lines.into_iter().map(|line| {
        let result = result(known.get(line.id.as_str()).copied(), &line.id, line.outcome);
        RuleResult { title: line.title.into(), ..result }
    });
    Report::new(Scan { partial: true, ..scan }, rules.collect())
}

fn applies_nowhere(report: &Report) -> bool {
    let counts = &report.scan.counts;
    counts.notapplicable > 0
        && report.rules.iter().all(|rule| rule.result == RuleOutcome::Notapplicable)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use gangplank_proto::scan::Severity;

    use super::*;
    use crate::scan::xccdf::Judged;

    #[test]
    fn a_line_is_read_whatever_its_title_has() {
        let line = read_line("xccdf_a_rule_b|One | two|fail").unwrap();
        assert_eq!((line.id.as_str(), line.title.as_str()), ("xccdf_a_rule_b", "One | two"));
        assert_eq!(line.outcome, RuleOutcome::Fail);
        for other in ["---evaluation", "", "a|b", "a|b|c", "||"] {
            assert!(read_line(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_rule_that_was_checked_twice_has_its_gravest_result() {
        let judged_as = |outcome| Judged {
            id: "a".to_owned(),
            severity: Some(Severity::High),
            outcome,
            fix: "".into(),
        };
        let outcomes = [RuleOutcome::Pass, RuleOutcome::Fail, RuleOutcome::Notapplicable];
        let results = outcomes.map(judged_as).to_vec();
        let [rule] = &judged(&[], TestResult { results, ..TestResult::default() })[..] else {
            unreachable!("more than one");
        };
        assert_eq!((rule.result, rule.severity), (RuleOutcome::Fail, Severity::High));
    }
}
