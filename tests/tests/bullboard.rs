//! The board of all jobs: a snapshot, and then what changes.

use std::{collections::BTreeSet, sync::LazyLock};

use gangplank_tests::{
    agent::{Agent, Policy},
    daemon::Daemon,
    http::Client,
    job::Marker,
    ws::Socket,
};
use serde_json::{Value, json};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

const BOARD: &str = "/bullboard";

async fn board(client: &Client) -> Socket {
    client.upgrade(BOARD).open().await.expect("an upgrade")
}

/// The status with which an upgrade is refused.
async fn refusal(client: &Client) -> u16 {
    client.upgrade(BOARD).open().await.expect_err("a refusal").status
}

/// Reads the snapshot, which comes first.
async fn snapshot(socket: &mut Socket) -> Value {
    let first = socket.next_json().await;
    assert_eq!(first["type"], "snapshot", "{first}");
    first
}

fn lists(snapshot: &Value, part: &str, id: &str) -> bool {
    let jobs = snapshot[part].as_array().expect("a list");
    jobs.iter().any(|job| job["id"] == id)
}

/// Reads changes, whose numbers have no holes, until a job is in a state; answers the states that
/// were told of it.
async fn until(socket: &mut Socket, mut seq: u64, id: &str, state: &str) -> Vec<String> {
    let mut states = Vec::new();
    loop {
        let word = socket.next_json().await;
        if word["type"] != "change" {
            assert_eq!(word["type"], "tally", "{word}");
            continue;
        }
        seq += 1;
        assert_eq!(word["seq"], seq, "{word}");
        let data = &word["data"];
        if data["id"] == id {
            let told = data["state"].as_str().expect("a state").to_owned();
            let over = told == state;
            states.push(told);
            if over {
                return states;
            }
        }
    }
}

/// A client that has nothing but this header.
fn with(name: &str, value: &str) -> Client {
    DAEMON.client().with_header(name, value)
}

#[tokio::test]
async fn who_may_not_see_jobs_sees_none() {
    let admin = DAEMON.admin().await;
    assert_eq!(refusal(&DAEMON.client()).await, 401);
    let (_, nobody) = admin.add_user("board-nobody", &[]).await;
    assert_eq!(refusal(&nobody).await, 403);
    // A foreign page is refused before anybody looks at who it is.
    let foreign = DAEMON.client().with_origin(Some("https://evil.example"));
    assert_eq!(refusal(&foreign).await, 403);
    assert_eq!(refusal(&admin.clone().with_origin(None)).await, 403);
    // Beside it there is nothing, whoever asks.
    let beside = admin.upgrade("/bullboard/more").open().await;
    assert_eq!(beside.expect_err("a refusal").status, 404);
    let plain = admin.get(BOARD).await;
    assert_eq!(plain.status, 426, "{}", plain.text());
}

#[tokio::test]
async fn every_credential_of_the_board_opens_it() {
    let admin = DAEMON.admin().await;
    let cookie = admin.cookie().expect("a session").to_owned();
    let value = cookie.split_once('=').map_or(cookie.as_str(), |(_, value)| value);
    snapshot(&mut board(&admin).await).await;
    let own = with("Cookie", &format!("bull-board-session={value}"));
    snapshot(&mut board(&own).await).await;
    assert_eq!(refusal(&with("Cookie", "bull-board-session=0000")).await, 401);
    // It opens the board and nothing else.
    own.get("/api/v1/jobs").await.refused(401);
    // The first that is there decides.
    let both = format!("__Host-session=0000; bull-board-session={value}");
    assert_eq!(refusal(&with("Cookie", &both)).await, 401);

    let body = json!({ "username": "admin", "password": DAEMON.password() });
    let token = DAEMON.client().post("/api/v1/auth/token", body).await.expect(200).json();
    let bearer = DAEMON.client().with_bearer(token["access_token"].as_str().expect("a token"));
    snapshot(&mut board(&bearer).await).await;

    let ticket = |channel: &'static str| {
        let admin = &admin;
        async move {
            let body = json!({ "channel": channel });
            let answer = admin.post("/api/v1/auth/ws-ticket", body).await.expect(200).json();
            answer["ticket"].as_str().expect("a ticket").to_owned()
        }
    };
    let anonymous = DAEMON.client();
    let path = format!("{BOARD}?ticket={}", ticket("jobs").await);
    snapshot(&mut anonymous.upgrade(&path).open().await.expect("an upgrade")).await;
    let again = anonymous.upgrade(&path).open().await;
    assert_eq!(again.expect_err("a ticket opens once").status, 401);
    let path = format!("{BOARD}?ticket={}", ticket("hosts").await);
    let other = anonymous.upgrade(&path).open().await;
    assert_eq!(other.expect_err("it is for another socket").status, 401);
}

#[tokio::test]
async fn logging_out_closes_the_board() {
    let admin = DAEMON.admin().await;
    let mut socket = board(&admin).await;
    snapshot(&mut socket).await;
    admin.post("/api/v1/auth/logout", json!({})).await;
    let closed = socket.closed(std::time::Duration::from_secs(5)).await;
    assert_eq!(closed.code, 4001);
}

#[tokio::test]
async fn a_job_goes_from_part_to_part_without_a_gap() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let marker = Marker::new();
    let policy = Policy::everything("localhost:22");
    let agent = Agent::enrol_with(&daemon, &admin, &policy, |t| marker.allow(t)).await;
    let running = admin.mark(agent.host(), "long", 600).await;
    admin.job_is(&running, &["running"]).await;
    let waiting = admin.mark(agent.host(), "waits", 0).await;

    let mut socket = board(&admin).await;
    let first = snapshot(&mut socket).await;
    assert!(lists(&first, "running", &running), "{first}");
    assert_eq!(first["counts"]["running"], 1, "{first}");
    assert_eq!(first["running"][0]["subject"], "mark", "{first}");
    assert!(!first.to_string().contains("tenths"), "lists don't carry parameters: {first}");
    let seq = first["seq"].as_u64().expect("a number");
    admin.post(&format!("/api/v1/jobs/{running}/cancel"), json!({})).await.expect(202);
    let states = until(&mut socket, seq, &waiting, "succeeded").await;
    let known = ["queued", "leased", "received", "running", "succeeded"];
    assert!(states.iter().all(|state| known.contains(&state.as_str())), "{states:?}");

    let id = admin.order(agent.host(), json!({ "command": "docker_inventory" })).await;
    admin.job_over(&id).await;
    let last = snapshot(&mut board(&admin).await).await;
    let failed = last["failed"].as_array().expect("a list");
    assert_eq!(failed[0]["id"], id.as_str(), "{last}");
    assert!(failed[0]["error"].as_str().is_some_and(|why| why.contains("policy.docker")));
    assert!(lists(&last, "done", &running) && lists(&last, "done", &waiting), "{last}");
    assert!(last["seq"].as_u64() > first["seq"].as_u64());
}

#[tokio::test]
async fn a_batch_s_progress_and_its_halt_are_told() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let mut hosts = Vec::new();
    for n in 0..3 {
        let made = admin.add_host(&format!("away-{n}"), None).await;
        hosts.push(made["id"].as_str().expect("an id").to_owned());
    }
    let body = json!({ "command": "report_now", "hosts": hosts, "rings": false });
    let made = admin.post("/api/v1/commands", body).await.expect(202).json();
    let batch = made["batch_id"].as_str().expect("an id");
    let mut socket = board(&admin).await;
    let first = snapshot(&mut socket).await;
    assert_eq!(first["batches"][0]["id"], batch, "{first}");
    assert_eq!(first["batches"][0]["jobs"]["queued"], 3, "{first}");
    assert_eq!(first["queued"].as_array().map(Vec::len), Some(3), "{first}");

    // One of them ends: the batch's progress follows by itself.
    let one = first["queued"][0]["id"].as_str().expect("an id");
    admin.post(&format!("/api/v1/jobs/{one}/cancel"), json!({})).await.expect(202);
    let tally = loop {
        let word = socket.next_json().await;
        if word["type"] == "tally" {
            break word;
        }
    };
    assert_eq!(tally["counts"], json!({ "cancelled": 1, "queued": 2 }), "{tally}");
    assert_eq!(tally["batches"][0]["jobs"], tally["counts"], "{tally}");

    // A halt calls off at once what has no event of its own: everything is told anew.
    admin.post(&format!("/api/v1/batches/{batch}/halt"), json!({})).await.expect(200);
    let last = snapshot_after(&mut socket).await;
    assert_eq!(last["counts"], json!({ "cancelled": 3 }), "{last}");
    let done = last["done"].as_array().expect("a list").iter();
    let done: BTreeSet<_> = done.filter_map(|job| job["host_id"].as_str()).collect();
    assert_eq!(done, hosts.iter().map(String::as_str).collect(), "{last}");
}

#[tokio::test]
async fn a_batch_that_begins_is_told_as_a_whole_and_lists_are_bounded() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let mut socket = board(&admin).await;
    assert_eq!(snapshot(&mut socket).await["counts"], json!({}));
    let mut hosts = Vec::new();
    for n in 0..120 {
        let made = admin.add_host(&format!("away-{n}"), None).await;
        hosts.push(made["id"].as_str().expect("an id").to_owned());
    }
    // Its jobs are made at once, without an event of their own.
    let body = json!({ "command": "report_now", "hosts": hosts, "rings": false });
    admin.post("/api/v1/commands", body).await.expect(202);
    let again = snapshot(&mut socket).await;
    assert_eq!(again["counts"], json!({ "queued": 120 }), "{again}");
    // The list is bounded.
    assert_eq!(again["queued"].as_array().map(Vec::len), Some(100));
    // From there on it goes by changes again.
    let id = again["queued"][0]["id"].as_str().expect("an id");
    admin.post(&format!("/api/v1/jobs/{id}/cancel"), json!({})).await.expect(202);
    let seq = again["seq"].as_u64().expect("a number");
    assert_eq!(until(&mut socket, seq, id, "cancelled").await, ["cancelled"]);
}

#[tokio::test]
async fn too_many_changes_at_once_are_told_as_a_snapshot() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let mut hosts = Vec::new();
    for n in 0..150 {
        let made = admin.add_host(&format!("away-{n}"), None).await;
        hosts.push(made["id"].as_str().expect("an id").to_owned());
    }
    let body = json!({ "command": "report_now", "hosts": hosts, "rings": false, "deadline": "5s" });
    admin.post("/api/v1/commands", body).await.expect(202);
    let mut socket = board(&admin).await;
    assert_eq!(snapshot(&mut socket).await["counts"], json!({ "queued": 150 }));
    // All of them expire in one moment, each with an event of its own.
    let again = snapshot(&mut socket).await;
    assert_eq!(again["counts"], json!({ "expired": 150 }), "{again}");
    assert_eq!(again["failed"].as_array().map(Vec::len), Some(100));
}

/// Reads up to the next snapshot.
async fn snapshot_after(socket: &mut Socket) -> Value {
    loop {
        let word = socket.next_json().await;
        if word["type"] == "snapshot" {
            return word;
        }
    }
}

#[tokio::test]
async fn nonsense_and_binary_close_the_board() {
    let admin = DAEMON.admin().await;
    let mut socket = board(&admin).await;
    socket.json(&json!({ "type": "keepalive" })).await;
    snapshot(&mut socket).await;
    for _ in 0..3 {
        socket.text("{").await;
    }
    assert_eq!(socket.closed(std::time::Duration::from_secs(5)).await.code, 1008);
    let mut socket = board(&admin).await;
    snapshot(&mut socket).await;
    socket.binary(vec![0_u8]).await;
    assert_eq!(socket.closed(std::time::Duration::from_secs(5)).await.code, 1003);
}
