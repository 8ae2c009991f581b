//! Links that come, go and come back.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use gangplank_agent::agent::{Agent, State};
use gangplank_certs::ClientTrust;
use gangplank_proto::link::{SUBPROTOCOL, ToTerminal};
use tokio_tungstenite::tungstenite::Message;

use crate::daemon::{Daemon, Running, config, open_policy, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_credential_travels_in_headers_and_the_hello_comes_first() {
    let daemon = Daemon::plain().await;
    let (_running, peer) = Running::linked(&daemon).await;
    let header = |name: &str| peer.headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(header("x-api-id"), Some("gp_0123456789abcdef"));
    assert_eq!(header("x-api-key"), Some("key-of-the-test"));
    assert_eq!(header("sec-websocket-protocol"), Some(SUBPROTOCOL));
    assert_eq!(header("origin"), None);
    assert!(!peer.hello.host.hostname.is_empty());
    assert_eq!(peer.hello.ssh_ports, [22]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_it_hangs_up_says_so_and_leaves() {
    let daemon = Daemon::plain().await;
    let (running, mut peer) = Running::linked(&daemon).await;
    peer.pty(1).await;
    peer.answers(1).await;
    running.stop.cancel();
    peer.closed(1).await;
    assert_eq!(peer.goodbye().await.0, 1001);
    running.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminals_of_a_lost_link_are_kept_and_found_again() {
    let daemon = Daemon::plain().await;
    let (running, mut peer) = Running::linked(&daemon).await;
    let session_id = peer.pty(1).await;
    assert!(peer.hello.sessions.is_empty());
    drop(peer);
    let mut peer = daemon.agent().await;
    let held = peer.hello.sessions.clone();
    let [held] = &held[..] else { panic!("{held:?}") };
    assert_eq!((held.session_id, running.agent.terminals()), (session_id, 1));
    // Whoever has nothing of it gets all of it.
    let offset = peer.attach(7, session_id, 0).await;
    assert_eq!(offset, 0);
    peer.shows(7, "is-42-it").await;
    peer.answers(7).await;
    // A channel that is left leaves the terminal; one that is closed ends it.
    peer.word(7, ToTerminal::Detach).await;
    peer.attach(8, session_id, held.offset).await;
    peer.word(8, ToTerminal::Close).await;
    peer.closed(8).await;
    let none_left = async {
        while running.agent.terminals() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(none_left).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_says_when_to_come_back() {
    let daemon = Daemon::plain().await;
    let (_running, mut peer) = Running::linked(&daemon).await;
    let gone = Instant::now();
    peer.close(1001, "retry_in=1500").await;
    let _peer = daemon.agent().await;
    let away = gone.elapsed();
    assert!(away >= Duration::from_millis(1500), "{away:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_agent_keeps_away() {
    let daemon = Daemon::plain().await;
    let (running, mut peer) = Running::linked(&daemon).await;
    let mut state = running.agent.state();
    peer.close(4009, "replaced").await;
    let waiting = state.wait_for(|state| matches!(state, State::Waiting { .. }));
    let State::Waiting { why } = soon(waiting).await.unwrap().clone() else { unreachable!() };
    assert!(why.contains("4009"), "{why}");
    let back = tokio::time::timeout(Duration::from_secs(2), daemon.stream()).await;
    assert!(back.is_err(), "it came back at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_credential_is_explained() {
    let daemon = Daemon::plain().await;
    let config = config(daemon.url(), ClientTrust::system(), open_policy());
    let running = Running::start(Agent::new(config).unwrap());
    let mut state = running.agent.state();
    let answer = "HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    daemon.answer(answer).await.unwrap();
    let waiting = state.wait_for(|state| matches!(state, State::Waiting { .. }));
    let State::Waiting { why } = soon(waiting).await.unwrap().clone() else { unreachable!() };
    assert!(why.contains("enrol it again"), "{why}");
    assert!(!why.contains("key-of-the-test"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_ping_and_a_silent_daemon_is_left() {
    let daemon = Daemon::plain().await;
    let config = config(daemon.url(), ClientTrust::system(), open_policy());
    let heartbeat = Duration::from_millis(300);
    let agent = Agent::new(config).unwrap().with_heartbeat(heartbeat);
    let running = Running::start(agent);
    let mut peer = daemon.agent().await;
    // While this end reads, pings are answered and the link holds.
    let began = Instant::now();
    let mut pings = 0;
    while began.elapsed() < 6 * heartbeat {
        match tokio::time::timeout(heartbeat, peer.socket.next()).await {
            Ok(message) => match message.expect("an open link").unwrap() {
                Message::Ping(_) => pings += 1,
                other => panic!("{other:?}"),
            },
            Err(_) => continue,
        }
    }
    assert!(pings >= 3, "{pings}");
    // From here on it doesn't, and the agent goes to find a daemon that does.
    let mut state = running.agent.state();
    soon(state.wait_for(|state| matches!(state, State::Waiting { .. }))).await.unwrap();
    let _peer = daemon.agent().await;
}
