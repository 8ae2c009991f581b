//! The sockets of dashboards: who gets in, what they are told, and what ends them.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use gangplank_proto::channel::Channel;
use gangplank_tests::{
    account::canary,
    channel::{alert, fixture, message, number},
    daemon::Daemon,
    http::Client,
    ws::{Incoming, Socket},
};
use serde_json::{Value, json};

static TOKEN: LazyLock<String> = LazyLock::new(|| canary("internal-token-of-services"));

static DAEMON: LazyLock<Daemon> = LazyLock::new(|| Daemon::with(&[("internal.token", &TOKEN)]));

const SOON: Duration = Duration::from_secs(5);

/// Path of each socket that is read by dashboards, with the name for a ticket, and a query that
/// makes it speak at once.
fn sockets() -> BTreeMap<&'static str, (&'static str, &'static str)> {
    let mut sockets: BTreeMap<_, _> = Channel::ALL
        .into_iter()
        .map(|channel| (channel.path(), (channel.as_str(), "cursor=0")))
        .collect();
    sockets.insert("/api/v1/ws/events", ("events", "topics=hosts"));
    sockets.insert("/bullboard", ("jobs", ""));
    sockets
}

/// The status with which a socket answers.
async fn status(client: &Client, path: &str) -> u16 {
    match client.upgrade(path).open().await {
        Ok(_) => 101,
        Err(refusal) => refusal.status,
    }
}

async fn token(audience: Option<&str>) -> String {
    let mut body = json!({ "username": "admin", "password": DAEMON.password() });
    body["audience"] = audience.into();
    let answer = DAEMON.client().post("/api/v1/auth/token", body).await.expect(200).json();
    answer["access_token"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn every_socket_takes_every_credential_of_its_own_in_its_order() {
    let admin = DAEMON.admin().await;
    let anonymous = DAEMON.client();
    let bearer = anonymous.clone().with_bearer(&token(None).await);
    let junk =
        anonymous.clone().with_header("Cookie", &format!("__Host-session={}", "0".repeat(64)));
    for (path, (name, query)) in sockets() {
        let whole = format!("{path}?{query}");
        assert_eq!(status(&anonymous, &whole).await, 401, "{path}: nothing");
        assert_eq!(status(&admin, &whole).await, 101, "{path}: a cookie");
        assert_eq!(status(&bearer, &whole).await, 101, "{path}: a token");
        let legacy = format!("{whole}&token={}", token(Some(path)).await);
        assert_eq!(status(&anonymous, &legacy).await, 101, "{path}: a token in the query");
        let other = format!("{whole}&token={}", token(None).await);
        assert_eq!(status(&anonymous, &other).await, 401, "{path}: a token for something else");
        let ticket = format!("{whole}&ticket={}", admin.channel_ticket(name).await);
        assert_eq!(status(&anonymous, &ticket).await, 101, "{path}: a ticket");
        assert_eq!(status(&anonymous, &ticket).await, 401, "{path}: a ticket again");
        let other = if name == "vpn" { "alerts" } else { "vpn" };
        let ticket = format!("{whole}&ticket={}", admin.channel_ticket(other).await);
        assert_eq!(status(&anonymous, &ticket).await, 401, "{path}: another channel's ticket");
        // The first that is there decides, right or wrong: cookie, then Bearer, query and ticket.
        let ticket = format!("{whole}&ticket={}", admin.channel_ticket(name).await);
        assert_eq!(status(&junk, &ticket).await, 401, "{path}: a wrong cookie before a ticket");
        let wrong = bearer.clone().with_bearer("e30.e30.e30");
        assert_eq!(status(&wrong, &ticket).await, 401, "{path}: a wrong token before a ticket");
        let both = format!("{legacy}&ticket=0000");
        assert_eq!(status(&anonymous, &both).await, 101, "{path}: the query's token first");
        for origin in [None, Some("https://evil.example"), Some("null")] {
            let page = admin.clone().with_origin(origin);
            assert_eq!(status(&page, &whole).await, 403, "{path} from {origin:?}");
        }
    }
}

#[tokio::test]
async fn every_channel_has_its_permission() {
    let admin = DAEMON.admin().await;
    let (_, operator) = admin.add_user("channels-operator", &["operator"]).await;
    let (_, viewer) = admin.add_user("channels-viewer", &["viewer"]).await;
    let (_, nobody) = admin.add_user("channels-nobody", &[]).await;
    for (path, (name, query)) in sockets() {
        let whole = format!("{path}?{query}");
        assert_eq!(status(&nobody, &whole).await, 403, "{path}");
        let own = ["security", "vpn", "alerts", "events", "jobs"].contains(&name);
        assert_eq!(status(&operator, &whole).await, if own { 101 } else { 403 }, "{path}");
        let hosts = if name == "events" { 101 } else { 403 };
        assert_eq!(status(&viewer, &whole).await, hosts, "{path}");
        // A ticket is worth no more than whoever asked for it.
        let ticket = nobody.post("/api/v1/auth/ws-ticket", json!({ "channel": name })).await;
        let ticket = ticket.expect(200).json()["ticket"].as_str().expect("a ticket").to_owned();
        let whole = format!("{whole}&ticket={ticket}");
        assert_eq!(status(&DAEMON.client(), &whole).await, 403, "{path}");
    }
}

#[tokio::test]
async fn a_right_that_is_gone_closes_what_is_open() {
    let admin = DAEMON.admin().await;
    let (id, user) = admin.add_user("channels-gone", &["admin"]).await;
    let open = async || {
        let mut open = Vec::new();
        for (path, (_, query)) in sockets() {
            let socket = user.upgrade(&format!("{path}?{query}")).open().await;
            open.push((path, socket.expect("an upgrade")));
        }
        open
    };
    let mut sockets = open().await;
    let mut stream = user.events("topics=alerts", None).await.expect("a stream");
    admin.patch(&format!("/api/v1/users/{id}"), json!({ "roles": ["viewer"] })).await.expect(200);
    for (path, socket) in &mut sockets {
        // A viewer may see hosts, and nothing else of these.
        if *path != "/api/v1/ws/events" {
            assert_eq!(socket.closed(SOON).await.code, 4003, "{path}");
        }
    }
    let last = stream.next().await.expect("last words");
    assert_eq!((last.event.as_str(), &last.data["code"]), ("closed", &json!(4003)));
    assert_eq!(stream.next().await, None);

    admin.patch(&format!("/api/v1/users/{id}"), json!({ "roles": ["admin"] })).await.expect(200);
    let mut sockets = open().await;
    user.post("/api/v1/auth/logout", json!({})).await.expect(204);
    for (path, socket) in &mut sockets {
        assert_eq!(socket.closed(SOON).await.code, 4001, "{path}");
    }
}

#[tokio::test]
async fn what_is_published_is_what_is_told() {
    let admin = DAEMON.admin().await;
    let service = DAEMON
        .client()
        .with_origin(None)
        .with_header("X-Internal-Token", &TOKEN)
        .with_header("X-Tenant-ID", "default");
    for channel in Channel::ALL {
        let mut bare = admin.listen(channel, "").await;
        let mut enveloped = admin.listen(channel, "enveloped=1").await;
        let taken = fixture(channel)["taken"].as_array().expect("a list").clone();
        for (index, taken) in taken.iter().enumerate() {
            let publisher = if index.is_multiple_of(2) { &admin } else { &service };
            let seq = publisher.published(channel, taken["message"].clone()).await;
            let told = next(&mut bare, channel, &taken["message"]).await;
            assert_eq!(told, taken["message"], "{channel}");
            loop {
                let event = enveloped.next_json().await;
                if event["seq"] == seq {
                    assert_eq!(event["data"], taken["message"]);
                    assert_eq!(event["topic"], channel.as_str());
                    assert!(event["id"].is_string() && event["at"].is_string(), "{event}");
                    break;
                }
            }
        }
        for refused in fixture(channel)["refused"].as_array().expect("a list") {
            let text = refused["text"].as_str().expect("a text");
            // Many may be published at once, though a message is never a list.
            if text.starts_with('[') {
                continue;
            }
            let answer = raw_publish(&admin, channel, text).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{channel}: {}: {answer}", refused["name"]);
        }
        let large = format!("{{\"id\":\"{}\"}}", "x".repeat(65 << 10));
        assert!(
            raw_publish(&admin, channel, &large).await.starts_with("HTTP/1.1 413"),
            "{channel}"
        );
    }
    let alert = message(Channel::Alerts);
    let anonymous = DAEMON.client();
    anonymous.publish(Channel::Alerts, alert.clone()).await.refused(401);
    let (_, operator) = admin.add_user("no-publisher", &["operator"]).await;
    operator.publish(Channel::Alerts, alert.clone()).await.refused(403);
    let page = admin.clone().with_origin(Some("https://evil.example"));
    page.publish(Channel::Alerts, alert.clone()).await.refused(403);
    let nowhere = anonymous.with_origin(None).with_header("X-Internal-Token", &TOKEN);
    nowhere.publish(Channel::Alerts, alert.clone()).await.refused(400);
    for unknown in ["hosts", "jobs", "nothing"] {
        let path = format!("/api/v1/channels/{unknown}/events");
        admin.post(&path, alert.clone()).await.refused(404);
    }
}

/// The next message of a socket that is `wanted`; other tests publish, too.
async fn next(socket: &mut Socket, channel: Channel, wanted: &Value) -> Value {
    for _ in 0..1000 {
        let told = socket.next_json().await;
        if &told == wanted {
            return told;
        }
    }
    panic!("{channel}: {wanted} was not told");
}

async fn raw_publish(client: &Client, channel: Channel, body: &str) -> String {
    let request = format!(
        "POST /api/v1/channels/{channel}/events HTTP/1.1\r\nConnection: close\r\nHost: {}\r\n\
         Origin: https://{}\r\nCookie: {}\r\nContent-Length: {}\r\n\r\n{body}",
        client.authority(),
        client.authority(),
        client.cookie().expect("a login"),
        body.len(),
    );
    String::from_utf8_lossy(&client.raw(request.as_bytes()).await).into_owned()
}

#[tokio::test]
async fn a_list_is_published_whole_or_not_at_all_and_a_key_publishes_once() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let list: Vec<_> = (1..=1000).map(alert).collect();
    let answer = admin.publish(Channel::Alerts, json!(list)).await.expect(202).json();
    let items = answer["items"].as_array().expect("a list");
    let seqs: Vec<_> = items.iter().filter_map(|item| item["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=1000).collect::<Vec<_>>());
    let mut bad = vec![alert(1001), alert(1002)];
    bad[1]["severity"] = json!(7);
    admin.publish(Channel::Alerts, json!(bad)).await.refused(400);
    admin.publish(Channel::Alerts, json!([])).await.refused(400);
    admin.publish(Channel::Alerts, json!(vec![alert(1); 1001])).await.refused(400);

    let keyed = admin.clone().with_header("Idempotency-Key", "the-same");
    let first = keyed.published(Channel::Alerts, alert(1001)).await;
    assert_eq!((first, keyed.published(Channel::Alerts, alert(1001)).await), (1001, 1001));
    keyed.publish(Channel::Alerts, alert(1002)).await.refused(409);
    let mut socket = admin.listen(Channel::Alerts, "cursor=999").await;
    assert_eq!(number(&socket.next_json().await), 1000);
    assert_eq!(number(&socket.next_json().await), 1001);
    admin.published(Channel::Alerts, alert(1002)).await;
    assert_eq!(number(&socket.next_json().await), 1002);
}

/// As dashboards do: gone for three seconds, and back with the cursor.
#[tokio::test]
async fn whoever_comes_back_with_a_cursor_has_missed_nothing() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    for (query, number_of) in [
        ("cursor=", (|value: &Value| number(value)) as fn(&Value) -> u64),
        ("enveloped=1&cursor=alerts:", |value| number(&value["data"])),
    ] {
        let mut socket = admin.listen(Channel::Alerts, "enveloped=1").await;
        let seq = admin.published(Channel::Alerts, alert(1)).await;
        let seen = socket.next_json().await;
        assert_eq!(seen["seq"], seq);
        drop(socket);
        for n in 2..=20 {
            admin.published(Channel::Alerts, alert(n)).await;
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        let mut socket = admin.listen(Channel::Alerts, &format!("{query}{seq}")).await;
        admin.published(Channel::Alerts, alert(21)).await;
        for n in 2..=21 {
            assert_eq!(number_of(&socket.next_json().await), n);
        }
    }
    // Without a cursor: what is new, and nothing before.
    let mut socket = admin.listen(Channel::Alerts, "").await;
    admin.published(Channel::Alerts, alert(99)).await;
    assert_eq!(number(&socket.next_json().await), 99);
    // A cursor from a database that was restored since.
    let mut socket = admin.listen(Channel::Alerts, "cursor=1000000").await;
    let gap = socket.next_json().await;
    assert_eq!((&gap["topic"], &gap["gap"]["from"]), (&json!("alerts"), &json!(1)));
    for bad in ["cursor=x", "cursor=vpn:1", "cursor=-1", "enveloped=maybe"] {
        let path = format!("{}?{bad}", Channel::Alerts.path());
        assert_eq!(status(&admin, &path).await, 400, "{bad}");
    }
}

/// The next message that the guard doesn't say itself, about a login that talks so much.
async fn told(socket: &mut Socket) -> Value {
    loop {
        let message = socket.next_json().await;
        if message["data"]["kind"] != "login_standing" {
            return message;
        }
    }
}

#[tokio::test]
async fn silence_and_chatter_are_ended_and_nonsense_is() {
    let daemon = Daemon::with(&[
        ("limits.channel_idle", "2s"),
        ("limits.channel_messages_per_minute", "10"),
    ]);
    let admin = daemon.admin().await;
    let keepalive = json!({ "type": "keepalive" });
    for channel in Channel::ALL {
        let mut silent = admin.listen(channel, "").await;
        let mut chatty = admin.listen(channel, "").await;
        let mut throttled = admin.listen(channel, "").await;
        let mut binary = admin.listen(channel, "").await;
        for _ in 0..21 {
            chatty.json(&keepalive).await;
        }
        for _ in 0..20 {
            throttled.json(&keepalive).await;
        }
        binary.binary(vec![0; 4]).await;
        assert_eq!(chatty.closed(SOON).await.code, 1008, "{channel}");
        assert_eq!(binary.closed(SOON).await.code, 1003, "{channel}");
        admin.published(channel, message(channel)).await;
        assert_eq!(told(&mut throttled).await, message(channel), "{channel}: only throttled");
        assert_eq!(told(&mut silent).await, message(channel));
        assert_eq!(silent.closed(SOON).await.code, 4002, "{channel}");
    }
}

#[tokio::test]
async fn a_daemon_that_stops_says_so() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let mut socket = admin.listen(Channel::Vpn, "").await;
    let mut stream = admin.events("topics=vpn", None).await.expect("a stream");
    admin.published(Channel::Vpn, message(Channel::Vpn)).await;
    assert!(matches!(socket.next().await, Incoming::Text(_)));
    assert_eq!(stream.next().await.expect("an event").event, "vpn");
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(socket.closed(SOON).await.code, 1001);
    let last = stream.next().await.expect("last words");
    assert_eq!((last.event.as_str(), &last.data["code"]), ("closed", &json!(1001)));
    assert_eq!(daemon.exit_code(Duration::from_secs(10)), Some(0));
}
