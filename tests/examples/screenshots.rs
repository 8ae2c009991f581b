//! Takes the pictures of the documents with a real browser: `screenshots DIRECTORY`.

use std::{env, fs, path::PathBuf};

use gangplank_tests::{
    account::Account,
    agent::{self, Agent, Policy},
    browser::Browser,
    daemon::Daemon,
    http::Client,
    inbox::alert,
};
use serde_json::json;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use toml::Table;

#[tokio::main]
async fn main() {
    let images: PathBuf = env::args_os().nth(1).expect("a directory").into();
    fs::create_dir_all(&images).expect("a writable directory");
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let ada = Account::named("ada");
    let policy = Policy { users: vec![ada.name.clone()], ..Policy::everything("localhost:22") };
    let scans = |table: &mut Table| {
        let section = table.entry("policy").or_insert_with(|| Table::new().into());
        let section = section.as_table_mut().expect("a table");
        section.extend([("scan".to_owned(), true.into()), ("tools".to_owned(), true.into())]);
        let tool = "[kernel]\ncommand = \"/usr/bin/uname\"\nargs = [\"-sm\"]";
        table.insert("tools".to_owned(), toml::Value::Table(tool.parse().expect("TOML")));
    };
    let agent = Agent::enrol_with(&daemon, &admin, &policy, scans).await;
    let body = json!({ "friendly_name": "harbour", "labels": ["production", "web"] });
    admin.patch(&format!("/api/v1/hosts/{}", agent.host()), body).await.expect(200);
    for (name, label) in [("lighthouse", "staging"), ("drydock", "build"), ("breakwater", "web")] {
        let body = json!({ "friendly_name": name, "address": "192.0.2.7", "labels": [label] });
        admin.post("/api/v1/hosts", body).await.expect(201);
    }
    let role = json!({ "name": "auditor", "permissions": ["hosts:read", "audit:read"] });
    admin.post("/api/v1/roles", role).await.expect(201);
    admin.add_user("ada", &["operator", "auditor"]).await;
    let token = json!({ "name": "nightly", "scopes": ["hosts:read", "jobs:run"] });
    admin.post("/api/v1/tokens", token).await.expect(201);
    let order = json!({ "command": "compliance_scan", "params": { "profile": "strict" } });
    let scan = admin.order(agent.host(), order).await;
    admin.job_over(&scan).await;
    let found = admin.get(&format!("/api/v1/hosts/{}/compliance", agent.host())).await.expect(200);
    incident(&admin).await;
    let scan = found.json()["latest"]["id"].as_str().expect("a scan").to_owned();

    let (_, grace) = admin.add_user("grace", &["operator"]).await;
    let policy = json!({ "name": "Production", "labels": ["production"], "roles": ["operator"],
        "risk_level": "high", "life": "1h" });
    admin.post("/api/v1/approval-policies", policy).await.expect(201);
    let order = json!({ "command": "run_tool", "params": { "tool": "restart",
        "args": { "unit": "nginx" }, "case_id": "case-7" } });
    grace.order(agent.host(), order).await;
    a_day(&daemon, &agent).await;

    let (_, operator) = admin.add_user("mallory", &["operator"]).await;
    let tool = operator.with_header("User-Agent", "sqlmap/1.8.2");
    tool.get("/api/v1/hosts").await.expect(200);
    for scheme in ["light", "dark"] {
        let mut browser = Browser::start(&[daemon.ca()]).await;
        browser.size(1120, 640).await;
        browser.prefers(scheme).await;
        browser.goto(&daemon.url()).await;
        browser.until("the login form", "document.activeElement?.name === 'username'").await;
        browser.screenshot(&images.join(format!("login-{scheme}.png"))).await;
        browser.keys("admin\t").await;
        browser.keys(daemon.password()).await;
        browser.click_text("^\\s*log in").await;
        browser
            .until("the host list", "document.querySelectorAll('ul.hosts li').length === 4")
            .await;
        browser.screenshot(&images.join(format!("hosts-{scheme}.png"))).await;
        browser.click_text("Account of admin").await;
        browser.shows("this one").await;
        browser.screenshot(&images.join(format!("account-{scheme}.png"))).await;
        browser.go_back().await;
        browser.click_text("Terminal on harbour").await;
        browser.until("the terminal", "document.querySelector('[data-state=connected]')").await;
        browser.keys("PS1='ada@harbour:\\w$ '; cd /usr; clear\r").await;
        browser.screen_shows("ada@harbour:/usr$").await;
        browser.keys("uname -s; echo $((6*7)); ls -l --color --time-style=+\r").await;
        browser.screen_shows("42").await;
        browser.screen_shows("share").await;
        browser.screenshot(&images.join(format!("terminal-{scheme}.png"))).await;
        browser.goto(&format!("{}/host?id={}", daemon.url(), agent.host())).await;
        browser
            .until("the charts", "document.querySelectorAll('.chart polyline').length >= 5")
            .await;
        browser.eval("document.querySelector('#telemetry').scrollIntoView()").await;
        browser.screenshot(&images.join(format!("host-{scheme}.png"))).await;
        browser.goto(&format!("{}/scan?id={scan}", daemon.url())).await;
        browser.until("the rules", "document.querySelector('.rule summary')").await;
        browser.eval("document.querySelector('.rule summary').focus()").await;
        browser.keys("\r").await;
        browser.until("the rule to be open", "document.querySelector('.rule').open").await;
        browser.screenshot(&images.join(format!("scan-{scheme}.png"))).await;
        browser.goto(&format!("{}/approvals", daemon.url())).await;
        browser.until("the request", "document.querySelector('[data-approval]')").await;
        browser.screenshot(&images.join(format!("approvals-{scheme}.png"))).await;
        browser.goto(&format!("{}/security", daemon.url())).await;
        browser.until("the events", "document.querySelector('tbody summary')").await;
        browser.click_text("^Evidence").await;
        browser.screenshot(&images.join(format!("security-{scheme}.png"))).await;
        browser.goto(&format!("{}/feed?channel=alerts", daemon.url())).await;
        browser
            .until("the feed", "document.querySelectorAll('.entries > .entry').length > 3")
            .await;
        browser
            .until("it to be live", "document.querySelector('main [data-connection=open]')")
            .await;
        browser.screenshot(&images.join(format!("feed-{scheme}.png"))).await;
        browser.goto(&format!("{}/alerts", daemon.url())).await;
        browser
            .until("the inbox", "document.querySelectorAll('.entries > .entry').length > 2")
            .await;
        browser
            .until("its counts", "document.querySelectorAll('.parts .count').length === 3")
            .await;
        browser.screenshot(&images.join(format!("alerts-{scheme}.png"))).await;
        investigate(&mut browser, &daemon).await;
        browser.screenshot(&images.join(format!("investigation-{scheme}.png"))).await;
        for (page, row) in [("users", "ada"), ("roles", "auditor"), ("tokens", "nightly")] {
            browser.goto(&format!("{}/{page}", daemon.url())).await;
            let shown = format!("document.querySelector('tbody')?.innerText.includes('{row}')");
            browser.until(page, &shown).await;
            browser.screenshot(&images.join(format!("{page}-{scheme}.png"))).await;
        }
        assert!(browser.problems().is_empty(), "{:?}", browser.problems());
    }
}

/// Measurements of a whole day, as a host with some work in the afternoon has them.
async fn a_day(daemon: &Daemon, agent: &Agent) {
    let config = agent::read(agent.config());
    let text = |name: &str| config["credentials"][name].as_str().expect("a text").to_owned();
    let key = format!("{}.{}", text("api_id"), text("api_key"));
    let now = OffsetDateTime::now_utc();
    let rows: Vec<_> = (0..288)
        .map(|step| {
            let at = now - Duration::minutes(5 * (287 - step));
            let turn = f64::from(u16::try_from(step).expect("a few")) / 288.0;
            let busy = (turn * std::f64::consts::TAU - 2.0).sin().max(0.0);
            let rough = (turn * 190.0).sin() * (turn * 431.0).cos();
            json!({
                "kind": "metrics", "at": at.format(&Rfc3339).expect("RFC 3339"),
                "cpu": 12.0 + 55.0 * busy + 6.0 * rough.abs(),
                "memory": { "used": 3200 + (900.0 * busy + 40.0 * rough) as u64, "total": 8192 },
                "disk": [{ "used": 611 + step / 10, "total": 1000 }],
                "network": {
                    "received": 90_000.0 + 2.1e6 * busy + 60_000.0 * rough.abs(),
                    "sent": 40_000.0 + 0.8e6 * busy + 30_000.0 * rough.abs(),
                },
            })
        })
        .collect();
    let device = daemon.client().with_origin(None).with_header("X-Device-Key", &key);
    device.post("/v1/ingest", json!(rows)).await.expect(204);
}

/// Alerts as they come in on a bad day.
async fn incident(admin: &Client) {
    let now = OffsetDateTime::now_utc();
    for (minutes, id, title, severity) in [
        (97, "a1", "Password guessing against sshd on harbour", "high"),
        (41, "a2", "A new listener on port 4444 on lighthouse", "critical"),
        (26, "a3", "Certificate of drydock ends in 9 days", "low"),
        (8, "a4", "Package database of breakwater was changed by hand", "medium"),
    ] {
        let mut message = alert(id, title);
        message["severity"] = severity.into();
        let at = now - Duration::minutes(minutes);
        message["timestamp"] = at.format(&Rfc3339).expect("RFC 3339").into();
        admin.tell("alerts", message).await;
    }
    let note = json!({ "note": "known scanner, blocked at the edge" });
    admin.post("/api/v1/alerts/a1/acknowledge", note).await.expect(200);
}

/// Has the host looked into.
async fn investigate(browser: &mut Browser, daemon: &Daemon) {
    browser.goto(&format!("{}/investigate?case=case-7", daemon.url())).await;
    browser.shows("harbour").await;
    browser.click("the tool", "document.querySelector('input[name=tool]')").await;
    browser.keys("kernel").await;
    browser.click_text("^All online").await;
    browser.click_text("^Run on").await;
    let ended = "document.querySelector('.trail [data-job-state=succeeded]')";
    browser.until("the tool to end", ended).await;
    browser.until("what it prints", "document.querySelector('.trail pre')").await;
    browser.eval("document.querySelector('.trail').scrollIntoView({ block: 'end' })").await;
}
