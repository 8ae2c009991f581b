//! Measurements on their way from a host to the charts of its page: none is lost while the daemon is
//! away, none counts twice.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use gangplank_tests::{
    agent::{Agent, Policy},
    console,
    daemon::Daemon,
    eventually,
    http::Client,
};
use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use toml::Table;

/// Has an agent measure every second.
fn every_second(table: &mut Table) {
    let section = table.entry("telemetry").or_insert_with(|| Table::new().into());
    section.as_table_mut().expect("a table").insert("every".to_owned(), "1s".into());
}

async fn measuring(daemon: &Daemon, admin: &Client) -> Agent {
    Agent::enrol_with(daemon, admin, &Policy::everything("localhost:22"), every_second).await
}

async fn series(admin: &Client, host: &str, metric: &str) -> Vec<Value> {
    let path = format!("/api/v1/hosts/{host}/telemetry?metric={metric}");
    let shown = admin.get(&path).await.expect(200).json();
    shown["items"][0]["points"].as_array().expect("points").clone()
}

/// How often each value of `cpu` was kept of what lies on whole minutes of an hour ago.
async fn kept(daemon: &Daemon, minutes: &[i64]) -> BTreeMap<i64, u64> {
    let url = format!("sqlite://{}?mode=ro", daemon.directory().join("gangplank.db").display());
    let mut database = sqlx::SqliteConnection::connect(&url).await.expect("the database");
    let rows = sqlx::query("SELECT at, readings FROM telemetry").fetch_all(&mut database).await;
    let mut kept = BTreeMap::new();
    for row in rows.expect("rows") {
        let (at, readings): (i64, String) = (row.get("at"), row.get("readings"));
        let readings: Value = serde_json::from_str(&readings).expect("JSON");
        if minutes.contains(&at) {
            kept.insert(at, readings["cpu"][0].as_u64().expect("a count"));
        }
    }
    kept
}

/// Leaves rows where the agent finds them, as one that died did, the last of them torn.
fn leave_behind(agent: &Agent) -> (PathBuf, Vec<i64>) {
    let spool = agent.config().with_extension("telemetry");
    let hour_ago = OffsetDateTime::now_utc().unix_timestamp() / 60 * 60 - 3600;
    let mut minutes = Vec::new();
    for file in 0..5 {
        let mut text = String::new();
        for row in 0..8 {
            let at = hour_ago + 60 * (file * 8 + row);
            let written = OffsetDateTime::from_unix_timestamp(at).expect("a time");
            let written = written.format(&Rfc3339).expect("RFC 3339");
            text.push_str(&json!({ "kind": "metrics", "at": written, "cpu": row }).to_string());
            text.push('\n');
            minutes.push(at * 1000);
        }
        text.push_str("{\"kind\":\"metrics\",\"at\":\"20");
        let name = format!("{:016x}-{:016x}", 0x1000 + file, file);
        fs::write(spool.join(name), text).expect("the agent's directory");
    }
    (spool, minutes)
}

#[tokio::test]
async fn a_daemon_that_is_away_costs_nothing_and_an_agent_that_dies_nothing_twice() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let agent = measuring(&daemon, &admin).await;
    let first = || async { series(&admin, agent.host(), "memory").await.first().cloned() };
    let first = eventually::until(eventually::patience(), "a measurement", first).await;
    assert!(first["high"].as_f64().is_some_and(|percent| percent > 0.0 && percent <= 100.0));
    agent.kill();
    daemon.kill();
    let (spool, minutes) = leave_behind(&agent);
    agent.start_again();
    let waiting = || fs::read_dir(&spool).expect("the spool").count();
    // It goes on measuring while nobody listens.
    eventually::eventually("another measurement to wait", || (waiting() > 5).then_some(()));
    daemon.start_again();
    // However often it dies meanwhile, at whatever moment.
    for pause in [0, 300, 700, 1100, 1500] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        agent.start_again();
    }
    eventually::until(Duration::from_secs(120), "all rows to arrive", || async {
        (kept(&daemon, &minutes).await.len() == minutes.len()).then_some(())
    })
    .await;
    eventually::eventually("what was sent to be forgotten", || {
        let mut left = fs::read_dir(&spool).expect("the spool");
        let seeded = |name: &str| name.starts_with("00000000000010") && name.len() == 33;
        let found = left.any(|entry| {
            let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
            seeded(&name) && name.ends_with(['0', '1', '2', '3', '4']) && name.contains("-0000")
        });
        (!found).then_some(())
    });
    let kept = kept(&daemon, &minutes).await;
    assert!(kept.values().all(|count| *count == 1), "{kept:?}");
}

#[tokio::test]
async fn a_host_that_measures_nothing_sends_nothing() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let off = |table: &mut Table| {
        every_second(table);
        table["telemetry"]["every"] = "0".into();
    };
    let policy = Policy::everything("localhost:22");
    let agent = Agent::enrol_with(&daemon, &admin, &policy, off).await;
    let other = measuring(&daemon, &admin).await;
    let first = || async { series(&admin, other.host(), "cpu").await.first().cloned() };
    eventually::until(eventually::patience(), "the other's measurement", first).await;
    assert!(series(&admin, agent.host(), "cpu").await.is_empty());
}

#[tokio::test]
async fn a_person_sees_the_last_day_as_charts_and_in_words() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let agent = measuring(&daemon, &admin).await;
    let silent = json!({ "friendly_name": "silent", "address": "192.0.2.7" });
    let silent = admin.post("/api/v1/hosts", silent).await.expect(201).json();
    let first = || async { series(&admin, agent.host(), "network_in").await.first().cloned() };
    eventually::until(eventually::patience(), "a measurement", first).await;
    let mut browser = console::browser(&daemon.url(), daemon.ca()).await;
    console::login(&mut browser, daemon.password()).await;
    let silent = silent["id"].as_str().expect("an id");
    browser.goto(&format!("{}/host?id={silent}", daemon.url())).await;
    browser.shows("Nothing was measured").await;
    browser.goto(&format!("{}/host?id={}", daemon.url(), agent.host())).await;
    let charts = "document.querySelectorAll('.chart svg[role=img] polyline').length >= 5";
    browser.until("the charts", charts).await;
    let said = browser
        .eval("[...document.querySelectorAll('.chart svg')].map(e => e.getAttribute('aria-label'))")
        .await;
    let said: Vec<String> = serde_json::from_value(said).expect("texts");
    for (said, title) in said.iter().zip(["Processor: ", "Memory: ", "Fullest disk: ", "Network: "])
    {
        assert!(said.starts_with(title) && said.contains(" now, between "), "{said}");
    }
    // The numbers open by the keyboard, and it fits on a phone.
    browser.eval("document.querySelector('.chart summary').focus()").await;
    browser.keys("\r").await;
    browser
        .until("the numbers", "document.querySelector('.chart details[open] tbody tr td')")
        .await;
    browser.size(360, 740).await;
    let over = browser.eval("document.documentElement.scrollWidth - innerWidth").await;
    assert!(over.as_i64().is_some_and(|over| over <= 0), "too wide: {over}");
    assert!(browser.problems().is_empty(), "{:?}", browser.problems());
}
