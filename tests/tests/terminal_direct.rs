//! Terminals that the daemon opens itself: SSH to the address of the host's row.

use std::{sync::LazyLock, time::Duration};

use gangplank_tests::{daemon::Daemon, http::Client, page::Page, sshd::Sshd};
use serde_json::{Value, json};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);
static SSHD: LazyLock<Sshd> = LazyLock::new(Sshd::start);

/// A login, and a host of its own whose key nobody has accepted.
async fn host() -> (Client, String) {
    let admin = DAEMON.admin().await;
    let host = admin.add_host("direct", Some(("127.0.0.1", SSHD.port()))).await;
    (admin, host["id"].as_str().expect("an id").to_owned())
}

fn password() -> Value {
    json!({ "username": SSHD.account().name, "password": SSHD.account().password })
}

fn key(key: &str) -> Value {
    json!({ "username": SSHD.account().name, "privateKey": key })
}

#[tokio::test]
async fn a_shell_answers() {
    let (admin, host) = host().await;
    let mut page = Page::open(&admin, &host).await;
    let connected = page.accepted(password()).await;
    assert_eq!(connected["offset"], 0);
    assert_eq!(connected["input_offset"], 0);
    assert_eq!(connected["resumed"], false);
    assert_eq!(connected["host_key"], "accepted");
    page.proves_a_shell().await;
}

#[tokio::test]
async fn the_window_follows() {
    let (admin, host) = host().await;
    let mut page = Page::open(&admin, &host).await;
    let mut connect = password();
    connect["cols"] = 101.into();
    connect["rows"] = 37.into();
    page.accepted(connect).await;
    page.keys("stty size\r").await;
    page.shows("37 101").await;
    page.resize(133, 41).await;
    page.keys("stty size\r").await;
    page.shows("41 133").await;
}

#[tokio::test]
async fn the_end_of_the_shell_is_told() {
    let (admin, host) = host().await;
    let mut page = Page::open(&admin, &host).await;
    page.accepted(password()).await;
    page.keys("exit 7\r").await;
    let closed = page.event("closed").await;
    assert_eq!(closed["exit_status"], 7);
    assert_eq!(page.ended(Duration::from_secs(5)).await.code, 4010);
}

#[tokio::test]
async fn a_wrong_password_can_be_corrected_on_the_same_socket() {
    let (admin, host) = host().await;
    let mut page = Page::open(&admin, &host).await;
    let mut wrong = password();
    wrong["password"] = "not it".into();
    let unknown = page.refused(wrong.clone()).await;
    assert_eq!(unknown["code"], "host_key_unknown");
    wrong["accept_host_key"] = unknown["fingerprint"].clone();
    assert_eq!(page.refused(wrong).await["code"], "auth_failed");
    let connected = page.connected(password()).await;
    assert_eq!(connected["host_key"], "pinned", "the key was accepted before the password failed");
    page.proves_a_shell().await;
}

#[tokio::test]
async fn keys_open_terminals() {
    let (admin, host) = host().await;
    let mut page = Page::open(&admin, &host).await;
    page.accepted(key(&SSHD.key())).await;
    page.proves_a_shell().await;

    let mut page = Page::open(&admin, &host).await;
    page.connected(key(&SSHD.rsa_key())).await;
    page.proves_a_shell().await;
}

#[tokio::test]
async fn a_locked_key_needs_its_passphrase() {
    let (admin, host) = host().await;
    let (locked, passphrase) = SSHD.locked_key();
    let mut page = Page::open(&admin, &host).await;
    let mut connect = key(&locked);
    connect["passphrase"] = "not it".into();
    let refused = page.refused(connect.clone()).await;
    assert!(["auth_failed", "bad_request"].contains(&refused["code"].as_str().unwrap_or("")));
    connect["passphrase"] = passphrase.into();
    page.accepted(connect).await;
    page.proves_a_shell().await;
}

#[tokio::test]
async fn the_server_s_questions_reach_the_person() {
    let sshd = Sshd::keyboard_interactive();
    let admin = DAEMON.admin().await;
    let host = admin.add_host("interactive", Some(("127.0.0.1", sshd.port()))).await;
    let mut page = Page::open(&admin, host["id"].as_str().expect("an id")).await;
    let connect = json!({ "username": sshd.account().name });
    let unknown = page.refused(connect.clone()).await;
    let mut connect = connect;
    connect["accept_host_key"] = unknown["fingerprint"].clone();
    page.connect(connect).await;
    let prompt = page.event("prompt").await;
    let question = &prompt["prompts"][0];
    assert_eq!(question["echo"], false, "{prompt}");
    assert!(question["text"].as_str().expect("text").contains("assword"), "{prompt}");
    let answers = json!({ "type": "answers", "answers": [sshd.account().password] });
    page.socket().json(&answers).await;
    page.event("connected").await;
    page.proves_a_shell().await;
}

#[tokio::test]
async fn a_dead_host_is_unreachable_and_can_be_tried_again() {
    let admin = DAEMON.admin().await;
    let port = gangplank_tests::sshd::free_port();
    let host = admin.add_host("dead", Some(("127.0.0.1", port))).await;
    let mut page = Page::open(&admin, host["id"].as_str().expect("an id")).await;
    assert_eq!(page.refused(password()).await["code"], "unreachable");
    assert_eq!(page.refused(password()).await["code"], "unreachable");
}

#[tokio::test]
async fn disconnecting_ends_the_shell() {
    let (admin, host) = host().await;
    let mut page = Page::open(&admin, &host).await;
    let connected = page.accepted(password()).await;
    page.proves_a_shell().await;
    page.socket().json(&json!({ "type": "disconnect" })).await;
    page.event("closed").await;
    page.ended(Duration::from_secs(10)).await;
    let sessions = admin.get("/api/v1/sessions?limit=200").await.expect(200).json();
    let session = sessions["items"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|session| session["id"] == connected["session_id"])
        .expect("the session is known");
    assert!(session["ended_at"].is_string(), "{session}");
    assert_eq!(session["mode"], "direct");
    assert_eq!(session["username"], SSHD.account().name);
}

#[tokio::test]
async fn a_second_connect_is_refused_while_one_is_open() {
    let (admin, host) = host().await;
    let mut page = Page::open(&admin, &host).await;
    page.accepted(password()).await;
    assert_eq!(page.refused(password()).await["code"], "already_connected");
    page.proves_a_shell().await;
}
