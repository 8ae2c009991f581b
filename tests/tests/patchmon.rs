//! PatchMon's vocabulary from both sides: its 1.4 and 2.1 agents and its browser terminal get on
//! with the daemon as they are.

use std::{sync::LazyLock, time::Duration};

use gangplank_tests::{
    daemon::Daemon,
    eventually,
    http::Client,
    page::Page,
    patchmon::{PatchmonAgent, Version},
};
use serde_json::{Value, json};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

const BOTH: [Version; 2] = [Version::V14, Version::V21];

async fn host(client: &Client) -> (Value, String) {
    let host = client.add_host("patchmon", None).await;
    let id = host["id"].as_str().expect("an id").to_owned();
    (host, id)
}

/// What PatchMon's page sends.
fn connect() -> Value {
    json!({
        "connection_mode": "proxy", "username": "root", "password": "CANARY-patchmon-password",
        "port": 22, "terminal": "xterm-256color", "cols": 80, "rows": 24,
        "proxy_host": "localhost", "proxy_port": 22,
    })
}

async fn online(client: &Client, id: &str) {
    eventually::until(eventually::patience(), "the agent to be online", || async {
        Some(client.status(id).await).filter(|status| status["state"] == "online")
    })
    .await;
}

#[tokio::test]
async fn its_page_gets_a_terminal_through_its_agents() {
    let admin = DAEMON.admin().await;
    for version in BOTH {
        let (host, id) = host(&admin).await;
        let mut agent = PatchmonAgent::connect(&DAEMON.client(), version, &host).await;
        online(&admin, &id).await;
        let mut page = Page::open_json(&admin, &id).await;
        page.connect(connect()).await;

        let asked = agent.ssh_proxy().await;
        assert_eq!(asked["host"], "localhost");
        assert_eq!(asked["port"], 22);
        assert_eq!(asked["username"], "root");
        assert_eq!(asked["password"], "CANARY-patchmon-password");
        assert_eq!(asked["terminal"], "xterm-256color");
        let session = asked["session_id"].clone();
        agent.connected(&session).await;
        page.event("connected").await;

        agent.data(&session, "root@host:~# ").await;
        page.shows("root@host:~# ").await;
        page.keys("ls\r").await;
        assert_eq!(agent.input(&session, 3).await, "ls\r");
        page.resize(132, 43).await;
        let resized = agent.next("ssh_proxy_resize").await;
        assert_eq!((&resized["cols"], &resized["rows"]), (&json!(132), &json!(43)));

        agent.closed(&session).await;
        page.event("closed").await;
        // The socket stays, and another terminal can be opened on it.
        page.connect(connect()).await;
        let again = agent.ssh_proxy().await;
        assert_ne!(again["session_id"], session);
        agent.connected(&again["session_id"]).await;
        page.event("connected").await;
        page.socket().json(&json!({ "type": "disconnect" })).await;
        let ended = agent.next("ssh_proxy_disconnect").await;
        assert_eq!(ended["session_id"], again["session_id"]);
        page.event("closed").await;
    }
    assert!(!DAEMON.log().contains("CANARY-patchmon-password"));
}

#[tokio::test]
async fn our_page_is_told_that_nobody_checked_the_host_key() {
    let admin = DAEMON.admin().await;
    let (host, id) = host(&admin).await;
    let mut agent = PatchmonAgent::connect(&DAEMON.client(), Version::V21, &host).await;
    online(&admin, &id).await;
    let mut page = Page::open(&admin, &id).await;
    page.connect(connect()).await;
    let session = agent.ssh_proxy().await["session_id"].clone();
    agent.connected(&session).await;
    assert_eq!(page.event("connected").await["host_key"], "unverified");
    agent.data(&session, "naïve 日本語").await;
    page.shows("naïve 日本語").await;
    agent.closed(&session).await;
    page.event("closed").await;
    assert_eq!(page.ended(Duration::from_secs(5)).await.code, 4010);
}

#[tokio::test]
async fn an_operator_can_turn_such_sessions_off() {
    let daemon = Daemon::with(&[("ssh.allow_unverified", "false")]);
    let admin = daemon.admin().await;
    let (host, id) = host(&admin).await;
    let _agent = PatchmonAgent::connect(&daemon.client(), Version::V14, &host).await;
    online(&admin, &id).await;
    let mut page = Page::open_json(&admin, &id).await;
    assert_eq!(page.refused(connect()).await["code"], "not_allowed");
}

#[tokio::test]
async fn input_of_any_size_stays_below_the_agent_s_limit() {
    let admin = DAEMON.admin().await;
    let (host, id) = host(&admin).await;
    let mut agent = PatchmonAgent::connect(&DAEMON.client(), Version::V14, &host).await;
    online(&admin, &id).await;
    // Control characters grow six times in JSON; the model agent checks each message's size.
    let plain = "naïve 日本語 ".repeat(20_000);
    let control = "\u{1}".repeat(150_000);
    for paste in [plain, control] {
        let mut page = Page::open_json(&admin, &id).await;
        page.connect(connect()).await;
        let session = agent.ssh_proxy().await["session_id"].clone();
        agent.connected(&session).await;
        page.event("connected").await;
        page.keys(&paste).await;
        assert!(agent.input(&session, paste.len()).await == paste, "the paste arrived changed");
        agent.closed(&session).await;
        page.event("closed").await;
    }
}

#[tokio::test]
async fn a_refused_session_can_be_tried_again_on_the_same_socket() {
    let admin = DAEMON.admin().await;
    let (host, id) = host(&admin).await;
    let mut agent = PatchmonAgent::connect(&DAEMON.client(), Version::V21, &host).await;
    online(&admin, &id).await;
    let mut page = Page::open_json(&admin, &id).await;
    page.connect(connect()).await;
    let session = agent.ssh_proxy().await["session_id"].clone();
    agent.error(&session, "ssh: handshake failed: unable to authenticate").await;
    let error = page.event("error").await;
    assert!(error["message"].is_string() && error["code"].is_string(), "{error}");
    page.connect(connect()).await;
    let session = agent.ssh_proxy().await["session_id"].clone();
    agent.connected(&session).await;
    page.event("connected").await;
}

#[tokio::test]
async fn messages_for_sessions_of_others_are_dropped() {
    let admin = DAEMON.admin().await;
    let (mine, id) = host(&admin).await;
    let (theirs, _) = host(&admin).await;
    let mut agent = PatchmonAgent::connect(&DAEMON.client(), Version::V14, &mine).await;
    let mut other = PatchmonAgent::connect(&DAEMON.client(), Version::V14, &theirs).await;
    online(&admin, &id).await;
    let mut page = Page::open_json(&admin, &id).await;
    page.connect(connect()).await;
    let session = agent.ssh_proxy().await["session_id"].clone();
    agent.connected(&session).await;
    page.event("connected").await;
    other.data(&session, "forged").await;
    other.closed(&session).await;
    agent.data(&json!("00000000000000000000000000000000"), "stray").await;
    agent.data(&session, "genuine").await;
    page.shows("genuine").await;
    let shown = String::from_utf8_lossy(page.output()).into_owned();
    assert!(!shown.contains("forged") && !shown.contains("stray"), "{shown}");
}

#[tokio::test]
async fn its_other_words_are_tolerated() {
    let admin = DAEMON.admin().await;
    let (host, id) = host(&admin).await;
    let mut agent = PatchmonAgent::connect(&DAEMON.client(), Version::V14, &host).await;
    for word in [
        json!({ "type": "docker_status", "event": { "type": "container_start" }, "name": "x" }),
        json!({ "type": "compliance_scan_progress", "phase": "started", "progress": 5 }),
        json!({ "type": "no_such_word" }),
        json!({ "type": "ssh_proxy_data", "session_id": null, "data": null }),
        json!({ "no": "type" }),
    ] {
        agent.socket().json(&word).await;
    }
    agent.socket().text("not json").await;
    agent.socket().ping().await;
    online(&admin, &id).await;
    let mut page = Page::open_json(&admin, &id).await;
    page.connect(connect()).await;
    let session = agent.ssh_proxy().await["session_id"].clone();
    agent.connected(&session).await;
    page.event("connected").await;
}

#[tokio::test]
async fn a_lost_agent_is_told_and_ends_the_session() {
    let admin = DAEMON.admin().await;
    let (host, id) = host(&admin).await;
    let mut agent = PatchmonAgent::connect(&DAEMON.client(), Version::V21, &host).await;
    online(&admin, &id).await;
    let mut page = Page::open_json(&admin, &id).await;
    page.connect(connect()).await;
    let session = agent.ssh_proxy().await["session_id"].clone();
    agent.connected(&session).await;
    page.event("connected").await;
    drop(agent);
    let told = page.event_within("error", Duration::from_secs(10)).await;
    assert_eq!(told["code"], "agent_offline");
    page.event_within("closed", Duration::from_secs(2)).await;
}

#[tokio::test]
async fn a_newer_socket_of_the_same_agent_replaces_the_older() {
    let admin = DAEMON.admin().await;
    let (host, id) = host(&admin).await;
    let mut first = PatchmonAgent::connect(&DAEMON.client(), Version::V14, &host).await;
    let _second = PatchmonAgent::connect(&DAEMON.client(), Version::V14, &host).await;
    assert_eq!(first.ended(Duration::from_secs(5)).await.code, 4009);
    online(&admin, &id).await;
}

#[tokio::test]
async fn proxy_targets_are_checked_before_they_reach_the_agent() {
    let admin = DAEMON.admin().await;
    let (host, id) = host(&admin).await;
    let _agent = PatchmonAgent::connect(&DAEMON.client(), Version::V14, &host).await;
    online(&admin, &id).await;
    let mut page = Page::open_json(&admin, &id).await;
    for (key, value) in [
        ("proxy_host", json!("a b")),
        ("proxy_host", json!("x\u{0}")),
        ("proxy_host", json!("-x")),
        ("proxy_port", json!(0)),
        ("proxy_port", json!(70_000)),
    ] {
        let mut wrong = connect();
        wrong[key] = value.clone();
        let refused = page.refused(wrong).await;
        assert_eq!(refused["code"], "bad_request", "{key}: {value}");
    }
}
