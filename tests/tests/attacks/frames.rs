//! Frames that break RFC 6455, and too many that don't.

use std::time::Duration;

use gangplank_tests::ws::Socket;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Control, Data, OpCode},
    },
};

use crate::{RIG, TURN, times};

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
