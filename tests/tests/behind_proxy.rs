//! Everything behind a real nginx, on the listener for proxies.

use std::time::Duration;

use gangplank_tests::{
    agent::{Policy, shell_user},
    daemon::Daemon,
    http::Client,
    nginx::Nginx,
    page::Page,
    sshd::free_port,
};
use serde_json::json;

struct Behind {
    daemon: Daemon,
    nginx: Nginx,
    upstream: String,
}

fn start() -> Behind {
    let (outside, inside) = (Nginx::reserve(), free_port());
    let upstream = format!("127.0.0.1:{inside}");
    let daemon = Daemon::with(&[
        ("listen.behind_proxy.address", &upstream),
        ("listen.behind_proxy.trusted", "127.0.0.1/32"),
        ("server.public_url", &format!("https://127.0.0.1:{outside}")),
    ]);
    let nginx = Nginx::start(outside, &upstream);
    Behind { daemon, nginx, upstream }
}

impl Behind {
    fn client(&self) -> Client {
        Client::new(&self.nginx.url(), &std::fs::read(self.nginx.ca()).expect("a file"))
    }
}

#[tokio::test]
async fn the_whole_of_it_works_behind_nginx() {
    let behind = start();
    let client = behind.client();
    let index = client.get("/").await.expect(200);
    assert!(index.header("content-security-policy").contains("frame-ancestors 'none'"));
    let admin = client.login("admin", behind.daemon.password()).await;

    let policy = Policy::everything("localhost:22");
    let agent = gangplank_tests::agent::Agent::enrol_at(
        &behind.nginx.url(),
        &behind.nginx.ca(),
        &behind.daemon,
        &admin,
        &policy,
    )
    .await;
    assert_eq!(admin.status(agent.host()).await["secure"], true);
    let mut page = Page::open(&admin, agent.host()).await;
    page.connected(json!({ "connection_mode": "pty", "username": shell_user() })).await;
    page.proves_a_shell().await;
    page.keys("stty raw -echo; echo re\"\"ady; head -c 300000 | wc -c; stty sane\r").await;
    page.shows("ready").await;
    page.keys(&"x".repeat(300_000)).await;
    page.shows("300000").await;
    admin.post("/api/v1/auth/logout", json!({})).await.expect(204);
    assert_eq!(page.ended(Duration::from_secs(5)).await.code, 4001);

    // The address in the audit is the client's, not nginx's own port.
    let admin = client.login("admin", behind.daemon.password()).await;
    let audit = admin.get("/api/v1/audit?limit=50").await.expect(200).json();
    let login = audit["items"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|item| item["action"].as_str().is_some_and(|action| action.contains("login")))
        .expect("a login");
    assert!(login["source"].as_str().is_some_and(|s| s.starts_with("127.0.0.1")), "{login}");
}

#[tokio::test]
async fn the_inner_listener_insists_on_its_proxy() {
    let behind = start();
    // Without the header nobody knows whether the outer leg was safe.
    let bare = Client::plain(&behind.upstream);
    let outside = behind.nginx.url();
    let host = outside.trim_start_matches("https://").rsplit_once(':').expect("a port");
    let request = |headers: &str| {
        format!(
            "GET /api/v1/auth/me HTTP/1.1\r\nHost: {}:{}\r\nConnection: close\r\n{headers}\r\n",
            host.0, host.1
        )
    };
    for headers in ["", "X-Forwarded-Proto: http\r\n", "X-Forwarded-Proto: wss\r\n"] {
        let raw = bare.raw(request(headers).as_bytes()).await;
        let text = String::from_utf8_lossy(&raw).into_owned();
        let status = text.split(' ').nth(1).unwrap_or("").to_owned();
        assert!(
            ["308", "400", "403", "421", "426"].contains(&status.as_str()),
            "{headers}: {text}"
        );
    }
    let raw = bare.raw(request("X-Forwarded-Proto: https\r\n").as_bytes()).await;
    assert!(String::from_utf8_lossy(&raw).starts_with("HTTP/1.1 401"));
    // Another loopback address is no configured proxy.
    let stranger = bare.from_address(9);
    let raw = stranger.raw(request("X-Forwarded-Proto: https\r\n").as_bytes()).await;
    let text = String::from_utf8_lossy(&raw).into_owned();
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    assert!(!text.starts_with("HTTP/1.1 401"), "{text}");
}

#[tokio::test]
async fn forwarding_headers_from_anyone_else_are_ignored() {
    let behind = start();
    let direct = behind
        .daemon
        .client()
        .with_header("X-Forwarded-For", "203.0.113.9")
        .with_header("X-Real-IP", "203.0.113.9")
        .with_header("Forwarded", "for=203.0.113.9;proto=http")
        .with_header("X-Forwarded-Proto", "http");
    direct.try_login("admin", "wrong").await.refused(401);
    let admin = direct.login("admin", behind.daemon.password()).await;
    let audit = admin.get("/api/v1/audit?limit=50").await.expect(200).text();
    assert!(!audit.contains("203.0.113.9"), "{audit}");
}
