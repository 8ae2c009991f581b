//! Commands that wait, to one host and to many.

use gangplank_tests::{
    agent::{Agent, Policy},
    eventually,
    job::Marker,
};
use serde_json::{Value, json};

use super::{DAEMON, World, decide, refused};

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
