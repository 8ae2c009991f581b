//! The console's live list: numbered events of the topic `hosts`.

use std::{sync::LazyLock, time::Duration};

use gangplank_tests::{
    agent::{Agent, Policy},
    daemon::Daemon,
    http::Client,
    ws::{Incoming, Socket},
};
use serde_json::{Value, json};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

async fn subscribe(client: &Client, query: &str) -> Socket {
    client.upgrade(&format!("/api/v1/ws/events?{query}")).open().await.expect("an upgrade")
}

/// The next event of a kind about a host.
async fn next(socket: &mut Socket, kind: &str, host: &str) -> Value {
    loop {
        let event = socket.next_json().await;
        assert_eq!(event["topic"], "hosts", "{event}");
        let data = &event["data"];
        let about = data["host"]["id"].as_str().or(data["host_id"].as_str());
        if about == Some(host) && data["kind"] == kind {
            return event;
        }
    }
}

#[tokio::test]
async fn the_life_of_a_host_can_be_followed() {
    let admin = DAEMON.admin().await;
    let mut events = subscribe(&admin, "topics=hosts").await;
    let made = admin.add_host("followed", None).await;
    let id = made["id"].as_str().expect("an id");
    let added = next(&mut events, "added", id).await;
    assert_eq!(added["data"]["host"]["friendly_name"], "followed");
    assert!(added["seq"].is_u64() && added["id"].is_string() && added["at"].is_string(), "{added}");
    assert!(!added.to_string().contains(made["api_key"].as_str().expect("a key")));

    let body = json!({ "friendly_name": "renamed" });
    admin.patch(&format!("/api/v1/hosts/{id}"), body).await.expect(200);
    let changed = next(&mut events, "changed", id).await;
    assert_eq!(changed["data"]["host"]["friendly_name"], "renamed");
    assert!(changed["seq"].as_u64() > added["seq"].as_u64());

    admin.delete(&format!("/api/v1/hosts/{id}")).await.expect(204);
    next(&mut events, "removed", id).await;
}

#[tokio::test]
async fn waiting_connected_and_first_report_are_told() {
    let admin = DAEMON.admin().await;
    let mut events = subscribe(&admin, "topics=hosts").await;
    let agent = Agent::enrol(&DAEMON, &admin, &Policy::everything("localhost:22")).await;
    let added = next(&mut events, "added", agent.host()).await;
    assert!(added["data"]["host"]["first_report_at"].is_null(), "{added}");
    let first = next(&mut events, "first_report", agent.host()).await;
    assert!(first["data"]["host"]["hostname"].is_string(), "{first}");
    agent.kill();
    loop {
        let presence = next(&mut events, "presence", agent.host()).await;
        if presence["data"]["host"]["status"]["state"] == "offline" {
            break;
        }
    }
}

#[tokio::test]
async fn with_a_cursor_nothing_is_missed() {
    let admin = DAEMON.admin().await;
    let mut events = subscribe(&admin, "topics=hosts").await;
    let first = admin.add_host("before", None).await;
    let seen = next(&mut events, "added", first["id"].as_str().expect("an id")).await;
    drop(events);
    let second = admin.add_host("while away", None).await;
    let cursor = format!("topics=hosts&cursor=hosts:{}", seen["seq"]);
    let mut events = subscribe(&admin, &cursor).await;
    let missed = next(&mut events, "added", second["id"].as_str().expect("an id")).await;
    assert!(missed["seq"].as_u64() > seen["seq"].as_u64());
}

#[tokio::test]
async fn who_may_not_see_hosts_hears_nothing() {
    let admin = DAEMON.admin().await;
    let (_, nobody) = admin.add_user("events-nobody", &[]).await;
    let refused = nobody.upgrade("/api/v1/ws/events?topics=hosts").open().await;
    refused.expect_err("a refusal").refused(403);
    let anonymous = admin.clone().anonymous();
    let refused = anonymous.upgrade("/api/v1/ws/events?topics=hosts").open().await;
    refused.expect_err("a refusal").refused(401);
    for query in ["topics=nothing", "", "topics=hosts&cursor=hosts:x", "topics=hosts&cursor=x"] {
        let refused = admin.upgrade(&format!("/api/v1/ws/events?{query}")).open().await;
        let status = refused.expect_err(query).status;
        assert!([400, 403, 404].contains(&status), "{query}: {status}");
    }
}

#[tokio::test]
async fn a_subscriber_s_keepalive_is_taken_and_nonsense_is_not() {
    let admin = DAEMON.admin().await;
    let mut events = subscribe(&admin, "topics=hosts").await;
    events.json(&json!({ "type": "keepalive" })).await;
    let made = admin.add_host("after keepalive", None).await;
    next(&mut events, "added", made["id"].as_str().expect("an id")).await;
    for _ in 0..3 {
        events.text("{").await;
    }
    assert_eq!(events.closed(Duration::from_secs(5)).await.code, 1008);
}

#[tokio::test]
async fn one_subscriber_too_many_is_told_to_come_back() {
    let daemon = Daemon::with(&[("limits.channel_subscribers", "2")]);
    let admin = daemon.admin().await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut socket = subscribe(&admin, "topics=hosts").await;
        // It is served, and so it is counted.
        admin.add_host("counted", None).await;
        socket.next_json().await;
        kept.push(socket);
    }
    let mut third = subscribe(&admin, "topics=hosts&cursor=hosts:0").await;
    match third.next().await {
        Incoming::Closed(closed) => assert_eq!(closed.code, 1013),
        other => panic!("no event may come before: {other:?}"),
    }
    drop(kept.pop());
    gangplank_tests::eventually::until(Duration::from_secs(10), "the place to be free", || async {
        let mut socket = subscribe(&admin, "topics=hosts&cursor=hosts:0").await;
        matches!(socket.next().await, Incoming::Text(_)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn where_each_topic_begins_is_said_to_whoever_asks() {
    let admin = DAEMON.admin().await;
    let mut events = subscribe(&admin, "topics=hosts,jobs&positions=1&cursor=jobs:0").await;
    let first = events.next_json().await;
    let position = first["positions"]["hosts"].as_u64().expect("a number");
    assert_eq!(first, json!({ "positions": { "hosts": position, "jobs": 0 } }));
    // Cut before anything was told: what happens meanwhile comes all the same.
    drop(events);
    let made = admin.add_host("meanwhile", None).await;
    let mut events = subscribe(&admin, &format!("topics=hosts&cursor=hosts:{position}")).await;
    next(&mut events, "added", made["id"].as_str().expect("an id")).await;
    // Nobody else gets a message that is no event.
    let events = admin.upgrade("/api/v1/ws/events?topics=hosts&positions=maybe").open().await;
    events.expect_err("a refusal").refused(400);
}
