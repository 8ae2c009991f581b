//! A terminal that nobody shows: it goes on, and whoever comes back misses nothing.

use std::time::Duration;

use bytes::Bytes;
use gangplank_proto::error::ErrorCode;
use gangplank_proto::id::SessionId;
use gangplank_proto::limit;
use gangplank_proto::link::{FromTerminal, Keep, Open, ToTerminal};
use gangplank_terminal::channel::Channel;
use gangplank_terminal::keeper::{Keeper, KeeperConfig};
use gangplank_terminal::queue::Item;

use super::sshd::pty_request;
use super::viewer::{Came, Viewer, eventually, keeper, keeper_with, soon};

fn pty() -> Open {
    Open::Pty { username: None, pty: pty_request() }
}

/// Shows the terminal again and answers where it goes on: output, its end, input.
async fn attach(
    keeper: &Keeper,
    session_id: SessionId,
    offset: u64,
    keep: Keep,
) -> Result<(Channel, u64, u64, u64), ErrorCode> {
    let (mut channel, end) = Channel::pair(limit::TERMINAL_WINDOW);
    keeper.attach(session_id, offset, 0, None, keep, end);
    match soon("an answer", channel.output.recv()).await.unwrap() {
        Some(Item::Word(FromTerminal::Connected { offset, end, input_offset, .. })) => {
            Ok((channel, offset, end, input_offset))
        }
        Some(Item::Word(FromTerminal::Error(error))) => Err(error.code),
        other => panic!("unexpected: {other:?}"),
    }
}

/// A shell without an echo of its own that has said `ready`, and how much it has said so far.
async fn quiet_shell(keeper: &Keeper) -> (Viewer, u64) {
    let mut viewer = Viewer::open(keeper, pty());
    viewer.connected(None).await.unwrap();
    viewer.send("stty raw -echo; printf 're%s' ady; exec sh\n").await;
    viewer.until("ready").await;
    viewer.send("PS1=; printf 'g%s' o\n").await;
    viewer.until("go").await;
    let session_id = viewer.session_id;
    let said = keeper.list().iter().find(|held| held.session_id == session_id).unwrap().offset;
    (viewer, said)
}

fn leave(viewer: Viewer) -> SessionId {
    viewer.session_id
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_gets_what_was_said_meanwhile() {
    let keeper = keeper();
    let (viewer, said) = quiet_shell(&keeper).await;
    let held = || keeper.list().pop().unwrap();
    let line = "sleep 0.3; printf 'A%sC' B\n";
    let typed = held().input_offset + line.len() as u64;
    viewer.send(line).await;
    eventually("the input to arrive", || (held().input_offset == typed).then_some(())).await;
    let session_id = leave(viewer);
    eventually("output while nobody looks", || (held().offset == said + 3).then_some(())).await;
    let (channel, offset, end, input_offset) =
        attach(&keeper, session_id, said, Keep::default()).await.unwrap();
    assert_eq!((offset, end, input_offset), (said, said + 3, typed));
    let mut viewer = Viewer::of(channel, session_id);
    viewer.until("ABC").await;
    viewer.send("printf 'D%sF' E\n").await;
    viewer.until("DEF").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_ring_stops_the_terminal_and_then_keeps_the_newest() {
    let ring = limit::TERMINAL_WINDOW as usize;
    let keeper = keeper_with(KeeperConfig { replay_ring: ring, ..KeeperConfig::default() });
    let (viewer, said) = quiet_shell(&keeper).await;
    viewer.send("head -c 3000000 /dev/zero | tr '\\0' x; printf 'E%sD' N\n").await;
    let session_id = leave(viewer);
    let held = || keeper.list().pop().unwrap();
    eventually("a full ring", || (held().offset >= ring as u64).then_some(())).await;
    // Whatever was said is still there for somebody who has seen nothing of it.
    let keep = Keep::new(Duration::from_secs(60), Duration::ZERO);
    let (channel, offset, ..) = attach(&keeper, session_id, said, keep).await.unwrap();
    assert_eq!(offset, said);
    // With no time to be held the terminal runs on, and the gap is declared.
    drop(channel);
    eventually("the rest", || (held().offset >= said + 3_000_000).then_some(())).await;
    let (channel, offset, end, _) = attach(&keeper, session_id, said, keep).await.unwrap();
    assert_eq!(end - offset, ring as u64);
    let mut viewer = Viewer::of(channel, session_id);
    viewer.until("END").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_waits_for_somebody_to_hear_it() {
    let keeper = keeper();
    let (viewer, said) = quiet_shell(&keeper).await;
    let held = || keeper.list().pop().unwrap();
    let line = "sleep 0.3; printf 'L%sT' AS; exit 7\n";
    let typed = held().input_offset + line.len() as u64;
    viewer.send(line).await;
    eventually("the input to arrive", || (held().input_offset == typed).then_some(())).await;
    let session_id = leave(viewer);
    eventually("the last output", || (held().offset == said + 4).then_some(())).await;
    // Once is not enough: a viewer may be lost before it has shown the end.
    for _ in 0..2 {
        let (channel, ..) = attach(&keeper, session_id, said, Keep::default()).await.unwrap();
        let mut viewer = Viewer::of(channel, session_id);
        viewer.until("LAST").await;
        match soon("the end", viewer.next()).await {
            Came::Close(exit) => assert_eq!(exit.exit_status, Some(7)),
            other => panic!("unexpected: {other:?}"),
        }
    }
    let (channel, ..) = attach(&keeper, session_id, said, Keep::default()).await.unwrap();
    let mut viewer = Viewer::of(channel, session_id);
    assert_eq!(viewer.exit().await.exit_status, Some(7));
    eventually("an empty table", || keeper.is_empty().then_some(())).await;
    let gone = attach(&keeper, session_id, said, Keep::default()).await.unwrap_err();
    assert_eq!(gone, ErrorCode::NoSuchSession);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_has_an_end() {
    let keeper = keeper();
    let (viewer, said) = quiet_shell(&keeper).await;
    let session_id = leave(viewer);
    let short = Keep::new(Duration::from_secs(1), Duration::from_secs(1));
    let (channel, ..) = attach(&keeper, session_id, said, short).await.unwrap();
    drop(channel);
    eventually("its end", || keeper.is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_viewer_takes_the_terminal_over() {
    let keeper = keeper();
    let (mut first, said) = quiet_shell(&keeper).await;
    let beyond = attach(&keeper, first.session_id, said + 1, Keep::default()).await.unwrap_err();
    assert_eq!(beyond, ErrorCode::BadRequest);
    let (channel, ..) = attach(&keeper, first.session_id, said, Keep::default()).await.unwrap();
    let item = soon("a last word", async {
        loop {
            let item = first.channel.output.recv().await.unwrap();
            if !matches!(item, Some(Item::Word(FromTerminal::WindowAdjust { .. }))) {
                return item;
            }
        }
    });
    assert!(matches!(item.await, Some(Item::Word(FromTerminal::Detached))));
    let session_id = leave(first);
    let mut second = Viewer::of(channel, session_id);
    second.send("printf 'S%sD' ECON\n").await;
    second.until("SECOND").await;
    second.word(ToTerminal::Close);
    second.exit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_nobody_read_is_there_once_and_counted() {
    let keeper = keeper();
    let (mut viewer, said) = quiet_shell(&keeper).await;
    viewer.send("printf 'r%s' dy; sleep 0.5; head -c 100000 | wc -c\n").await;
    viewer.until("rdy").await;
    let held = || keeper.list().pop().unwrap();
    let before = held().input_offset;
    viewer.send(Bytes::from(vec![b'x'; 60_000])).await;
    eventually("the input to arrive", || (held().input_offset == before + 60_000).then_some(()))
        .await;
    let session_id = leave(viewer);
    let (channel, .., input_offset) =
        attach(&keeper, session_id, said, Keep::default()).await.unwrap();
    assert_eq!(input_offset, before + 60_000);
    let viewer = &mut Viewer::of(channel, session_id);
    viewer.send(Bytes::from(vec![b'x'; 40_000])).await;
    viewer.until("100000").await;
}
