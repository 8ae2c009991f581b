//! Bad messages on a terminal socket: each has its clear error or close code, and the daemon lives.

use std::{sync::LazyLock, time::Duration};

use gangplank_tests::{
    agent::{Agent, Policy, shell_user},
    daemon::Daemon,
    http::Client,
    page::Page,
    ws::{Incoming, Socket},
};
use serde_json::json;
use tokio::sync::OnceCell;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

static DAEMON: LazyLock<Daemon> = LazyLock::new(|| Daemon::with(&[("limits.first_message", "2s")]));
static AGENT: OnceCell<Agent> = OnceCell::const_new();

async fn terminal() -> (Client, &'static str) {
    let admin = DAEMON.admin().await;
    let policy = Policy::everything("localhost:22");
    let agent = AGENT.get_or_init(|| async { Agent::enrol(&DAEMON, &admin, &policy).await }).await;
    (admin, agent.host())
}

async fn open() -> Page {
    let (admin, host) = terminal().await;
    let mut page = Page::open(&admin, host).await;
    page.connected(json!({ "connection_mode": "pty", "username": shell_user() })).await;
    page
}

async fn code(socket: &mut Socket) -> u16 {
    socket.closed(Duration::from_secs(10)).await.code
}

#[tokio::test]
async fn the_third_bad_message_ends_the_socket() {
    let (admin, host) = terminal().await;
    for bad in ["{", "", "\u{0}", "[]", "7", "{}", r#"{"type":7}"#, r#"{"type":"no-such-word"}"#] {
        let mut page = Page::open(&admin, host).await;
        for _ in 0..2 {
            page.socket().text(bad).await;
            assert_eq!(page.event("error").await["code"], "bad_request", "{bad:?}");
        }
        page.socket().text(bad).await;
        assert_eq!(page.ended(Duration::from_secs(5)).await.code, 1008, "{bad:?}");
    }
}

#[tokio::test]
async fn bad_messages_harm_no_open_terminal() {
    let mut page = open().await;
    page.socket().text("{").await;
    assert_eq!(page.event("error").await["code"], "bad_request");
    page.socket().text(&format!("{}{}", "[".repeat(20_000), "]".repeat(20_000))).await;
    assert_eq!(page.event("error").await["code"], "bad_request");
    page.proves_a_shell().await;
}

#[tokio::test]
async fn more_than_a_mebibyte_is_too_big() {
    let mut page = open().await;
    page.socket().text(&"x".repeat((1 << 20) + 1)).await;
    assert_eq!(code(page.socket()).await, 1009);

    let mut page = open().await;
    page.socket().binary(vec![b'x'; (1 << 20) + 1]).await;
    assert_eq!(code(page.socket()).await, 1009);

    // All fragments together.
    let mut page = open().await;
    for number in 0..5 {
        let opcode = if number == 0 { Data::Text } else { Data::Continue };
        let frame = Frame::message(vec![b'x'; 300 << 10], OpCode::Data(opcode), false);
        page.socket().message(Message::Frame(frame)).await;
    }
    assert_eq!(code(page.socket()).await, 1009);
}

#[tokio::test]
async fn binary_is_no_part_of_patchmon_s_vocabulary() {
    let (admin, host) = terminal().await;
    let mut page = Page::open_json(&admin, host).await;
    page.socket().binary(vec![1, 2, 3]).await;
    assert_eq!(code(page.socket()).await, 1003);
}

#[tokio::test]
async fn bytes_before_a_terminal_is_open_go_nowhere() {
    let (admin, host) = terminal().await;
    let mut page = Page::open(&admin, host).await;
    page.socket().binary(b"rm -rf /\r".to_vec()).await;
    match page.socket().next().await {
        Incoming::Text(text) => assert!(text.contains("error"), "{text}"),
        Incoming::Closed(closed) => assert!([1003, 1008].contains(&closed.code), "{closed:?}"),
        other @ Incoming::Binary(_) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn text_that_is_no_utf8_is_refused() {
    let mut page = open().await;
    let frame = Frame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true);
    page.socket().message(Message::Frame(frame)).await;
    assert_eq!(code(page.socket()).await, 1007);
}

#[tokio::test]
async fn frames_against_the_protocol_are_refused() {
    let mut page = open().await;
    let frame = Frame::message(vec![b'x'], OpCode::Data(Data::Continue), true);
    page.socket().message(Message::Frame(frame)).await;
    assert_eq!(code(page.socket()).await, 1002);

    let mut page = open().await;
    let mut frame = Frame::message(vec![b'x'], OpCode::Data(Data::Text), true);
    frame.header_mut().rsv1 = true;
    page.socket().message(Message::Frame(frame)).await;
    assert_eq!(code(page.socket()).await, 1002);
}

#[tokio::test]
async fn sizes_that_no_terminal_has_change_nothing() {
    let mut page = open().await;
    page.keys("stty size\r").await;
    page.shows("24 80").await;
    for (number, (cols, rows)) in
        [(0, 24), (80, 0), (-1, -1), (1_000_000_000, 24), (80, 1_000_000_000), (65_536, 65_536)]
            .into_iter()
            .enumerate()
    {
        if number % 2 == 0 {
            page = open().await;
        }
        page.resize(cols, rows).await;
        assert_eq!(page.event("error").await["code"], "bad_request", "{cols} x {rows}");
    }
    page.socket().text(r#"{"type":"resize","cols":100,"rows":30}"#).await;
    page.keys("stty size\r").await;
    page.shows("30 100").await;
}

#[tokio::test]
async fn a_connect_with_nonsense_is_refused_and_may_be_corrected() {
    let (admin, host) = terminal().await;
    let own = shell_user();
    for (key, value) in [
        ("cols", json!(0)),
        ("rows", json!(1_000_000_000_i64)),
        ("connection_mode", json!("teleport")),
        ("username", json!("root\r\nx")),
        ("username", json!("a".repeat(2000))),
        ("username", json!("-oProxyCommand=x")),
        ("terminal", json!("xterm\u{0}")),
        ("terminal", json!("x".repeat(5000))),
    ] {
        let mut page = Page::open(&admin, host).await;
        let mut connect = json!({ "connection_mode": "pty", "username": own });
        connect[key] = value.clone();
        let refused = page.refused(connect).await;
        let told = refused["code"].as_str().unwrap_or("");
        assert!(["bad_request", "not_allowed"].contains(&told), "{key}: {value}: {refused}");
        page.connected(json!({ "connection_mode": "pty", "username": own })).await;
        page.proves_a_shell().await;
    }
    for (key, value) in [
        ("proxy_host", json!("local\u{0}host")),
        ("proxy_host", json!("a\r\nb")),
        ("proxy_host", json!("x".repeat(300))),
        ("proxy_port", json!(0)),
        ("proxy_port", json!(65_536)),
        ("proxy_port", json!(-1)),
    ] {
        let mut page = Page::open(&admin, host).await;
        let mut connect = json!({ "connection_mode": "proxy", "username": own, "password": "x" });
        connect[key] = value.clone();
        let refused = page.refused(connect).await;
        let told = refused["code"].as_str().unwrap_or("");
        assert!(["bad_request", "not_allowed"].contains(&told), "{key}: {value}: {refused}");
    }
}

#[tokio::test]
async fn silence_after_the_upgrade_ends_the_socket() {
    let (admin, host) = terminal().await;
    let mut page = Page::open(&admin, host).await;
    let closed = page.ended(Duration::from_secs(8)).await;
    assert!([1008, 4001, 4002].contains(&closed.code), "{closed:?}");
}

#[tokio::test]
async fn a_host_s_name_with_control_characters_is_refused() {
    let admin = DAEMON.admin().await;
    for name in ["a\u{0}b", "a\r\nb", "\u{1b}[31m", "", "   ", "\u{202e}abc"] {
        let body = json!({ "friendly_name": name });
        admin.post("/api/v1/hosts", body).await.refused(400);
    }
    let long = json!({ "friendly_name": "x".repeat(10_000) });
    admin.post("/api/v1/hosts", long).await.refused(400);
    for address in ["a b", "a\r\nb", "-oProxyCommand=x", "http://x/", "a/b", "user@host"] {
        let body = json!({ "friendly_name": "bad address", "address": address });
        admin.post("/api/v1/hosts", body).await.refused(400);
    }
    for port in [json!(0), json!(65_536), json!(-1), json!("22"), json!(2.5)] {
        let body = json!({ "friendly_name": "bad port", "address": "127.0.0.1", "port": port });
        let answer = admin.post("/api/v1/hosts", body).await;
        assert_eq!(answer.status, 400, "{port}");
    }
    let unknown = json!({ "friendly_name": "unknown key", "no_such_key": 1 });
    let answer = admin.post("/api/v1/hosts", unknown).await;
    assert!([201, 400].contains(&answer.status));
}

#[tokio::test]
async fn bodies_that_are_no_json_are_refused() {
    let admin = DAEMON.admin().await;
    let cookie = admin.cookie().expect("a login");
    for body in ["", "{", "[]", "null", "\"x\"", "{\"friendly_name\":1}"] {
        let request = format!(
            "POST /api/v1/hosts HTTP/1.1\r\nHost: {}\r\nOrigin: {}\r\nCookie: {cookie}\r\n\
             Connection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            admin.authority(),
            DAEMON.url(),
            body.len()
        );
        let raw = admin.raw(request.as_bytes()).await;
        let text = String::from_utf8_lossy(&raw).into_owned();
        assert!(text.starts_with("HTTP/1.1 400"), "{body:?}: {text}");
        assert!(text.contains("\"code\""), "{text}");
    }
    // Far over the limit, announced and never sent.
    let request = format!(
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: {}\r\nOrigin: {}\r\n\
         Content-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n{{",
        admin.authority(),
        DAEMON.url()
    );
    let raw = admin.raw(request.as_bytes()).await;
    let text = String::from_utf8_lossy(&raw).into_owned();
    assert!(text.starts_with("HTTP/1.1 413") || text.starts_with("HTTP/1.1 4"), "{text}");
}
