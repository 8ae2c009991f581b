//! A page of another origin in a real browser whose user is logged in.

use gangplank_tests::browser::Browser;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{RIG, TURN};

const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n\
    <!doctype html><title>evil</title><h1>evil</h1>";

#[tokio::test]
async fn a_page_of_another_origin_opens_no_socket() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let evil = format!("http://{}/", listener.local_addr().expect("an address"));
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(PAGE.as_bytes()).await;
        }
    });
    let daemon = RIG.daemon();
    let mut browser = Browser::start(&[daemon.ca()]).await;
    browser.goto(&daemon.url()).await;
    browser.until("the login form", "document.activeElement?.name === 'username'").await;
    browser.keys("admin\t").await;
    browser.keys(daemon.password()).await;
    browser.click_text("^\\s*log in").await;
    browser.until("the console", "document.querySelector('nav')").await;
    // The same, from its own page, opens.
    let open = |path: &str| {
        let url = format!("wss://{}{path}", daemon.authority());
        format!(
            "new Promise(done => {{ const s = new WebSocket('{url}'); \
             s.onopen = () => done('open'); s.onerror = () => done('refused'); }})"
        )
    };
    let path = "/api/v1/ws/events?topics=hosts";
    assert_eq!(browser.eval(&open(path)).await, "open");
    browser.goto(&evil).await;
    for path in [
        path,
        "/bullboard",
        "/api/v1/agents/ws",
        "/api/ws/security",
        "/api/ws/vpn",
        "/api/v1/ws/alerts",
        "/api/v1/ws/agent-thoughts",
        "/api/v1/ws/approvals",
        "/api/v1/ws/investigation-receipts",
        &format!("/api/v1/ssh-terminal/{}", RIG.host().await),
    ] {
        assert_eq!(browser.eval(&open(path)).await, "refused", "{path}");
    }
    // Nor can it read anything by a request.
    let fetch = format!(
        "fetch('{}/api/v1/hosts', {{ credentials: 'include' }}).then(() => 'read', () => 'refused')",
        daemon.url()
    );
    assert_eq!(browser.eval(&fetch).await, "refused");
    server.abort();
    RIG.holds(control).await;
}
