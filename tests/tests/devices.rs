//! How devices register: keys with uses, expiry and networks, machines that are known already, limits,
//! and what a host that waits may not do.

use std::sync::LazyLock;

use gangplank_tests::{
    agent,
    daemon::Daemon,
    eventually,
    http::{Answer, Client},
    scratch,
};
use serde_json::{Value, json};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

async fn token(daemon: &Daemon, body: Value) -> String {
    let admin = daemon.admin().await;
    let made = admin.post("/api/v1/enrolment-tokens", body).await.expect(201).json();
    made["token"].as_str().expect("a token").to_owned()
}

/// A client that comes with a provisioning key.
fn newcomer(daemon: &Daemon, token: &str) -> Client {
    daemon.client().with_origin(None).with_header("X-Provisioning-Key", token)
}

async fn register(client: &Client, body: Value) -> Answer {
    client.post("/api/v1/devices/register", body).await
}

fn text(of: &Value, key: &str) -> String {
    of[key].as_str().unwrap_or_else(|| panic!("no {key} in {of}")).to_owned()
}

async fn audited(admin: &Client, action: &str) -> Vec<Value> {
    let audit = admin.get("/api/v1/audit?limit=500").await.expect(200).json();
    let entries = audit["items"].as_array().expect("a list").clone();
    entries.into_iter().filter(|entry| entry["action"] == action).collect()
}

#[tokio::test]
async fn of_fifty_at_once_one_gets_in_by_a_key_for_one() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let token = token(&daemon, json!({ "uses": 1, "labels": ["lab"] })).await;
    let client = newcomer(&daemon, &token);
    let all = (0..50).map(|n| register(&client, json!({ "hostname": format!("host-{n}") })));
    let answers = futures_util::future::join_all(all).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201);
    assert!(statuses[1..].iter().all(|status| *status == 401), "{statuses:?}");
    let hosts = admin.get("/api/v1/hosts").await.expect(200).json();
    let hosts = hosts["items"].as_array().expect("a list").clone();
    assert_eq!(hosts.len(), 1);
    assert_eq!(hosts[0]["labels"], json!(["lab"]));
}

#[tokio::test]
async fn a_key_is_good_from_its_networks_only() {
    let admin = DAEMON.admin().await;
    let made = DAEMON.command(&[
        "token",
        "create",
        "--json",
        "--network",
        "127.0.0.16/28",
        "--network",
        "2001:db8::/32",
    ]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let made: Value = serde_json::from_str(&made.stdout).expect("JSON");
    let key = text(&made, "token");
    let client = newcomer(&DAEMON, &key);
    let before = audited(&admin, "host.enrol").await.len();
    register(&client, json!({})).await.refused(403);
    register(&client.clone().from_address(40), json!({})).await.refused(403);
    // Nobody is believed who says in a header where it comes from.
    let forged = client.clone().with_header("X-Forwarded-For", "127.0.0.17");
    register(&forged, json!({})).await.refused(403);
    let refused = audited(&admin, "host.enrol").await;
    assert_eq!(refused.len(), before + 3);
    assert_eq!(refused[0]["outcome"], "refused");
    register(&client.clone().from_address(17), json!({})).await.expect(201);
    register(&client.from_address(17), json!({})).await.refused(401);
    let wrong = json!({ "networks": ["10.0.0.0/33"] });
    admin.post("/api/v1/enrolment-tokens", wrong).await.refused(400);
    let wrong = DAEMON.command(&["token", "create", "--network", "everywhere"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}

#[tokio::test]
async fn a_key_that_was_withdrawn_is_worth_nothing() {
    let admin = DAEMON.admin().await;
    let key = token(&DAEMON, json!({ "uses": 3, "labels": ["withdrawn"] })).await;
    let client = newcomer(&DAEMON, &key);
    register(&client, json!({})).await.expect(201);
    let listed = admin.get("/api/v1/enrolment-tokens").await.expect(200);
    assert!(!listed.text().contains(&key));
    let listed = listed.json();
    let mut keys = listed["items"].as_array().expect("a list").iter();
    let one = keys.find(|one| one["labels"] == json!(["withdrawn"])).expect("the key");
    assert_eq!(one["uses_left"], 2);
    let path = format!("/api/v1/enrolment-tokens/{}", text(one, "id"));
    admin.delete(&path).await.expect(204);
    admin.delete(&path).await.refused(404);
    register(&client, json!({})).await.refused(401);
}

#[tokio::test]
async fn no_key_is_taken_for_another_kind() {
    let key = token(&DAEMON, json!({ "uses": 5 })).await;
    let host = register(&newcomer(&DAEMON, &key), json!({})).await.expect(201).json();
    let (api_id, api_key) = (text(&host, "api_id"), text(&host, "api_key"));
    let device_key = text(&host, "device_key");
    // The keys of a host bring nobody in.
    for wrong in [&api_key, &device_key, &api_id] {
        register(&newcomer(&DAEMON, wrong), json!({})).await.refused(401);
    }
    // A provisioning key speaks for no host, and for nobody.
    let bare = DAEMON.client().with_origin(None);
    for wrong in [key.clone(), format!("{api_id}.{key}"), format!("{key}.{api_key}")] {
        let device = bare.clone().with_header("X-Device-Key", &wrong);
        device.get("/api/v1/commands").await.refused(401);
    }
    let agent = bare.clone().with_header("X-API-ID", &api_id).with_header("X-API-KEY", &key);
    let socket = agent.upgrade("/api/v1/agents/ws").protocol("gangplank.agent.v1").open().await;
    assert!(socket.is_err(), "a provisioning key opens no link");
    bare.with_bearer(&key).get("/api/v1/auth/me").await.refused(401);
}

#[tokio::test]
async fn one_address_registers_so_many_hosts_a_minute() {
    let daemon = Daemon::with(&[("limits.registrations_per_minute_per_ip", "5")]);
    let key = token(&daemon, json!({ "uses": 100 })).await;
    let client = newcomer(&daemon, &key);
    for _ in 0..5 {
        register(&client, json!({})).await.expect(201);
    }
    let refused = register(&client, json!({})).await;
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=61).contains(&wait), "{wait}");
    refused.refused(429);
    // Attempts with keys that are none count, too, and other addresses don't.
    register(&client.clone().from_address(9), json!({})).await.expect(201);
    let guesser = newcomer(&daemon, "gpt_guess").from_address(10);
    for _ in 0..5 {
        register(&guesser, json!({})).await.refused(401);
    }
    register(&guesser, json!({})).await.refused(429);
}

#[tokio::test]
async fn a_known_machine_needs_its_key_or_a_person() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let key = token(&daemon, json!({ "uses": 20 })).await;
    let client = newcomer(&daemon, &key);
    let machine = json!({ "hostname": "web", "machine_id": "0123456789abcdef" });
    let first = register(&client, machine.clone()).await.expect(201).json();
    let id = text(&first, "host_id");

    // With its key it is the host that it was, and the key from before is void.
    let again = client.clone().with_header("X-Device-Key", &text(&first, "device_key"));
    let again = register(&again, machine.clone()).await.expect(201).json();
    assert_eq!((text(&again, "host_id"), &again["pending"]), (id.clone(), &json!(false)));
    let commands = |key: String| {
        let client = daemon.client().with_origin(None).with_header("X-Device-Key", &key);
        async move { client.get("/api/v1/commands").await.status }
    };
    assert_eq!(commands(text(&first, "device_key")).await, 401);
    assert_eq!(commands(text(&again, "device_key")).await, 200);
    assert_eq!(audited(&admin, "host.enrol_again").await.len(), 1);

    // Without it, or with one that is void, it waits.
    let void = client.clone().with_header("X-Device-Key", &text(&first, "device_key"));
    let copy = register(&void, machine.clone()).await.expect(201).json();
    let anew = register(&client, machine.clone()).await.expect(201).json();
    assert_eq!((&copy["pending"], &anew["pending"]), (&json!(true), &json!(true)));
    assert_eq!(audited(&admin, "host.known_machine").await.len(), 2);
    let shown = admin.get(&format!("/api/v1/hosts/{}", text(&anew, "host_id"))).await.expect(200);
    assert_eq!(shown.json()["same_as"], json!(id));
    assert_eq!(commands(text(&again, "device_key")).await, 200);

    // A person says that the one is a copy, and the other the machine itself.
    let accept = |host: &Value, body: Value| {
        let path = format!("/api/v1/hosts/{}/accept", text(host, "host_id"));
        let admin = admin.clone();
        async move { admin.post(&path, body).await }
    };
    let other = accept(&copy, json!({})).await.expect(200).json();
    assert_eq!(text(&other, "id"), text(&copy, "host_id"));
    let known = accept(&anew, json!({ "in_place": true })).await.expect(200).json();
    assert_eq!(text(&known, "id"), id);
    assert_eq!(text(&known, "api_id"), text(&anew, "api_id"));
    assert_eq!(commands(text(&again, "device_key")).await, 401);
    assert_eq!(commands(text(&anew, "device_key")).await, 200);
    admin.get(&format!("/api/v1/hosts/{}", text(&anew, "host_id"))).await.refused(404);
    assert_eq!(audited(&admin, "host.accept_again").await.len(), 1);
    accept(&other_host(&known), json!({ "in_place": true })).await.refused(409);

    // Another machine, one that says nothing, and one whose host is gone are new.
    for body in [json!({ "machine_id": "f" }), json!({}), json!({})] {
        let host = register(&client, body).await.expect(201).json();
        assert_eq!(host["pending"], json!(false));
    }
    for host in [&id, &text(&copy, "host_id")] {
        admin.delete(&format!("/api/v1/hosts/{host}")).await.expect(204);
    }
    assert_eq!(
        register(&client, machine.clone()).await.expect(201).json()["pending"],
        json!(false)
    );
    // Hosts that come and go are copies of one image.
    let key = token(&daemon, json!({ "uses": 2, "ephemeral": true })).await;
    let ephemeral = newcomer(&daemon, &key);
    for _ in 0..2 {
        let host = register(&ephemeral, machine.clone()).await.expect(201).json();
        assert_eq!(host["pending"], json!(false));
    }
}

/// A host as the list has it, as registering answers it.
fn other_host(shown: &Value) -> Value {
    json!({ "host_id": shown["id"] })
}

#[tokio::test]
async fn the_agent_brings_its_key_along() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let directory = scratch::directory();
    let config = directory.join("agent.toml");
    let key = token(&daemon, json!({ "uses": 9 })).await;
    let enrol = |config: &std::path::Path| agent::enrol(&daemon.url(), daemon.ca(), config, &key);
    for _ in 0..2 {
        let enrolled = enrol(&config);
        assert_eq!(enrolled.code, Some(0), "{enrolled:?}");
        assert!(!enrolled.stdout.contains("accepts"), "{enrolled:?}");
    }
    // Another agent on the same machine is another host.
    assert!(!enrol(&directory.join("second.toml")).stdout.contains("accepts"));
    // Without its file the first one is nobody in particular.
    std::fs::remove_file(&config).expect("the file");
    let enrolled = enrol(&config);
    assert!(enrolled.stdout.contains("waits until somebody accepts"), "{enrolled:?}");
    let hosts = admin.get("/api/v1/hosts").await.expect(200).json();
    assert_eq!(hosts["items"].as_array().expect("a list").len(), 3);
}

#[tokio::test]
async fn a_host_that_waits_gets_nothing() {
    let admin = DAEMON.admin().await;
    let key = token(&DAEMON, json!({ "approve": true })).await;
    let host = register(&newcomer(&DAEMON, &key), json!({})).await.expect(201).json();
    let id = text(&host, "host_id");
    let device = DAEMON.client().with_origin(None);
    let device = device.with_header("X-Device-Key", &text(&host, "device_key"));
    let order = json!({ "command": "report_now" });
    let ordered = admin.post(&format!("/api/v1/hosts/{id}/commands"), order).await;
    assert!(ordered.status >= 400, "{}", ordered.text());
    assert_eq!(device.get("/api/v1/commands").await.expect(200).json(), json!([]));
    // What belongs to others is nothing that a host sees, in wait or not.
    for path in ["/api/v1/hosts", "/api/v1/audit", "/api/v1/jobs"] {
        device.get(path).await.refused(401);
    }
    admin.post(&format!("/api/v1/hosts/{id}/accept"), json!({})).await.expect(200);
    let order = json!({ "command": "report_now" });
    admin.post(&format!("/api/v1/hosts/{id}/commands"), order).await.expect(202);
    let given = eventually::until(eventually::patience(), "the command", || async {
        let given = device.get("/api/v1/commands?wait=1").await.expect(200).json();
        given.as_array().is_some_and(|given| !given.is_empty()).then_some(given)
    })
    .await;
    assert_eq!(given[0]["command"], "report_now");
}
