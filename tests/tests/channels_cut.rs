//! Subscribers and daemons that end at any moment: nothing is lost, doubled or out of order.

use std::{collections::BTreeMap, time::Duration};

use gangplank_proto::channel::Channel;
use gangplank_tests::{
    account::random,
    channel::{alert, message, number},
    daemon::Daemon,
    http::Client,
    ws::{Incoming, Socket},
};
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::task::JoinSet;

/// Listens from now on, and learns where that is.
async fn begin(client: &Client) -> (Socket, u64) {
    let mut socket = client.listen(Channel::Alerts, "enveloped=1&positions=1").await;
    let first = socket.next_json().await;
    (socket, first["positions"]["alerts"].as_u64().expect("a position"))
}

/// Follows a channel from `cursor` on, cut off after a random number of events again and again, until
/// it has seen the alert with the number `last`.
async fn follow(client: Client, mut cursor: u64, last: u64) -> Vec<(u64, u64)> {
    let mut seen = Vec::new();
    loop {
        let query = format!("enveloped=1&positions=1&cursor={cursor}");
        let mut socket = client.listen(Channel::Alerts, &query).await;
        assert_eq!(socket.next_json().await, json!({ "positions": { "alerts": cursor } }));
        let [life] = random::<1>();
        for _ in 0..life % 40 {
            let event = socket.next_json().await;
            assert_eq!(event["topic"], "alerts", "{event}");
            cursor = event["seq"].as_u64().expect("a number");
            seen.push((cursor, number(&event["data"])));
            if number(&event["data"]) == last {
                return seen;
            }
        }
        cut(socket, life).await;
    }
}

/// Ends a socket in one way or another.
async fn cut(mut socket: Socket, how: u8) {
    if how.is_multiple_of(2) {
        socket.close(1000).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_that_are_cut_off_at_random_lose_and_double_nothing() {
    const PUBLISHERS: u64 = 4;
    const EACH: u64 = 60;
    const LAST: u64 = 1_000_000;
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let before = admin.published(Channel::Alerts, alert(LAST - 1)).await;
    let mut following = JoinSet::new();
    for how in 0..6 {
        // Each begins without a cursor, and is cut off before anything has happened.
        let (socket, position) = begin(&admin).await;
        assert_eq!(position, before);
        cut(socket, how).await;
        following.spawn(follow(admin.clone(), position, LAST));
    }
    let mut publishing = JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let admin = admin.clone();
        publishing.spawn(async move {
            let mut published = Vec::new();
            for n in 0..EACH {
                let n = publisher * EACH + n;
                published.push((admin.published(Channel::Alerts, alert(n)).await, n));
                // Something of another channel is never theirs.
                admin.published(Channel::Vpn, message(Channel::Vpn)).await;
            }
            published
        });
    }
    let mut published: BTreeMap<u64, u64> = BTreeMap::new();
    while let Some(done) = publishing.join_next().await {
        published.extend(done.expect("a publisher"));
    }
    published.insert(admin.published(Channel::Alerts, alert(LAST)).await, LAST);
    assert_eq!(published.len() as u64, PUBLISHERS * EACH + 1);
    let published: Vec<_> = published.into_iter().collect();
    while let Some(seen) = following.join_next().await {
        assert_eq!(seen.expect("a consumer"), published);
    }
}

/// Killed at any moment of a storm: what was acknowledged is there, once, and in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_is_killed_in_a_storm_loses_nothing_that_it_acknowledged() {
    let daemon = Daemon::start();
    let mut first = 0;
    for _ in 0..3 {
        let admin = daemon.admin().await;
        let mut publishing = JoinSet::new();
        for publisher in 0..4 {
            let admin = admin.clone();
            publishing.spawn(async move { storm(&admin, first + publisher * 10_000).await });
        }
        let [pause] = random::<1>();
        tokio::time::sleep(Duration::from_millis(200 + u64::from(pause))).await;
        daemon.kill();
        let mut acknowledged = BTreeMap::new();
        while let Some(done) = publishing.join_next().await {
            acknowledged.extend(done.expect("a publisher"));
        }
        daemon.start_again();
        let admin = daemon.admin().await;
        let end = admin.published(Channel::Alerts, alert(9_999_999)).await;
        let mut socket = admin.listen(Channel::Alerts, "enveloped=1&cursor=0").await;
        let mut told = BTreeMap::new();
        for seq in 1..=end {
            let event = socket.next_json().await;
            assert_eq!(event["seq"], seq, "no hole, none twice");
            told.insert(seq, number(&event["data"]));
        }
        for (seq, n) in acknowledged {
            assert_eq!(told.get(&seq), Some(&n));
        }
        first += 100_000;
    }
}

/// Publishes until the daemon is gone; answers what was acknowledged.
async fn storm(client: &Client, first: u64) -> Vec<(u64, u64)> {
    let mut acknowledged = Vec::new();
    for n in first.. {
        let body = alert(n).to_string();
        let request = format!(
            "POST /api/v1/channels/alerts/events HTTP/1.1\r\nConnection: close\r\nHost: {0}\r\n\
             Origin: https://{0}\r\nCookie: {1}\r\nContent-Length: {2}\r\n\r\n{body}",
            client.authority(),
            client.cookie().expect("a login"),
            body.len(),
        );
        let Ok(mut wire) = client.dial().await else { break };
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut answer = Vec::new();
        if wire.write_all(request.as_bytes()).await.is_err() || wire.flush().await.is_err() {
            break;
        }
        let _ = wire.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        let Some((head, body)) = answer.split_once("\r\n\r\n") else { break };
        if !head.starts_with("HTTP/1.1 202") {
            break;
        }
        let Ok(body) = serde_json::from_str::<serde_json::Value>(body) else { break };
        acknowledged.push((body["seq"].as_u64().expect("a number"), n));
    }
    acknowledged
}

/// An event is put into the database behind the daemon's back, which is what a kill between commit
/// and announcement leaves behind: nobody hears of it, and whoever comes back does.
#[tokio::test]
async fn what_was_committed_and_not_announced_before_a_kill_is_told_after_it() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let mut socket = admin.listen(Channel::Alerts, "enveloped=1").await;
    let seq = admin.published(Channel::Alerts, alert(1)).await;
    assert_eq!(socket.next_json().await["seq"], seq);
    let file = daemon.directory().join("gangplank.db");
    let mut database =
        SqliteConnectOptions::new().filename(&file).connect().await.expect("it opens");
    let mut write = database.begin().await.expect("a transaction");
    for statement in [
        "UPDATE topics SET last_seq = last_seq + 1 WHERE topic = 'alerts'",
        "INSERT INTO events (tenant_id, topic, seq, id, at, data) \
         SELECT tenant_id, topic, seq + 1, 'committed-only', at, REPLACE(data, '\"id\":\"1\"', \
         '\"id\":\"2\"') FROM events WHERE topic = 'alerts' AND seq = 1",
    ] {
        let done = sqlx::query(statement).execute(&mut *write).await.expect("a statement");
        assert_eq!(done.rows_affected(), 1);
    }
    write.commit().await.expect("a commit");
    assert_eq!(socket.next_within(Duration::from_millis(300)).await, None, "it was not announced");
    daemon.kill();
    drop(socket);
    daemon.start_again();
    let admin = daemon.admin().await;
    let mut socket = admin.listen(Channel::Alerts, &format!("enveloped=1&cursor={seq}")).await;
    let event = socket.next_json().await;
    assert_eq!((&event["id"], number(&event["data"])), (&"committed-only".into(), 2));
    assert_eq!(admin.published(Channel::Alerts, alert(3)).await, seq + 2);
    match socket.next().await {
        Incoming::Text(text) => assert!(text.contains(&format!("\"seq\":{}", seq + 2)), "{text}"),
        other => panic!("an event is due, not {other:?}"),
    }
}
