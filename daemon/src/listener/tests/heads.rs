//! What hyper and the router get to see of a byte stream.

use super::rig::{GET, Rig, UPGRADE, exchange, rest};
use crate::listener::ListenerLimits;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn rig() -> Rig {
    Rig::plain(ListenerLimits::default())
}

#[tokio::test]
async fn requests_follow_each_other_on_one_connection() {
    let rig = rig();
    let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let last = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = rig.ask(&format!("{post}{GET}{post}{last}")).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 4, "{answer}");
    assert_eq!(answer.matches("hello").count(), 2, "{answer}");
    assert_eq!(answer.matches("127.0.0.1 false plain 0").count(), 2, "{answer}");
}

#[tokio::test]
async fn a_length_beside_a_coding_is_refused_and_what_follows_never_runs() {
    let rig = rig();
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
    ] {
        let head = format!("POST /echo HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let answer = rig.ask(&format!("{head}0\r\n\r\n{GET}")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert!(answer.ends_with(r#""code":"malformed"}"#), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
    assert_eq!(rig.routed(), 0);
}

#[tokio::test]
async fn a_bad_head_waits_for_its_turn() {
    let rig = rig();
    let answer = rig.ask(&format!("{GET}GET / HTTP/1.1\nHost: a\n\n{GET}")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 2, "{answer}");
    assert!(answer.contains("HTTP/1.1 400 "), "{answer}");
    assert_eq!(rig.routed(), 1);
}

#[tokio::test]
async fn nothing_follows_a_refused_upgrade() {
    let rig = rig();
    let upgrade = UPGRADE.replace("/socket", "/refused");
    let answer = rig.ask(&format!("{upgrade}{GET}")).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert_eq!(rig.routed(), 1);
}

#[tokio::test]
async fn nothing_follows_a_chunked_body() {
    let rig = rig();
    let post = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = rig.ask(&format!("{post}5\r\nhello\r\n0\r\n\r\n{GET}")).await;
    assert!(answer.ends_with("hello"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert_eq!(rig.routed(), 1);
}

#[tokio::test]
async fn no_tunnel_is_opened() {
    let rig = rig();
    let answer = rig.ask("CONNECT a:22 HTTP/1.1\r\nHost: a:22\r\n\r\nSSH-2.0-x\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert_eq!(rig.routed(), 0);
}

#[tokio::test]
async fn too_much_is_refused_with_its_status() {
    let rig = rig();
    let long = "a".repeat(9000);
    let cases = [
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), "414"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: a\r\n".repeat(101)), "431"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", long.repeat(4)), "431"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "505"),
        ("\u{16}\u{3}\u{1}".to_owned(), "400"),
    ];
    for (text, status) in cases {
        let answer = rig.ask(&text).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    }
    assert_eq!(rig.routed(), 0);
}

#[tokio::test]
async fn a_refusal_arrives_though_the_client_goes_on_sending() {
    let rig = rig();
    let mut stream = rig.connect().await;
    stream.write_all(b"GET /\n\n").await.unwrap();
    for _ in 0..64 {
        // The other side may be gone before all is sent.
        if stream.write_all(&[b'x'; 16 << 10]).await.is_err() {
            break;
        }
    }
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn an_upgraded_stream_carries_every_byte() {
    let rig = rig();
    let mut stream = rig.connect().await;
    // What comes right behind the head belongs to the new protocol already.
    let answer = exchange(&mut stream, &format!("{UPGRADE}early\n\r\u{0}"), "early\n\r\u{0}").await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    let all: Vec<u8> = (0..=255).collect();
    stream.write_all(&all).await.unwrap();
    let mut back = vec![0; all.len()];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(back, all);
    assert_eq!(rig.admissions.pending(), 0);
    assert_eq!(rig.admissions.connections(), 1, "an upgraded connection is still one");
    drop(stream);
    rig.until(|counts| counts.connections() == 0).await;
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let limits = ListenerLimits { body: Duration::from_millis(200), ..Default::default() };
    let rig = Rig::plain(limits);
    let answer = rig.ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nslow").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}
