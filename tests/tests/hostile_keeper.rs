//! Whoever lies on the socket of a keeper, at either end: the link is closed, and both programs live.

use gangplank_tests::{
    account::Account,
    daemon::Daemon,
    eventually,
    http::Client,
    keeper::{Keeper, Peer},
    page::Page,
    returning::Returning,
    scratch,
    sshd::Sshd,
};
use serde_json::{Value, json};
use tokio::net::{UnixListener, UnixStream};

/// What is no message, or not from a daemon that has heard the hello.
const GARBAGE: [&[u8]; 6] = [
    &[0, 0, 0, 0],
    &[0, 0, 0, 2, 7, 7],
    &[255, 255, 255, 255, 0],
    &[0, 0, 255, 255, 1],
    &[0, 0, 0, 3, 1, 0, 0],
    b"GET / HTTP/1.1\r\n\r\n",
];

async fn host(admin: &Client, port: u16) -> String {
    let host = admin.add_host("kept", Some(("127.0.0.1", port))).await;
    host["id"].as_str().expect("an id").to_owned()
}

fn password(sshd: &Sshd) -> Value {
    json!({ "username": sshd.account().name, "password": sshd.account().password })
}

/// A page with a terminal in a keeper.
async fn page(daemon: &Daemon, sshd: &Sshd) -> Returning {
    let admin = daemon.admin().await;
    let host = host(&admin, sshd.port()).await;
    let mut connect = password(sshd);
    let unknown = Page::open(&admin, &host).await.refused(connect.clone()).await;
    connect["accept_host_key"] = unknown["fingerprint"].clone();
    Returning::open(&admin, &host, connect).await
}

#[tokio::test]
async fn guests_who_make_no_sense_disturb_nobody() {
    let (keeper, sshd) = (Keeper::start(), Sshd::start());
    let daemon = keeper.daemon();
    let mut page = page(&daemon, &sshd).await;
    for garbage in GARBAGE {
        let (mut guest, _) = Peer::visit(keeper.socket()).await;
        guest.send(garbage).await;
        guest.ended().await;
    }
    let (mut guest, _) = Peer::visit(keeper.socket()).await;
    guest.say(&json!({ "type": "close", "channel": 1 })).await;
    guest.ended().await;
    page.keys("echo un''disturbed\r").await;
    page.shows("undisturbed").await;
    assert_eq!(daemon.log().matches("linked to the keeper").count(), 1);
}

#[tokio::test]
async fn the_newest_daemon_has_the_keeper_and_what_makes_no_sense_ends_its_link() {
    let (keeper, sshd) = (Keeper::start(), Sshd::start());
    let daemon = keeper.daemon();
    let mut page = page(&daemon, &sshd).await;
    for garbage in GARBAGE {
        let (mut other, hello) = Peer::visit(keeper.socket()).await;
        assert_eq!(hello["sessions"][0]["session_id"], page.session(), "{hello}");
        other.say(&json!({ "type": "connected" })).await;
        other.send(garbage).await;
        other.ended().await;
        // Ours came back, and with it the page's terminal, on the page's old socket.
        assert_eq!(page.event("error").await["code"], "agent_offline");
        assert_eq!(page.event("connected").await["resumed"], true);
    }
    page.keys("echo still''here\r").await;
    page.shows("stillhere").await;
    assert!(page.gaps.is_empty());
}

#[tokio::test]
async fn a_keeper_opens_nothing_but_ssh_to_given_addresses() {
    let keeper = Keeper::start();
    let (mut peer, _) = Peer::visit(keeper.socket()).await;
    peer.say(&json!({ "type": "connected" })).await;
    let pty = json!({ "term": "xterm", "cols": 80, "rows": 24 });
    let ssh = json!({
        "kind": "ssh", "host": "localhost", "port": 22, "username": "root", "pty": pty,
        "trust": { "keys": [] }, "credential": {},
    });
    let shell = json!({ "kind": "pty", "pty": pty });
    let stream = json!({ "kind": "direct_tcpip", "host": "127.0.0.1", "port": 22 });
    for (channel, open) in [ssh, shell, stream].into_iter().enumerate() {
        let id = format!("018f0000-0000-7000-8000-00000000000{channel}");
        let channel = channel + 1;
        let mut connect = json!({ "type": "connect", "channel": channel, "session_id": id });
        (connect["window"], connect["open"]) = (1024.into(), open);
        peer.say(&connect).await;
        let error = peer.word("error").await;
        assert_eq!((&error["channel"], &error["code"]), (&channel.into(), &"not_allowed".into()));
    }
}

/// What a keeper of the test's own says to a channel that it was asked for, and must not.
async fn lie(keeper: &mut Peer, what: &str, channel: u32) {
    let connected = |offset: u64| {
        json!({
            "type": "connected", "channel": channel, "offset": offset, "end": offset,
            "input_offset": 0, "window": 1024,
        })
    };
    match what {
        "a channel that nobody opened" => keeper.data(channel + 1, b"boo").await,
        "a new terminal that is not new" => keeper.say(&connected(7)).await,
        "more than the window" => {
            for _ in 0..17 {
                keeper.data(channel, &[b'x'; 16 << 10]).await;
            }
        }
        "a second hello" => keeper.say(&json!({ "type": "hello" })).await,
        "a long word" => {
            let reason = "x".repeat(20 << 10);
            keeper.say(&json!({ "type": "close", "channel": channel, "reason": reason })).await;
        }
        _ => keeper.say(&json!({ "type": what, "channel": channel })).await,
    }
}

#[tokio::test]
async fn a_keeper_that_lies_is_left_and_the_daemon_lives() {
    let socket = scratch::directory().join("keeper.sock");
    let listener = UnixListener::bind(&socket).expect("our own directory");
    let starting = tokio::task::spawn_blocking(move || {
        Daemon::with(&[("keeper.socket", socket.to_str().expect("UTF-8"))])
    });
    let mut keeper = Peer::visited(&listener).await;
    let daemon = starting.await.expect("a daemon");
    let admin = daemon.admin().await;
    let host = host(&admin, 22).await;
    for what in [
        "a channel that nobody opened",
        "a new terminal that is not new",
        "more than the window",
        "a second hello",
        "a long word",
        "nonsense",
    ] {
        let mut page = Page::open(&admin, &host).await;
        page.connect(json!({ "username": "nobody", "password": "secret" })).await;
        let connect = keeper.word("connect").await;
        let addresses = &connect["open"]["addresses"];
        assert_eq!(*addresses, json!(["127.0.0.1"]), "looked up by whoever decides");
        let channel = connect["channel"].as_u64().expect("a number");
        lie(&mut keeper, what, u32::try_from(channel).expect("a channel")).await;
        keeper.ended().await;
        assert_eq!(page.event("error").await["code"], "internal", "{what}");
        keeper = Peer::visited(&listener).await;
    }
    for garbage in GARBAGE {
        keeper.send(garbage).await;
        keeper.ended().await;
        keeper = Peer::visited(&listener).await;
    }
    daemon.client().get("/healthz").await.expect(200);
    assert!(!daemon.log().contains("panicked"));
}

#[tokio::test]
async fn another_user_is_refused_at_either_end() {
    let account = Account::create();
    let keeper = Keeper::of_user(&account.name);
    let stream = UnixStream::connect(keeper.socket()).await.expect("root may connect");
    assert_eq!(Peer::over(stream).next().await, None, "no hello for another user");
    eventually::eventually("the refusal to be logged", || {
        keeper.log().contains("user 0 is at the other end").then_some(())
    });

    let daemon = keeper.daemon();
    let admin = daemon.admin().await;
    let host = host(&admin, 22).await;
    let mut page = Page::open(&admin, &host).await;
    let refused = page.refused(json!({ "username": "nobody", "password": "secret" })).await;
    assert_eq!(refused["code"], "internal", "{refused}");
    assert!(daemon.log().contains("is at the other end"));
    assert!(!daemon.log().contains("linked to the keeper"));
}
