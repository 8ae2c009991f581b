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

fn compliance(host: &str) -> String {
    format!("/api/v1/hosts/{host}/compliance")
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
    // It is kept as what it is, and the host stands nowhere by it.
    let found = admin.get(&compliance(agent.host())).await.expect(200).json();
    assert_eq!(found["partial"]["job_id"], id.as_str(), "{found}");
    assert_eq!(found["partial"]["scanner"], "lynis");
    assert_eq!((&found["latest"], &found["score"]), (&Value::Null, &Value::Null), "{found}");
}

#[tokio::test]
async fn what_a_scan_found_is_there_to_read() {
    let (admin, agent) = host(true).await;
    let formula = json!({ "friendly_name": "=1+2,\"x\"" });
    admin.patch(&format!("/api/v1/hosts/{}", agent.host()), formula).await.expect(200);
    let id = admin.order(agent.host(), order(json!({ "profile": "strict" }))).await;
    admin.job_over(&id).await;
    let (output, _) = admin.job_output(&id).await;
    let report: Report = serde_json::from_slice(&output).expect("a report");

    let found = admin.get(&compliance(agent.host())).await.expect(200).json();
    let latest = &found["latest"];
    assert_eq!(latest["job_id"], id.as_str(), "{found}");
    assert_eq!(found["score"].as_f64(), report.scan.counts.score(), "{found}");
    assert_eq!(found["trend"].as_array().map(Vec::len), Some(1), "{found}");
    let scan = latest["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/compliance/scans/{scan}");
    let all = admin.get(&format!("{path}?limit=500")).await.expect(200).json();
    let rules = all["items"].as_array().expect("rules");
    assert_eq!(rules.len(), report.rules.len());
    for rule in &report.rules {
        let kept = rules.iter().find(|kept| kept["rule"] == rule.id.as_str()).expect("the rule");
        assert_eq!(kept["result"], rule.result.as_str(), "{kept}");
        assert_eq!(kept["fix"], rule.fix.as_str(), "{kept}");
    }
    let failed = report.rules.iter().filter(|rule| rule.result == RuleOutcome::Fail);
    let fails = admin.get(&format!("{path}?result=fail&limit=500")).await.expect(200).json();
    assert_eq!(fails["items"].as_array().map(Vec::len), Some(failed.count()), "{fails}");

    // One rule over the fleet, and the fleet.
    let name = report.rules[0].id.as_str();
    let rule = format!("/api/v1/compliance/rules/{name}?scanner=openscap&limit=500");
    let rule = admin.get(&rule).await.expect(200).json();
    let on = rule["items"].as_array().expect("hosts");
    assert!(on.iter().any(|on| on["host_id"] == agent.host()), "{rule}");
    let fleet = admin.get("/api/v1/compliance?limit=500").await.expect(200).json();
    let hosts = fleet["items"].as_array().expect("hosts");
    let own = hosts.iter().find(|own| own["host_id"] == agent.host()).expect("the host");
    assert_eq!(own["scan_id"], scan.as_str(), "{own}");

    // Files: what a spreadsheet would compute is a text, and the page runs nothing.
    for path in [format!("{path}/export.csv"), "/api/v1/compliance/export.csv".to_owned()] {
        let csv = admin.get(&path).await.expect(200);
        assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
        assert!(
            csv.header("content-disposition").starts_with("attachment; filename=\"compliance-")
        );
        let text = csv.text();
        assert!(text.contains("\r\n\"'=1+2,\"\"x\"\"\","), "{text}");
        assert!(!text.contains("\"="), "{text}");
    }
    let page = admin.get(&format!("{path}/report.html")).await.expect(200);
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("script"), "{policy}");
    assert!(page.header("content-disposition").starts_with("attachment;"));
    let text = page.text();
    assert_eq!(text.matches("<section>").count(), report.rules.len());
    assert!(text.contains("Compliance of =1+2,&quot;x&quot;"));
}

#[tokio::test]
async fn what_two_scanners_found_is_not_compared() {
    let (admin, agent) = host(true).await;
    let mut jobs = Vec::new();
    for params in [json!({ "profile": "basic" }), json!({ "scanner": "lynis", "profile": "ssh" })] {
        let id = admin.order(agent.host(), order(params)).await;
        let job = admin.job_over(&id).await;
        assert_eq!(job["state"], "succeeded", "{job}");
        jobs.push(id);
    }
    let path = compliance(agent.host());
    let found = admin.get(&path).await.expect(200).json();
    assert_eq!(found["latest"]["job_id"], jobs[1].as_str(), "{found}");
    assert_eq!(found["latest"]["profile"], "ssh", "{found}");
    let series = found["series"].as_array().expect("series").iter();
    let scanners: Vec<_> = series.map(|one| one["scanner"].as_str()).collect();
    assert_eq!(scanners, [Some("lynis"), Some("openscap")], "{found}");
    let found = admin.get(&format!("{path}?scanner=openscap")).await.expect(200).json();
    assert_eq!(found["latest"]["job_id"], jobs[0].as_str(), "{found}");
    assert_eq!(found["trend"].as_array().map(Vec::len), Some(1), "{found}");
    let fleet = admin.get("/api/v1/compliance?scanner=lynis&limit=500").await.expect(200).json();
    let hosts = fleet["items"].as_array().expect("hosts");
    let own = hosts.iter().find(|own| own["host_id"] == agent.host()).expect("the host");
    assert_eq!(own["scanner"], "lynis", "{own}");
}

#[tokio::test]
async fn who_may_not_read_and_what_is_not_there() {
    let admin = DAEMON.admin().await;
    let (_, viewer) = admin.add_user("compliance-viewer", &["viewer"]).await;
    viewer.get("/api/v1/compliance").await.refused(403);
    viewer.post("/api/v1/compliance/schedules", json!({})).await.refused(403);
    let nobody = "019a0000-0000-7000-8000-000000000000";
    for path in [
        format!("/api/v1/hosts/{nobody}/compliance"),
        format!("/api/v1/compliance/scans/{nobody}"),
        "/api/v1/compliance/scans/none".to_owned(),
        format!("/api/v1/compliance/scans/{nobody}/export.csv"),
        format!("/api/v1/compliance/scans/{nobody}/report.html"),
        format!("/api/v1/compliance/schedules/{nobody}"),
        "/api/v1/compliance/rules/no%2Fsuch%20rule".to_owned(),
    ] {
        admin.get(&path).await.refused(404);
    }
    for path in [
        "/api/v1/compliance?scanner=other",
        "/api/v1/compliance?limit=0",
        "/api/v1/compliance?cursor=1",
        "/api/v1/compliance/scans?host_id=x",
    ] {
        admin.get(path).await.refused(400);
    }
    for body in [
        json!({ "name": "x" }),
        json!({ "name": "x", "every": "1s" }),
        json!({ "name": "x", "every": "daily" }),
        json!({ "name": "x", "every": "1d", "jitter": "2d" }),
        json!({ "name": "x", "every": "1d", "scanner": "other" }),
        json!({ "name": "x", "every": "1d", "remediate": true }),
    ] {
        admin.post("/api/v1/compliance/schedules", body).await.refused(400);
    }
}

#[tokio::test]
async fn a_schedule_scans_the_hosts_that_it_means() {
    let (admin, agent) = host(true).await;
    let (_, other) = host(true).await;
    let label = json!({ "labels": ["nightly"] });
    admin.patch(&format!("/api/v1/hosts/{}", agent.host()), label).await.expect(200);
    let schedule = json!({
        "name": "Nightly", "labels": ["nightly"], "profile": "basic",
        "every": "1d", "jitter": "0s", "max_concurrent": 1,
    });
    let made = admin.post("/api/v1/compliance/schedules", schedule).await.expect(201).json();
    assert_eq!(made["every"], "1d", "{made}");
    assert_eq!(made["turns"]["hosts"], 1, "{made}");
    let scan = eventually::until(eventually::patience(), "a scheduled scan", || async {
        let found = admin.get(&compliance(agent.host())).await.expect(200).json();
        (!found["latest"].is_null()).then(|| found["latest"].clone())
    })
    .await;
    let job = admin.job(scan["job_id"].as_str().expect("a job")).await;
    assert_eq!(job["created_by"], "daemon", "{job}");
    assert_eq!(job["params"], json!({ "scanner": "openscap", "profile": "basic" }), "{job}");
    let nothing = admin.get(&compliance(other.host())).await.expect(200).json();
    assert_eq!(nothing["latest"], Value::Null, "{nothing}");

    let id = made["id"].as_str().expect("an id");
    let path = format!("/api/v1/compliance/schedules/{id}");
    let now = admin.get(&path).await.expect(200).json();
    assert_eq!((&now["turns"]["open"], &now["turns"]["waiting"]), (&json!(0), &json!(0)), "{now}");
    let off = admin.patch(&path, json!({ "enabled": false, "profile": null })).await;
    let off = off.expect(200).json();
    assert_eq!((&off["enabled"], &off["profile"]), (&json!(false), &Value::Null), "{off}");
    admin.delete(&path).await.expect(204);
    admin.get(&path).await.refused(404);
}
