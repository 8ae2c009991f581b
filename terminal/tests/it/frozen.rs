//! Terminals that go from one program to the next.

use std::path::{Path, PathBuf};

use gangplank_proto::error::ErrorCode;
use gangplank_proto::id::SessionId;
use gangplank_proto::limit;
use gangplank_proto::link::{FromTerminal, Keep, Open, ToTerminal};
use gangplank_terminal::channel::Channel;
use gangplank_terminal::frozen::Frozen;
use gangplank_terminal::keeper::{Keeper, KeeperConfig};
use gangplank_terminal::queue::Item;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::sshd::pty_request;
use super::viewer::{Viewer, eventually, soon};

fn pty() -> Open {
    Open::Pty { username: None, pty: pty_request() }
}

/// What the kernel shows of a shell as long as nobody has buried it.
async fn process(viewer: &mut Viewer) -> PathBuf {
    viewer.send("echo \"pid=$$ re\"ady\n").await;
    let said = viewer.until("ready").await;
    let pid = said.rsplit_once("pid=").unwrap().1.trim().to_owned();
    Path::new("/proc").join(pid)
}

/// A program with terminals.
struct Program {
    keeper: Keeper,
    tracker: TaskTracker,
}

impl Program {
    fn new() -> Self {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let keeper = Keeper::new(KeeperConfig::default(), tracker.clone(), stop);
        Self { keeper, tracker }
    }

    /// Another in its place, which gets all that this one leaves as bytes and descriptors.
    async fn replaced(self) -> Self {
        self.keeper.end_bound_to_program().await;
        self.keeper.freeze();
        self.tracker.close();
        soon("everything to be laid to rest", self.tracker.wait()).await;
        let next = Self::new();
        for terminal in self.keeper.frozen() {
            let mut bytes = Vec::new();
            terminal.write(&mut bytes).unwrap();
            let held_by =
                terminal.held_by().map(|held| held.try_clone_to_owned().unwrap()).collect();
            next.keeper.thaw(Frozen::read(&mut &bytes[..], held_by).unwrap());
        }
        next
    }

    /// Shows a terminal again; answers where its output goes on and how much input it has.
    async fn attach(&self, session_id: SessionId, offset: u64) -> (Viewer, u64, u64) {
        let (mut channel, end) = Channel::pair(limit::TERMINAL_WINDOW);
        self.keeper.attach(session_id, offset, 0, None, Keep::default(), end);
        match soon("an answer", channel.output.recv()).await.unwrap() {
            Some(Item::Word(FromTerminal::Connected { offset, input_offset, .. })) => {
                (Viewer::of(channel, session_id), offset, input_offset)
            }
            other => panic!("unexpected: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_goes_on_and_so_does_what_it_said() {
    let program = Program::new();
    let mut viewer = Viewer::open(&program.keeper, pty());
    viewer.connected(None).await.unwrap();
    viewer.send("stty -echo; PS1= exec sh\n").await;
    viewer.send("me=$$; printf 're%s' ady\n").await;
    viewer.until("ready").await;
    let held = |program: &Program| program.keeper.list().pop().unwrap();
    let seen = held(&program).offset;
    viewer.send("sleep 0.3; printf 'A%sC' B\n").await;
    let session_id = viewer.session_id;
    drop(viewer);
    eventually("output that nobody sees", || (held(&program).offset == seen + 3).then_some(()))
        .await;
    let typed = held(&program).input_offset;
    let mut program = program;
    for _ in 0..2 {
        program = program.replaced().await;
        assert_eq!(held(&program).session_id, session_id);
        assert_eq!((held(&program).offset, held(&program).input_offset), (seen + 3, typed));
    }
    let (mut viewer, offset, input_offset) = program.attach(session_id, seen).await;
    assert_eq!((offset, input_offset), (seen, typed));
    viewer.until("ABC").await;
    viewer.send("[ $me = $$ ] && printf 'D%sF' E; exit 7\n").await;
    viewer.until("DEF").await;
    assert_eq!(viewer.exit().await.exit_status, Some(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_nobody_heard_is_told_by_the_next_program() {
    let program = Program::new();
    let mut viewer = Viewer::open(&program.keeper, pty());
    viewer.connected(None).await.unwrap();
    let session_id = viewer.session_id;
    let process = process(&mut viewer).await;
    viewer.send("printf 'go%s' ing; sleep 0.3; exit 5\n").await;
    viewer.until("going").await;
    drop(viewer);
    let program = program.replaced().await;
    // Buried by its parent, who knows how it ended.
    eventually("the shell's end", || (!process.exists()).then_some(())).await;
    let program = program.replaced().await;
    let (mut viewer, ..) = program.attach(session_id, 0).await;
    assert_eq!(viewer.exit().await.exit_status, Some(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_is_ended_by_the_next_program_is_gone() {
    let program = Program::new();
    let mut viewer = Viewer::open(&program.keeper, pty());
    viewer.connected(None).await.unwrap();
    viewer.send("trap '' HUP\n").await;
    let process = process(&mut viewer).await;
    let session_id = viewer.session_id;
    drop(viewer);
    let program = program.replaced().await;
    assert!(process.exists());
    assert!(program.keeper.end(session_id));
    eventually("an empty table", || program.keeper.is_empty().then_some(())).await;
    eventually("the shell's end", || (!process.exists()).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_stream_goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let program = Program::new();
    let open = Open::DirectTcpip { host: "127.0.0.1".to_owned(), port };
    let mut viewer = Viewer::open(&program.keeper, open);
    let (mut server, _) = listener.accept().await.unwrap();
    viewer.connected(None).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut server, b"hello").await.unwrap();
    viewer.until("hello").await;
    let session_id = viewer.session_id;
    drop(viewer);
    let program = program.replaced().await;
    let (mut viewer, offset, _) = program.attach(session_id, 5).await;
    assert_eq!(offset, 5);
    tokio::io::AsyncWriteExt::write_all(&mut server, b"again").await.unwrap();
    viewer.until("again").await;
    viewer.send("thanks").await;
    let mut heard = [0; 6];
    tokio::io::AsyncReadExt::read_exact(&mut server, &mut heard).await.unwrap();
    assert_eq!(&heard, b"thanks");
    viewer.word(ToTerminal::Close);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_unknown_program_left_is_over_and_says_so() {
    let program = Program::new();
    let mut viewer = Viewer::open(&program.keeper, pty());
    viewer.connected(None).await.unwrap();
    let mut held = program.keeper.list().pop().unwrap();
    held.offset = 1000;
    let next = Program::new();
    next.keeper.thaw(Frozen::lost(&held, "nobody knows it"));
    let (mut viewer, offset, _) = next.attach(held.session_id, 10).await;
    assert_eq!(offset, 1000, "the gap is declared");
    assert_eq!(viewer.exit().await.reason.as_deref(), Some("nobody knows it"));
    for broken in [&b""[..], b"x", b"5\n{}", b"2\n{}", b"99999999999999999999\n", b"3\nnul"] {
        assert!(Frozen::read(&mut &broken[..], Vec::new()).is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_opened_in_a_program_that_is_left() {
    let program = Program::new();
    program.keeper.freeze();
    let error = Viewer::open(&program.keeper, pty()).connected(None).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NotAllowed);
}
