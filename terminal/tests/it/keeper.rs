//! The table: who is in it, and that nothing is left behind.

use gangplank_proto::error::ErrorCode;
use gangplank_proto::id::SessionId;
use gangplank_proto::link::{FromTerminal, Keep, Open, ToTerminal};
use gangplank_terminal::channel::Channel;
use gangplank_terminal::keeper::{Keeper, KeeperConfig};
use gangplank_terminal::queue::Item;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::sshd::pty_request;
use super::viewer::{Viewer, eventually, keeper, keeper_with, soon};

fn pty() -> Open {
    Open::Pty { username: None, pty: pty_request() }
}

async fn refusal(keeper: &Keeper, session_id: SessionId) -> ErrorCode {
    let (mut channel, end) = Channel::pair(1024);
    keeper.open(session_id, pty(), Keep::default(), end);
    match soon("a refusal", channel.output.recv()).await.unwrap() {
        Some(Item::Word(FromTerminal::Error(error))) => error.code,
        other => panic!("unexpected: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_one_terminal_and_a_keeper_has_so_many() {
    let keeper = keeper_with(KeeperConfig { terminals: 2, ..KeeperConfig::default() });
    let mut viewer = Viewer::open(&keeper, pty());
    viewer.connected(None).await.unwrap();
    assert_eq!(refusal(&keeper, viewer.session_id).await, ErrorCode::AlreadyConnected);
    let mut second = Viewer::open(&keeper, pty());
    second.connected(None).await.unwrap();
    assert_eq!(refusal(&keeper, SessionId::new()).await, ErrorCode::NotAllowed);

    viewer.send("printf 'A%sC' B\n").await;
    viewer.until("ABC").await;
    let listed = keeper.list();
    let held = listed.iter().find(|held| held.session_id == viewer.session_id).unwrap();
    assert_eq!(held.input_offset, 16);
    assert!(held.offset >= 3);

    assert!(keeper.end(viewer.session_id));
    let exit = viewer.exit().await;
    assert_eq!(exit.reason.as_deref(), Some("the session was ended"));
    second.word(ToTerminal::Close);
    second.exit().await;
    eventually("an empty table", || keeper.is_empty().then_some(())).await;
    assert!(!keeper.end(viewer.session_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_ends_everything_in_order() {
    let tracker = TaskTracker::new();
    let keeper = Keeper::new(KeeperConfig::default(), tracker.clone(), CancellationToken::new());
    let mut viewer = Viewer::open(&keeper, pty());
    viewer.connected(None).await.unwrap();
    keeper.shutdown();
    tracker.close();
    soon("the end of all tasks", tracker.wait()).await;
    assert!(viewer.exit().await.reason.is_some());
    assert!(keeper.is_empty());
    let late = Viewer::open(&keeper, pty()).connected(None).await.unwrap_err();
    assert_eq!(late.code, ErrorCode::Internal);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_terminals_leave_nothing_behind() {
    let keeper = keeper();
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let mut first = Viewer::open(&keeper, pty());
    first.connected(None).await.unwrap();
    first.word(ToTerminal::Close);
    first.exit().await;
    for _ in 0..10 {
        let mut viewers: Vec<_> = (0..10).map(|_| Viewer::open(&keeper, pty())).collect();
        for viewer in &mut viewers {
            viewer.connected(None).await.unwrap();
        }
        for viewer in &viewers {
            viewer.channel.input.close();
        }
    }
    eventually("an empty table", || keeper.is_empty().then_some(())).await;
    // Other tests of this process hold a few files of their own.
    eventually("closed files", || (files() < 200).then_some(())).await;
}
