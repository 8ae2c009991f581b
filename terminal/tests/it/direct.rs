//! Plain TCP streams, closed one direction at a time.

use bytes::Bytes;
use gangplank_proto::id::{ChannelId, SessionId};
use gangplank_proto::limit;
use gangplank_proto::link::{FromTerminal, Keep, Open, ToTerminal};
use gangplank_terminal::channel::Channel;
use gangplank_terminal::link::Channels;
use gangplank_terminal::queue::Item;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::viewer::{Came, Viewer, keeper, send, soon};

async fn pair() -> (Viewer, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let open = Open::DirectTcpip { host: "localhost".to_owned(), port };
    let mut viewer = Viewer::open(&keeper(), open);
    assert_eq!(viewer.connected(None).await.unwrap(), None);
    let (peer, _) = soon("a connection", listener.accept()).await.unwrap();
    (viewer, peer)
}

#[tokio::test]
async fn the_answer_comes_after_the_question_has_ended() {
    let (mut viewer, mut peer) = pair().await;
    viewer.send("a question").await;
    viewer.word(ToTerminal::Eof);
    let mut question = String::new();
    soon("the question", peer.read_to_string(&mut question)).await.unwrap();
    peer.write_all(question.to_uppercase().as_bytes()).await.unwrap();
    drop(peer);
    let exit = viewer.exit().await;
    assert_eq!(viewer.text(), "A QUESTION");
    assert_eq!(exit.reason, None);
}

#[tokio::test]
async fn a_peer_that_has_said_all_still_listens() {
    let (mut viewer, mut peer) = pair().await;
    peer.write_all(b"all").await.unwrap();
    peer.shutdown().await.unwrap();
    assert!(matches!(soon("data", viewer.next()).await, Came::Data(3)));
    assert!(matches!(soon("the eof", viewer.next()).await, Came::Eof));
    viewer.send("still here").await;
    viewer.word(ToTerminal::Eof);
    let mut heard = String::new();
    soon("the rest", peer.read_to_string(&mut heard)).await.unwrap();
    assert_eq!(heard, "still here");
    assert_eq!(viewer.exit().await.reason, None);
}

#[tokio::test]
async fn what_follows_the_end_of_the_input_is_taken_and_thrown_away() {
    let (viewer, _peer) = pair().await;
    let Channel { input, mut output } = viewer.channel;
    input.word(ToTerminal::Eof).unwrap();
    let windows = tokio::spawn(async move { while output.recv().await.unwrap().is_some() {} });
    send(&input, Bytes::from(vec![b'x'; 3 * limit::TERMINAL_WINDOW as usize])).await;
    input.close();
    soon("the end", windows).await.unwrap();
}

#[tokio::test]
async fn what_is_typed_before_it_is_open_counts() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mut channels, mut output) =
        Channels::new(keeper(), Box::new(|_| Ok(())), limit::CHANNELS_PER_LINK);
    let open = Open::DirectTcpip { host: "127.0.0.1".to_owned(), port };
    let (session_id, window, keep) = (SessionId::new(), limit::TERMINAL_WINDOW, Keep::default());
    let connect = ToTerminal::Connect { session_id, window, open, keep };
    channels.word(ChannelId(1), connect).unwrap();
    channels.data(ChannelId(1), Bytes::from_static(b"abc")).unwrap();
    let (_, first) = soon("a word", output.recv()).await.unwrap();
    let Item::Word(FromTerminal::Connected { input_offset, window, .. }) = first else {
        panic!("unexpected: {first:?}");
    };
    assert_eq!(input_offset, 3);
    assert_eq!(window, limit::TERMINAL_WINDOW - 3);
}
