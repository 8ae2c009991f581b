//! Many subscribers: every one of them is told everything in order, whatever one of them does.

use std::time::Duration;

use gangplank_proto::channel::Channel;
use gangplank_tests::{
    channel::{alert, message, number},
    daemon::Daemon,
    eventually,
    http::Client,
    ws::{Incoming, Socket},
};
use serde_json::json;
use tokio::task::JoinSet;

const CROWD: usize = 500;

/// One who listens and is known to be served.
async fn counted(client: &Client, channel: Channel) -> Socket {
    let mut socket = client.listen(channel, "cursor=0").await;
    assert!(matches!(socket.next().await, Incoming::Text(_)));
    socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_are_told_everything_in_order_and_one_more_comes_later() {
    let daemon = Daemon::with(&[("limits.sockets_per_user", "2000")]);
    let admin = daemon.admin().await;
    admin.published(Channel::Alerts, alert(0)).await;
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        crowd.push(counted(&admin, Channel::Alerts).await);
    }
    // One of them never reads again.
    let silent = crowd.pop();
    let mut late = admin.listen(Channel::Alerts, "cursor=0").await;
    match late.next().await {
        Incoming::Closed(closed) => assert_eq!(closed.code, 1013),
        other => panic!("no data frame may come before: {other:?}"),
    }
    // Another channel has places of its own.
    let mut beside = admin.listen(Channel::Vpn, "").await;
    admin.published(Channel::Vpn, message(Channel::Vpn)).await;
    assert!(matches!(beside.next().await, Incoming::Text(_)));

    let mut listening = JoinSet::new();
    for mut socket in crowd {
        listening.spawn(async move {
            for n in 1..=60 {
                assert_eq!(number(&socket.next_json().await), n);
            }
            socket
        });
    }
    for n in 1..=20 {
        admin.published(Channel::Alerts, alert(n)).await;
    }
    let list: Vec<_> = (21..=60).map(alert).collect();
    admin.publish(Channel::Alerts, json!(list)).await.expect(202);
    let mut crowd = Vec::new();
    while let Some(socket) = listening.join_next().await {
        crowd.push(socket.expect("a subscriber that was told everything"));
    }
    assert_eq!(crowd.len(), CROWD - 1);
    // Places are counted by who is there: five who leave are five who may come.
    crowd.truncate(CROWD - 6);
    drop(silent);
    for _ in 0..6 {
        let socket = eventually::until(Duration::from_secs(30), "a place", || async {
            let mut socket = admin.listen(Channel::Alerts, "cursor=59").await;
            matches!(socket.next().await, Incoming::Text(_)).then_some(socket)
        });
        crowd.push(socket.await);
    }
    let mut late = admin.listen(Channel::Alerts, "cursor=0").await;
    assert!(matches!(late.next().await, Incoming::Closed(closed) if closed.code == 1013));
}

/// So much is told that no buffer on the way holds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_is_closed_and_delays_nobody() {
    let settings = [("limits.channel_subscribers", "4"), ("limits.channel_write", "3s")];
    let daemon = Daemon::with(&settings);
    let admin = daemon.admin().await;
    let mut thought = message(Channel::AgentThoughts);
    thought["duration_ms"] = json!(0);
    thought["details"] = json!({ "text": "x".repeat(60 << 10) });
    let numbered = |n: u64| {
        let mut numbered = thought.clone();
        numbered["duration_ms"] = json!(n);
        numbered
    };
    admin.published(Channel::AgentThoughts, numbered(0)).await;
    let silent = counted(&admin, Channel::AgentThoughts).await;
    let mut listening = JoinSet::new();
    const MANY: u64 = 450;
    for _ in 0..3 {
        let mut socket = counted(&admin, Channel::AgentThoughts).await;
        listening.spawn(async move {
            for n in 1..=MANY {
                assert_eq!(socket.next_json().await["duration_ms"], n);
            }
            socket
        });
    }
    for first in (1..=MANY).step_by(15) {
        let list: Vec<_> = (first..first + 15).map(numbered).collect();
        admin.publish(Channel::AgentThoughts, json!(list)).await.expect(202);
    }
    let mut crowd = Vec::new();
    while let Some(socket) = listening.join_next().await {
        crowd.push(socket.expect("a subscriber that was told everything"));
    }
    // Its place is free although it has not gone by itself.
    eventually::until(Duration::from_secs(30), "the place to be free", || async {
        let mut socket = admin.listen(Channel::AgentThoughts, &format!("cursor={MANY}")).await;
        matches!(socket.next().await, Incoming::Text(_)).then_some(())
    })
    .await;
    drop(silent);
}
