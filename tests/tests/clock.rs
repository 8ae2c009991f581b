//! A clock that jumps: what lives goes on, and what is over stays over.

use std::{fs, path::PathBuf, time::Duration};

use gangplank_tests::{
    agent::{Agent, Policy, shell_user},
    daemon::Daemon,
    eventually,
    page::{Page, path},
    program, scratch,
    ws::Socket,
};
use serde_json::json;

/// Lines that may be logged because of one jump.
const LINES: usize = 50;

/// A daemon whose time of day the test sets. Its durations are not touched, as those of a machine
/// aren't by a new time of day.
struct Jumping {
    daemon: Daemon,
    file: PathBuf,
}

impl Jumping {
    fn start() -> Self {
        // The program that belongs to the library says where that is.
        program::installed("faketime");
        let library = ["x86_64-linux-gnu", "aarch64-linux-gnu", ""]
            .map(|platform| PathBuf::from("/usr/lib").join(platform).join("faketime"))
            .map(|directory| directory.join("libfaketimeMT.so.1"))
            .into_iter()
            .find(|library| library.is_file())
            .expect("the library of faketime");
        let file = scratch::directory().join("time");
        fs::write(&file, "+0").expect("our own directory");
        let text = |path: &PathBuf| path.to_str().expect("a path").to_owned();
        let daemon = Daemon::in_environment(&[
            ("LD_PRELOAD", &text(&library)),
            ("FAKETIME_TIMESTAMP_FILE", &text(&file)),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("FAKETIME_DONT_RESET", "1"),
        ]);
        Self { daemon, file }
    }

    /// Sets the time of day so far from the right one, as in `-1h`.
    fn jump(&self, to: &str) {
        fs::write(&self.file, to).expect("our own file");
    }
}

/// A terminal that answers and a subscriber that hears.
async fn lives(page: &mut Page, subscriber: &mut Socket, daemon: &Daemon, name: &str) {
    page.keys(&format!("echo li''ves-{name}.\r")).await;
    page.shows(&format!("lives-{name}.")).await;
    let added = daemon.command(&["host", "add", name, "--json"]);
    assert_eq!(added.code, Some(0), "{added:?}");
    loop {
        let told = subscriber.next_json().await.to_string();
        if told.contains(name) {
            break;
        }
    }
}

#[tokio::test]
async fn a_jump_of_the_clock_drops_nobody_and_revives_nothing() {
    let jumping = Jumping::start();
    let daemon = &jumping.daemon;
    let admin = daemon.admin().await;
    let agent = Agent::enrol(daemon, &admin, &Policy::everything("localhost:22")).await;
    let since = admin.status(agent.host()).await["since"].clone();
    let mut page = Page::open(&admin, agent.host()).await;
    page.connected(json!({ "connection_mode": "pty", "username": shell_user() })).await;
    let mut subscriber = admin.upgrade("/api/v1/ws/events?topics=hosts").open().await.expect("101");
    let anonymous = admin.clone().anonymous();
    let status = async |ticket: &str| {
        let opened = anonymous.upgrade(&path(agent.host(), ticket)).open().await;
        opened.err().map_or(101, |answer| answer.status)
    };
    let used = admin.ticket(agent.host()).await;
    assert_eq!(status(&used).await, 101);

    // It is the daemon's clock that jumps.
    let before = admin.get("/healthz").await.expect(200).header("date").to_owned();
    let late = admin.ticket(agent.host()).await;
    jumping.jump("+1h");
    assert_ne!(admin.get("/healthz").await.expect(200).header("date")[..20], before[..20]);
    let lines = daemon.log().lines().count();
    assert_eq!(status(&late).await, 401, "its time is over");
    lives(&mut page, &mut subscriber, daemon, "later").await;
    admin.get("/api/v1/hosts").await.expect(200);
    let ahead = admin.ticket(agent.host()).await;
    jumping.jump("-1h");
    assert_eq!(status(&late).await, 401, "a ticket of a time to come");

    for (number, to) in ["-2h", "+0", "+3650d", "-3650d", "+0"].into_iter().enumerate() {
        jumping.jump(to);
        for ticket in [&used, &ahead] {
            assert_eq!(status(ticket).await, 401, "{to}: a ticket was revived");
        }
        lives(&mut page, &mut subscriber, daemon, &format!("jump-{number}")).await;
    }
    // Whether a login is over is decided by its own times, and said.
    let login = admin.get("/api/v1/hosts").await;
    assert!([200, 401].contains(&login.status), "{}", login.text());
    if login.status == 401 {
        login.refused(401);
    }
    let admin = daemon.admin().await;
    let status = admin.status(agent.host()).await;
    assert_eq!(status["state"], "online", "{status}");
    assert_eq!(status["since"], since, "the agent came anew");
    let more = daemon.log().lines().skip(lines).count();
    assert!(more < 6 * LINES, "{more} lines of log");
    assert!(!daemon.log().contains("panicked"));
    // Timers wait for a duration, not for a time of day: nothing was done many times to catch up.
    assert_eq!(subscriber.next_within(Duration::from_secs(2)).await, None);
}

/// How long a terminal waits for its owner is a duration too.
#[tokio::test]
async fn a_terminal_that_nobody_shows_outlives_a_jump() {
    let jumping = Jumping::start();
    let daemon = &jumping.daemon;
    let admin = daemon.admin().await;
    let agent = Agent::enrol(daemon, &admin, &Policy::everything("localhost:22")).await;
    for (number, to) in ["+1h", "-1h", "+0"].into_iter().enumerate() {
        let mut page = Page::open(&admin, agent.host()).await;
        let pty = json!({ "connection_mode": "pty", "username": shell_user() });
        let session = page.connected(pty).await["session_id"].clone();
        drop(page);
        let path = format!("/api/v1/sessions/{}", session.as_str().expect("an id"));
        let soon = eventually::patience();
        eventually::until(soon, "the terminal to be left", || async {
            let session = admin.get(&path).await.expect(200).json();
            (session["state"] == "detached").then_some(())
        })
        .await;
        jumping.jump(to);
        eventually::until(soon, "the jump to be noticed", || async {
            let noticed = daemon.log().matches("the time of day was set").count();
            (noticed > number).then_some(())
        })
        .await;
        let mut page = Page::open(&admin, agent.host()).await;
        let resume = json!({ "resume": { "session_id": session, "offset": 0 } });
        assert_eq!(page.connected(resume).await["resumed"], true, "{to}");
        page.proves_a_shell().await;
    }
}

#[tokio::test]
async fn what_a_clock_of_the_future_ended_is_over() {
    let jumping = Jumping::start();
    let daemon = &jumping.daemon;
    let admin = daemon.admin().await;
    let login = json!({ "username": "admin", "password": daemon.password() });
    let anonymous = admin.clone().anonymous();
    let token = anonymous.post("/api/v1/auth/token", login).await.expect(200).json();
    let bearer = anonymous.with_bearer(token["access_token"].as_str().expect("a token"));
    bearer.get("/api/v1/hosts").await.expect(200);
    jumping.jump("+20m");
    bearer.get("/api/v1/hosts").await.refused(401);
    admin.get("/api/v1/hosts").await.expect(200);
    jumping.jump("+8d");
    admin.get("/api/v1/hosts").await.refused(401);
    daemon.admin().await.get("/api/v1/hosts").await.expect(200);
    // A token of a time to come is none, either.
    jumping.jump("-3650d");
    let answer = bearer.get("/api/v1/hosts").await;
    assert!([200, 401].contains(&answer.status), "{}", answer.text());
    daemon.admin().await.get("/api/v1/hosts").await.expect(200);
}
