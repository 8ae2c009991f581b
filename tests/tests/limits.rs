//! Limits in time and number: silence, idleness, too many sockets.

use std::time::Duration;

use gangplank_tests::{
    agent::{Agent, Policy, shell_user},
    daemon::Daemon,
    page::Page,
};
use serde_json::json;

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_dead() {
    let daemon = Daemon::with(&[("limits.heartbeat", "1s")]);
    let admin = daemon.admin().await;
    let host = admin.add_host("silent", None).await;
    let agent = daemon.client().with_origin(None);
    let link = agent
        .upgrade("/api/v1/agents/ws")
        .header("X-API-ID", host["api_id"].as_str().expect("an id"))
        .header("X-API-KEY", host["api_key"].as_str().expect("a key"))
        .open()
        .await
        .expect("an upgrade");
    let events = admin.upgrade("/api/v1/ws/events?topics=hosts").open().await.expect("101");
    let limit = Duration::from_secs(10);
    let (link, events) = tokio::join!(link.ended_in_silence(limit), events.ended_in_silence(limit));
    assert_eq!(link.code, 4008, "{link:?}");
    assert_eq!(events.code, 4008, "{events:?}");
}

#[tokio::test]
async fn a_terminal_that_nobody_uses_is_asked_about_and_then_closed() {
    let daemon = Daemon::with(&[("limits.terminal_idle", "2s")]);
    let admin = daemon.admin().await;
    let agent = Agent::enrol(&daemon, &admin, &Policy::everything("localhost:22")).await;
    let mut page = Page::open(&admin, agent.host()).await;
    page.connected(json!({ "connection_mode": "pty", "username": shell_user() })).await;
    let closed = page.ended(Duration::from_secs(15)).await;
    assert_eq!(closed.code, 4002, "{closed:?}");
    // Typing counts as use.
    let mut page = Page::open(&admin, agent.host()).await;
    page.connected(json!({ "connection_mode": "pty", "username": shell_user() })).await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        page.proves_a_shell().await;
    }
}

#[tokio::test]
async fn a_user_has_a_number_of_sockets_and_gets_them_back() {
    let daemon = Daemon::with(&[("limits.sockets_per_user", "3")]);
    let admin = daemon.admin().await;
    let path = "/api/v1/ws/events?topics=hosts";
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(admin.upgrade(path).open().await.expect("an upgrade"));
    }
    admin.upgrade(path).open().await.expect_err("a refusal").refused(429);
    open.pop();
    gangplank_tests::eventually::until(Duration::from_secs(10), "a free place", || async {
        admin.upgrade(path).open().await.ok()
    })
    .await;
}
