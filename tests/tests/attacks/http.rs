//! Requests with two readings, strange paths, foreign identities, endless bodies.

use std::time::Duration;

use gangplank_tests::{
    http::Answer,
    rig::{Footprint, times},
};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{RIG, TURN};

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
    let memory = || Footprint::of(RIG.daemon().pid()).memory;
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
    assert!(grown < 64 << 20, "{grown} bytes more");
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

const OPENING: &str = "GET /api/v1/ws/events?topics=hosts HTTP/1.1\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test]
async fn no_connection_becomes_anything_but_a_websocket() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let cookie = RIG.daemon().admin().await.cookie().expect("a login").to_owned();
    let own = format!("Host: HOST\r\nOrigin: {}\r\nCookie: {cookie}\r\n", RIG.daemon().url());
    let second = "GET /healthz?smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n";
    for upgrade in ["h2c", "foo", "TLS/1.3", "websocket, h2c", "h2c, websocket", "websocket/13", ""]
    {
        let head = format!("{OPENING}{own}Connection: Upgrade\r\nUpgrade: {upgrade}\r\n\r\n");
        let answer = ask(&format!("{head}{second}")).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(["400", "426"].contains(&status), "{upgrade}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{upgrade}: {answer}");
    }
    let settings =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    let answer = ask(&format!("GET /healthz HTTP/1.1\r\nHost: HOST\r\n{settings}\r\n")).await;
    assert!(!answer.starts_with("HTTP/1.1 101"), "{answer}");
    let preface = ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(preface.is_empty() || preface.starts_with("HTTP/1.1 "), "{preface}");
    RIG.holds(control).await;
}

#[tokio::test]
async fn a_request_names_one_host_and_that_is_ours() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let port = RIG.client().authority().rsplit(':').next().expect("a port").to_owned();
    let cookie = RIG.daemon().admin().await.cookie().expect("a login").to_owned();
    for (host, wanted) in [
        (String::new(), "400"),
        ("Host: HOST\r\nHost: HOST\r\n".to_owned(), "400"),
        ("Host: HOST\r\nHost: evil.example\r\n".to_owned(), "400"),
        ("Host: HOST, evil.example\r\n".to_owned(), "42"),
        ("Host: \r\n".to_owned(), "4"),
        (format!("Host: rebound.example:{port}\r\n"), "421"),
        (format!("Host: 127.0.0.1.evil.example:{port}\r\n"), "421"),
        (format!("Host: localhost.evil.example:{port}\r\n"), "421"),
        (format!("Host: 127.1:{port}\r\n"), "421"),
        (format!("Host: 2130706433:{port}\r\n"), "421"),
        (format!("Host: user@127.0.0.1:{port}\r\n"), "4"),
    ] {
        for target in ["/api/v1/hosts", "/", "/healthz"] {
            let head =
                format!("GET {target} HTTP/1.1\r\nConnection: close\r\nCookie: {cookie}\r\n");
            let answer = ask(&format!("{head}{host}\r\n")).await;
            let status = answer.split(' ').nth(1).unwrap_or_default();
            assert!(status.starts_with(wanted.trim_end_matches('2')), "{host:?}: {answer}");
        }
        let head =
            format!("{OPENING}Connection: Upgrade\r\nUpgrade: websocket\r\nCookie: {cookie}\r\n");
        let answer = ask(&format!("{head}Origin: {}\r\n{host}\r\n", RIG.daemon().url())).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{host:?}: {answer}");
    }
    // The authority of an absolute target counts before what `Host` says.
    let absolute = format!("GET https://rebound.example:{port}/api/v1/hosts HTTP/1.1\r\n");
    let answer = ask(&format!("{absolute}Host: HOST\r\nCookie: {cookie}\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    RIG.holds(control).await;
}

/// No page of another origin is let read anything, and no method does what is not in the document.
#[tokio::test]
async fn other_origins_and_other_methods_get_nothing() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let admin = RIG.daemon().admin().await;
    let foreign = admin.clone().with_origin(Some("https://evil.example"));
    let asking = foreign.clone().with_header("Access-Control-Request-Method", "POST");
    let asking = asking.with_header("Access-Control-Request-Headers", "authorization");
    let traced = admin.clone().with_header("X-Traced", "CANARY-traced");
    let mut paths: Vec<_> = admin.routes().await.into_iter().map(|route| route.path).collect();
    paths.dedup();
    let silent = |answer: &Answer| {
        let allows = answer.headers.keys().any(|name| name.as_str().starts_with("access-control"));
        assert!(!allows, "{:?}", answer.headers);
    };
    for path in &paths {
        let path = path.replace(['{', '}', '*'], "");
        let preflight = asking.send("OPTIONS", &path, None).await;
        assert!((400..600).contains(&preflight.status), "OPTIONS {path}: {}", preflight.status);
        silent(&preflight);
        for method in ["TRACE", "PROPFIND", "LINK"] {
            let answer = traced.send(method, &path, None).await;
            assert!([404, 405, 501].contains(&answer.status), "{method} {path}: {}", answer.status);
            assert!(!answer.text().contains("X-Traced"), "{method} {path}: {}", answer.text());
        }
    }
    for origin in ["https://evil.example", "null", "https://localhost.evil.example"] {
        for path in ["/", "/healthz", "/api/v1/openapi.json", "/api/v1/hosts", "/api/v1/auth/me"] {
            silent(&admin.clone().with_origin(Some(origin)).get(path).await);
        }
        let body = json!({ "friendly_name": "by a page" });
        let written = admin.clone().with_origin(Some(origin)).post("/api/v1/hosts", body).await;
        written.refused(403);
        silent(&written);
    }
    RIG.holds(control).await;
}
