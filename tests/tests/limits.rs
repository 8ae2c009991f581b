//! Limits in time and number: silence, idleness, too many sockets.

use std::{fs, process::Command, time::Duration};

use gangplank_tests::{
    agent::{Agent, Policy, shell_user},
    daemon::Daemon,
    fleet::Fleet,
    page::Page,
    process, program,
    returning::Returning,
    scratch,
    ws::Incoming,
};
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpSocket, TcpStream},
};

/// The limits that are promised, with their defaults. docs/security-tests.md says of each which test
/// shows it at work.
const LIMITS: [(&str, &str); 16] = [
    ("limits.message", "1 MiB"),
    ("limits.channel_messages_per_minute", "100"),
    ("limits.pending_per_ip", "512"),
    ("limits.anonymous_sockets_per_ip", "10"),
    ("limits.sockets_per_user", "128"),
    ("limits.channel_subscribers", "500"),
    ("limits.establish", "10s"),
    ("limits.first_message", "10s"),
    ("limits.terminal_window", "256 KiB"),
    ("limits.replay_ring", "1 MiB"),
    ("limits.lossless_hold", "1m"),
    ("limits.detached_life", "5m"),
    ("limits.channel_idle", "5m"),
    ("limits.terminal_idle", "30m"),
    ("limits.heartbeat", "30s"),
    ("limits.auth_failures_per_minute_per_ip", "1000"),
];

#[test]
fn each_limit_has_its_key_its_default_and_its_test() {
    let directory = scratch::directory();
    let file = directory.join("gangplankd.toml");
    let text = format!("data_dir = \"{}\"\n", directory.join("data").display());
    fs::write(&file, text).expect("our own directory");
    let mut show = Command::new(program::gangplankd());
    show.args(["config", "show", "--effective", "--redacted", "--json", "--config"]).arg(&file);
    let shown: Value = serde_json::from_str(&process::succeed(&show)).expect("JSON");
    let table = fs::read_to_string(program::source("docs/security-tests.md")).expect("a document");
    for (key, default) in LIMITS {
        assert_eq!(shown[key]["from"], "default", "{key}");
        let value = shown[key]["value"].as_str().expect("a value").trim_matches('"');
        assert_eq!(value, default, "{key}");
        let row = table.lines().find(|line| line.starts_with(&format!("| `{key}` | {default} |")));
        assert!(row.is_some_and(|row| row.contains(".rs")), "{key} has no test in the table");
    }
}

#[tokio::test]
async fn a_message_is_as_long_as_is_set_and_no_longer() {
    let daemon = Daemon::with(&[("limits.message", "8 KiB")]);
    let admin = daemon.admin().await;
    let path = "/api/v1/ws/events?topics=hosts";
    let keepalive = |length: usize| {
        let frame = r#"{"type":"keepalive","pad":""}"#;
        frame.replace(r#""""#, &format!("\"{}\"", "x".repeat(length - frame.len())))
    };
    let mut socket = admin.upgrade(path).open().await.expect("101");
    socket.text(&keepalive(8 << 10)).await;
    admin.add_host("still-told", None).await;
    assert!(matches!(socket.next().await, Incoming::Text(_)));
    socket.text(&keepalive((8 << 10) + 1)).await;
    assert_eq!(socket.closed(Duration::from_secs(10)).await.code, 1009);
}

#[tokio::test]
async fn connections_that_prove_nothing_are_few_for_each_address() {
    let daemon = Daemon::with(&[("limits.pending_per_ip", "5"), ("limits.establish", "1h")]);
    let connect = async |last: u8| -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, last], 0).into()).expect("a loopback address");
        let address = daemon.authority().parse().expect("an address");
        socket.connect(address).await.expect("a connection")
    };
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.push(connect(71).await);
    }
    let mut refused = connect(71).await;
    let read = tokio::time::timeout(Duration::from_secs(10), refused.read(&mut [0; 1])).await;
    assert!(!matches!(read.expect("closed at once"), Ok(1..)));
    // Those who wait are let wait, and others come in.
    let mut first = waiting.remove(0);
    let read = tokio::time::timeout(Duration::from_millis(500), first.read(&mut [0; 1])).await;
    read.expect_err("still open");
    daemon.client().from_address(72).get("/healthz").await.expect(200);
    drop(first);
    gangplank_tests::eventually::until(Duration::from_secs(10), "a free place", || async {
        let client = daemon.client().from_address(71);
        let mut wire = client.dial().await.ok()?;
        tokio::io::AsyncWriteExt::shutdown(&mut wire).await.ok()
    })
    .await;
}

/// Answers to pings are signs of life, not of use; and an agent may have nothing to say.
#[tokio::test]
async fn pongs_are_no_use_and_agents_may_be_silent() {
    let daemon = Daemon::with(&[("limits.channel_idle", "3s"), ("limits.heartbeat", "1s")]);
    let admin = daemon.admin().await;
    let host = admin.add_host("silent", None).await;
    let text = |name: &str| host[name].as_str().expect("text");
    let agent = daemon.client().with_origin(None);
    let agent = agent.with_header("X-API-ID", text("api_id"));
    let agent = agent.with_header("X-API-KEY", text("api_key"));
    let mut link = agent.upgrade("/api/v1/agents/ws").open().await.expect("101");
    let mut events = admin.upgrade("/api/v1/ws/events?topics=hosts").open().await.expect("101");
    let start = std::time::Instant::now();
    let (closed, ()) = tokio::join!(events.closed(Duration::from_secs(20)), async {
        while let Some(incoming) = link.next_within(Duration::from_secs(6)).await {
            assert!(!matches!(incoming, Incoming::Closed(_)), "{incoming:?}");
        }
    });
    assert_eq!(closed.code, 4002, "{closed:?}");
    assert!(start.elapsed() >= Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(admin.status(text("id")).await["state"], "online");
}

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

#[tokio::test]
async fn output_on_its_way_and_kept_is_as_much_as_is_set() {
    let fleet = Fleet::with(&[
        ("limits.terminal_window", "32 KiB"),
        ("limits.replay_ring", "300 KiB"),
        ("limits.lossless_hold", "0s"),
    ])
    .await;
    let admin = fleet.admin().await;
    let mut direct = fleet.direct();
    direct["accept_host_key"] = fleet.sshd.fingerprints()[0].clone().into();
    let mut page = Page::open(&admin, fleet.host()).await;
    page.connected(direct.clone()).await;
    page.proves_a_shell().await;
    page.stop_acknowledging();
    let before = page.output().len();
    page.keys("yes | head -c 4000000\r").await;
    let got = page.settled(Duration::from_secs(2)).await - before;
    assert!((16 << 10..=32 << 10).contains(&got), "{got} bytes without an acknowledgement");
    drop(page);

    let mut page = Returning::open(&admin, fleet.host(), direct).await;
    page.keys("stty raw -echo; echo re\"\"ady\r").await;
    page.shows("ready").await;
    page.keys("seq 1 300000; printf 'TH%sEND' E\n").await;
    page.collects(1).await;
    page.lose();
    let patience = gangplank_tests::eventually::patience();
    let end = gangplank_tests::eventually::until(patience, "the whole of it", || async {
        let connected = Returning::to(&admin, fleet.host(), page.session()).resumed().await;
        connected["replay_to"].as_u64().filter(|to| *to > 1_900_000)
    })
    .await;
    page.resumed().await;
    page.shows("THEEND").await;
    let (_, to) = *page.gaps.first().expect("a gap");
    assert!((256 << 10..=300 << 10).contains(&(end - to)), "{} bytes were kept", end - to);
}
