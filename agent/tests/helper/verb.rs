//! What the helper does when it may.

use std::collections::BTreeMap;

use gangplank_agent::helper::{Name, Verb};
use gangplank_agent::packages::Mode;
use gangplank_proto::job::Outcome;
use gangplank_proto::scan::{Report, Scanner};

use crate::asker::{Helper, gone};

pub(crate) fn tool(name: &str, args: &[(&str, &str)]) -> Verb {
    let args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Verb::Tool { name: Name::new(name).unwrap(), args: args.collect() }
}

#[tokio::test]
async fn a_scan_comes_back_with_its_rules_and_progress() {
    let helper = Helper::start("scan = true").await;
    let profile = Name::new("strict").ok();
    let asking = helper.ask(Verb::Scan { scanner: Scanner::Openscap, profile });
    let (done, output, progress) = asking.end().await;
    assert_eq!(done.status, Outcome::Succeeded, "{done:?}");
    let report: Report = serde_json::from_slice(&output).unwrap();
    assert!(report.rules.len() >= 12);
    assert!(progress.iter().any(|step| step.percent.is_some()), "{progress:?}");
    assert_eq!(done.result.unwrap()["profile"], "xccdf_io.github.gangplank_profile_strict");
}

#[tokio::test]
async fn a_scan_that_is_called_off_keeps_what_it_has() {
    let helper = Helper::start("scan = true").await;
    let asking = helper.ask(Verb::Scan { scanner: Scanner::Lynis, profile: None });
    asking.cancel.cancel();
    let (done, output, _) = asking.end().await;
    assert_eq!(done.status, Outcome::Cancelled, "{done:?}");
    let report: Report = serde_json::from_slice(&output).unwrap();
    assert!(report.scan.partial);
}

#[tokio::test]
async fn a_tool_runs_as_root_with_what_root_s_file_allows() {
    let helper = Helper::start("tools = true").await;
    let (done, output, _) = helper.ask(tool("whoami", &[("flag", "-un")])).end().await;
    assert_eq!((done.status, done.exit_status), (Outcome::Succeeded, Some(0)), "{done:?}");
    assert_eq!(output, b"root\n");
    let (done, output, _) = helper.ask(tool("whoami", &[("flag", "-g")])).end().await;
    assert_eq!(done.status, Outcome::Failed, "{done:?}");
    assert!(done.error.unwrap().as_str().contains("does not allow that value of flag"));
    assert!(output.is_empty());
}

#[tokio::test]
async fn a_tool_that_is_called_off_is_gone() {
    let helper = Helper::start("tools = true").await;
    let mut asking = helper.ask(tool("stay", &[]));
    let pid = asking.line().await;
    asking.cancel.cancel();
    let (done, ..) = asking.end().await;
    assert_eq!(done.status, Outcome::Cancelled, "{done:?}");
    gone(&pid).await;
}

#[tokio::test]
async fn what_would_be_updated_is_told() {
    let helper = Helper::start("packages = true").await;
    let (done, output, _) = helper.ask(Verb::Packages { mode: Mode::DryRun }).end().await;
    assert_eq!(done.status, Outcome::Succeeded, "{done:?}");
    let result = done.result.unwrap();
    assert_eq!(result["manager"], "apt", "{result}");
    assert!(result["updates"].is_u64(), "{result}");
    assert!(String::from_utf8_lossy(&output).contains("upgraded, "));
}

#[tokio::test]
async fn several_ask_at_once() {
    let helper = Helper::start("tools = true").await;
    let asked: Vec<_> = (0..8).map(|_| helper.ask(tool("whoami", &[("flag", "-u")]))).collect();
    for asking in asked {
        let (done, output, _) = asking.end().await;
        assert_eq!((done.status, output.as_slice()), (Outcome::Succeeded, &b"0\n"[..]), "{done:?}");
    }
    let none = Verb::Tool { name: Name::new("none").unwrap(), args: BTreeMap::new() };
    let (done, ..) = helper.ask(none).end().await;
    assert!(done.error.unwrap().as_str().contains("lists no such tool"));
}
