//! Who decides, when, and how often.

use serde_json::json;

use super::{DAEMON, World, decide, isolate, refused};

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
