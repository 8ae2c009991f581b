//! The consent of a second person: who may give it, for what exactly, once; and what waits for it.

use std::sync::LazyLock;

use gangplank_tests::{
    agent::{Agent, Policy},
    daemon::Daemon,
    eventually,
    http::{Answer, Client},
    job::Marker,
    page::Page,
    sshd::Sshd,
};
use serde_json::{Value, json};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

/// Somebody who asks and somebody who decides, and what is asked for on hosts of a label of their own.
struct World {
    admin: Client,
    alice: Client,
    label: String,
}

impl World {
    async fn of(name: &str) -> Self {
        let admin = DAEMON.admin().await;
        let (_, alice) = admin.add_user(&format!("alice-{name}"), &["operator"]).await;
        Self { admin, alice, label: format!("label-{name}") }
    }

    /// Makes a policy about hosts of the label.
    async fn policy(&self, rules: Value) -> Value {
        let mut policy = json!({ "name": self.label, "labels": [self.label] });
        for (key, value) in rules.as_object().expect("rules") {
            policy[key] = value.clone();
        }
        self.admin.post("/api/v1/approval-policies", policy).await.expect(201).json()
    }

    /// An agent whose host has the label.
    async fn agent(&self, marker: &Marker) -> Agent {
        let policy = Policy::everything("localhost:22");
        let agent = Agent::enrol_with(&DAEMON, &self.admin, &policy, |t| marker.allow(t)).await;
        let body = json!({ "labels": [self.label] });
        self.admin.patch(&format!("/api/v1/hosts/{}", agent.host()), body).await.expect(200);
        agent
    }

    /// Asks for something by hand.
    async fn ask(&self, body: Value) -> String {
        let asked = self.alice.post("/api/v1/approvals", body).await.expect(201).json();
        assert_eq!(asked["status"], "pending", "{asked}");
        asked["id"].as_str().expect("an id").to_owned()
    }

    async fn approval(&self, id: &str) -> Value {
        self.admin.get(&format!("/api/v1/approvals/{id}")).await.expect(200).json()
    }

    async fn status(&self, id: &str, status: &str) -> Value {
        let what = format!("approval {id} to be {status}");
        eventually::until(eventually::patience(), &what, || async {
            Some(self.approval(id).await).filter(|approval| approval["status"] == status)
        })
        .await
    }
}

async fn decide(client: &Client, id: &str, verdict: &str) -> Answer {
    let body = json!({ "note": "looked at it" });
    client.post(&format!("/api/v1/approvals/{id}/{verdict}"), body).await
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.json()["code"], code, "{}", answer.text());
}

fn isolate() -> Value {
    json!({
        "action": "isolate_host", "object": "host:web-1", "payload": { "vlan": 7, "hard": true },
        "risk_level": "high", "case_id": "case-7", "context": { "why": "<b>beacons</b>" },
    })
}

#[tokio::test]
async fn somebody_else_decides_and_everybody_who_may_hears_of_it() {
    let world = World::of("decides").await;
    let (_, carol) = world.admin.add_user("carol-decides", &["operator"]).await;
    let path = "/api/v1/ws/events?topics=approvals";
    let mut events = world.admin.upgrade(path).open().await.expect("an upgrade");
    world.alice.upgrade(path).open().await.expect_err("no right").refused(403);
    let id = world.ask(isolate()).await;
    let mut next = async |status: &str| loop {
        let event = events.next_json().await;
        let message = event["data"].clone();
        if message["id"] == id.as_str() {
            assert_eq!(message["status"], status, "{event}");
            break message;
        }
    };
    let asked = next("pending").await;
    assert_eq!(asked["action"], "isolate_host");
    assert_eq!((&asked["case_id"], &asked["risk_level"]), (&json!("case-7"), &json!("high")));
    assert_eq!(asked["requested_by"], "alice-decides");
    assert_eq!(asked["context"]["why"], "<b>beacons</b>");
    assert!(asked["requested_at"].is_string() && asked["expires_at"].is_string(), "{asked}");

    // Neither who asked, nor who has no right, nor anybody twice.
    decide(&world.alice, &id, "approve").await.refused(403);
    decide(&carol, &id, "approve").await.refused(403);
    carol.get(&format!("/api/v1/approvals/{id}")).await.refused(404);
    let approved = decide(&world.admin, &id, "approve").await.expect(200).json();
    assert_eq!(approved["status"], "approved", "{approved}");
    assert_eq!(
        (&approved["decided_by"], &approved["note"]),
        (&json!("admin"), &json!("looked at it"))
    );
    next("approved").await;
    for verdict in ["approve", "deny"] {
        refused(&decide(&world.admin, &id, verdict).await, 409, "approval_decided");
    }

    // It lets through what it is for, once.
    let path = format!("/api/v1/approvals/{id}/use");
    let what = json!({ "action": "isolate_host", "object": "host:web-1",
        "payload": { "hard": true, "vlan": 7 } });
    let mut changed = what.clone();
    changed["payload"]["vlan"] = json!(8);
    refused(&world.alice.post(&path, changed).await, 403, "approval_refused");
    carol.post(&path, what.clone()).await.refused(404);
    let used = world.alice.post(&path, what.clone()).await.expect(200).json();
    assert_eq!(used["status"], "used", "{used}");
    next("used").await;
    refused(&world.alice.post(&path, what).await, 403, "approval_refused");

    let own = world.alice.get("/api/v1/approvals").await.expect(200).json();
    assert_eq!(own["items"].as_array().expect("a list").len(), 1, "{own}");
    let audit = world.admin.get("/api/v1/audit?limit=500").await.expect(200).json();
    let about = |action: &str, outcome: &str| {
        let rows = audit["items"].as_array().expect("rows").iter();
        let object = format!("approval:{id}");
        rows.filter(|row| row["object"] == object.as_str())
            .filter(|row| row["action"] == action && row["outcome"] == outcome)
            .count()
    };
    assert_eq!(about("approval.request", "ok"), 1, "{audit}");
    assert_eq!(about("approval.approve", "ok"), 1);
    assert_eq!(about("approval.use", "ok"), 1);
    assert_eq!(about("approval.use", "refused"), 2);
    assert_eq!(about("approval.decide", "refused"), 2);
}

#[tokio::test]
async fn nobody_decides_on_their_own_request() {
    let world = World::of("own").await;
    let asked = world.admin.post("/api/v1/approvals", isolate()).await.expect(201).json();
    assert_eq!(asked["own"], true);
    let id = asked["id"].as_str().expect("an id");
    for verdict in ["approve", "deny"] {
        refused(&decide(&world.admin, id, verdict).await, 403, "own_request");
    }
    // Nor by another login of theirs.
    refused(&decide(&DAEMON.admin().await, id, "approve").await, 403, "own_request");
    let (_, second) = world.admin.add_user("second-own", &["admin"]).await;
    decide(&second, id, "deny").await.expect(200);
}

#[tokio::test]
async fn of_twenty_who_decide_at_once_one_does() {
    let world = World::of("twenty").await;
    let (_, second) = world.admin.add_user("second-twenty", &["admin"]).await;
    let id = world.ask(isolate()).await;
    let deciders = (0..20).map(|n| {
        let (client, id) = (if n % 2 == 0 { &world.admin } else { &second }, &id);
        async move { decide(client, id, if n % 3 == 0 { "deny" } else { "approve" }).await }
    });
    let answers = futures_util::future::join_all(deciders).await;
    let done: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(done.len(), 1);
    let others = answers.iter().filter(|answer| answer.status != 200);
    others.for_each(|answer| refused(answer, 409, "approval_decided"));
    assert_eq!(world.approval(&id).await["status"], done[0].json()["status"]);
}

#[tokio::test]
async fn what_comes_too_late_counts_for_nothing() {
    let world = World::of("late").await;
    let mut short = isolate();
    short["expires_in"] = json!("1s");
    let id = world.ask(short.clone()).await;
    world.status(&id, "expired").await;
    refused(&decide(&world.admin, &id, "approve").await, 409, "approval_expired");
    let what = json!({ "action": short["action"], "object": short["object"],
        "payload": short["payload"] });
    let used = world.alice.post(&format!("/api/v1/approvals/{id}/use"), what).await;
    refused(&used, 403, "approval_refused");
    for wrong in [
        json!({ "action": "", "object": "x" }),
        json!({ "action": "a\u{1b}[2J", "object": "x" }),
        json!({ "action": "terminal", "object": "x" }),
        json!({ "action": "a", "object": "x", "expires_in": "8d" }),
        json!({ "action": "a", "object": "x", "risk_level": "huge" }),
        json!({ "action": "a", "object": "x", "status": "approved" }),
        json!({ "action": "a", "object": "x", "context": { "x": "y".repeat(20_000) } }),
    ] {
        world.alice.post("/api/v1/approvals", wrong).await.refused(400);
    }
}

#[tokio::test]
async fn one_who_asks_too_much_is_refused() {
    let world = World::of("much").await;
    let mut first = None;
    for _ in 0..32 {
        let id = world.ask(isolate()).await;
        first = first.or(Some(id));
    }
    world.alice.post("/api/v1/approvals", isolate()).await.refused(409);
    let first = first.expect("a request");
    world.admin.post(&format!("/api/v1/approvals/{first}/cancel"), json!({})).await.refused(404);
    let path = format!("/api/v1/approvals/{first}/cancel");
    let taken = world.alice.post(&path, json!({})).await.expect(200).json();
    assert_eq!(taken["status"], "cancelled");
    refused(&world.alice.post(&path, json!({})).await, 409, "approval_decided");
    refused(&decide(&world.admin, &first, "approve").await, 409, "approval_decided");
    world.ask(isolate()).await;
}

#[tokio::test]
async fn a_command_waits_and_goes_by_itself() {
    let world = World::of("waits").await;
    let marker = Marker::new();
    let agent = world.agent(&marker).await;
    world.policy(json!({ "tools": ["mark"], "risk_level": "high", "life": "10m" })).await;
    let path = format!("/api/v1/hosts/{}/commands", agent.host());
    let order = |name: &str| json!({ "command": "run_tool", "params": Marker::params(name, 0) });

    let answer = world.alice.post(&path, order("approved")).await.expect(202).json();
    let (job, id) = (answer["job_id"].as_str().expect("an id"), &answer["approval_id"]);
    let waiting = world.alice.job(job).await;
    assert_eq!(
        (&waiting["state"], &waiting["held"]),
        (&json!("queued"), &json!(true)),
        "{waiting}"
    );
    assert_eq!(&waiting["approval_id"], id);
    let id = id.as_str().expect("an approval");
    let asked = world.approval(id).await;
    assert_eq!((&asked["action"], &asked["risk_level"]), (&json!("command"), &json!("high")));
    assert_eq!(asked["payload"], order("approved"));
    assert_eq!(asked["job_id"], job);
    assert_eq!(asked["context"]["policies"], json!([world.label]));

    // What doesn't need it goes past.
    let other = json!({ "command": "run_tool", "params": { "tool": "fail" } });
    let other = world.alice.order(agent.host(), other).await;
    world.alice.job_over(&other).await;
    assert!(marker.effects().is_empty());
    assert_eq!(world.alice.job(job).await["state"], "queued");

    decide(&world.admin, id, "approve").await.expect(200);
    assert_eq!(world.alice.job_over(job).await["state"], "succeeded");
    assert_eq!(world.approval(id).await["status"], "used");

    // Once more is once more to ask.
    let again = world.alice.post(&format!("/api/v1/jobs/{job}/retry"), json!({})).await;
    let again = again.expect(202).json();
    let id = again["approval_id"].as_str().expect("an approval");
    decide(&world.admin, id, "deny").await.expect(200);
    let job = world.alice.job_over(again["job_id"].as_str().expect("an id")).await;
    assert_eq!(job["state"], "cancelled", "{job}");
    assert!(job["error"].as_str().expect("a reason").contains("looked at it"), "{job}");

    // Who takes it back asks for nothing any more.
    let answer = world.alice.post(&path, order("taken-back")).await.expect(202).json();
    let job = answer["job_id"].as_str().expect("an id");
    world.alice.post(&format!("/api/v1/jobs/{job}/cancel"), json!({})).await.expect(202);
    let id = answer["approval_id"].as_str().expect("an approval");
    assert_eq!(world.approval(id).await["status"], "cancelled");
    refused(&decide(&world.admin, id, "approve").await, 409, "approval_decided");
    assert_eq!(marker.effects().keys().collect::<Vec<_>>(), ["approved"]);
}

#[tokio::test]
async fn a_command_that_nobody_approves_in_time_never_runs() {
    let world = World::of("expires").await;
    let marker = Marker::new();
    let agent = world.agent(&marker).await;
    world.policy(json!({ "life": "1s" })).await;
    let job = world.alice.mark(agent.host(), "late", 0).await;
    let over = world.alice.job_over(&job).await;
    assert_eq!(over["state"], "cancelled", "{over}");
    assert!(over["error"].as_str().expect("a reason").contains("in time"), "{over}");
    let id = over["approval_id"].as_str().expect("an approval");
    assert_eq!(world.approval(id).await["status"], "expired");
    refused(&decide(&world.admin, id, "approve").await, 409, "approval_expired");
    assert!(marker.effects().is_empty());
}

#[tokio::test]
async fn who_lost_the_right_meanwhile_gets_nothing_by_an_approval() {
    let world = World::of("lost").await;
    let marker = Marker::new();
    let agent = world.agent(&marker).await;
    world.policy(json!({})).await;
    let (dave_id, dave) = world.admin.add_user("dave-lost", &["operator"]).await;
    let path = format!("/api/v1/hosts/{}/commands", agent.host());
    let order = json!({ "command": "run_tool", "params": Marker::params("lost", 0) });
    let answer = dave.post(&path, order).await.expect(202).json();
    let id = answer["approval_id"].as_str().expect("an approval");
    let viewer = json!({ "roles": ["viewer"] });
    world.admin.patch(&format!("/api/v1/users/{dave_id}"), viewer).await.expect(200);
    refused(&decide(&world.admin, id, "approve").await, 409, "requester_may_not");
    assert_eq!(world.approval(id).await["status"], "pending");
    decide(&world.admin, id, "deny").await.expect(200);
    assert!(marker.effects().is_empty());
}

#[tokio::test]
async fn an_approval_in_advance_is_for_exactly_that_command_once() {
    let world = World::of("advance").await;
    let marker = Marker::new();
    let agent = world.agent(&marker).await;
    world.policy(json!({ "commands": ["run_tool"] })).await;
    let path = format!("/api/v1/hosts/{}/commands", agent.host());
    let order = |name: &str, id: &str| json!({ "command": "run_tool", "params": Marker::params(name, 0), "approval_id": id });
    let payload = json!({ "command": "run_tool", "params": Marker::params("advance", 0) });
    let object = format!("host:{}", agent.host());
    let ask = json!({ "action": "command", "object": object, "payload": payload });
    let id = world.ask(ask).await;
    let post = async |order: Value| world.alice.post(&path, order).await;
    refused(&post(order("advance", &id)).await, 403, "approval_refused");
    decide(&world.admin, &id, "approve").await.expect(200);
    refused(&post(order("changed", &id)).await, 403, "approval_refused");
    let other = world.admin.post(&path, order("advance", &id)).await;
    refused(&other, 403, "approval_refused");
    let made = post(order("advance", &id)).await.expect(202).json();
    assert_eq!(made["approval_id"], Value::Null, "it waits for nothing");
    let job = world.alice.job_over(made["job_id"].as_str().expect("an id")).await;
    assert_eq!((&job["state"], &job["approval_id"]), (&json!("succeeded"), &json!(id)), "{job}");
    refused(&post(order("advance", &id)).await, 403, "approval_refused");
    assert_eq!(marker.effects().len(), 1);
}

#[tokio::test]
async fn a_command_to_many_waits_as_a_whole() {
    let world = World::of("many").await;
    let marker = Marker::new();
    let agent = world.agent(&marker).await;
    let policy = Policy::everything("localhost:22");
    let free = Agent::enrol_with(&DAEMON, &world.admin, &policy, |t| marker.allow(t)).await;
    let rules = world.policy(json!({ "commands": ["run_tool"] })).await;
    let order = |name: &str| {
        let hosts = [agent.host(), free.host()];
        json!({ "command": "run_tool", "params": Marker::params(name, 0), "hosts": hosts,
            "rings": false })
    };
    let answer = world.alice.post("/api/v1/commands", order("many")).await.expect(202).json();
    let (batch, id) = (&answer["batch_id"], answer["approval_id"].as_str().expect("an approval"));
    let path = format!("/api/v1/batches/{}", batch.as_str().expect("an id"));
    let waiting = world.alice.get(&path).await.expect(200).json();
    assert_eq!((&waiting["state"], &waiting["jobs"]), (&json!("paused"), &json!({ "queued": 2 })));
    world.alice.post(&format!("{path}/resume"), json!({})).await.refused(409);
    decide(&world.admin, id, "approve").await.expect(200);
    let done = async |path: &str, state: &str| {
        eventually::until(eventually::patience(), "the batch to end", || async {
            let batch = world.alice.get(path).await.expect(200).json();
            (batch["state"] == state).then_some(batch)
        })
        .await
    };
    assert_eq!(done(&path, "done").await["jobs"], json!({ "succeeded": 2 }));
    assert_eq!(marker.effects()["many"], 2);

    let answer = world.alice.post("/api/v1/commands", order("no")).await.expect(202).json();
    decide(&world.admin, answer["approval_id"].as_str().expect("one"), "deny").await.expect(200);
    let path = format!("/api/v1/batches/{}", answer["batch_id"].as_str().expect("an id"));
    assert_eq!(done(&path, "halted").await["jobs"], json!({ "cancelled": 2 }));

    let answer = world.alice.post("/api/v1/commands", order("halted")).await.expect(202).json();
    let path = format!("/api/v1/batches/{}/halt", answer["batch_id"].as_str().expect("an id"));
    world.alice.post(&path, json!({})).await.expect(200);
    world.status(answer["approval_id"].as_str().expect("one"), "cancelled").await;

    // Without the policy nothing waits.
    let path = format!("/api/v1/approval-policies/{}", rules["id"].as_str().expect("an id"));
    let off = json!({ "enabled": false });
    assert_eq!(world.admin.patch(&path, off).await.expect(200).json()["enabled"], false);
    let answer = world.alice.post("/api/v1/commands", order("free")).await.expect(202).json();
    assert_eq!(answer["approval_id"], Value::Null);
    world.admin.delete(&path).await.expect(204);
    world.admin.delete(&path).await.refused(404);
}

#[tokio::test]
async fn policies_are_the_administrators_business() {
    let world = World::of("policies").await;
    let path = "/api/v1/approval-policies";
    let policy = json!({ "name": "x", "labels": ["nowhere"] });
    world.alice.post(path, policy.clone()).await.refused(403);
    world.alice.get(path).await.refused(403);
    let made = world
        .policy(json!({ "hours": { "from": "18:00", "to": "08:00",
        "utc_offset": "+01:00" }, "terminals": ["direct"], "roles": ["operator"] }))
        .await;
    let one = format!("{path}/{}", made["id"].as_str().expect("an id"));
    world.alice.patch(&one, json!({ "enabled": false })).await.refused(403);
    world.alice.delete(&one).await.refused(403);
    for wrong in [
        json!({ "labels": ["x"] }),
        json!({ "name": "x", "life": "8d" }),
        json!({ "name": "x", "life": "0s" }),
        json!({ "name": "x", "commands": ["rm"] }),
        json!({ "name": "x", "hours": { "from": "18:00", "to": "18:00" } }),
        json!({ "name": "x", "terminals": ["telnet"] }),
        json!({ "name": "x", "permissions": ["root"] }),
        json!({ "name": "x", "unknown": 1 }),
    ] {
        world.admin.post(path, wrong).await.refused(400);
    }
    world.admin.patch(&one, json!({ "id": "x" })).await.refused(400);
    let changed = world.admin.patch(&one, json!({ "hours": null, "life": "30m" })).await;
    let changed = changed.expect(200).json();
    assert_eq!((&changed["hours"], &changed["life"]), (&Value::Null, &json!("30m")), "{changed}");
    assert_eq!(changed["terminals"], json!(["direct"]));
    world.admin.delete(&one).await.expect(204);
}

/// A host that is reached by SSH, with the label.
async fn ssh_host(world: &World, sshd: &Sshd) -> String {
    let host = world.admin.add_host("ssh", Some(("127.0.0.1", sshd.port()))).await;
    let host = host["id"].as_str().expect("an id").to_owned();
    let body = json!({ "labels": [world.label] });
    world.admin.patch(&format!("/api/v1/hosts/{host}"), body).await.expect(200);
    host
}

/// Nobody but the harness, which looked whether it listens, was at a server.
#[track_caller]
fn untouched(sshd: &Sshd) {
    let log = sshd.log();
    assert!(log.matches("Connection from").count() <= 1, "{log}");
}

fn password(sshd: &Sshd) -> Value {
    json!({ "username": sshd.account().name, "password": sshd.account().password })
}

#[tokio::test]
async fn a_terminal_waits_and_opens_by_itself() {
    let world = World::of("terminal").await;
    let sshd = Sshd::start();
    let host = ssh_host(&world, &sshd).await;
    world.policy(json!({ "terminals": ["direct"], "risk_level": "critical" })).await;
    let mut page = Page::open(&world.alice, &host).await;
    page.connect(password(&sshd)).await;
    let waiting = page.event("approval").await;
    assert_eq!(waiting["state"], "pending", "{waiting}");
    let id = waiting["approval_id"].as_str().expect("an id").to_owned();
    let asked = world.approval(&id).await;
    assert_eq!(
        (&asked["action"], &asked["object"]),
        (&json!("terminal"), &json!(format!("host:{host}")))
    );
    assert!(!asked.to_string().contains(&sshd.account().password), "{asked}");
    // What is asked for meanwhile is asked for in vain, and the host hears of nothing.
    assert_eq!(page.refused(password(&sshd)).await["code"], "already_connected");
    page.keys("touch /tmp/never\r").await;
    untouched(&sshd);
    decide(&world.alice, &id, "approve").await.refused(403);

    decide(&world.admin, &id, "approve").await.expect(200);
    assert_eq!(page.event("approval").await["state"], "approved");
    // A key or password that is asked for needs no second approval.
    let unknown = page.event("error").await;
    assert_eq!(unknown["code"], "host_key_unknown", "{unknown}");
    let mut connect = password(&sshd);
    connect["accept_host_key"] = unknown["fingerprint"].clone();
    page.connected(connect).await;
    page.proves_a_shell().await;
    assert_eq!(world.approval(&id).await["status"], "used");

    // Another terminal needs another one; who leaves takes the request back.
    let mut page = Page::open(&world.alice, &host).await;
    page.connect(password(&sshd)).await;
    let waiting = page.event("approval").await;
    let id = waiting["approval_id"].as_str().expect("an id").to_owned();
    drop(page);
    world.status(&id, "cancelled").await;
    refused(&decide(&world.admin, &id, "approve").await, 409, "approval_decided");
}

#[tokio::test]
async fn a_terminal_that_is_denied_or_not_approved_in_time_stays_shut() {
    let world = World::of("shut").await;
    let sshd = Sshd::start();
    let host = ssh_host(&world, &sshd).await;
    let rules = world.policy(json!({ "terminals": ["direct"] })).await;
    let mut page = Page::open(&world.alice, &host).await;
    page.connect(password(&sshd)).await;
    let waiting = page.event("approval").await;
    let id = waiting["approval_id"].as_str().expect("an id");
    decide(&world.admin, id, "deny").await.expect(200);
    let denied = page.event("error").await;
    assert_eq!(denied["code"], "not_allowed", "{denied}");
    assert!(denied["message"].as_str().expect("a text").contains("looked at it"), "{denied}");

    // PatchMon's page is told so in its own words, and its terminal opens by itself as well.
    let path = format!("/api/v1/approval-policies/{}", rules["id"].as_str().expect("an id"));
    world.admin.patch(&path, json!({ "life": "1s" })).await.expect(200);
    let mut page = Page::open_json(&world.alice, &host).await;
    let told = page.refused(password(&sshd)).await;
    assert_eq!(told["code"], "not_allowed", "{told}");
    let late = page.event("error").await;
    assert_eq!(late["code"], "not_allowed", "{late}");
    assert!(late["message"].as_str().expect("a text").contains("in time"), "{late}");
    untouched(&sshd);

    world.admin.patch(&path, json!({ "life": "10m" })).await.expect(200);
    page.refused(password(&sshd)).await;
    let pending = world.admin.get("/api/v1/approvals?status=pending").await.expect(200).json();
    let mut mine = pending["items"].as_array().expect("a list").iter();
    let mine = mine.find(|asked| asked["requested_by"] == "alice-shut").expect("a request");
    let id = mine["id"].as_str().expect("an id");
    decide(&world.admin, id, "approve").await.expect(200);
    let unknown = page.event("error").await;
    assert_eq!(unknown["code"], "host_key_unknown", "{unknown}");
    let mut connect = password(&sshd);
    connect["accept_host_key"] = unknown["fingerprint"].clone();
    page.connected(connect).await;
    page.proves_a_shell().await;
}

#[tokio::test]
async fn a_terminal_of_one_who_lost_the_right_meanwhile_stays_shut() {
    let world = World::of("right").await;
    let sshd = Sshd::start();
    let host = ssh_host(&world, &sshd).await;
    world.policy(json!({})).await;
    let (erin_id, erin) = world.admin.add_user("erin-right", &["operator"]).await;
    let mut page = Page::open(&erin, &host).await;
    page.connect(password(&sshd)).await;
    let waiting = page.event("approval").await;
    let id = waiting["approval_id"].as_str().expect("an id");
    let viewer = json!({ "roles": ["viewer"] });
    world.admin.patch(&format!("/api/v1/users/{erin_id}"), viewer).await.expect(200);
    assert_eq!(page.ended(eventually::patience()).await.code, 4003);
    world.status(id, "cancelled").await;
    untouched(&sshd);
}
