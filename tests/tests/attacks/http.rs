//! Requests with two readings, strange paths, foreign identities, endless bodies.

use std::{fs, time::Duration};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{RIG, TURN, times};

async fn ask(head: &str) -> String {
    let client = RIG.attacker(40);
    let request = head.replace("HOST", &client.authority());
    String::from_utf8_lossy(&client.raw(request.as_bytes()).await).into_owned()
}

#[tokio::test]
async fn a_second_request_is_never_smuggled() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let second = "GET /healthz?smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n";
    let login = "POST /api/v1/auth/login HTTP/1.1\r\nHost: HOST\r\n";
    for head in [
        format!("{login}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{second}"),
        format!("{login}Content-Length: 4\r\nContent-Length: 5\r\n\r\n{{}}{second}"),
        format!("{login}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{second}"),
        format!("{login}Content-Length : 0\r\n\r\n{second}"),
        format!("{login} folded: x\r\nContent-Length: 0\r\n\r\n{second}"),
        format!("{login}X: a\nY: b\r\nContent-Length: 0\r\n\r\n{second}"),
        format!("{login}X: a\0b\r\nContent-Length: 0\r\n\r\n{second}"),
    ] {
        let answer = ask(&head).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{head:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{head:?}: {answer}");
    }
    // What follows a refused upgrade is not a request.
    for path in ["/api/v1/ws/events?topics=hosts", "/api/v1/agents/ws", "/bullboard"] {
        let upgrade = format!(
            "GET {path} HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n{second}"
        );
        let answer = ask(&upgrade).await;
        assert!(answer.starts_with("HTTP/1.1 40"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
    RIG.holds(control).await;
}

#[tokio::test]
async fn no_path_leads_out_of_the_console() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    for path in [
        "/dashboard../data/config.yaml",
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%252f..%252fetc/passwd",
        "//etc/passwd",
        "/assets/..;/etc/passwd",
        "/assets/..%5c..%5cetc/passwd",
        "/etc/passwd%00.js",
        "/assets/./../gangplank.db",
        "/server.secret",
        "/gangplank.db",
        "/ca/ca.key",
    ] {
        let answer =
            ask(&format!("GET {path} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n")).await;
        let refused = answer.starts_with("HTTP/1.1 40") || answer.starts_with("HTTP/1.1 30");
        assert!(refused, "{path}: {answer}");
        assert!(!answer.contains("root:") && !answer.contains("PRIVATE KEY"), "{path}");
    }
    RIG.holds(control).await;
}

#[tokio::test]
async fn nobody_becomes_somebody_by_a_header() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let me = RIG.daemon().admin().await.get("/api/v1/auth/me").await.expect(200).json();
    let (_, viewer) = RIG.daemon().admin().await.add_user("header-viewer", &["viewer"]).await;
    let id = me["user"]["id"].as_str().expect("an id");
    for (name, value) in [
        ("X-User-ID", id),
        ("X-Tenant-ID", me["user"]["tenant"]["id"].as_str().expect("an id")),
        ("X-API-ID", "gp_0000000000000000"),
        ("X-Forwarded-User", "admin"),
        ("X-Remote-Username", "admin"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "for=127.0.0.1;proto=https"),
    ] {
        let liar = RIG.attacker(41).with_header(name, value);
        liar.get("/api/v1/auth/me").await.refused(401);
        let viewer = viewer.clone().with_header(name, value);
        let same = viewer.get("/api/v1/auth/me").await.expect(200).json();
        assert_eq!(same["user"]["username"], "header-viewer");
        viewer.get("/api/v1/users").await.refused(403);
        let socket = viewer.upgrade("/bullboard").open().await;
        socket.expect_err("a viewer may not see jobs").refused(403);
    }
    RIG.holds(control).await;
}

#[tokio::test]
async fn endless_bodies_cost_no_memory() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let memory = || {
        let status = fs::read_to_string(format!("/proc/{}/status", RIG.daemon().pid()));
        let status = status.expect("a running daemon");
        let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("a size");
        let kib = line.split_whitespace().nth(1).expect("a number");
        kib.parse::<u64>().expect("a number")
    };
    let before = memory();
    for path in ["/api/v1/auth/login", "/api/v1/auth/token"] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: HOST\r\nOrigin: {}\r\nContent-Type: application/json\r\n",
            RIG.daemon().url()
        );
        let announced = ask(&format!("{head}Content-Length: 1073741824\r\n\r\n{{")).await;
        assert!(announced.starts_with("HTTP/1.1 413"), "{announced}");
        let expects = format!("{head}Expect: 100-continue\r\nContent-Length: 1073741824\r\n\r\n");
        let expects = ask(&expects).await;
        assert!(!expects.contains("100 Continue"), "{expects}");
        // Chunks without end.
        let client = RIG.attacker(42);
        let mut wire = client.dial().await.expect("TLS");
        let head = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
        let head = head.replace("HOST", &client.authority());
        wire.write_all(head.as_bytes()).await.expect("a reader");
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(1 << 16));
        for _ in 0..times(200) {
            if wire.write_all(chunk.as_bytes()).await.is_err() {
                break;
            }
        }
        let mut answer = Vec::new();
        let read = wire.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(30), read).await.expect("an end");
    }
    let grown = memory().saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB more");
    RIG.holds(control).await;
}

#[tokio::test]
async fn what_is_logged_stays_in_its_line() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let evil = "\u{1b}[31mevil\r\n2026-01-01T00:00:00Z ERROR forged\u{202e}\u{0}";
    let attacker = RIG.attacker(43);
    attacker
        .post("/api/v1/auth/login", json!({ "username": evil, "password": evil }))
        .await
        .refused(401);
    let link = attacker.clone().with_origin(None);
    link.upgrade("/api/v1/agents/ws")
        .header("X-API-ID", "a%0d%0aforged")
        .open()
        .await
        .expect_err("401");
    attacker.get("/%1b%5b31m%0d%0aforged").await;
    let log = RIG.daemon().log();
    assert!(!log.contains("\u{1b}") && !log.contains("\nforged"), "{log}");
    assert!(
        !log.lines().any(|line| line.starts_with("2026-01-01T00:00:00Z ERROR forged")),
        "{log}"
    );
    RIG.holds(control).await;
}
