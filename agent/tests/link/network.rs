//! The way to the daemon: certificates and proxies.

use gangplank_agent::agent::{Agent, State};
use gangplank_agent::config::{Config, Environment};
use gangplank_agent::dial::proxy::Proxies;
use gangplank_agent::dial::{DialError, Dialer};
use gangplank_certs::ClientTrust;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::daemon::{Daemon, Running, config, open_policy, soon};

/// Dials while the daemon waits for the handshake.
async fn dial(daemon: &Daemon, config: &Config) -> Result<(), DialError> {
    let dialer = Dialer::new(&config.server).unwrap();
    let (dialled, _) = tokio::join!(dialer.dial(), daemon.stream());
    dialled.map(|_| ())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_named_ca_is_believed_and_no_other() {
    let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (daemon, ca) = Daemon::tls(own.path(), &["localhost"]).await;
    let (_, stranger) = Daemon::tls(other.path(), &["localhost"]).await;

    let trust = ClientTrust::only(stranger.as_bytes()).unwrap();
    let mut wrong = config(daemon.url(), trust, open_policy());
    wrong.server.ca = Some("/etc/gangplank/agent.ca.pem".into());
    let error = dial(&daemon, &wrong).await.unwrap_err();
    assert!(matches!(error, DialError::UnknownIssuer { .. }), "{error}");
    assert!(error.to_string().contains("agent.ca.pem"), "{error}");

    let right = ClientTrust::only(ca.as_bytes()).unwrap();
    let config = config(daemon.url(), right, open_policy());
    let _running = Running::start(Agent::new(config).unwrap());
    let mut peer = daemon.agent().await;
    peer.pty(1).await;
    peer.answers(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_another_name_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (daemon, ca) = Daemon::tls(directory.path(), &["relay.example"]).await;
    let trust = ClientTrust::only(ca.as_bytes()).unwrap();
    let error = dial(&daemon, &config(daemon.url(), trust, open_policy())).await.unwrap_err();
    assert!(matches!(error, DialError::Name { .. }), "{error}");
    assert!(error.to_string().contains("relay.example"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_tls_is_recognised() {
    let daemon = Daemon::plain().await;
    let url = daemon.url().to_string().replace("http:", "https:");
    let mut config = config(daemon.url(), ClientTrust::dangerous_skip_verify(), open_policy());
    config.server.url = gangplank_proto::server_url::ServerUrl::parse(&url).unwrap();
    let dialer = Dialer::new(&config.server).unwrap();
    let (dialled, _) = tokio::join!(dialer.dial(), async {
        let mut stream = daemon.stream().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let error = dialled.unwrap_err();
    assert!(matches!(error, DialError::Tls { .. }), "{error}");
}

/// A proxy that opens one tunnel, if the request has `expected` in it.
async fn proxy(expected: &'static str) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        if !head.contains(expected) {
            let no = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
            client.write_all(no).await.unwrap();
            return head;
        }
        let target = head.split(' ').nth(1).unwrap();
        let mut server = TcpStream::connect(target).await.unwrap();
        let yes = b"HTTP/1.1 200 Connection established\r\nvia: 1.1 proxy\r\n\r\n";
        client.write_all(yes).await.unwrap();
        // However the tunnel ends, the test knows.
        let _ = copy_bidirectional(&mut client, &mut server).await;
        head
    });
    (port, task)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_opens_a_tunnel_that_it_can_not_look_into() {
    let directory = tempfile::tempdir().unwrap();
    let (daemon, ca) = Daemon::tls(directory.path(), &["localhost"]).await;
    // printf ada:secret | base64
    let (port, proxy) = proxy("\r\nProxy-Authorization: Basic YWRhOnNlY3JldA==\r\n").await;
    let trust = ClientTrust::only(ca.as_bytes()).unwrap();
    let mut config = config(daemon.url(), trust, open_policy());
    config.server.proxies = Proxies::one(&format!("http://ada:secret@127.0.0.1:{port}")).unwrap();
    let running = Running::start(Agent::new(config).unwrap());
    let mut peer = daemon.agent().await;
    peer.pty(1).await;
    peer.answers(1).await;
    running.stop.cancel();
    peer.goodbye().await;
    drop(peer);
    let head = soon(proxy).await.unwrap();
    assert!(head.starts_with(&format!("CONNECT localhost:{} HTTP/1.1\r\n", daemon.port())));
    assert!(!head.to_lowercase().contains("x-api-key"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_refuses_is_explained() {
    let daemon = Daemon::plain().await;
    let (port, _proxy) = proxy("Proxy-Authorization").await;
    let mut config = config(daemon.url(), ClientTrust::system(), open_policy());
    let address = format!("http://127.0.0.1:{port}");
    let environment: Environment = [("HTTP_PROXY", address.as_str())].into_iter().collect();
    config.server.proxies = Proxies::of_environment(&environment).unwrap();
    // This machine itself is never reached by a proxy of the environment.
    assert!(config.server.proxies.to(&daemon.url()).is_none());
    config.server.proxies = Proxies::one(&address).unwrap();
    let running = Running::start(Agent::new(config).unwrap());
    let mut state = running.agent.state();
    let waiting = state.wait_for(|state| matches!(state, State::Waiting { .. }));
    let State::Waiting { why } = soon(waiting).await.unwrap().clone() else { unreachable!() };
    assert!(why.contains("user and a password"), "{why}");
}
