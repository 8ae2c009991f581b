//! Approvals that are asked for before anything is ordered.

use gangplank_tests::{
    agent::{Agent, Policy},
    eventually,
    http::Client,
    job::Marker,
};
use serde_json::{Value, json};

use super::{DAEMON, World, decide, refused};

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
async fn an_approval_in_advance_is_for_exactly_these_hosts_once() {
    let world = World::of("advance-many").await;
    let marker = Marker::new();
    let (one, two) = (world.agent(&marker).await, world.agent(&marker).await);
    let policy = Policy::everything("localhost:22");
    let other = Agent::enrol_with(&DAEMON, &world.admin, &policy, |t| marker.allow(t)).await;
    world.policy(json!({ "commands": ["run_tool"] })).await;
    let order = |name: &str, hosts: Value| {
        json!({ "command": "run_tool", "params": Marker::params(name, 0), "hosts": hosts,
            "rings": false })
    };
    let both = json!([one.host(), two.host()]);
    let ask = |payload: Value| {
        json!({ "action": "batch", "object": "hosts", "payload": payload,
        "context": { "why": "stuck", "hosts": 1 } })
    };
    let id = world.ask(ask(order("both", both.clone()))).await;
    // Who decides sees what is meant, whatever was said of it.
    let asked = world.approval(&id).await;
    assert_eq!((&asked["context"]["hosts"], &asked["payload"]["hosts"]), (&json!(2), &json!(2)));
    assert_eq!(asked["context"]["why"], "stuck");
    assert!(asked["payload"]["hosts_sha256"].is_string(), "{asked}");

    let post = async |client: &Client, mut order: Value| {
        order["approval_id"] = json!(id);
        client.post("/api/v1/commands", order).await
    };
    let is_refused = async |client: &Client, order: Value| {
        refused(&post(client, order).await, 403, "approval_refused");
    };
    is_refused(&world.alice, order("both", both.clone())).await;
    decide(&world.admin, &id, "approve").await.expect(200);
    // Neither fewer nor other nor more hosts, nor anything else, nor faster, nor somebody else.
    is_refused(&world.alice, order("both", json!([one.host()]))).await;
    is_refused(&world.alice, order("both", json!([one.host(), other.host()]))).await;
    is_refused(&world.alice, order("both", json!([one.host(), two.host(), other.host()]))).await;
    is_refused(&world.alice, order("changed", both.clone())).await;
    let mut rings = order("both", both.clone());
    rings["rings"] = json!(true);
    is_refused(&world.alice, rings).await;
    is_refused(&world.admin, order("both", both.clone())).await;
    let path = format!("/api/v1/hosts/{}/commands", one.host());
    let single = json!({ "command": "run_tool", "params": Marker::params("both", 0),
        "approval_id": id });
    refused(&world.alice.post(&path, single).await, 403, "approval_refused");
    assert_eq!(world.approval(&id).await["status"], "approved");

    // The same hosts in another order, or by their label, are the same hosts.
    let mut by_label = order("both", Value::Null);
    by_label.as_object_mut().expect("an object").remove("hosts");
    by_label["labels"] = json!([world.label]);
    let made = post(&world.alice, by_label).await.expect(202).json();
    assert_eq!((&made["jobs"], &made["approval_id"]), (&json!(2), &Value::Null), "{made}");
    assert_eq!(world.approval(&id).await["status"], "used");
    let path = format!("/api/v1/batches/{}", made["batch_id"].as_str().expect("an id"));
    let done = eventually::until(eventually::patience(), "the batch to end", || async {
        let batch = world.alice.get(&path).await.expect(200).json();
        (batch["state"] == "done").then_some(batch)
    })
    .await;
    assert_eq!(
        (&done["jobs"], &done["approval_id"]),
        (&json!({ "succeeded": 2 }), &json!(id)),
        "{done}"
    );
    is_refused(&world.alice, order("both", both.clone())).await;
    assert_eq!(marker.effects()["both"], 2);

    // What is asked for can be ordered, and by who asks.
    for wrong in [
        json!({ "action": "batch", "object": "all", "payload": order("x", both.clone()) }),
        ask(order("x", json!([]))),
        ask(json!({ "command": "run_tool", "hosts": both, "deadline": "1h" })),
        ask(json!({ "command": "rm", "hosts": both })),
        ask(json!({ "command": "run_tool" })),
    ] {
        world.alice.post("/api/v1/approvals", wrong).await.refused(400);
    }
    let (_, viewer) = world.admin.add_user("viewer-advance", &["viewer"]).await;
    viewer.post("/api/v1/approvals", ask(order("x", both))).await.refused(403);
}
