//! The strict stream under every cut: what passes is what was sent, and nothing behind a bad head.

use crate::listener::Admissions;
use crate::listener::strict::Strict;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

const MAX_HEAD: usize = 32 << 10;

fn strict<S>(stream: S) -> Strict<S> {
    let place = Arc::new(Admissions::default()).place(1).unwrap();
    Strict::new(stream, MAX_HEAD, Duration::from_secs(60), place)
}

/// Sends `wire` in pieces of `piece` bytes, reads into buffers of `buffer` bytes, and returns what
/// passed when nothing more comes.
fn pass(wire: Vec<u8>, piece: usize, buffer: usize) -> Vec<u8> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async move {
        let (mut client, server) = tokio::io::duplex(piece);
        let send = async move {
            // Fails where the reader has given up, behind a refused head.
            let _ = client.write_all(&wire).await;
            let _ = client.shutdown().await;
            client
        };
        let receive = read(strict(server), buffer);
        // The clock moves only when both ends wait, as behind a refused head.
        let (received, _client) = tokio::join!(receive, timeout(Duration::from_secs(9), send));
        received
    })
}

async fn read<S: AsyncRead + Unpin>(mut stream: S, buffer: usize) -> Vec<u8> {
    let mut passed = Vec::new();
    let mut bytes = vec![0; buffer];
    while let Ok(Ok(len @ 1..)) = timeout(Duration::from_secs(5), stream.read(&mut bytes)).await {
        passed.extend_from_slice(&bytes[..len]);
    }
    passed
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let field = "X-[a-z]{1,9}: [ -~]{0,40}";
    let fields = proptest::collection::vec(field, 0..6);
    let body = proptest::collection::vec(any::<u8>(), 0..300);
    (fields, body, "/[!-~]{0,30}").prop_map(|(fields, body, target)| {
        let mut wire = format!("POST {target} HTTP/1.1\r\nHost: a\r\n").into_bytes();
        for field in fields {
            wire.extend_from_slice(field.as_bytes());
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        wire.extend_from_slice(&body);
        wire
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn good_requests_pass_unchanged(
        requests in proptest::collection::vec(request(), 1..6),
        piece in 1..200_usize,
        buffer in 1..200_usize,
    ) {
        let wire = requests.concat();
        prop_assert_eq!(pass(wire.clone(), piece, buffer), wire);
    }

    #[test]
    fn behind_a_bad_head_nothing_passes(
        good in request(),
        bad in prop_oneof![
            Just("GET / HTTP/1.1\nHost: a\n\n"),
            Just("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"),
            Just("GET / HTTP/1.1\r\nHost: a\r\n X: a\r\n\r\n"),
            Just("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ],
        piece in 1..200_usize,
        buffer in 1..200_usize,
    ) {
        let wire = [&good[..], bad.as_bytes(), &good[..]].concat();
        let expected = [&good[..], b"REFUSED /400 HTTP/1.1\r\n\r\n"].concat();
        prop_assert_eq!(pass(wire, piece, buffer), expected);
    }

    #[test]
    fn an_upgrade_passes_whatever_follows(
        tail in proptest::collection::vec(any::<u8>(), 0..2000),
        piece in 1..200_usize,
        buffer in 1..200_usize,
    ) {
        let head = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n";
        let wire = [head.as_bytes(), &tail[..]].concat();
        prop_assert_eq!(pass(wire.clone(), piece, buffer), wire);
    }

    #[test]
    fn any_bytes_at_all_are_survived(
        wire in proptest::collection::vec(any::<u8>(), 0..500),
        piece in 1..64_usize,
    ) {
        pass(wire, piece, 64);
    }
}

#[tokio::test(start_paused = true)]
async fn closing_waits_a_second_for_a_silent_peer() {
    let (_client, server) = tokio::io::duplex(64);
    let start = tokio::time::Instant::now();
    strict(server).shutdown().await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 1);
}

#[tokio::test]
async fn closing_ends_though_the_peer_never_stops_sending() {
    let (mut client, server) = tokio::io::duplex(64);
    let mut server = strict(server);
    // By the real clock, which a flood can't hold up.
    let flood = async { while client.write_all(&[0; 64]).await.is_ok() {} };
    tokio::select! {
        closed = timeout(Duration::from_secs(20), server.shutdown()) => closed.unwrap().unwrap(),
        () = flood => panic!("the other side was closed early"),
    }
}
