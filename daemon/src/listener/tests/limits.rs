//! Deadlines, counts and the end.

use super::rig::{GET, PATIENCE, Rig, UPGRADE, exchange, rest};
use crate::listener::{ListenerLimits, Mode, Target};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

const SHORT: Duration = Duration::from_millis(300);

fn limits() -> ListenerLimits {
    ListenerLimits { establish: SHORT, ..Default::default() }
}

#[tokio::test]
async fn the_silent_are_closed_by_the_deadline_and_hinder_nobody() {
    let rig = Rig::plain(limits());
    let start = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(rig.connect().await);
    }
    assert!(exchange(&mut rig.connect().await, GET, "plain").await.contains("200 OK"));
    for stream in &mut silent {
        assert_eq!(rest(stream).await, "");
    }
    assert!(start.elapsed() >= SHORT && start.elapsed() < SHORT * 20);
    rig.until(|counts| counts.connections() == 0).await;
}

#[tokio::test]
async fn a_head_that_drips_is_closed_by_the_same_deadline() {
    let rig = Rig::plain(limits());
    let mut stream = rig.connect().await;
    let start = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").await.unwrap();
    let mut ticks = tokio::time::interval(SHORT / 10);
    let closed = loop {
        tokio::select! {
            left = rest(&mut stream) => break left,
            _ = ticks.tick() => {}
        }
        if stream.write_all(b"X: a\r\n").await.is_err() {
            break String::new();
        }
    };
    assert_eq!(closed, "");
    assert!(start.elapsed() < SHORT * 20, "{:?}", start.elapsed());
    assert_eq!(rig.routed(), 0);
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_time() {
    let rig = Rig::plain(ListenerLimits { keep_alive: SHORT, ..Default::default() });
    let mut stream = rig.connect().await;
    exchange(&mut stream, GET, "plain").await;
    exchange(&mut stream, GET, "plain").await;
    let start = Instant::now();
    assert_eq!(rest(&mut stream).await, "");
    assert!(start.elapsed() < SHORT * 20);
}

#[tokio::test]
async fn a_request_that_takes_its_time_is_not_cut_short() {
    let rig = Rig::plain(limits());
    let mut stream = rig.connect().await;
    stream.write_all(GET.replace("GET /", "GET /never").as_bytes()).await.unwrap();
    assert!(timeout(SHORT * 3, rest(&mut stream)).await.is_err());
    assert_eq!(rig.admissions.connections(), 1);
}

#[tokio::test]
async fn an_upgrade_is_answered_by_the_deadline_or_not_at_all() {
    let rig = Rig::plain(limits());
    let start = Instant::now();
    assert_eq!(rig.ask(&UPGRADE.replace("/socket", "/never")).await, "");
    assert!(start.elapsed() >= SHORT && start.elapsed() < SHORT * 20);
    assert_eq!(rig.routed(), 1);
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_given_up() {
    let rig = Rig::plain(ListenerLimits { stalled: SHORT, ..Default::default() });
    let mut stream = rig.connect().await;
    stream.write_all(GET.replace("GET /", "GET /endless").as_bytes()).await.unwrap();
    rig.until(|counts| counts.connections() == 1).await;
    // It isn't read, so the buffers of both sides fill up.
    rig.until(|counts| counts.connections() == 0).await;
}

#[tokio::test]
async fn one_source_has_so_many_until_it_is_known() {
    let rig = Rig::plain(ListenerLimits { pending_per_ip: 2, ..Default::default() });
    let mut first = rig.connect().await;
    let _second = rig.connect().await;
    rig.until(|counts| counts.pending() == 2).await;
    assert_eq!(rest(&mut rig.connect().await).await, "");
    let elsewhere = exchange(&mut rig.connect_from("127.0.0.2").await, GET, "plain").await;
    assert!(elsewhere.contains("127.0.0.2"), "{elsewhere}");

    // An answer alone changes nothing, a login does.
    exchange(&mut first, GET, "plain").await;
    assert_eq!(rest(&mut rig.connect().await).await, "");
    exchange(&mut first, &GET.replace("GET /", "GET /login"), "welcome").await;
    let mut third = rig.connect().await;
    exchange(&mut third, UPGRADE, "101").await;
    exchange(&mut rig.connect().await, GET, "plain").await;
}

#[tokio::test]
async fn limits_can_change_while_serving() {
    let rig = Rig::plain(ListenerLimits { connections: 1, ..Default::default() });
    let mut first = rig.connect().await;
    exchange(&mut first, UPGRADE, "101").await;
    assert_eq!(rest(&mut rig.connect().await).await, "");
    rig.limit(ListenerLimits { connections: 2, ..Default::default() });
    exchange(&mut rig.connect().await, GET, "plain").await;
}

#[tokio::test]
async fn the_end_finishes_what_is_asked_and_closes_the_rest() {
    let rig = Rig::plain(ListenerLimits::default());
    let mut silent = rig.connect().await;
    let mut idle = rig.connect().await;
    exchange(&mut idle, GET, "plain").await;
    let mut busy = rig.connect().await;
    busy.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel")
        .await
        .unwrap();
    rig.until(|counts| counts.connections() == 3).await;
    while rig.routed() < 2 {
        tokio::task::yield_now().await;
    }
    rig.shutdown.cancel();
    assert_eq!(rest(&mut silent).await, "");
    assert_eq!(rest(&mut idle).await, "");
    busy.write_all(b"lo").await.unwrap();
    assert!(rest(&mut busy).await.ends_with("hello"));
    rig.tracker.close();
    timeout(PATIENCE, rig.tracker.wait()).await.unwrap();
    assert!(tokio::net::TcpStream::connect(rig.addr).await.is_err());
}

#[tokio::test]
async fn the_redirect_says_where_tls_is_and_nothing_else() {
    let names = vec!["relay.example".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
    let rig = Rig::start(Mode::Redirect(Target::new(names, 8443)), ListenerLimits::default());
    for (host, to) in [
        ("relay.example", "relay.example"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:80", "[::1]"),
        ("evil.example", "relay.example"),
        ("user@evil.example", "relay.example"),
        ("a b", "relay.example"),
    ] {
        let fields = "X-API-KEY: CANARY\r\nAuthorization: Bearer CANARY\r\n";
        let request =
            format!("POST /api/v1/hosts?a=b HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n{GET}");
        let answer = rig.ask(&request).await;
        assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
        let location = format!("\r\nlocation: https://{to}:8443/api/v1/hosts?a=b\r\n");
        assert!(answer.contains(&location), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert!(answer.ends_with("\r\n\r\n") && !answer.contains("CANARY"), "{answer}");
    }
    assert_eq!(rig.routed(), 0);
}

#[tokio::test]
async fn a_busy_address_is_an_error_with_a_fix() {
    let rig = Rig::plain(ListenerLimits::default());
    let error = crate::listener::Listener::bind(rig.addr, Mode::Plain).unwrap_err().to_string();
    assert!(error.contains(&rig.addr.to_string()) && error.contains("another port"), "{error}");
}
