//! TLS 1.3 and nothing else on the port, and nothing but a redirect on the plain one.

use std::{sync::Arc, sync::LazyLock, time::Duration};

use gangplank_tests::{daemon::Daemon, eventually, http::Client, sshd::free_port};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

fn config(versions: &[&'static rustls::SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for ca in CertificateDer::pem_file_iter(DAEMON.ca()).expect("a file") {
        roots.add(ca.expect("PEM")).expect("a CA");
    }
    ClientConfig::builder_with_provider(gangplank_certs::provider())
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

async fn handshake(
    config: ClientConfig,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(DAEMON.authority()).await?;
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await
}

#[tokio::test]
async fn older_versions_are_refused() {
    let error = handshake(config(&[&rustls::version::TLS12])).await.expect_err("a refusal");
    assert!(error.to_string().to_lowercase().contains("version"), "{error}");
    let tls = handshake(config(&[&rustls::version::TLS13])).await.expect("TLS 1.3");
    assert_eq!(tls.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
}

#[tokio::test]
async fn only_http_1_1_is_agreed_on() {
    let mut h2 = config(&[&rustls::version::TLS13]);
    h2.alpn_protocols = vec![b"h2".to_vec()];
    match handshake(h2).await {
        // No answer to the offer is no agreement either.
        Ok(tls) => assert_ne!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..])),
        Err(error) => assert!(error.to_string().to_lowercase().contains("protocol"), "{error}"),
    }
    let mut both = config(&[&rustls::version::TLS13]);
    both.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let tls = handshake(both).await.expect("TLS");
    assert_ne!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
}

#[tokio::test]
async fn cleartext_on_the_tls_port_is_not_processed() {
    let plain = Client::plain(DAEMON.authority());
    let request = format!(
        "GET /healthz HTTP/1.1\r\nHost: {}\r\nX-API-KEY: CANARY-clear-key\r\n\r\n",
        DAEMON.authority()
    );
    let answer = plain.raw(request.as_bytes()).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(!text.contains("200"), "{text}");
    assert!(!DAEMON.log().contains("CANARY-clear-key"));
}

#[tokio::test]
async fn connections_that_say_nothing_hold_up_nobody() {
    let daemon = Daemon::with(&[("limits.establish", "2s"), ("limits.pending_per_ip", "1000")]);
    let address = daemon.authority().to_owned();
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(&address).await.expect("a connection"));
    }
    let client = daemon.client();
    for _ in 0..5 {
        let answer = tokio::time::timeout(Duration::from_secs(1), client.get("/healthz")).await;
        answer.expect("an answer within a second").expect(200);
    }
    for stream in &silent {
        let closed = eventually::until(Duration::from_secs(10), "the end", || async {
            match stream.try_read(&mut [0; 1]) {
                Ok(read) => Some(read),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => None,
                Err(_) => Some(0),
            }
        })
        .await;
        assert_eq!(closed, 0);
    }
}

#[tokio::test]
async fn the_plain_port_redirects_and_does_nothing_else() {
    let port = free_port();
    let daemon = Daemon::with(&[("listen.redirect", &format!("127.0.0.1:{port}"))]);
    let plain = Client::plain(&format!("127.0.0.1:{port}"));
    for (method, path) in
        [("GET", "/"), ("GET", "/hosts?x=1"), ("GET", "/api/v1/hosts"), ("GET", "/healthz")]
    {
        let answer = plain.send(method, path, None).await.expect(308);
        assert_eq!(answer.header("location"), format!("{}{path}", daemon.url()));
    }
    let login = serde_json::json!({ "username": "admin", "password": daemon.password() });
    let answer = plain.post("/api/v1/auth/login", login).await;
    assert_eq!(answer.status, 308);
    assert_eq!(answer.header("set-cookie"), "");
    let agent = plain.upgrade("/api/v1/agents/ws").header("X-API-KEY", "CANARY-clear-agent-key");
    let refused = agent.open().await.expect_err("no socket in clear");
    assert_eq!(refused.status, 308);
    let strange = plain.clone().with_host("example.com").get("/").await;
    assert!(!strange.header("location").contains("example.com"), "{strange:?}");
    assert!(!daemon.log().contains("CANARY-clear-agent-key"));
}

#[tokio::test]
async fn the_leaf_names_its_addresses_and_the_ca_is_constrained_to_them() {
    for host in ["localhost", "127.0.0.1"] {
        let tcp = TcpStream::connect(DAEMON.authority()).await.expect("a connection");
        let name = ServerName::try_from(host).expect("a name");
        let config = config(&[&rustls::version::TLS13]);
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await.expect(host);
    }
    let tcp = TcpStream::connect(DAEMON.authority()).await.expect("a connection");
    let name = ServerName::try_from("example.com").expect("a name");
    let config = config(&[&rustls::version::TLS13]);
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await.expect_err("another name");
}
