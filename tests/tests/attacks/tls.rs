//! Connections that never become requests.

use std::{sync::Arc, time::Duration};

use gangplank_tests::{eventually, rig::times};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use crate::{RIG, TURN};

const SOON: Duration = Duration::from_secs(30);

async fn connect(last: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, last], 0).into()).expect("a loopback address");
    let address = RIG.daemon().authority().parse().expect("an address");
    socket.connect(address).await.expect("a connection")
}

/// The first flight of a client that trusts nobody.
fn hello() -> Vec<u8> {
    let config = ClientConfig::builder_with_provider(gangplank_certs::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("a version")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = "localhost".try_into().expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("memory");
    bytes
}

#[tokio::test]
async fn silent_connections_are_closed_and_hinder_nobody() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let mut silent = Vec::new();
    for number in 0..times(300) {
        silent.push(connect(20 + u8::try_from(number % 4).expect("small")).await);
    }
    RIG.daemon().client().get("/healthz").await.expect(200);
    for mut stream in silent {
        let end = tokio::time::timeout(SOON, stream.read(&mut [0; 1])).await;
        assert!(!matches!(end.expect("closed in time"), Ok(1..)));
    }
    RIG.holds(control).await;
}

#[tokio::test]
async fn handshakes_that_break_off_cost_nothing() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let hello = hello();
    // A close_notify where the second flight is due.
    let goodbye = [21, 3, 3, 0, 2, 1, 0];
    for number in 0..times(150) {
        let mut stream = connect(30).await;
        stream.write_all(&hello).await.expect("a reader");
        match number % 3 {
            0 => drop(stream.write_all(&goodbye).await),
            1 => drop(stream.read(&mut [0; 1]).await),
            _ => {}
        }
        drop(stream);
    }
    RIG.holds(control).await;
}

#[tokio::test]
async fn heads_that_drip_are_closed_in_time() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let mut wires = Vec::new();
    for _ in 0..times(20) {
        let mut wire = RIG.attacker(31).dial().await.expect("TLS");
        wire.write_all(b"GET / HTTP/1.1\r\nX").await.expect("a reader");
        wires.push(wire);
    }
    for mut wire in wires {
        let dripping = async {
            while wire.write_all(b"x").await.is_ok() && wire.flush().await.is_ok() {
                let read = wire.read_u8();
                if tokio::time::timeout(Duration::from_millis(200), read).await.is_ok() {
                    break;
                }
            }
        };
        tokio::time::timeout(SOON, dripping).await.expect("closed in time");
    }
    eventually::until(SOON, "an answer", || async {
        (RIG.attacker(31).get("/healthz").await.status == 200).then_some(())
    })
    .await;
    RIG.holds(control).await;
}
