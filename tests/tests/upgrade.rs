//! Refused requests and upgrades: which answer, in which order, and that the connection ends.

use std::sync::LazyLock;

use gangplank_tests::{
    daemon::Daemon,
    http::{Answer, Client},
    page::V1,
};
use serde_json::json;

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

async fn host(client: &Client) -> (String, String, String) {
    let host = client.add_host("upgrade", Some(("127.0.0.1", 22))).await;
    let text = |key: &str| host[key].as_str().expect("text").to_owned();
    (text("id"), text("api_id"), text("api_key"))
}

async fn refusal(upgrade: gangplank_tests::ws::Upgrade<'_>, status: u16) -> Box<Answer> {
    let answer = upgrade.open().await.expect_err("a refusal");
    answer.refused(status);
    assert_eq!(answer.header("connection").to_lowercase(), "close", "{:?}", answer.headers);
    answer
}

#[tokio::test]
async fn the_first_thing_that_is_wrong_decides() {
    let admin = DAEMON.admin().await;
    let (id, ..) = host(&admin).await;
    let terminal = format!("/api/v1/ssh-terminal/{id}");
    let good = format!("{terminal}?ticket={}", admin.ticket(&id).await);
    let stranger = admin.clone().with_origin(Some("https://example.com"));

    // Host before everything.
    let elsewhere = stranger.clone().with_host("example.com").anonymous();
    refusal(elsewhere.upgrade("/api/v1/nowhere"), 421).await;
    refusal(elsewhere.upgrade(&good), 421).await;
    // Then the route, the origin, the credential, the permission, the object.
    refusal(stranger.clone().anonymous().upgrade("/api/v1/nowhere"), 404).await;
    refusal(stranger.clone().anonymous().upgrade(&terminal), 403).await;
    refusal(admin.clone().anonymous().upgrade(&terminal), 401).await;
    let (_, viewer) = admin.add_user("upgrade-viewer", &["viewer"]).await;
    refusal(viewer.upgrade(&terminal), 403).await;
    refusal(viewer.upgrade(&format!("/api/v1/ssh-terminal/{NOBODY}")), 403).await;
    let unknown = refusal(admin.upgrade(&format!("/api/v1/ssh-terminal/{NOBODY}")), 404).await;
    let nonsense = refusal(admin.upgrade("/api/v1/ssh-terminal/no-such-host"), 404).await;
    assert_eq!(unknown.body, nonsense.body);
    // None of these used the ticket up.
    assert!(admin.clone().anonymous().upgrade(&good).protocol(V1).open().await.is_ok());
}

#[tokio::test]
async fn origins_are_compared_byte_for_byte() {
    let admin = DAEMON.admin().await;
    let (id, ..) = host(&admin).await;
    let terminal = format!("/api/v1/ssh-terminal/{id}");
    let port = DAEMON.authority().rsplit_once(':').expect("HOST:PORT").1.to_owned();
    let ours = [
        format!("https://127.0.0.1:{port}"),
        format!("https://localhost:{port}"),
        format!("https://[::1]:{port}"),
    ];
    for origin in &ours {
        let client = admin.clone().with_origin(Some(origin));
        assert!(client.upgrade(&terminal).protocol(V1).open().await.is_ok(), "{origin}");
    }
    let other = if port == "8443" { "8444" } else { "8443" };
    for origin in [
        "null".to_owned(),
        String::new(),
        "https://127.0.0.1".to_owned(),
        format!("http://127.0.0.1:{port}"),
        format!("https://127.0.0.1:{other}"),
        format!("https://127.0.0.1:{port}/"),
        format!("https://127.0.0.1:{port}."),
        format!("https://127.0.0.1.:{port}"),
        format!("https://LOCALHOST:{port}"),
        format!("https://localhost.:{port}"),
        format!("https://localhost.example.com:{port}"),
        format!("https://evil-localhost:{port}"),
        format!("https://user@localhost:{port}"),
        format!("HTTPS://localhost:{port}"),
        format!("https://localhost:0{port}"),
        "https://example.com".to_owned(),
        "*".to_owned(),
    ] {
        let client = admin.clone().with_origin(Some(&origin));
        let answer = client.upgrade(&terminal).open().await.expect_err(&origin);
        assert_eq!(answer.status, 403, "{origin:?}");
        // Nobody is told that another origin would be welcome.
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
    refusal(admin.clone().with_origin(None).upgrade(&terminal), 403).await;
    let both = admin.clone().with_header("Origin", "https://example.com");
    let answer = both.upgrade(&terminal).open().await.expect_err("two origins");
    assert!([400, 403].contains(&answer.status), "{}", answer.status);
}

#[tokio::test]
async fn a_bearer_token_needs_our_origin_on_browser_sockets_too() {
    let admin = DAEMON.admin().await;
    let (id, ..) = host(&admin).await;
    let terminal = format!("/api/v1/ssh-terminal/{id}");
    let login = json!({ "username": "admin", "password": DAEMON.password() });
    let token = DAEMON.client().post("/api/v1/auth/token", login).await.expect(200).json();
    let bearer = DAEMON.client().with_bearer(token["access_token"].as_str().expect("a token"));
    assert!(bearer.upgrade(&terminal).protocol(V1).open().await.is_ok());
    refusal(bearer.clone().with_origin(None).upgrade(&terminal), 403).await;
    // Requests that are no sockets don't.
    bearer.clone().with_origin(None).get("/api/v1/hosts").await.expect(200);
    for forged in ["", "x", "a.b.c", &format!("{}x", token["access_token"].as_str().unwrap())] {
        let client = DAEMON.client().with_bearer(forged);
        refusal(client.upgrade(&terminal), 401).await;
        client.get("/api/v1/hosts").await.refused(401);
    }
}

#[tokio::test]
async fn an_unsafe_request_with_a_cookie_needs_our_origin() {
    let admin = DAEMON.admin().await;
    let body = json!({ "friendly_name": "csrf" });
    for origin in [None, Some("https://example.com"), Some("null")] {
        let client = admin.clone().with_origin(origin);
        client.post("/api/v1/hosts", body.clone()).await.refused(403);
    }
    let stranger = DAEMON.client().with_origin(Some("https://example.com"));
    assert_eq!(stranger.try_login("admin", DAEMON.password()).await.status, 403);
    let hosts = admin.get("/api/v1/hosts?limit=200").await.expect(200).text();
    assert!(!hosts.contains("csrf"));
}

#[tokio::test]
async fn an_opening_handshake_must_be_one() {
    let admin = DAEMON.admin().await;
    let (id, ..) = host(&admin).await;
    let terminal = format!("/api/v1/ssh-terminal/{id}");
    let answer = refusal(admin.upgrade(&terminal).version("8"), 426).await;
    assert_eq!(answer.header("sec-websocket-version"), "13");

    let cookie = admin.cookie().expect("a login").to_owned();
    let authority = admin.authority();
    let origin = DAEMON.url();
    let send = async |lines: &str| {
        let request = format!(
            "GET {terminal} HTTP/1.1\r\nHost: {authority}\r\nOrigin: {origin}\r\nCookie: {cookie}\
             \r\n{lines}\r\n"
        );
        let raw = admin.raw(request.as_bytes()).await;
        let text = String::from_utf8_lossy(&raw).into_owned();
        text.split(' ').nth(1).and_then(|code| code.parse::<u16>().ok()).unwrap_or(0)
    };
    const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
    for (lines, wanted) in [
        (format!("{UPGRADE}{VERSION}"), [400, 426]),
        (format!("{UPGRADE}{VERSION}Sec-WebSocket-Key: c2hvcnQ=\r\n"), [400, 400]),
        (format!("{UPGRADE}{VERSION}{KEY}{KEY}"), [400, 400]),
        (format!("{UPGRADE}{KEY}"), [400, 426]),
        (format!("Connection: Upgrade\r\nUpgrade: h2c\r\n{VERSION}{KEY}"), [400, 426]),
        (format!("Upgrade: websocket\r\n{VERSION}{KEY}Connection: close\r\n"), [400, 426]),
        (format!("{UPGRADE}{VERSION}{KEY}Content-Length: 5\r\n\r\nhello"), [400, 400]),
    ] {
        let status = send(&lines).await;
        assert!(wanted.contains(&status), "{status} to {lines:?}");
    }
    // A plain GET to a socket's address.
    let answer = admin.get(&terminal).await;
    assert!([400, 426].contains(&answer.status), "{}", answer.status);
    let answer = admin.post(&terminal, json!({})).await;
    assert!([404, 405].contains(&answer.status), "{}", answer.status);
}

#[tokio::test]
async fn what_follows_a_refusal_is_not_read() {
    let admin = DAEMON.admin().await;
    let (id, ..) = host(&admin).await;
    let cookie = admin.cookie().expect("a login");
    let authority = admin.authority();
    let body = r#"{"friendly_name":"smuggled"}"#;
    let second = format!(
        "POST /api/v1/hosts HTTP/1.1\r\nHost: {authority}\r\nOrigin: {}\r\nCookie: {cookie}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        DAEMON.url(),
        body.len()
    );
    let first = format!(
        "GET /api/v1/ssh-terminal/{id} HTTP/1.1\r\nHost: {authority}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n{second}"
    );
    let smuggled = format!(
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: {authority}\r\nContent-Length: 4\r\n\
         Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{second}"
    );
    for request in [first, smuggled] {
        let raw = admin.raw(request.as_bytes()).await;
        let text = String::from_utf8_lossy(&raw).into_owned();
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{text}");
        assert!(text.starts_with("HTTP/1.1 4"), "{text}");
    }
    assert!(!admin.get("/api/v1/hosts?limit=200").await.expect(200).text().contains("smuggled"));
}

#[tokio::test]
async fn a_request_that_can_be_read_two_ways_is_refused() {
    let client = DAEMON.client();
    let authority = client.authority();
    let host = format!("Host: {authority}\r\n");
    for request in [
        "GET /healthz HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET /healthz HTTP/1.1\r\n{host}{host}\r\n"),
        format!("GET /healthz HTTP/1.1\r\n{host}A : b\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\n{host}A: b\r\n c\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\n{host}A: b\0c\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\n{host}B\u{e4}d: x\r\n\r\n"),
        format!("GET  /healthz HTTP/1.1\r\n{host}\r\n"),
        format!("GET /healthz HTTP/3.7\r\n{host}\r\n"),
        format!("POST /healthz HTTP/1.1\r\n{host}Content-Length: 1, 2\r\n\r\nab"),
        format!("POST /healthz HTTP/1.1\r\n{host}Content-Length: +1\r\n\r\na"),
        format!("GET /{} HTTP/1.1\r\n{host}\r\n", "x".repeat(40_000)),
        format!("GET /healthz HTTP/1.1\r\n{host}X: {}\r\n\r\n", "y".repeat(200_000)),
    ] {
        let raw = client.raw(request.as_bytes()).await;
        let text = String::from_utf8_lossy(&raw).into_owned();
        // Silence is a refusal too.
        assert!(
            text.is_empty() || text.starts_with("HTTP/1.1 4") || text.starts_with("HTTP/1.1 5"),
            "{} to {:?}",
            &text[..text.len().min(80)],
            &request[..request.len().min(80)]
        );
    }
    client.get("/healthz").await.expect(200);
}

#[tokio::test]
async fn odd_paths_lead_nowhere() {
    let admin = DAEMON.admin().await;
    for path in [
        "/api/v1/../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%252f..%252fetc/passwd",
        "/assets/../../Cargo.toml",
        "//etc/passwd",
        "/api/v1/hosts/",
        "/api/v1/hosts;x",
        "/api/v1/hosts%00",
        "/api/v1\\hosts",
        "/API/v1/hosts",
        "/api/v2/hosts",
        "/.git/config",
    ] {
        let answer = admin.get(path).await;
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.status);
        assert!(!answer.text().contains("root:"), "{path}");
    }
    for method in ["TRACE", "PUT", "OPTIONS", "PROPFIND"] {
        let answer = admin.send(method, "/api/v1/hosts", None).await;
        assert!([400, 404, 405, 501].contains(&answer.status), "{method}: {}", answer.status);
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let admin = DAEMON.admin().await;
    for path in ["/", "/healthz", "/api/v1/auth/me", "/api/v1/nowhere", "/nowhere", "/install.sh"] {
        for client in [&admin, &admin.clone().anonymous(), &admin.clone().with_host("x.example")] {
            let answer = client.get(path).await;
            let policy = answer.header("content-security-policy");
            assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy:?}");
            assert!(!policy.contains("unsafe"), "{path}: {policy:?}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert!(!answer.header("referrer-policy").is_empty(), "{path}");
            assert_eq!(answer.header("server"), "", "{path}");
            assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
        }
    }
    let me = admin.get("/api/v1/auth/me").await;
    assert!(me.header("cache-control").contains("no-store"));
}

#[tokio::test]
async fn hsts_is_a_year_save_on_localhost() {
    let client = DAEMON.client();
    let hsts = client
        .clone()
        .with_host("127.0.0.1")
        .get("/healthz")
        .await
        .header("strict-transport-security")
        .to_owned();
    let seconds = hsts
        .split("max-age=")
        .nth(1)
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| seconds >= 31_536_000), "{hsts:?}");
    let local = client.with_host("localhost").get("/healthz").await.expect(200);
    assert_eq!(local.header("strict-transport-security"), "");
}

#[tokio::test]
async fn anonymous_sockets_of_one_address_are_limited() {
    // Handshakes that are never finished count until their deadline.
    let daemon = Daemon::with(&[("limits.pending_per_ip", "8"), ("limits.establish", "3s")]);
    let client = daemon.client().from_address(77);
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(client.dial().await.expect("below the limit"));
    }
    let other = daemon.client().from_address(78);
    other.get("/healthz").await.expect(200);
    let over = tokio::time::timeout(std::time::Duration::from_secs(2), async {
        let mut wire = client.dial().await?;
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", client.authority());
        wire.write_all(request.as_bytes()).await?;
        let mut answer = vec![0; 64];
        let read = wire.read(&mut answer).await?;
        std::io::Result::Ok(String::from_utf8_lossy(&answer[..read]).into_owned())
    })
    .await;
    // Refused, cut off, or left waiting: anything but served.
    if let Ok(Ok(answer)) = over {
        let refused = answer.is_empty() || answer.contains(" 429 ") || answer.contains(" 503 ");
        assert!(refused, "{answer}");
    }
    // The deadline frees the places again.
    gangplank_tests::eventually::until(
        std::time::Duration::from_secs(10),
        "a place for the address",
        || async {
            let wire = client.dial().await.ok()?;
            drop(wire);
            let answer =
                tokio::time::timeout(std::time::Duration::from_secs(2), client.get("/healthz"));
            answer.await.ok().filter(|answer| answer.status == 200)
        },
    )
    .await;
}
