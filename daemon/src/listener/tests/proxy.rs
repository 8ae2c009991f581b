//! Who may speak for whom.

use super::rig::{Rig, UPGRADE, exchange, rest};
use crate::listener::{ListenerLimits, Mode, Proxies};
use tokio::io::AsyncWriteExt;

fn behind(limits: ListenerLimits) -> Rig {
    let proxies = Proxies::new(vec!["127.0.0.1/32".parse().unwrap()]);
    Rig::start(Mode::BehindProxy(proxies), limits)
}

fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[tokio::test]
async fn only_a_named_proxy_is_let_in() {
    let rig = behind(ListenerLimits::default());
    let mut stranger = rig.connect_from("127.0.0.2").await;
    // May fail already, since nothing is read.
    let _ = stranger.write_all(get("X-Forwarded-Proto: https\r\n").as_bytes()).await;
    assert_eq!(rest(&mut stranger).await, "");
    assert_eq!(rig.routed(), 0);
}

#[tokio::test]
async fn the_client_is_whom_the_proxy_saw() {
    let rig = behind(ListenerLimits::default());
    let mut proxy = rig.connect().await;
    let fields = "X-Forwarded-Proto: https\r\nX-Forwarded-For: 1.1.1.1, 192.0.2.7\r\n";
    exchange(&mut proxy, &get(fields), "192.0.2.7 true behind_proxy 0").await;
    let fields = "X-Forwarded-Proto: http\r\nX-Forwarded-For: 192.0.2.8\r\n";
    exchange(&mut proxy, &get(fields), "192.0.2.8 false behind_proxy 0").await;
}

#[tokio::test]
async fn a_proxy_that_does_not_say_how_the_client_came_is_refused() {
    let rig = behind(ListenerLimits::default());
    for fields in ["", "X-Forwarded-Proto: ftp\r\n", "X-Forwarded-For: 192.0.2.7\r\n"] {
        let answer = rig.ask(&get(fields)).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("forwarding_unclear"), "{answer}");
    }
    assert_eq!(rig.routed(), 0);
}

#[tokio::test]
async fn clients_are_counted_one_by_one_behind_a_proxy() {
    let rig = behind(ListenerLimits { pending_per_ip: 1, ..Default::default() });
    let client = |path: &str, addr: &str| {
        let fields = format!("X-Forwarded-Proto: https\r\nX-Forwarded-For: {addr}\r\n");
        get(&fields).replace("GET /", &format!("GET {path}"))
    };
    let mut waiting = rig.connect().await;
    waiting.write_all(client("/never", "192.0.2.7").as_bytes()).await.unwrap();
    while rig.routed() == 0 {
        tokio::task::yield_now().await;
    }
    let answer = rig.ask(&client("/", "192.0.2.7")).await;
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("retry-after"), "{answer}");
    exchange(&mut rig.connect().await, &client("/", "192.0.2.8"), "192.0.2.8").await;

    let upgrade = UPGRADE.replace("\r\n\r\n", "\r\nX-Forwarded-Proto: https\r\n\r\n");
    exchange(&mut rig.connect().await, &upgrade, "101").await;
    drop(waiting);
    rig.until(|counts| counts.pending() == 0).await;
}

#[tokio::test]
async fn from_anyone_else_forwarding_headers_are_ignored() {
    let rig = Rig::plain(ListenerLimits::default());
    let fields = "X-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.7\r\nForwarded: for=x\r\n";
    exchange(&mut rig.connect().await, &get(fields), "127.0.0.1 false plain 0").await;
}
