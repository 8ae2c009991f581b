//! The socket of agents: who gets in, in what words others are refused, and which of two wins.

use std::{sync::LazyLock, time::Duration};

use gangplank_tests::{
    daemon::Daemon,
    eventually,
    http::{Answer, Client},
    ws::Socket,
};
use serde_json::{Value, json};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

const PATH: &str = "/api/v1/agents/ws";
const V1: &str = "gangplank.agent.v1";

/// An agent is no browser: no origin, no cookie.
fn agent() -> Client {
    DAEMON.client().with_origin(None)
}

async fn host(client: &Client) -> Value {
    client.add_host("agent-socket", None).await
}

async fn connect(host: &Value) -> Socket {
    try_connect(host["api_id"].as_str(), host["api_key"].as_str()).await.expect("an upgrade")
}

async fn try_connect(id: Option<&str>, key: Option<&str>) -> Result<Socket, Box<Answer>> {
    let client = agent();
    let mut upgrade = client.upgrade(PATH).protocol(V1);
    if let Some(id) = id {
        upgrade = upgrade.header("X-API-ID", id);
    }
    if let Some(key) = key {
        upgrade = upgrade.header("X-API-KEY", key);
    }
    upgrade.open().await
}

async fn state(client: &Client, host: &Value, wanted: &str) -> Value {
    let id = host["id"].as_str().expect("an id");
    eventually::until(eventually::patience(), &format!("the host to be {wanted}"), || async {
        Some(client.status(id).await).filter(|status| status["state"] == wanted)
    })
    .await
}

#[tokio::test]
async fn refusals_are_alike_in_bytes() {
    let admin = DAEMON.admin().await;
    let host = host(&admin).await;
    let (id, key) = (host["api_id"].as_str().unwrap(), host["api_key"].as_str().unwrap());
    let wrong = "f".repeat(key.len());
    let mut bodies = Vec::new();
    for (id, key) in [
        (None, None),
        (Some(id), None),
        (None, Some(key)),
        (Some("gp_0123456789abcdef"), Some(key)),
        (Some("gp_0123456789abcdef"), Some(wrong.as_str())),
        (Some(id), Some(wrong.as_str())),
        (Some(id), Some("")),
        (Some(id), Some(&key[..key.len() - 1])),
        (Some("' OR 1=1 --"), Some(key)),
    ] {
        let answer = try_connect(id, key).await.expect_err("a refusal");
        answer.refused(401);
        bodies.push((answer.headers.len(), answer.body));
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert!(!DAEMON.log().contains(&wrong));
}

#[tokio::test]
async fn a_credential_counts_in_headers_only_and_never_with_an_origin() {
    let admin = DAEMON.admin().await;
    let host = host(&admin).await;
    let (id, key) = (host["api_id"].as_str().unwrap(), host["api_key"].as_str().unwrap());
    let query = format!("{PATH}?api_id={id}&api_key={key}&X-API-ID={id}&X-API-KEY={key}");
    let answer = agent().upgrade(&query).protocol(V1).open().await.expect_err("a refusal");
    answer.refused(401);
    assert!(!DAEMON.log().contains(key), "a key in a query must not be logged");
    for origin in [DAEMON.url().as_str(), "https://example.com", "null"] {
        let client = agent().with_origin(Some(origin));
        let upgrade = client.upgrade(PATH).protocol(V1);
        let upgrade = upgrade.header("X-API-ID", id).header("X-API-KEY", key);
        upgrade.open().await.expect_err("a refusal").refused(403);
    }
    let socket = connect(&host).await;
    assert_eq!(socket.protocol(), Some(V1));
}

#[tokio::test]
async fn a_person_s_login_is_no_agent_s() {
    let admin = DAEMON.admin().await;
    let client = admin.clone().with_origin(None);
    client.upgrade(PATH).protocol(V1).open().await.expect_err("a refusal").refused(401);
    let host = host(&admin).await;
    let (id, key) = (host["api_id"].as_str().unwrap(), host["api_key"].as_str().unwrap());
    let agent = agent().with_header("X-API-ID", id).with_header("X-API-KEY", key);
    agent.get("/api/v1/hosts").await.refused(401);
}

#[tokio::test]
async fn the_newest_connection_wins() {
    let admin = DAEMON.admin().await;
    let host = host(&admin).await;
    let mut first = connect(&host).await;
    let second = connect(&host).await;
    assert_eq!(first.closed(Duration::from_secs(5)).await.code, 4009);
    // The late goodbye of the first must not take the second from the list.
    drop(first);
    let status = state(&admin, &host, "online").await;
    assert_eq!(status["secure"], true);
    let wrong = try_connect(host["api_id"].as_str(), Some("x")).await;
    assert_eq!(wrong.expect_err("a refusal").status, 401);
    state(&admin, &host, "online").await;
    drop(second);
    let status = state(&admin, &host, "offline").await;
    assert!(status["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{status}");
}

#[tokio::test]
async fn a_new_key_ends_the_old_one_s_socket() {
    let admin = DAEMON.admin().await;
    let host = host(&admin).await;
    let mut socket = connect(&host).await;
    let id = host["id"].as_str().unwrap();
    let fresh = admin
        .post(&format!("/api/v1/hosts/{id}/regenerate-credentials"), json!({}))
        .await
        .expect(200)
        .json();
    assert_eq!(socket.closed(Duration::from_secs(5)).await.code, 4001);
    let old = try_connect(host["api_id"].as_str(), host["api_key"].as_str()).await;
    assert_eq!(old.expect_err("a refusal").status, 401);
    connect(&fresh).await;
}

#[tokio::test]
async fn a_deleted_host_s_socket_is_closed() {
    let admin = DAEMON.admin().await;
    let host = host(&admin).await;
    let mut socket = connect(&host).await;
    let id = host["id"].as_str().unwrap();
    admin.delete(&format!("/api/v1/hosts/{id}")).await.expect(204);
    assert_eq!(socket.closed(Duration::from_secs(5)).await.code, 4001);
    let gone = try_connect(host["api_id"].as_str(), host["api_key"].as_str()).await;
    assert_eq!(gone.expect_err("a refusal").status, 401);
    admin.get(&format!("/api/v1/hosts/{id}")).await.refused(404);
}

#[tokio::test]
async fn a_message_over_a_mebibyte_is_too_big() {
    let admin = DAEMON.admin().await;
    for size in [(1 << 20) + 1, 3 << 20] {
        let mut socket = connect(&host(&admin).await).await;
        socket.binary(vec![0; size]).await;
        assert_eq!(socket.closed(Duration::from_secs(10)).await.code, 1009);
        let mut socket = connect(&host(&admin).await).await;
        socket.text(&"x".repeat(size)).await;
        assert_eq!(socket.closed(Duration::from_secs(10)).await.code, 1009);
    }
}

#[tokio::test]
async fn what_a_host_says_of_itself_is_bounded_and_harmless() {
    let admin = DAEMON.admin().await;
    let host = host(&admin).await;
    let mut socket = connect(&host).await;
    let evil = format!("\u{1b}]0;x\u{7}<script>alert(1)</script>\u{202e}{}", "a".repeat(100_000));
    let hello = json!({
        "type": "hello",
        "host": { "hostname": evil, "os": evil, "os_version": "1", "kernel": "k", "arch": "x86_64",
                  "agent_version": evil, "run_as": "root\r\nroot" },
        "host_keys": [], "ssh_ports": [22],
        "policy": { "terminal": ["pty"], "targets": [], "users": ["root"] },
        "sessions": [],
    });
    socket.json(&hello).await;
    let id = host["id"].as_str().unwrap();
    let shown = eventually::until(eventually::patience(), "the first report", || async {
        let shown = admin.get(&format!("/api/v1/hosts/{id}")).await.expect(200).json();
        Some(shown).filter(|host| host["hostname"].is_string())
    })
    .await;
    let name = shown["hostname"].as_str().unwrap();
    assert!(name.chars().count() <= 256, "{} characters", name.chars().count());
    assert!(!name.chars().any(|c| c.is_control() || c == '\u{202e}'), "{name:?}");
    assert!(!DAEMON.log().contains('\u{1b}'), "no escape sequence in a log");
}

#[tokio::test]
async fn nonsense_from_an_agent_ends_its_own_link_only() {
    let admin = DAEMON.admin().await;
    let (good, bad) = (host(&admin).await, host(&admin).await);
    let _kept = connect(&good).await;
    for nonsense in ["", "{", "[]", "{\"type\":7}", "{\"type\":\"no-such-word\"}", "\u{0}"] {
        let mut socket = connect(&bad).await;
        for _ in 0..3 {
            socket.text(nonsense).await;
        }
        socket.close(1000).await;
        let closed = socket.closed(Duration::from_secs(10)).await;
        assert!([1000, 1002, 1008].contains(&closed.code), "{nonsense:?}: {closed:?}");
    }
    let mut socket = connect(&bad).await;
    socket.binary(vec![1, 2]).await;
    socket.close(1000).await;
    let closed = socket.closed(Duration::from_secs(10)).await;
    assert!([1000, 1002, 1008].contains(&closed.code), "{closed:?}");
    state(&admin, &good, "online").await;
}

#[tokio::test]
async fn many_agents_behind_one_address_are_welcome() {
    let admin = DAEMON.admin().await;
    let mut sockets = Vec::new();
    for _ in 0..40 {
        sockets.push(connect(&host(&admin).await).await);
    }
    assert_eq!(sockets.len(), 40);
}

#[tokio::test]
async fn failures_for_a_host_do_not_lock_it_out() {
    let admin = DAEMON.admin().await;
    let host = host(&admin).await;
    let _live = connect(&host).await;
    for _ in 0..50 {
        let wrong = try_connect(host["api_id"].as_str(), Some("wrong")).await;
        assert!([401, 429].contains(&wrong.expect_err("a refusal").status));
    }
    state(&admin, &host, "online").await;
    connect(&host).await;
}
