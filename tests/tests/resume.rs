//! A terminal is never lost: not with its socket, not with the daemon, not with the agent's link.

use std::{
    env, fs,
    sync::LazyLock,
    time::{Duration, Instant},
};

use gangplank_tests::{
    account::random,
    agent::{Agent, Policy, shell_user},
    daemon::Daemon,
    eventually,
    http::Client,
    page::Page,
    returning::Returning,
    scratch,
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

const SOON: Duration = Duration::from_secs(5);

fn pty() -> Value {
    json!({ "connection_mode": "pty", "username": shell_user() })
}

async fn agent_of(daemon: &Daemon) -> (Client, Agent) {
    let admin = daemon.admin().await;
    let agent = Agent::enrol(daemon, &admin, &Policy::everything("localhost:22")).await;
    (admin, agent)
}

/// A terminal whose shell neither echoes nor prompts.
async fn quiet(client: &Client, host: &str) -> Returning {
    let mut page = Returning::open(client, host, pty()).await;
    page.keys("stty raw -echo; echo re\"\"ady; ENV= PS1= exec sh\r").await;
    page.shows("ready").await;
    page.keys("echo qu\"\"iet\n").await;
    page.shows("quiet\n").await;
    page
}

async fn session(client: &Client, id: &str) -> Value {
    client.get(&format!("/api/v1/sessions/{id}")).await.expect(200).json()
}

async fn session_is(client: &Client, id: &str, state: &str) -> Value {
    eventually::until(eventually::patience(), &format!("the session to be {state}"), || async {
        Some(session(client, id).await).filter(|session| session["state"] == state)
    })
    .await
}

/// How often the daemon is killed in the tests that do so.
fn kills() -> usize {
    env::var("GANGPLANK_SOAK_KILLS").map_or(3, |kills| kills.parse().expect("a number"))
}

/// A file of `len` random bytes that the shell's user may read, and its hash.
fn noise(len: usize) -> (String, Vec<u8>) {
    let directory = scratch::shared_directory();
    let path = directory.join("noise");
    let block = random::<65_536>();
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let at = bytes.len().to_be_bytes();
        bytes.extend_from_slice(&at);
        bytes.extend_from_slice(&block);
    }
    bytes.truncate(len);
    fs::write(&path, &bytes).expect("a file");
    (path.display().to_string(), Sha256::digest(&bytes).to_vec())
}

#[tokio::test]
async fn a_lost_socket_loses_nothing() {
    let (admin, agent) = agent_of(&DAEMON).await;
    let mut page = quiet(&admin, agent.host()).await;
    page.lose();
    page.keys("printf 'A%sC' B; exit 3\n").await;
    let connected = page.resumed().await;
    assert_eq!(connected["resumed"], true);
    assert_eq!(connected["offset"], page.offset());
    assert!(connected["replay_to"].as_u64() >= connected["offset"].as_u64(), "{connected}");
    page.shows("ABC").await;
    assert_eq!(page.event("closed").await["exit_status"], 3);
    assert_eq!(page.ended(SOON).await.code, 4010);
    assert_eq!(page.resume().await["code"], "no_such_session");
}

#[tokio::test]
async fn an_end_that_nobody_heard_is_told_again() {
    let (admin, agent) = agent_of(&DAEMON).await;
    let mut page = quiet(&admin, agent.host()).await;
    page.keys("printf 'A%sC' B; exit 3\n").await;
    // A page whose network is gone unnoticed neither reads nor answers.
    session_is(&admin, page.session(), "detached").await;
    page.resumed().await;
    page.shows("ABC").await;
    assert_eq!(page.event("closed").await["exit_status"], 3);
    assert_eq!(page.ended(SOON).await.code, 4010);
    session_is(&admin, page.session(), "ended").await;
}

#[tokio::test]
async fn a_killed_daemon_loses_nothing() {
    let daemon = Daemon::start();
    let (admin, agent) = agent_of(&daemon).await;
    let kills = kills();
    let len = 1_000_000 * kills.max(5);
    let (file, hash) = noise(len);
    let mut page = quiet(&admin, agent.host()).await;
    page.forget();
    page.keys(&format!("cat {file}; printf 'TH%sEND' E; exit 0\n")).await;
    let mut longest = Duration::ZERO;
    for kill in 1..=kills {
        assert!(page.collects(len * kill / (kills + 1)).await, "lost before it was killed");
        daemon.kill();
        daemon.start_again();
        let up = Instant::now();
        page.resumed().await;
        let had = page.output().len();
        if had < len {
            page.collects(had + 1).await;
        }
        longest = longest.max(up.elapsed());
    }
    println!("{kills} kills: longest gap after the daemon accepted again {longest:?}");
    page.shows("THEEND").await;
    assert_eq!(page.event("closed").await["exit_status"], 0);
    assert!(page.gaps.is_empty(), "{:?}", page.gaps);
    assert_eq!(page.output().len(), len + "THEEND".len());
    assert_eq!(Sha256::digest(&page.output()[..len]).to_vec(), hash);
    assert!(longest < Duration::from_secs(20), "{longest:?}");
}

#[tokio::test]
async fn what_is_typed_while_the_daemon_dies_arrives_once_and_in_order() {
    let daemon = Daemon::start();
    let (admin, agent) = agent_of(&daemon).await;
    let mut page = quiet(&admin, agent.host()).await;
    let lines = 600;
    page.keys(&format!(
        "echo st\"\"art; n=0; while [ $n -lt {lines} ]; do read -r l; n=$((n+1)); echo \"<$l>\"; done\n"
    ))
    .await;
    // What comes before the loop reads would be the shell's own.
    page.shows("start\n").await;
    page.forget();
    let mut wanted = String::new();
    for kill in 0..kills() {
        let each = lines / kills();
        for line in 0..each {
            let text = format!("{kill}-{line}");
            page.keys(&format!("{text}\n")).await;
            wanted.push_str(&format!("<{text}>\n"));
            if line == each / 3 {
                daemon.kill();
            }
            if line == each / 2 {
                page.lose();
            }
        }
        daemon.start_again();
        page.resumed().await;
    }
    page.shows(wanted.lines().last().expect("a line")).await;
    let output = String::from_utf8_lossy(page.output());
    let differs = output.lines().zip(wanted.lines()).find(|(got, wanted)| got != wanted);
    assert!(
        output == wanted,
        "first difference: {differs:?}, {} bytes, gaps {:?}",
        output.len(),
        page.gaps
    );
}

#[tokio::test]
async fn a_stopping_daemon_says_when_to_come_back_and_keeps_agents_terminals() {
    let daemon = Daemon::start();
    let (admin, agent) = agent_of(&daemon).await;
    let mut page = quiet(&admin, agent.host()).await;
    daemon.signal(Signal::SIGTERM);
    let closed = page.ended(SOON).await;
    assert_eq!(closed.code, 1001);
    assert!(closed.reason.starts_with("retry_in="), "{closed:?}");
    assert_eq!(daemon.exit_code(Duration::from_secs(15)), Some(0));
    daemon.start_again();
    page.keys("echo st\"\"ill\n").await;
    page.resumed().await;
    page.shows("still").await;
}

#[tokio::test]
async fn a_page_that_knows_nothing_gets_all_that_is_kept() {
    let (admin, agent) = agent_of(&DAEMON).await;
    let mut page = quiet(&admin, agent.host()).await;
    page.keys("printf 'one%s' two\n").await;
    page.shows("onetwo").await;
    let output = page.output().to_vec();
    page.lose();
    let mut other = Returning::to(&admin, agent.host(), page.session());
    let connected = other.resumed().await;
    assert_eq!(connected["offset"], 0);
    assert_eq!(connected["replay_to"], output.len());
    other.shows("onetwo").await;
    assert_eq!(other.output(), output);
    other.keys("printf 'thr%s' ee\n").await;
    other.shows("three").await;
}

#[tokio::test]
async fn only_its_owner_comes_back_to_a_terminal() {
    let (admin, agent) = agent_of(&DAEMON).await;
    let (_, elsewhere) = agent_of(&DAEMON).await;
    let (_, other) = admin.add_user("not-the-owner", &["operator"]).await;
    let page = quiet(&admin, agent.host()).await;
    let unknown = "018f0000-0000-7000-8000-000000000000";
    let mut answers = Vec::new();
    for (client, host, session) in [
        (&other, agent.host(), page.session()),
        (&admin, elsewhere.host(), page.session()),
        (&admin, agent.host(), unknown),
    ] {
        answers.push(Returning::to(client, host, session).resume().await);
    }
    assert_eq!(answers[0]["code"], "no_such_session");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    // Who owns it can't have seen what it never said.
    let mut ahead = Page::open(&admin, agent.host()).await;
    let resume = json!({ "session_id": page.session(), "offset": 1_000_000_000 });
    ahead.connect(json!({ "resume": resume })).await;
    assert_eq!(ahead.event("error").await["code"], "bad_request");
}

#[tokio::test]
async fn the_newest_page_of_its_owner_has_the_terminal() {
    let (admin, agent) = agent_of(&DAEMON).await;
    let mut first = quiet(&admin, agent.host()).await;
    let mut second = Returning::to(&admin, agent.host(), first.session());
    second.resumed().await;
    assert_eq!(first.ended(SOON).await.code, 4009);
    second.keys("echo mi\"\"ne\n").await;
    second.shows("mine").await;
    assert_eq!(session(&admin, second.session()).await["state"], "open");
}

#[tokio::test]
async fn a_logout_leaves_terminals_and_a_disabled_user_has_none() {
    let (admin, agent) = agent_of(&DAEMON).await;
    let (id, operator) = admin.add_user("comes-back", &["operator"]).await;
    let mut page = quiet(&operator, agent.host()).await;
    operator.post("/api/v1/auth/logout", json!({})).await.expect(204);
    assert_eq!(page.ended(SOON).await.code, 4001);
    let left = session_is(&admin, page.session(), "detached").await;
    assert!(left["expires_at"].is_string() && left["cols"] == 80, "{left}");
    let list = "/api/v1/sessions?mine=true&state=live";
    let mine = admin.get(list).await.expect(200).json();
    let items = mine["items"].as_array().expect("a list");
    assert!(items.iter().all(|item| item["mine"] == true && item["id"] != left["id"]), "{mine}");

    admin.patch(&format!("/api/v1/users/{id}"), json!({ "disabled": true })).await.expect(200);
    let ended = session_is(&admin, page.session(), "ended").await;
    assert!(ended["end_reason"].as_str().is_some_and(|r| r.contains("no longer")), "{ended}");
}

#[tokio::test]
async fn a_deleted_host_s_terminals_end_on_the_host() {
    let (admin, agent) = agent_of(&DAEMON).await;
    let mut shells = Vec::new();
    for shown in [true, false] {
        let mut page = quiet(&admin, agent.host()).await;
        page.forget();
        page.keys("echo pid=$$=\n").await;
        page.shows("=\n").await;
        let text = String::from_utf8_lossy(page.output()).into_owned();
        let pid = text.split('=').nth(1).expect("a number").to_owned();
        if !shown {
            page.lose();
            session_is(&admin, page.session(), "detached").await;
        }
        shells.push((page, pid));
    }
    admin.delete(&format!("/api/v1/hosts/{}", agent.host())).await.expect(204);
    assert_eq!(shells[0].0.ended(SOON).await.code, 4010);
    for (page, pid) in &shells {
        session_is(&admin, page.session(), "ended").await;
        eventually::until(eventually::patience(), "the end of the shell", || async {
            (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_detached_terminal_can_be_ended_and_one_whose_life_is_over_is() {
    let daemon = Daemon::with(&[("limits.detached_life", "2s")]);
    let (admin, agent) = agent_of(&daemon).await;
    let mut page = quiet(&admin, agent.host()).await;
    page.lose();
    session_is(&admin, page.session(), "detached").await;
    admin.delete(&format!("/api/v1/sessions/{}", page.session())).await.expect(204);
    assert_eq!(page.resume().await["code"], "no_such_session");

    let mut page = quiet(&admin, agent.host()).await;
    page.lose();
    let ended = session_is(&admin, page.session(), "ended").await;
    assert_eq!(ended["end_reason"], "nobody came back in time");
    // A tenant may want them to live longer.
    let settings = json!({ "detached_life": "1h" });
    admin.patch("/api/v1/settings", settings).await.expect(200);
    admin.patch("/api/v1/settings", json!({ "detached_life": "25h" })).await.refused(400);
    let page = quiet(&admin, agent.host()).await;
    let id = page.session().to_owned();
    drop(page);
    let left = session_is(&admin, &id, "detached").await;
    assert!(left["expires_at"].is_string(), "{left}");
}

#[tokio::test]
async fn a_killed_agent_s_terminal_is_over_when_it_is_back() {
    let (admin, agent) = agent_of(&DAEMON).await;
    let mut page = quiet(&admin, agent.host()).await;
    let mut away = quiet(&admin, agent.host()).await;
    away.lose();
    session_is(&admin, away.session(), "detached").await;
    agent.kill();
    assert_eq!(page.event("error").await["code"], "agent_offline");
    // Resuming while the agent is away waits for it.
    assert_eq!(away.resume().await["code"], "agent_offline");
    agent.start_again();
    for page in [&mut page, &mut away] {
        page.event("closed").await;
        assert_eq!(page.ended(SOON).await.code, 4010);
        session_is(&admin, page.session(), "ended").await;
    }
}

#[tokio::test]
async fn what_was_overwritten_is_declared() {
    let daemon = Daemon::with(&[("limits.lossless_hold", "0s")]);
    let (admin, agent) = agent_of(&daemon).await;
    let mut page = quiet(&admin, agent.host()).await;
    let (file, _) = noise(4_000_000);
    page.forget();
    page.keys(&format!("cat {file}; printf 'TH%sEND' E\n")).await;
    page.collects(1).await;
    page.lose();
    // It runs on while nobody looks.
    eventually::until(eventually::patience(), "the whole of it", || async {
        let connected = Returning::to(&admin, agent.host(), page.session()).resumed().await;
        let to = connected["replay_to"].as_u64().expect("a number");
        Some(to).filter(|to| *to > 4_000_000)
    })
    .await;
    page.resumed().await;
    page.shows("THEEND").await;
    let (from, to) = *page.gaps.first().expect("a gap");
    assert!(to > from, "{from}..{to}");
}

#[tokio::test]
async fn the_way_is_measured() {
    let (admin, agent) = agent_of(&DAEMON).await;
    let mut page = Page::open(&admin, agent.host()).await;
    page.connected(pty()).await;
    page.proves_a_shell().await;
    page.socket().json(&json!({ "type": "latency", "id": 7 })).await;
    let told = page.event("latency").await;
    assert_eq!(told["id"], 7);
    assert!(told["agent_us"].is_u64() && told["host_us"].is_u64(), "{told}");
}
