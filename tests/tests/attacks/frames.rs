//! Frames that break RFC 6455, and too many that don't.

use std::time::Duration;

use gangplank_tests::{
    account::random,
    page,
    rig::{Footprint, times},
    ws::Socket,
};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Control, Data, OpCode},
    },
};

use crate::{RIG, TURN};

const SOON: Duration = Duration::from_secs(30);

async fn socket() -> Socket {
    let admin = RIG.daemon().admin().await;
    admin.upgrade("/api/v1/ws/events?topics=hosts").open().await.expect("a subscription")
}

#[tokio::test]
async fn a_broken_protocol_has_its_code() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let frame = |bytes: &[u8], opcode, end| {
        let mut frame = Frame::message(bytes.to_vec(), OpCode::Data(Data::Text), end);
        frame.header_mut().opcode = opcode;
        frame
    };
    let text = |bytes: &[u8], end| frame(bytes, OpCode::Data(Data::Text), end);
    let more = |bytes: &[u8], end| frame(bytes, OpCode::Data(Data::Continue), end);
    let reserved = |number| frame(b"x", OpCode::Data(Data::Reserved(number)), true);
    let control_of = |number| frame(b"", OpCode::Control(Control::Reserved(number)), true);
    let long = frame(&[b'x'; 126], OpCode::Control(Control::Ping), true);
    let halved = frame(b"x", OpCode::Control(Control::Ping), false);
    for (frames, code) in [
        (vec![reserved(3)], 1002),
        (vec![reserved(7)], 1002),
        (vec![control_of(11)], 1002),
        (vec![long], 1002),
        (vec![halved], 1002),
        (vec![more(b"x", true)], 1002),
        (vec![text(b"x", false), text(b"y", true)], 1002),
        (vec![text(&[0xff], true)], 1007),
        (vec![text(&[0xed, 0xa0, 0x80], true)], 1007),
        (vec![text(&[0xc0, 0xaf], true)], 1007),
        (vec![text(&[0xe2, 0x82], false), more(b"x", true)], 1007),
    ] {
        let mut socket = socket().await;
        for frame in frames {
            socket.message(Message::Frame(frame)).await;
        }
        assert_eq!(socket.closed(SOON).await.code, code);
    }
    RIG.holds(control).await;
}

#[tokio::test]
async fn a_flood_of_pings_ends_its_own_socket() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let mut socket = socket().await;
    for _ in 0..times(700) {
        socket.ping().await;
    }
    assert_eq!(socket.closed(SOON).await.code, 1008);
    RIG.holds(control).await;
}

#[tokio::test]
async fn sockets_that_are_cut_anywhere_leave_nothing() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    for number in 0..times(30) {
        let mut socket = socket().await;
        let length = number * 13 % 200;
        let frame = Frame::message(vec![b'x'; length], OpCode::Data(Data::Text), false);
        socket.message(Message::Frame(frame)).await;
        drop(socket);
    }
    RIG.holds(control).await;
}

/// A client's frame with a mask of zeros, which changes nothing.
fn masked(first: u8, length: &[u8], payload: &[u8]) -> Vec<u8> {
    let (mark, more) = length.split_first().expect("a length");
    [&[first, 0x80 | mark][..], more, &[0; 4], payload].concat()
}

/// A socket of each kind: one that listens, a terminal, an agent's.
async fn each_kind() -> Vec<(&'static str, Socket)> {
    let tenant = RIG.a().await;
    let ticket = tenant.admin.ticket(tenant.host_id()).await;
    let terminal = tenant.admin.upgrade(&page::path(tenant.host_id(), &ticket));
    let agent = RIG.agent_of(&tenant.host);
    let agent = agent.upgrade("/api/v1/agents/ws").protocol("gangplank.agent.v1");
    vec![
        ("events", socket().await),
        ("terminal", terminal.protocol(page::V1).open().await.expect("101")),
        ("agent", agent.open().await.expect("101")),
    ]
}

/// What is announced is refused when it is announced, and no memory waits for it.
#[tokio::test]
async fn a_frame_that_announces_too_much_is_refused_at_once() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let before = Footprint::of(RIG.daemon().pid()).memory;
    for length in [1_u64 << 62, 1 << 63, u64::MAX, 1 << 30, (1 << 20) + 1] {
        for first in [0x81, 0x82, 0x01] {
            let head = [&[127][..], &length.to_be_bytes()].concat();
            for (kind, mut socket) in each_kind().await {
                socket.raw(&masked(first, &head, b"CANARY-never-whole")).await;
                let code = socket.closed(SOON).await.code;
                assert!([1002, 1009].contains(&code), "{kind}, {length}: {code}");
            }
        }
    }
    let grown = Footprint::of(RIG.daemon().pid()).memory.saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more");
    RIG.holds(control).await;
}

/// A message whose end never comes, in fragments that hardly hold anything.
#[tokio::test]
async fn fragments_without_end_are_not_collected() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let before = Footprint::of(RIG.daemon().pid()).memory;
    for payload in [&b""[..], b"x"] {
        let length = [u8::try_from(payload.len()).expect("short")];
        let many = masked(0x00, &length, payload).repeat(10_000);
        for (kind, mut socket) in each_kind().await {
            socket.raw(&masked(0x01, &length, payload)).await;
            for _ in 0..times(12) {
                socket.raw(&many).await;
            }
            assert_eq!(socket.closed(SOON).await.code, 1008, "{kind}");
        }
    }
    let grown = Footprint::of(RIG.daemon().pid()).memory.saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more");
    // As many as a message of its size may have are taken, whatever comes between them.
    let mut socket = socket().await;
    let message = br#"{"type":"keepalive"}"#;
    socket.raw(&masked(0x01, &[0], b"")).await;
    for byte in message {
        socket.raw(&masked(0x00, &[1], &[*byte]).repeat(1)).await;
        socket.raw(&masked(0x89, &[1], b"p")).await;
    }
    socket.raw(&masked(0x80, &[0], b"")).await;
    RIG.a().await.admin.add_host("after-fragments", None).await;
    assert_eq!(socket.next_json().await["topic"], "hosts");
    RIG.holds(control).await;
}

#[tokio::test]
async fn compression_is_not_agreed_on() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let admin = RIG.daemon().admin().await;
    for offer in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits; server_max_window_bits=8",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "x-webkit-deflate-frame, permessage-bzip2, foo",
    ] {
        let upgrade = admin.upgrade("/api/v1/ws/events?topics=hosts");
        let upgrade = upgrade.header("Sec-WebSocket-Extensions", offer);
        let mut socket = upgrade.open().await.expect("a subscription");
        assert_eq!(socket.extensions(), None, "{offer}");
        socket.raw(&masked(0xc1, &[1], b"x")).await;
        assert_eq!(socket.closed(SOON).await.code, 1002, "{offer}");
    }
    RIG.holds(control).await;
}

/// Whoever says goodbye is not heard any more, and whoever doesn't answer one isn't waited for.
#[tokio::test]
async fn nothing_counts_after_a_close() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let soon = Duration::from_secs(10);
    for (_, mut socket) in each_kind().await {
        socket.raw(&masked(0x88, &[2], &1000_u16.to_be_bytes())).await;
        socket.raw(&masked(0x81, &[1], b"{").repeat(50)).await;
        // Answered with the same code, not with one for what came after.
        assert!([1000, 1006].contains(&socket.ended_in_silence(soon).await.code));
    }
    let mut silent = socket().await;
    silent.binary(vec![0; 4]).await;
    assert_eq!(silent.ended_in_silence(soon).await.code, 1003);
    RIG.holds(control).await;
}

#[tokio::test]
async fn what_is_no_frame_ends_its_own_socket() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    for (kind, mut socket) in each_kind().await {
        // A frame without a mask, which a client's must have.
        socket.raw(&[0x81, 2, b'{', b'}']).await;
        assert_eq!(socket.closed(SOON).await.code, 1002, "{kind}");
    }
    for _ in 0..times(10) {
        for (kind, mut socket) in each_kind().await {
            // Whatever it is taken for, it ends in something that is wrong.
            for _ in 0..64 {
                socket.raw(&random::<1024>()).await;
            }
            let code = socket.closed(SOON).await.code;
            assert!([1002, 1003, 1005, 1006, 1007, 1008, 1009].contains(&code), "{kind}: {code}");
        }
    }
    RIG.holds(control).await;
}
