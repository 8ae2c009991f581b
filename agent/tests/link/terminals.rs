//! Channels: what they carry, and what they can't do to each other.

use gangplank_agent::agent::Agent;
use gangplank_agent::policy::Policy;
use gangplank_certs::ClientTrust;
use gangplank_proto::error::ErrorCode;
use gangplank_proto::limit;
use gangplank_proto::link::{FromTerminal, Open, Size, ToTerminal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

use crate::daemon::{Daemon, Peer, Running, Said, config, open_policy, pty, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_answers_resizes_and_tells_its_end() {
    let daemon = Daemon::plain().await;
    let (_running, mut peer) = Running::linked(&daemon).await;
    peer.pty(1).await;
    peer.answers(1).await;
    peer.word(1, ToTerminal::Resize(Size::new(101, 37).unwrap())).await;
    peer.data(1, b"stty size\r").await;
    peer.shows(1, "37 101").await;
    peer.data(1, b"exit 3\r").await;
    assert_eq!(peer.closed(1).await.exit_status, Some(3));
    // What comes late for it is passed over, and the link goes on.
    peer.data(1, b"late").await;
    peer.pty(2).await;
    peer.answers(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_host_s_policy_refuses_and_the_link_lives() {
    let daemon = Daemon::plain().await;
    let policy = Policy { pty: false, ..Policy::default() };
    let config = config(daemon.url(), ClientTrust::system(), policy.clone());
    let running = Running::start(Agent::new(config.clone()).unwrap());
    let mut peer = daemon.agent().await;
    assert_eq!(peer.hello.policy.terminal.len(), 1, "{:?}", peer.hello.policy);

    let elsewhere = || Open::DirectTcpip { host: "127.0.0.1".to_owned(), port: 22 };
    for (channel, open) in [(1, pty()), (2, elsewhere())] {
        peer.connect(channel, open).await;
        assert_eq!(refused(&mut peer, channel).await, ErrorCode::NotAllowed);
    }
    // A reload changes it, and nothing that the daemon says does.
    let mut local = config.local;
    local.policy = open_policy();
    running.agent.reload(local);
    peer.pty(3).await;
    peer.answers(3).await;
}

async fn refused(peer: &mut Peer, channel: u32) -> ErrorCode {
    peer.until(channel, |said| match said {
        Said::Word(FromTerminal::Error(error)) => Some(error.code),
        Said::Word(FromTerminal::Connected { .. }) => panic!("it was opened"),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_stream_goes_to_an_allowed_target() {
    let daemon = Daemon::plain().await;
    let (_running, mut peer, target) = to_a_listener(&daemon).await;
    let port = target.local_addr().unwrap().port();
    peer.connect(1, Open::DirectTcpip { host: "127.0.0.1".to_owned(), port }).await;
    let (mut stream, _) = soon(target.accept()).await.unwrap();
    stream.write_all(b"SSH-2.0-x\r\n").await.unwrap();
    peer.shows(1, "SSH-2.0-x").await;
    peer.data(1, b"hello").await;
    let mut got = [0; 5];
    soon(stream.read_exact(&mut got)).await.unwrap();
    assert_eq!(&got, b"hello");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_breaks_its_window_ends_alone() {
    let daemon = Daemon::plain().await;
    let (_running, mut peer) = Running::linked(&daemon).await;
    peer.pty(1).await;
    peer.pty(2).await;
    // A program that reads nothing: the window fills and is not granted anew.
    peer.data(1, b"stty raw -echo; echo is-$((6*7))-raw; exec sleep 1000\r").await;
    peer.shows(1, "is-42-raw").await;
    let window = usize::try_from(limit::TERMINAL_WINDOW).unwrap();
    for _ in 0..(2 * window / limit::PIECE + 2) {
        peer.data(1, &vec![b'x'; limit::PIECE]).await;
    }
    let exit = peer.closed(1).await;
    assert!(exit.reason.is_some(), "{exit:?}");
    peer.answers(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unread_channel_does_not_stop_the_others() {
    let daemon = Daemon::plain().await;
    let (_running, mut peer) = Running::linked(&daemon).await;
    peer.pty(2).await;
    peer.pty(1).await;
    peer.data(1, b"yes flood\r").await;
    // All of the window comes, none of it is acknowledged.
    let mut flood = 0;
    while flood < limit::TERMINAL_WINDOW as usize {
        if let (1, Said::Data(data)) = peer.said().await {
            flood += data.len();
        }
    }
    peer.answers(2).await;
    peer.word(1, ToTerminal::WindowAdjust { bytes: limit::PIECE as u32 }).await;
    peer.shows(1, "flood").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_whose_output_is_stuck_still_hears() {
    let daemon = Daemon::plain().await;
    let (_running, mut peer, target) = to_a_listener(&daemon).await;
    let port = target.local_addr().unwrap().port();
    let open = || Open::DirectTcpip { host: "127.0.0.1".to_owned(), port };
    peer.open(1, open()).await;
    let (mut quiet, _) = soon(target.accept()).await.unwrap();
    // More than all buffers between the two ends hold, and from here on nothing is read.
    let mut floods = tokio::task::JoinSet::new();
    for channel in 2..62 {
        peer.open(channel, open()).await;
        let (mut flood, _) = soon(target.accept()).await.unwrap();
        floods.spawn(async move {
            let bytes = vec![b'x'; usize::try_from(limit::TERMINAL_WINDOW).unwrap()];
            flood.write_all(&bytes).await.unwrap();
            flood
        });
    }
    peer.data(1, b"hello").await;
    let mut got = [0; 5];
    soon(quiet.read_exact(&mut got)).await.unwrap();
    assert_eq!(&got, b"hello");
    // When it is read again, everything is still there.
    quiet.write_all(b"good day").await.unwrap();
    peer.shows(1, "good day").await;
}

/// An agent that may reach one listener, and that listener.
async fn to_a_listener(daemon: &Daemon) -> (Running, Peer, TcpListener) {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = target.local_addr().unwrap().port();
    let targets = vec![format!("127.0.0.1:{port}").parse().unwrap()];
    let policy = Policy { targets, ..Policy::default() };
    let config = config(daemon.url(), ClientTrust::system(), policy);
    let running = Running::start(Agent::new(config).unwrap());
    (running, daemon.agent().await, target)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_is_opened_once() {
    let daemon = Daemon::plain().await;
    let (_running, mut peer) = Running::linked(&daemon).await;
    peer.pty(1).await;
    peer.pty(2).await;
    peer.connect(1, pty()).await;
    let exit = peer.closed(1).await;
    assert_eq!(exit.reason.as_deref(), Some("it was opened twice"));
    peer.answers(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_have_a_number() {
    let daemon = Daemon::plain().await;
    let (_running, mut peer, target) = to_a_listener(&daemon).await;
    let port = target.local_addr().unwrap().port();
    let streams = tokio::spawn(async move {
        let mut streams = Vec::new();
        while let Ok((stream, _)) = target.accept().await {
            streams.push(stream);
        }
    });
    let most = u32::try_from(limit::CHANNELS_PER_LINK).unwrap();
    let open = || Open::DirectTcpip { host: "127.0.0.1".to_owned(), port };
    for channel in 1..=most {
        peer.open(channel, open()).await;
    }
    peer.connect(most + 1, open()).await;
    assert_eq!(refused(&mut peer, most + 1).await, ErrorCode::NotAllowed);
    streams.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_malformed_message_ends_the_link() {
    let daemon = Daemon::plain().await;
    let (_running, mut peer) = Running::linked(&daemon).await;
    peer.pty(1).await;
    peer.send(Message::text("{\"type\":\"no such word\"}")).await;
    peer.send(Message::binary(vec![1, 2, 3])).await;
    peer.answers(1).await;
    peer.send(Message::text("not even JSON")).await;
    let (code, _) = peer.goodbye().await;
    assert_eq!(code, 1008);
    // And it comes back with a new one.
    let mut peer = daemon.agent().await;
    peer.pty(1).await;
    peer.answers(1).await;
}
