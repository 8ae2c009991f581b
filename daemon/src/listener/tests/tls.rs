//! TLS on the listener: who gets in, who is closed, and a certificate exchanged meanwhile.

use super::rig::{GET, Rig, exchange, rest};
use crate::listener::{ListenerLimits, Mode};
use gangplank_certs::{
    Authority, ClientTrust, Fingerprint, Names, Reloadable, TicketKeys, server_config,
};
use rustls_pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

struct Tls {
    rig: Rig,
    served: Arc<Reloadable>,
    trust: ClientTrust,
    _dir: tempfile::TempDir,
}

fn tls(limits: ListenerLimits) -> Tls {
    let dir = tempfile::tempdir().unwrap();
    let now = OffsetDateTime::now_utc();
    let names = Names::parse(["127.0.0.1"]).unwrap();
    let authority = Arc::new(Authority::load_or_create(dir.path(), &names, now).unwrap());
    let trust = ClientTrust::only(authority.pem().as_bytes()).unwrap();
    let served = Arc::new(Reloadable::from_authority(authority, names, now).unwrap());
    let tickets = Arc::new(TicketKeys::in_memory(now).unwrap());
    let config = server_config(Arc::clone(&served) as _, tickets).unwrap();
    Tls { rig: Rig::start(Mode::Tls(config), limits), served, trust, _dir: dir }
}

impl Tls {
    async fn connect(&self) -> TlsStream<TcpStream> {
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connector = TlsConnector::from(self.trust.config().unwrap());
        connector.connect(name, self.rig.connect().await).await.unwrap()
    }
}

fn presented(stream: &TlsStream<TcpStream>) -> Fingerprint {
    Fingerprint::of(&stream.get_ref().1.peer_certificates().unwrap()[0])
}

#[tokio::test]
async fn a_request_over_tls_is_secure() {
    let tls = tls(ListenerLimits::default());
    let mut stream = tls.connect().await;
    exchange(&mut stream, GET, "127.0.0.1 true tls 0").await;
    exchange(&mut stream, GET, "127.0.0.1 true tls 0").await;
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn handshakes_that_never_come_are_closed_while_others_get_in() {
    let establish = Duration::from_millis(400);
    let tls = tls(ListenerLimits { establish, ..Default::default() });
    let start = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(tls.rig.connect().await);
    }
    // These have shaken hands and ask for nothing: the same deadline.
    let mut mute = tls.connect().await;
    exchange(&mut tls.connect().await, GET, "tls").await;
    assert_eq!(rest(&mut mute).await, "");
    for stream in &mut silent {
        assert_eq!(rest(stream).await, "");
    }
    assert!(start.elapsed() < establish * 20);
}

#[tokio::test]
async fn plain_http_on_the_tls_port_is_closed_and_not_processed() {
    let tls = tls(ListenerLimits::default());
    let mut stream = tls.rig.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX-API-KEY: CANARY\r\n\r\n").await.unwrap();
    let mut bytes = Vec::new();
    // An alert at most.
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut bytes).await;
    assert!(bytes.len() <= 7, "{bytes:?}");
    assert_eq!(tls.rig.routed(), 0);
    tls.rig.until(|counts| counts.connections() == 0).await;
}

#[tokio::test]
async fn a_new_certificate_is_served_while_old_connections_live() {
    let tls = tls(ListenerLimits::default());
    let mut before = tls.connect().await;
    exchange(&mut before, GET, "tls").await;
    tls.served.reload(OffsetDateTime::now_utc()).unwrap();
    let after = tls.connect().await;
    assert_ne!(presented(&before), presented(&after));
    exchange(&mut before, GET, "tls").await;
    exchange(&mut tls.connect().await, GET, "tls").await;
}
