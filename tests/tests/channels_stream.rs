//! Server-sent events: the socket of topics for clients without WebSockets.

use std::{sync::LazyLock, time::Duration};

use gangplank_proto::channel::Channel;
use gangplank_tests::{
    channel::{EventStream, alert, message, number},
    daemon::Daemon,
    http::Client,
};
use serde_json::json;

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

async fn stream(client: &Client, query: &str, id: Option<&str>) -> EventStream {
    client.events(query, id).await.expect("a stream")
}

#[tokio::test]
async fn whoever_is_cut_off_goes_on_by_the_last_id() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let mut events = stream(&admin, "topics=alerts,vpn", None).await;
    admin.published(Channel::Alerts, alert(1)).await;
    let first = events.next().await.expect("an event");
    assert_eq!((first.event.as_str(), number(&first.data["data"])), ("alerts", 1));
    assert_eq!((&first.data["topic"], &first.data["seq"]), (&json!("alerts"), &json!(1)));
    let id = events.last_event_id.clone();
    assert_eq!(id, "alerts:1,vpn:0");
    drop(events);
    admin.published(Channel::Vpn, message(Channel::Vpn)).await;
    admin.publish(Channel::Alerts, json!([alert(2), alert(3)])).await.expect(202);
    // The header is newer than what the page's address says.
    let mut events = stream(&admin, "topics=alerts,vpn&cursor=alerts:0,vpn:0", Some(&id)).await;
    let mut told = Vec::new();
    for _ in 0..3 {
        let event = events.next().await.expect("an event");
        told.push((event.event, event.data["seq"].as_u64().unwrap_or_default()));
    }
    told.sort();
    assert_eq!(told, [("alerts".to_owned(), 2), ("alerts".to_owned(), 3), ("vpn".to_owned(), 1)]);
    assert_eq!(events.last_event_id, "alerts:3,vpn:1");
    assert_eq!(events.next_within(Duration::from_millis(200)).await, None);
    // What is gone is told.
    let mut events = stream(&admin, "topics=alerts&cursor=alerts:77", None).await;
    let gap = events.next().await.expect("a gap");
    assert_eq!((gap.event.as_str(), &gap.data["gap"]["to"]), ("gap", &json!(3)));
    assert_eq!(events.last_event_id, "alerts:3");
}

#[tokio::test]
async fn the_gate_is_that_of_the_sockets() {
    let admin = DAEMON.admin().await;
    let refused = async |client: &Client, query: &str| {
        client.events(query, None).await.expect_err("a refusal").status
    };
    let anonymous = DAEMON.client();
    assert_eq!(refused(&anonymous, "topics=alerts").await, 401);
    let (_, viewer) = admin.add_user("stream-viewer", &["viewer"]).await;
    assert_eq!(refused(&viewer, "topics=hosts,alerts").await, 403);
    assert_eq!(refused(&admin, "topics=nothing").await, 400);
    assert_eq!(refused(&admin, "topics=").await, 400);
    let page = admin.clone().with_origin(Some("https://evil.example"));
    assert_eq!(refused(&page, "topics=alerts").await, 403);
    // A page's own `EventSource` says no origin.
    let own = admin.clone().with_origin(None);
    stream(&own, "topics=alerts", None).await;
    let ticket = admin.channel_ticket("events").await;
    let query = format!("topics=alerts&ticket={ticket}");
    stream(&anonymous, &query, None).await;
    assert_eq!(refused(&anonymous, &query).await, 401, "a ticket opens once");
    // Without asking for a stream it is a WebSocket, and the other sockets are nothing else.
    admin.get("/api/v1/ws/events?topics=alerts").await.refused(426);
    let asking = admin.clone().with_header("Accept", "text/event-stream");
    asking.get("/api/v1/ws/alerts").await.refused(426);
}

#[tokio::test]
async fn a_stream_has_a_place_and_gives_it_back() {
    let daemon = Daemon::with(&[("limits.channel_subscribers", "1"), ("limits.heartbeat", "1s")]);
    let admin = daemon.admin().await;
    let first = stream(&admin, "topics=alerts", None).await;
    let second = admin.events("topics=alerts", None).await.expect_err("a refusal");
    assert_eq!((second.status, second.header("retry-after")), (503, "1"));
    drop(first);
    gangplank_tests::eventually::until(Duration::from_secs(30), "the place to be free", || async {
        admin.events("topics=alerts", None).await.ok()
    })
    .await;
}

/// A client that takes nothing holds little, and is broken off.
#[tokio::test]
async fn a_stream_that_nobody_reads_is_broken_off() {
    let daemon =
        Daemon::with(&[("limits.channel_subscribers", "1"), ("limits.channel_write", "2s")]);
    let admin = daemon.admin().await;
    let silent = stream(&admin, "topics=agent_thoughts", None).await;
    let mut thought = message(Channel::AgentThoughts);
    thought["details"] = json!({ "text": "x".repeat(60 << 10) });
    let list = vec![thought; 15];
    gangplank_tests::eventually::until(Duration::from_secs(60), "the place to be free", || async {
        admin.publish(Channel::AgentThoughts, json!(list)).await.expect(202);
        admin.events("topics=agent_thoughts", None).await.ok()
    })
    .await;
    drop(silent);
}
