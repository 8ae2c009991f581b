//! Compliance scans, ordered from afar and run by the real scanners.

use std::sync::LazyLock;

use gangplank_proto::scan::{Report, RuleOutcome};
use gangplank_tests::{
    agent::{Agent, Policy},
    daemon::Daemon,
    eventually,
    http::Client,
};
use serde_json::{Value, json};
use toml::Table;

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

async fn host(scan: bool) -> (Client, Agent) {
    let admin = DAEMON.admin().await;
    let policy = Policy::everything("localhost:22");
    let allow = |table: &mut Table| {
        let section = table.entry("policy").or_insert_with(|| Table::new().into());
        section.as_table_mut().expect("a table").insert("scan".to_owned(), scan.into());
    };
    let agent = Agent::enrol_with(&DAEMON, &admin, &policy, allow).await;
    (admin, agent)
}

fn order(params: Value) -> Value {
    json!({ "command": "compliance_scan", "params": params })
}

#[tokio::test]
async fn a_scan_comes_back_with_its_rules() {
    let (admin, agent) = host(true).await;
    let id = admin.order(agent.host(), order(json!({ "profile": "strict" }))).await;
    let (output, gaps) = admin.job_output(&id).await;
    assert!(!gaps);
    let job = admin.job_over(&id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    let report: Report = serde_json::from_slice(&output).expect("a report");
    assert!(report.rules.len() >= 12);
    let failed = report.rules.iter().filter(|rule| rule.result == RuleOutcome::Fail).count();
    assert_eq!(job["exit_status"], if failed > 0 { 2 } else { 0 }, "{job}");
    assert_eq!(job["result"]["counts"]["fail"], failed, "{job}");
    assert_eq!(job["result"]["profile"], "xccdf_io.github.gangplank_profile_strict");
}

#[tokio::test]
async fn what_can_not_be_scanned_says_why() {
    let (admin, agent) = host(true).await;
    for (params, reason) in [
        (json!({ "profile": "level1_server" }), "has the profile level1_server"),
        (json!({ "content": "/etc/shadow" }), "policy.scan_content"),
        (json!({ "remediate": true }), "compliance_scan takes scanner, profile and content"),
    ] {
        let id = admin.order(agent.host(), order(params)).await;
        let job = admin.job_over(&id).await;
        assert_eq!(job["state"], "failed", "{job}");
        assert!(job["error"].as_str().expect("a reason").contains(reason), "{job}");
    }
    let (admin, agent) = host(false).await;
    let id = admin.order(agent.host(), order(json!({}))).await;
    let job = admin.job_over(&id).await;
    assert!(job["error"].as_str().expect("a reason").contains("policy.scan = true"), "{job}");
}

#[tokio::test]
async fn a_scan_that_is_called_off_keeps_what_it_has() {
    let (admin, agent) = host(true).await;
    let id = admin.order(agent.host(), order(json!({ "scanner": "lynis" }))).await;
    eventually::until(eventually::patience(), "progress", || async {
        (!admin.job(&id).await["progress"].is_null()).then_some(())
    })
    .await;
    admin.post(&format!("/api/v1/jobs/{id}/cancel"), json!({})).await.expect(202);
    let job = admin.job_over(&id).await;
    assert_eq!(job["state"], "cancelled", "{job}");
    assert_eq!(job["result"]["partial"], true, "{job}");
    let (output, _) = admin.job_output(&id).await;
    let report: Report = serde_json::from_slice(&output).expect("a report");
    assert!(report.scan.partial);
}
