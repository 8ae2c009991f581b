//! Direct terminals to a host behind another one's agent.

use std::{fs, sync::LazyLock};

use gangplank_tests::{
    account::random,
    agent::{Agent, Policy},
    daemon::Daemon,
    eventually,
    http::Client,
    keeper::Keeper,
    page::Page,
    returning::Returning,
    scratch,
    sshd::Sshd,
    tunnel::Tunnel,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);
static SSHD: LazyLock<Sshd> = LazyLock::new(Sshd::start);

fn policy(targets: &[&str]) -> Policy {
    let targets = targets.iter().map(|target| (*target).to_owned()).collect();
    Policy { terminal: vec!["ssh".to_owned()], targets, users: Vec::new() }
}

/// A host at `sshd` behind the agent.
async fn behind(admin: &Client, agent: &Agent, sshd: &Sshd) -> String {
    let host = admin.add_host("behind", Some(("127.0.0.1", sshd.port()))).await;
    let id = host["id"].as_str().expect("an id").to_owned();
    let change = json!({ "gateway_id": agent.host() });
    let changed = admin.patch(&format!("/api/v1/hosts/{id}"), change).await.expect(200).json();
    assert_eq!(changed["gateway_id"], agent.host());
    id
}

fn login(sshd: &Sshd) -> Value {
    json!({ "username": sshd.account().name, "password": sshd.account().password })
}

/// An agent whose way to the daemon can be cut.
async fn with_tunnel(admin: &Client) -> (Agent, Tunnel) {
    let tunnel = Tunnel::start().await;
    let agent = Agent::enrol_with(&DAEMON, admin, &policy(&[&SSHD.target()]), |config| {
        let server = config["server"].as_table_mut().expect("a section");
        server.insert("proxy".to_owned(), tunnel.url().into());
    })
    .await;
    (agent, tunnel)
}

/// A terminal whose shell neither echoes nor prompts.
async fn quiet(client: &Client, host: &str) -> Returning {
    let mut page = Page::open(client, host).await;
    page.accepted(login(&SSHD)).await;
    page.socket().json(&json!({ "type": "disconnect" })).await;
    let mut page = Returning::open(client, host, login(&SSHD)).await;
    page.keys("stty raw -echo; echo re\"\"ady; ENV= PS1= exec sh\r").await;
    page.shows("ready").await;
    page.keys("echo qu\"\"iet\n").await;
    page.shows("quiet\n").await;
    page.forget();
    page
}

#[tokio::test]
async fn a_shell_beyond_a_gateway_answers_and_its_window_follows() {
    let admin = DAEMON.admin().await;
    let agent = Agent::enrol(&DAEMON, &admin, &policy(&[&SSHD.target()])).await;
    let host = behind(&admin, &agent, &SSHD).await;
    let mut page = Page::open(&admin, &host).await;
    let mut connect = login(&SSHD);
    connect["cols"] = 101.into();
    connect["rows"] = 37.into();
    let connected = page.accepted(connect).await;
    assert_eq!(connected["host_key"], "accepted");
    page.proves_a_shell().await;
    page.keys("stty size\r").await;
    page.shows("37 101").await;
    page.resize(133, 41).await;
    page.keys("stty size\r").await;
    page.shows("41 133").await;

    let keys = admin.get(&format!("/api/v1/hosts/{host}/host-keys")).await.expect(200).json();
    assert_eq!(keys["items"][0]["target"], SSHD.target());
    let session = connected["session_id"].as_str().expect("an id");
    let row = admin.get(&format!("/api/v1/sessions/{session}")).await.expect(200).json();
    assert_eq!(row["mode"], "direct");
    let audit = admin.get("/api/v1/audit?limit=500").await.expect(200).json();
    let started = audit["items"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|row| row["action"] == "terminal.start" && row["detail"]["session"] == session);
    assert_eq!(started.expect("a start")["detail"]["gateway"], agent.host());

    page.keys("exit 7\r").await;
    assert_eq!(page.event("closed").await["exit_status"], 7);
}

#[tokio::test]
async fn nothing_is_lost_when_the_gateway_s_link_is_cut() {
    let admin = DAEMON.admin().await;
    let (agent, tunnel) = with_tunnel(&admin).await;
    let host = behind(&admin, &agent, &SSHD).await;
    let mut page = quiet(&admin, &host).await;
    let len = 6_000_000;
    let file = scratch::shared_directory().join("noise");
    let noise: Vec<u8> = random::<50_000>()
        .iter()
        .cycle()
        .take(len)
        .zip(0..)
        .map(|(b, n): (_, usize)| b ^ (n >> 13) as u8)
        .collect();
    fs::write(&file, &noise).expect("a file");
    page.keys(&format!("cat {}; printf 'TH%sEND' E\n", file.display())).await;
    for cut in 1..=5 {
        assert!(page.collects(len * cut / 6).await, "the page was lost with the link");
        tunnel.cut();
    }
    assert!(page.collects(len + "THEEND".len()).await, "the page was lost with the link");
    assert!(page.output().ends_with(b"THEEND"));
    assert_eq!(Sha256::digest(&page.output()[..len]), Sha256::digest(&noise));

    // What is typed meanwhile arrives once and in order.
    let read = "read -r l; n=$((n+1)); echo \"<$l>\"";
    page.keys(&format!("echo st\"\"art; n=0; while [ $n -lt 300 ]; do {read}; done\n")).await;
    // What comes before the loop reads would be the shell's own.
    page.shows("start\n").await;
    page.forget();
    let mut wanted = String::new();
    for line in 0..300 {
        if line % 60 == 30 {
            tunnel.cut();
        }
        page.keys(&format!("{line}\n")).await;
        wanted.push_str(&format!("<{line}>\n"));
    }
    page.shows("<299>\n").await;
    assert_eq!(String::from_utf8_lossy(page.output()), wanted);
    assert!(page.gaps.is_empty(), "{:?}", page.gaps);
    let back = "a stream waits for its gateway";
    assert!(DAEMON.log().matches(back).count() >= 5, "the link was not cut");
}

#[tokio::test]
async fn a_terminal_that_nobody_shows_survives_its_gateway_s_link() {
    let admin = DAEMON.admin().await;
    let (agent, tunnel) = with_tunnel(&admin).await;
    let host = behind(&admin, &agent, &SSHD).await;
    let mut page = quiet(&admin, &host).await;
    page.lose();
    tunnel.close();
    agent.state(&admin, "offline").await;
    // A page that comes meanwhile has what is kept, and hears that the way on is lost.
    page.resumed().await;
    assert_eq!(page.event("error").await["code"], "agent_offline");
    page.keys("echo st\"\"ill\n").await;
    tunnel.open();
    assert_eq!(page.event("connected").await["resumed"], true);
    page.shows("still\n").await;
    tunnel.cut();
    assert_eq!(page.event("error").await["code"], "agent_offline");
    page.event("connected").await;
    page.lose();

    // Ended while the gateway is away, it is over there too when the gateway is back.
    let shells = || {
        SSHD.log().matches("Disconnected from user").count()
            + SSHD.log().matches("Connection closed by").count()
    };
    tunnel.close();
    agent.state(&admin, "offline").await;
    let before = shells();
    admin.delete(&format!("/api/v1/sessions/{}", page.session())).await.expect(204);
    tunnel.open();
    eventually::until(eventually::patience(), "the end of the connection", || async {
        (shells() > before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_gateway_that_is_away_or_forbids_it_says_so() {
    let admin = DAEMON.admin().await;
    let agent = Agent::enrol(&DAEMON, &admin, &policy(&["localhost:22"])).await;
    let host = behind(&admin, &agent, &SSHD).await;
    let mut page = Page::open(&admin, &host).await;
    let refused = page.refused(login(&SSHD)).await;
    assert_eq!(refused["code"], "not_allowed");
    let message = refused["message"].as_str().expect("a text");
    assert!(message.contains("policy.targets has localhost:22"), "{message}");

    let no_ssh = Policy { terminal: vec!["pty".to_owned()], ..policy(&[&SSHD.target()]) };
    let other = Agent::enrol(&DAEMON, &admin, &no_ssh).await;
    let beyond = behind(&admin, &other, &SSHD).await;
    let mut page = Page::open(&admin, &beyond).await;
    assert_eq!(page.refused(login(&SSHD)).await["code"], "not_allowed");

    other.kill();
    other.state(&admin, "offline").await;
    let refused = page.refused(login(&SSHD)).await;
    assert_eq!(refused["code"], "agent_offline");
    assert!(refused["message"].as_str().expect("a text").contains("gateway"), "{refused}");
}

#[tokio::test]
async fn a_changed_key_behind_a_gateway_gets_no_password() {
    let admin = DAEMON.admin().await;
    let sshd = Sshd::start();
    let agent = Agent::enrol(&DAEMON, &admin, &policy(&[&sshd.target()])).await;
    let host = behind(&admin, &agent, &sshd).await;
    let mut page = Page::open(&admin, &host).await;
    assert_eq!(page.refused(login(&sshd)).await["code"], "host_key_unknown");
    page.accepted(login(&sshd)).await;
    sshd.change_host_key();
    let before = sshd.log();
    let mut page = Page::open(&admin, &host).await;
    assert_eq!(page.refused(login(&sshd)).await["code"], "host_key_changed");
    let log = sshd.log();
    let since = log.strip_prefix(&before).expect("a log only grows");
    for attempt in ["Failed", "Accepted", "Postponed", "userauth"] {
        assert!(!since.contains(attempt), "an attempt to log in:\n{since}");
    }
    assert!(!agent.log().contains(&sshd.account().password));
}

/// The terminal ends with the daemon's process, in the store and at the gateway.
async fn ends_with(daemon: &Daemon) {
    let admin = daemon.admin().await;
    let agent = Agent::enrol(daemon, &admin, &policy(&[&SSHD.target()])).await;
    let host = behind(&admin, &agent, &SSHD).await;
    let mut page = quiet(&admin, &host).await;
    daemon.kill();
    daemon.start_again();
    assert_eq!(page.resume().await["code"], "no_such_session");
    let path = format!("/api/v1/sessions/{}", page.session());
    eventually::until(eventually::patience(), "the end in the store", || async {
        let row = admin.get(&path).await.expect(200).json();
        row["ended_at"].is_string().then_some(())
    })
    .await;
    eventually::until(eventually::patience(), "the gateway to hear of it", || async {
        agent.log().contains("attaching").then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_daemon_s_restart_ends_it() {
    ends_with(&Daemon::start()).await;
}

#[tokio::test]
async fn the_daemon_s_restart_ends_it_beside_a_keeper_too() {
    let keeper = Keeper::start();
    ends_with(&keeper.daemon()).await;
}

#[tokio::test]
async fn a_gateway_is_another_host_of_the_same_tenant_without_one_itself() {
    let admin = DAEMON.admin().await;
    let id = |made: &Value| made["id"].as_str().expect("an id").to_owned();
    let gateway = id(&admin.add_host("jump", None).await);
    let host = id(&admin.add_host("inner", Some(("10.0.0.1", 22))).await);
    let path = |host: &str| format!("/api/v1/hosts/{host}");
    let refused = async |host: &str, gateway: &str| {
        admin.patch(&path(host), json!({ "gateway_id": gateway })).await.refused(400);
    };
    admin.patch(&path(&host), json!({ "gateway_id": gateway })).await.expect(200);
    let unknown = "018f0000-0000-7000-8000-000000000000";
    refused(&host, unknown).await;
    refused(&host, &host).await;
    refused(&gateway, &host).await;
    let third = id(&admin.add_host("third", None).await);
    refused(&third, &host).await;
    refused(&gateway, &third).await;
    refused(&third, "jump").await;

    admin.delete(&path(&gateway)).await.refused(409);
    let none = admin.patch(&path(&host), json!({ "gateway_id": null })).await.expect(200).json();
    assert_eq!(none["gateway_id"], Value::Null);
    let made = DAEMON.command(&[
        "host",
        "add",
        "by-command",
        "--address",
        "10.0.0.2",
        "--gateway",
        "jump",
        "--json",
    ]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let made: Value = serde_json::from_str(&made.stdout).expect("JSON");
    let shown = admin.get(&path(&id(&made))).await.expect(200).json();
    assert_eq!(shown["gateway_id"], gateway);
    let posted = json!({ "friendly_name": "posted", "gateway_id": gateway });
    admin.post("/api/v1/hosts", posted).await.expect(201);
}
