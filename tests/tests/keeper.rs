//! Direct terminals in a keeper of their own outlive the daemon.

use std::{fs, process::Command, sync::LazyLock, time::Duration};

use gangplank_tests::{
    daemon::Daemon, eventually, http::Client, keeper::Keeper, page::Page, process, program,
    returning::Returning, scratch, sshd::Sshd,
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

static SSHD: LazyLock<Sshd> = LazyLock::new(Sshd::start);

const SOON: Duration = Duration::from_secs(15);

fn password() -> Value {
    json!({ "username": SSHD.account().name, "password": SSHD.account().password })
}

/// A login, and a host whose key nobody has accepted.
async fn host(daemon: &Daemon) -> (Client, String) {
    let admin = daemon.admin().await;
    let host = admin.add_host("kept", Some(("127.0.0.1", SSHD.port()))).await;
    (admin, host["id"].as_str().expect("an id").to_owned())
}

/// A page with an open terminal, and the terminal's id.
async fn terminal(admin: &Client, host: &str) -> (Page, Value) {
    let mut page = Page::open(admin, host).await;
    let connected = page.accepted(password()).await;
    page.proves_a_shell().await;
    (page, connected["session_id"].clone())
}

/// A `connect` that accepts the host's key.
async fn accepting(admin: &Client, host: &str) -> Value {
    let unknown = Page::open(admin, host).await.refused(password()).await;
    let mut connect = password();
    connect["accept_host_key"] = unknown["fingerprint"].clone();
    connect
}

/// What the daemon has written down of a terminal.
async fn session(admin: &Client, id: &Value) -> Value {
    let sessions = admin.get("/api/v1/sessions?limit=200").await.expect(200).json();
    let mut items = sessions["items"].as_array().expect("a list").iter();
    items.find(|session| session["id"] == *id).expect("the session is known").clone()
}

#[tokio::test]
async fn a_daemon_killed_in_the_middle_of_output_loses_none_of_it() {
    const LINES: usize = 100_000;
    let keeper = Keeper::start();
    let daemon = keeper.daemon();
    let (admin, host) = host(&daemon).await;
    let mut page = Returning::open(&admin, &host, accepting(&admin, &host).await).await;
    // A shell that says nothing by itself.
    page.keys("exec env PS1=re''ady sh\r").await;
    page.shows("ready").await;
    page.keys("stty -echo; PS1=; echo be''gin\r").await;
    page.shows("begin\r\n").await;
    page.forget();
    page.keys(&format!("seq -f 'line %06.0f' {LINES}; echo e''nd\r")).await;
    page.shows("line 010000\r\n").await;
    daemon.kill();
    assert_eq!(page.ended(SOON).await.code, 1006);
    daemon.start_again();
    page.keys("echo ty''ped\r").await;
    page.resumed().await;
    page.shows("end\r\ntyped\r\n").await;
    let mut wanted: String = (1..=LINES).map(|number| format!("line {number:06}\r\n")).collect();
    wanted.push_str("end\r\ntyped\r\n");
    assert!(page.output() == wanted.as_bytes(), "something was lost, or came twice");
    assert!(page.gaps.is_empty());
}

#[tokio::test]
async fn a_restarted_daemon_finds_its_terminals() {
    let keeper = Keeper::start();
    let daemon = keeper.daemon();
    let (admin, host) = host(&daemon).await;
    let mut page = Returning::open(&admin, &host, accepting(&admin, &host).await).await;
    page.keys("kept=in_mind; echo he''re\r").await;
    page.shows("here").await;
    daemon.signal(Signal::SIGTERM);
    assert_eq!(page.ended(SOON).await.code, 1001);
    assert_eq!(daemon.exit_code(SOON), Some(0));
    daemon.start_again();
    let id = page.session().into();
    assert_eq!(session(&admin, &id).await["state"], "detached");
    page.resumed().await;
    page.keys("echo still $kept\r").await;
    page.shows("still in_mind").await;
    assert!(!keeper.log().contains("CANARY"), "a password in the keeper's log");
    assert_eq!(session(&admin, &id).await["state"], "open");
}

#[tokio::test]
async fn addresses_are_judged_by_the_daemon() {
    let keeper = Keeper::start();
    let socket = keeper.socket().to_str().expect("UTF-8");
    let daemon = Daemon::with(&[("keeper.socket", socket), ("ssh.deny", "127.0.0.0/8,::1/128")]);
    let admin = daemon.admin().await;
    for address in ["127.0.0.1", "localhost", "::ffff:127.0.0.1", "2130706433"] {
        let host = admin.add_host("inner", Some((address, SSHD.port()))).await;
        let mut page = Page::open(&admin, host["id"].as_str().expect("an id")).await;
        assert_eq!(page.refused(password()).await["code"], "not_allowed", "{address}");
    }
    assert!(!keeper.log().contains("opening"), "the keeper heard of it");
}

#[test]
fn a_keeper_reads_no_secret_and_keeps_its_terminals_when_told_to_read_again() {
    let file = scratch::directory().join("gangplankd.toml");
    let config = "[auth]\nsecret_file = \"/nowhere/secret\"\n[log]\nlevel = \"info\"\n";
    fs::write(&file, config).expect("our own directory");
    let keeper = Keeper::configured(&file);
    keeper.signal(Signal::SIGHUP);
    eventually::eventually("the configuration to be read again", || {
        keeper.log().contains("was read again").then_some(())
    });
    assert_eq!(keeper.stop(), Some(0));
    assert!(!keeper.socket().exists(), "the socket stays behind");
}

#[test]
fn a_keeper_without_a_place_to_listen_says_so() {
    for (arguments, word) in
        [(&["keeper"][..], "--socket PATH"), (&["keeper", "--socket", "x.sock"], "absolute path")]
    {
        let finished = process::run(Command::new(program::gangplankd()).args(arguments));
        assert_eq!(finished.code, Some(78), "{finished:?}");
        assert!(finished.stderr.contains("keeper.socket"), "{finished:?}");
        assert!(finished.stderr.contains(word), "{finished:?}");
    }
}

#[test]
fn doctor_says_whether_the_keeper_is_there() {
    let keeper = Keeper::start();
    let daemon = keeper.daemon();
    let doctor = || {
        let mut command = Command::new(program::gangplankd());
        command.args(["doctor", "--data-dir"]).arg(daemon.directory());
        command.env("GANGPLANK_KEEPER__SOCKET", keeper.socket());
        process::run(&command)
    };
    let said = doctor();
    assert!(said.stdout.contains("ok   keeper: listens at"), "{said:?}");
    keeper.kill();
    let said = doctor();
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stdout.contains("BAD  keeper:"), "{said:?}");
}

#[tokio::test]
async fn a_terminal_that_nobody_owns_is_ended() {
    let keeper = Keeper::start();
    let daemon = keeper.daemon();
    let (admin, host) = host(&daemon).await;
    let (mut page, _) = terminal(&admin, &host).await;
    daemon.kill();
    page.ended(SOON).await;
    // This one has a store of its own, which knows of no terminal.
    let other = keeper.daemon();
    eventually::eventually("the terminal to end", || {
        other.log().contains("a terminal that nobody owns is ended").then_some(())
    });
    other.kill();
    daemon.start_again();
    eventually::eventually("the keeper to be empty", || {
        keeper.log().contains("a daemon came terminals=0").then_some(())
    });
}

#[tokio::test]
async fn a_keeper_that_stops_says_so() {
    let keeper = Keeper::start();
    let daemon = keeper.daemon();
    let (admin, host) = host(&daemon).await;
    let (mut page, id) = terminal(&admin, &host).await;
    assert_eq!(keeper.stop(), Some(0));
    page.event("closed").await;
    assert_eq!(page.ended(SOON).await.code, 4010);
    assert!(session(&admin, &id).await["ended_at"].is_string());

    let mut page = Page::open(&admin, &host).await;
    let refused = page.refused(password()).await;
    assert_eq!(refused["code"], "internal");
    assert!(refused["message"].as_str().expect("text").contains("gangplankd-keeper"), "{refused}");
    keeper.start_again();
    eventually::eventually("the link to be back", || {
        (daemon.log().matches("linked to the keeper").count() == 2).then_some(())
    });
    page.connected(password()).await;
    page.proves_a_shell().await;
}

#[tokio::test]
async fn a_keeper_that_was_killed_is_waited_for() {
    let keeper = Keeper::start();
    let daemon = keeper.daemon();
    let (admin, host) = host(&daemon).await;
    let (mut page, id) = terminal(&admin, &host).await;
    keeper.kill();
    assert_eq!(page.event("error").await["code"], "agent_offline");
    keeper.start_again();
    page.event("closed").await;
    assert_eq!(page.ended(SOON).await.code, 4010);
    assert!(session(&admin, &id).await["ended_at"].is_string());
}
