//! Terminals through an agent: SSH from the agent's host, and its own PTY.

use std::time::Duration;

use gangplank_tests::{
    agent::{Agent, Policy, shell_user},
    daemon::Daemon,
    fleet::Fleet,
    page::Page,
    process, program,
    sshd::Sshd,
};
use nix::sys::signal::Signal;
use serde_json::json;
use tokio::sync::OnceCell;

static FLEET: OnceCell<Fleet> = OnceCell::const_new();

async fn fleet() -> &'static Fleet {
    FLEET.get_or_init(Fleet::start).await
}

#[tokio::test]
async fn a_pty_of_the_agent_answers() {
    let fleet = fleet().await;
    let admin = fleet.admin().await;
    let mut page = Page::open(&admin, fleet.host()).await;
    let connected = page.connected(fleet.pty()).await;
    assert_eq!(connected["host_key"], "none");
    page.proves_a_shell().await;
    page.keys("id -un\r").await;
    page.shows(&shell_user()).await;
    page.resize(97, 29).await;
    page.keys("stty size\r").await;
    page.shows("29 97").await;
    page.keys("exit 3\r").await;
    assert_eq!(page.event("closed").await["exit_status"], 3);
    assert_eq!(page.ended(Duration::from_secs(5)).await.code, 4010);
}

#[tokio::test]
async fn ssh_from_the_agent_answers() {
    let fleet = fleet().await;
    let admin = fleet.admin().await;
    let mut connect = fleet.proxy();
    connect["accept_host_key"] = fleet.sshd.fingerprints()[0].clone().into();
    let mut page = Page::open(&admin, fleet.host()).await;
    page.connected(connect).await;
    page.proves_a_shell().await;
    page.resize(99, 33).await;
    page.keys("stty size\r").await;
    page.shows("33 99").await;
}

#[tokio::test]
async fn a_person_s_key_never_travels_to_the_agent() {
    let fleet = fleet().await;
    let admin = fleet.admin().await;
    let accepted = fleet.sshd.fingerprints()[0].clone();
    let (locked, passphrase) = fleet.sshd.locked_key();
    let keys = [(fleet.sshd.key(), ""), (fleet.sshd.rsa_key(), ""), (locked, passphrase)];
    for (key, passphrase) in keys {
        let mut page = Page::open(&admin, fleet.host()).await;
        let mut connect = fleet.proxy();
        connect["password"] = serde_json::Value::Null;
        connect["privateKey"] = key.into();
        connect["passphrase"] = passphrase.into();
        connect["accept_host_key"] = accepted.clone().into();
        page.connected(connect).await;
        page.proves_a_shell().await;
    }
    assert!(!fleet.agent.log().contains("PRIVATE KEY"));
}

#[tokio::test]
async fn a_wrong_password_through_the_agent_can_be_corrected() {
    let fleet = fleet().await;
    let admin = fleet.admin().await;
    let mut page = Page::open(&admin, fleet.host()).await;
    let mut connect = fleet.proxy();
    connect["accept_host_key"] = fleet.sshd.fingerprints()[0].clone().into();
    connect["password"] = "not it".into();
    assert_eq!(page.refused(connect).await["code"], "auth_failed");
    page.connected(fleet.proxy()).await;
    page.proves_a_shell().await;
}

#[tokio::test]
async fn the_agent_s_own_file_decides() {
    let fleet = fleet().await;
    let admin = fleet.admin().await;
    let mut page = Page::open(&admin, fleet.host()).await;
    let mut elsewhere = fleet.proxy();
    elsewhere["proxy_port"] = 1.into();
    assert_eq!(page.refused(elsewhere).await["code"], "not_allowed");
    let mut elsewhere = fleet.proxy();
    elsewhere["proxy_host"] = "127.0.0.2".into();
    assert_eq!(page.refused(elsewhere).await["code"], "not_allowed");
    let mut nobody = fleet.pty();
    nobody["username"] = "nobody".into();
    assert_eq!(page.refused(nobody).await["code"], "not_allowed");
    page.connected(fleet.pty()).await;
    page.proves_a_shell().await;
}

#[tokio::test]
async fn a_policy_without_terminals_opens_none() {
    let fleet = fleet().await;
    let admin = fleet.admin().await;
    let policy = Policy { terminal: vec![], targets: vec![], users: vec![] };
    let agent = Agent::enrol(&fleet.daemon, &admin, &policy).await;
    let mut page = Page::open(&admin, agent.host()).await;
    assert_eq!(page.refused(fleet.pty()).await["code"], "not_allowed");
    assert_eq!(page.refused(fleet.proxy()).await["code"], "not_allowed");
}

#[tokio::test]
async fn another_local_user_gets_that_user_s_own_shell() {
    let fleet = fleet().await;
    let admin = fleet.admin().await;
    let account = fleet.sshd.account();
    let policy = Policy {
        terminal: vec!["pty".to_owned()],
        targets: vec![],
        users: vec![account.name.clone()],
    };
    let agent = Agent::enrol(&fleet.daemon, &admin, &policy).await;
    let mut page = Page::open(&admin, agent.host()).await;
    page.connected(json!({ "connection_mode": "pty", "username": account.name })).await;
    page.keys("echo \"$(id -un):$HOME:$(id -Gn | wc -w):$PWD\"\r").await;
    let home = account.home.display();
    page.shows(&format!("{}:{home}:1:{home}", account.name)).await;
}

#[tokio::test]
async fn a_killed_agent_is_told_within_ten_seconds() {
    let fleet = fleet().await;
    let admin = fleet.admin().await;
    let policy = Policy::everything(&fleet.sshd.target());
    let agent = Agent::enrol(&fleet.daemon, &admin, &policy).await;

    let mut page = Page::open(&admin, agent.host()).await;
    page.connected(fleet.pty()).await;
    page.proves_a_shell().await;
    let mut json = Page::open_json(&admin, agent.host()).await;
    json.connected(fleet.pty()).await;
    json.proves_a_shell().await;

    agent.kill();
    let told = page.event_within("error", Duration::from_secs(10)).await;
    assert_eq!(told["code"], "agent_offline");
    let told = json.event_within("error", Duration::from_secs(10)).await;
    assert_eq!(told["code"], "agent_offline");
    json.event_within("closed", Duration::from_secs(5)).await;
    let status = agent.state(&admin, "offline").await;
    assert!(status["reason"].is_string(), "{status}");
    assert!(status["since"].is_string(), "{status}");

    let mut page = Page::open(&admin, agent.host()).await;
    assert_eq!(page.refused(fleet.pty()).await["code"], "agent_offline");
    agent.start_again();
    agent.online(&admin).await;
    page.connected(fleet.pty()).await;
    page.proves_a_shell().await;
}

#[tokio::test]
async fn the_agent_comes_back_after_a_restart_of_the_daemon() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let agent = Agent::enrol(&daemon, &admin, &Policy::everything("localhost:22")).await;

    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.exit_code(Duration::from_secs(15)), Some(0));
    daemon.start_again();
    agent.online(&admin).await;

    daemon.kill();
    daemon.start_again();
    agent.online(&admin).await;
    let mut page = Page::open(&admin, agent.host()).await;
    page.connected(json!({ "connection_mode": "pty", "username": shell_user() })).await;
    page.proves_a_shell().await;
}

#[tokio::test]
async fn an_agent_s_end_leaves_no_shell_behind() {
    let fleet = fleet().await;
    let admin = fleet.admin().await;
    let policy = Policy::everything(&fleet.sshd.target());
    let agent = Agent::enrol(&fleet.daemon, &admin, &policy).await;
    let mut page = Page::open(&admin, agent.host()).await;
    page.connected(fleet.pty()).await;
    page.keys("echo \"shell-$$-is-it\" | tr a-z A-Z\r").await;
    page.shows("-IS-IT").await;
    let text = String::from_utf8_lossy(page.output()).into_owned();
    let shell = text
        .split("SHELL-")
        .find_map(|rest| rest.split("-IS-IT").next()?.parse::<i32>().ok())
        .expect("the shell's process id");
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.exit_code(Duration::from_secs(15)), Some(0));
    gangplank_tests::eventually::eventually("the shell to end", || {
        (!std::path::Path::new(&format!("/proc/{shell}")).exists()).then_some(())
    });
}

#[tokio::test]
async fn an_enrolled_agent_can_be_asked_how_it_is() {
    let fleet = fleet().await;
    let mut ping = std::process::Command::new(program::gangplank_agent());
    ping.arg("ping").arg("--config").arg(fleet.agent.config());
    assert_eq!(process::run(&ping).code, Some(0), "{:?}", process::run(&ping));
    let mut diagnostics = std::process::Command::new(program::gangplank_agent());
    diagnostics.args(["diagnostics", "--json", "--config"]).arg(fleet.agent.config());
    let finished = process::run(&diagnostics);
    let told: serde_json::Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert!(told.is_object());
    let config = gangplank_tests::agent::read(fleet.agent.config());
    let key = config["credentials"]["api_key"].as_str().expect("a key");
    assert!(!finished.stdout.contains(key), "diagnostics must not show the key");
}

#[tokio::test]
async fn an_sshd_without_the_password_way_asks_through_the_agent() {
    let fleet = fleet().await;
    let admin = fleet.admin().await;
    let sshd = Sshd::keyboard_interactive();
    let agent = Agent::enrol(&fleet.daemon, &admin, &Policy::everything(&sshd.target())).await;
    let mut page = Page::open(&admin, agent.host()).await;
    let connect = json!({
        "connection_mode": "proxy", "username": sshd.account().name,
        "proxy_host": "127.0.0.1", "proxy_port": sshd.port(),
        "accept_host_key": sshd.fingerprints()[0],
    });
    page.connect(connect).await;
    page.event("prompt").await;
    let answers = json!({ "type": "answers", "answers": [sshd.account().password] });
    page.socket().json(&answers).await;
    page.event("connected").await;
    page.proves_a_shell().await;
}
