//! Compliance scans by the real scanners, on the machine that the tests run on.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use gangplank_agent::policy::Policy;
use gangplank_agent::scan::{
    self, Finding, Limits, Progress, Release, Request, ScanError, Setup, Stopped,
};
use gangplank_proto::scan::{Report, RuleOutcome, Scanner};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Nothing here takes longer, however busy the machine.
const SOON: Duration = Duration::from_secs(240);

fn policy() -> Policy {
    Policy { scan: true, ..Policy::default() }
}

/// A host that has no content of its own but what `content` says.
fn setup(content: &Path) -> Setup {
    let release = Release { id: "debian".to_owned(), version: "12".to_owned() };
    Setup { content: content.to_owned(), release, ..Setup::of_host() }
}

fn request(profile: &str) -> Request {
    Request { profile: Some(profile.to_owned()), ..Request::default() }
}

async fn run(
    request: &Request,
    setup: &Setup,
    cancel: &CancellationToken,
    progress: impl FnMut(Progress),
) -> Result<Finding, ScanError> {
    let policy = policy();
    timeout(SOON, scan::scan(request, &policy, setup, cancel, progress)).await.unwrap()
}

/// A datastream made of our own: named, for profiles and checks of the test's.
fn variant(directory: &Path, name: &str, change: impl Fn(String) -> String) -> PathBuf {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/content/gangplank-linux-ds.xml");
    let path = directory.join(name);
    fs::write(&path, change(fs::read_to_string(own).unwrap())).unwrap();
    path
}

#[tokio::test]
async fn our_own_content_is_a_valid_data_stream() {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/content/gangplank-linux-ds.xml");
    let mut command = Command::new("oscap");
    let checked = timeout(SOON, command.args(["ds", "sds-validate", own]).output());
    let checked = checked.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}");
    // The same program says so of what is none.
    let directory = tempfile::tempdir().unwrap();
    let broken = variant(directory.path(), "broken-ds.xml", |text| {
        text.replace("<ds:checks>", "<ds:reviews>").replace("</ds:checks>", "</ds:reviews>")
    });
    let mut command = Command::new("oscap");
    let checked = timeout(SOON, command.args(["ds", "sds-validate"]).arg(broken).output());
    assert!(!checked.await.unwrap().unwrap().status.success());
}

#[tokio::test]
async fn our_own_content_is_scanned_rule_by_rule() {
    let directory = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    let cancel = CancellationToken::new();
    let page = directory.path().join("page.html");
    let request = Request { page: Some(page.clone()), ..request("strict") };
    let setup = setup(directory.path());
    let finding = run(&request, &setup, &cancel, |step| seen.push(step)).await.unwrap();

    let scan = &finding.report.scan;
    assert_eq!(scan.content.as_str(), "gangplank-linux-ds.xml");
    assert_eq!(scan.profile.as_str(), "xccdf_io.github.gangplank_profile_strict");
    assert!(!scan.partial && finding.stopped.is_none());
    assert!(scan.scanner_version.as_str().starts_with("1."), "{:?}", scan.scanner_version);
    assert!(scan.started_at.as_str() <= scan.finished_at.as_str());
    assert!(scan.scanner_score.is_some_and(|score| (0.0..=100.0).contains(&score)));

    let rules = &finding.report.rules;
    assert!(rules.len() >= 12);
    let broken = [RuleOutcome::Error, RuleOutcome::Unknown, RuleOutcome::Notchecked];
    for rule in rules {
        assert!(!broken.contains(&rule.result), "{rule:?}");
        assert!(!rule.title.is_empty() && !rule.rationale.is_empty() && !rule.fix.is_empty());
    }
    // Some comply on any machine, and the scanner's exit status says whether all do.
    let counts = scan.counts;
    assert!(counts.pass > 0);
    assert_eq!(finding.exit_status, Some(if counts.fail > 0 { 2 } else { 0 }));
    assert_eq!(scan.score, counts.score());

    let last = seen.last().unwrap();
    assert_eq!((last.done, last.total), (rules.len(), Some(rules.len())));
    assert!(seen.iter().enumerate().all(|(index, step)| step.done == index + 1));
    assert!(fs::read_to_string(page).unwrap().contains("<html"));
}

#[tokio::test]
async fn a_rule_says_what_the_host_is_like() {
    let directory = tempfile::tempdir().unwrap();
    let watched = directory.path().join("etc");
    fs::create_dir(&watched).unwrap();
    let file = watched.join("shadow");
    fs::write(&file, "root:*:1::::::\n").unwrap();
    // The rules about /etc look into a directory of the test's.
    let content = variant(directory.path(), "ssg-debian12-ds.xml", |text| {
        let text = text.replace("gangplank_profile_basic", "gangplank_profile_standard");
        let path = watched.to_str().unwrap();
        text.replace("path>/etc</", &format!("path>{path}</"))
    });
    assert!(content.exists());
    let outcome = async |mode: u32, text: &str, rule: &str| {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        fs::write(&file, text).unwrap();
        let (setup, cancel) = (setup(directory.path()), CancellationToken::new());
        let finding = run(&Request::default(), &setup, &cancel, |_| {}).await.unwrap();
        assert_eq!(finding.report.scan.content.as_str(), "ssg-debian12-ds.xml");
        let ending = format!("_rule_{rule}");
        let mut rules = finding.report.rules.into_iter();
        rules.find(|found| found.id.as_str().ends_with(&ending)).unwrap().result
    };
    let root = nix::unistd::geteuid().is_root();
    let owned = if root { RuleOutcome::Pass } else { RuleOutcome::Fail };
    let (locked, open) = ("root:*:1::::::\n", "root:*:1::::::\nada::1::::::\n");
    assert_eq!(outcome(0o640, locked, "shadow_permissions").await, owned);
    assert_eq!(outcome(0o644, locked, "shadow_permissions").await, RuleOutcome::Fail);
    assert_eq!(outcome(0o640, locked, "no_empty_passwords").await, RuleOutcome::Pass);
    assert_eq!(outcome(0o640, open, "no_empty_passwords").await, RuleOutcome::Fail);
    assert_eq!(outcome(0o640, open, "no_world_writable_settings").await, RuleOutcome::Pass);
    assert_eq!(outcome(0o642, open, "no_world_writable_settings").await, RuleOutcome::Fail);
}

#[tokio::test]
async fn content_that_does_not_fit_makes_way_and_no_profile_is_taken_for_another() {
    let directory = tempfile::tempdir().unwrap();
    // As a distribution's content for another version: all of it is for a system that isn't here.
    variant(directory.path(), "ssg-debian11-ds.xml", |text| {
        let text = text.replace("gangplank_profile_basic", "gangplank_profile_standard");
        let platform = "<platform idref=\"cpe:/o:debian:debian_linux:1\"/><version>1</version>";
        text.replace("<version>1</version>", platform)
    });
    let (setup, cancel) = (setup(directory.path()), CancellationToken::new());
    let finding = run(&Request::default(), &setup, &cancel, |_| {}).await.unwrap();
    assert_eq!(finding.report.scan.content.as_str(), "gangplank-linux-ds.xml");
    assert_eq!(finding.report.scan.profile.as_str(), "xccdf_io.github.gangplank_profile_basic");

    let error = run(&request("standard"), &setup, &cancel, |_| {}).await.unwrap_err();
    let said = "ssg-debian11-ds.xml is not for debian 12: none of its rules applies to it";
    assert_eq!(error.to_string(), said);
    let error = run(&request("level1_server"), &setup, &cancel, |_| {}).await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("for debian 12 on this host has the profile level1_server"), "{said}");
    assert!(said.contains("standard, strict (ssg-debian11-ds.xml)"), "{said}");
    assert!(said.contains("basic, strict (gangplank-linux-ds.xml)"), "{said}");
}

#[tokio::test]
async fn a_scanner_that_fails_is_no_result() {
    let directory = tempfile::tempdir().unwrap();
    let cancel = CancellationToken::new();
    // Well-formed, and yet nothing that the scanner takes.
    let broken = variant(directory.path(), "broken.xml", |text| {
        text.replace("<ds:component-ref", "<ds:component-raf")
            .replace("</ds:component-ref", "</ds:component-raf")
    });
    let policy = Policy { scan: true, scan_content: vec![broken.clone()], ..Policy::default() };
    let given = Request { content: Some(broken), ..request("basic") };
    let setup = setup(directory.path());
    let error = scan::scan(&given, &policy, &setup, &cancel, |_| {}).await.unwrap_err();
    let ScanError::Failed { scanner: Scanner::Openscap, status: 1, complaints } = error else {
        unreachable!("{error}");
    };
    assert!(!complaints.is_empty() && !complaints.chars().any(char::is_control));

    let starved = Setup { limits: Limits { memory: 16 << 20, ..Limits::default() }, ..setup };
    let error = run(&request("basic"), &starved, &cancel, |_| {}).await.unwrap_err();
    let ended = matches!(error, ScanError::Failed { .. } | ScanError::Signalled { .. });
    assert!(ended, "{error}");

    let nowhere = Setup { programs: vec![directory.path().to_owned()], ..starved };
    let error = run(&request("basic"), &nowhere, &cancel, |_| {}).await.unwrap_err().to_string();
    assert!(error.contains("in the package openscap-scanner"), "{error}");
}

#[tokio::test]
async fn a_cancel_keeps_what_was_found() {
    let directory = tempfile::tempdir().unwrap();
    let cancel = CancellationToken::new();
    let stop = |step: Progress| {
        if step.done == 3 {
            cancel.cancel();
        }
    };
    let (request, setup) = (request("strict"), setup(directory.path()));
    let finding = run(&request, &setup, &cancel, stop).await.unwrap();
    assert_eq!(finding.stopped, Some(Stopped::Cancelled));
    let Report { scan, rules } = &finding.report;
    assert!(scan.partial);
    assert!(rules.len() >= 3);
    // What the content says of them is there.
    assert!(rules.iter().all(|rule| !rule.fix.is_empty() && !rule.title.is_empty()));
    assert_eq!(scan.score, scan.counts.score());
    assert_eq!(scan.scanner_score, None);
}

#[tokio::test]
async fn lynis_is_read_the_same_way() {
    let directory = tempfile::tempdir().unwrap();
    let (setup, cancel) = (setup(directory.path()), CancellationToken::new());
    let asked = Request { scanner: Scanner::Lynis, ..request("file_permissions") };
    let mut seen = Vec::new();
    let finding = run(&asked, &setup, &cancel, |step| seen.push(step)).await.unwrap();
    let Report { scan, rules } = &finding.report;
    assert_eq!((scan.scanner, scan.profile.as_str()), (Scanner::Lynis, "file_permissions"));
    assert!(scan.scanner_version.as_str().starts_with("3."), "{:?}", scan.scanner_version);
    assert!(scan.scanner_score.is_some());
    assert!(!rules.is_empty());
    assert!(rules.iter().any(|rule| rule.id.as_str() == "FILE-7524"), "{rules:?}");
    assert!(rules.iter().all(|rule| !rule.title.is_empty()), "{rules:?}");
    assert!(seen.iter().any(|step| step.what.contains("File Permissions")), "{seen:?}");

    let stop = CancellationToken::new();
    let all = Request { profile: None, ..asked };
    let finding = run(&all, &setup, &stop, |_| stop.cancel()).await.unwrap();
    assert_eq!(finding.stopped, Some(Stopped::Cancelled));
    assert!(finding.report.scan.partial);
}

#[tokio::test]
async fn the_host_s_own_file_decides() {
    let directory = tempfile::tempdir().unwrap();
    let (setup, cancel) = (setup(directory.path()), CancellationToken::new());
    let (asked, refusing) = (request("basic"), Policy::default());
    let refused = scan::scan(&asked, &refusing, &setup, &cancel, |_| {}).await;
    assert!(matches!(refused, Err(ScanError::Refused)));

    let given = variant(directory.path(), "given.xml", |text| {
        text.replace("gangplank_profile_basic", "gangplank_profile_given")
    });
    let asked = Request { content: Some(given.clone()), ..request("given") };
    let refused = run(&asked, &setup, &cancel, |_| {}).await.unwrap_err().to_string();
    assert!(refused.contains("policy.scan_content"), "{refused}");
    let policy = Policy { scan_content: vec![given], ..policy() };
    let finding = scan::scan(&asked, &policy, &setup, &cancel, |_| {}).await.unwrap();
    assert_eq!(finding.report.scan.content.as_str(), "given.xml");
}

/// The program with a configuration of its own.
struct Program {
    directory: tempfile::TempDir,
}

impl Program {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.toml");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        Self { directory }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gangplank-agent"));
        command
            .arg("scan")
            .args(words)
            .arg("--config")
            .arg(self.directory.path().join("agent.toml"));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    async fn run(&self, words: &[&str]) -> (i32, String, String) {
        let output = timeout(SOON, self.command(words).output()).await.unwrap().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

#[tokio::test]
async fn the_program_scans_for_whoever_types_it() {
    let refusing = Program::new("[policy]\nscan = false\n");
    let (code, out, said) = refusing.run(&["--json"]).await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(said.contains("policy.scan = true"), "{said}");

    let program = Program::new("[policy]\nscan = true\n");
    let (code, out, said) = program.run(&["--profile", "basic", "--json"]).await;
    assert_eq!((code, said.as_str()), (0, ""));
    let report: Report = serde_json::from_str(&out).unwrap();
    assert!(report.rules.len() >= 12 && report.scan.score.is_some());

    let (code, out, _) = program.run(&["--profile", "strict"]).await;
    assert_eq!(code, 0);
    assert!(out.contains("gangplank_profile_strict by gangplank-linux-ds.xml"), "{out}");
    assert!(out.contains("score "), "{out}");

    let (code, _, said) = program.run(&["--profile", "none such"]).await;
    assert_eq!(code, 1);
    assert!(said.contains("has the profile none such"), "{said}");
    let (code, _, _) = program.run(&["--scanner", "other"]).await;
    assert_eq!(code, 2);
}

#[tokio::test]
async fn an_interrupt_ends_the_program_with_what_it_has() {
    let program = Program::new("[policy]\nscan = true\n");
    let mut command = program.command(&["--scanner", "lynis", "--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap());
    // Lynis is its child once it listens for signals.
    let children = format!("/proc/{pid}/task/{pid}/children");
    let began = async {
        while fs::read_to_string(&children).unwrap_or_default().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, began).await.unwrap();
    kill(pid, Signal::SIGINT).unwrap();
    let output = timeout(SOON, child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report.scan.partial);
    assert!(String::from_utf8_lossy(&output.stderr).contains("stopped before the end"));
}
