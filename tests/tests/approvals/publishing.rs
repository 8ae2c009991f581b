//! What others publish on the channel, beside what the daemon tells of its own requests; and the role
//! of those who only decide.

use serde_json::{Value, json};

use super::{World, decide, isolate, refused};

const PATH: &str = "/api/v1/channels/approvals/events";

fn message(id: &str, status: &str) -> Value {
    json!({ "id": id, "action": "isolate_host", "risk_level": "low", "status": status,
        "requested_by": "alice", "context": {}, "requested_at": "2026-01-01T00:00:00Z",
        "case_id": null, "expires_at": null })
}

#[tokio::test]
async fn nobody_else_tells_of_a_request_of_ours() {
    let world = World::of("forged").await;
    let id = world.ask(isolate()).await;
    let path = "/api/v1/ws/events?topics=approvals";
    let mut events = world.admin.upgrade(path).open().await.expect("an upgrade");
    let upper = format!(" {} ", id.to_uppercase());
    // Neither what contradicts the store, nor what it says now and may not say later.
    for (id, status) in [(&*id, "approved"), (&*id, "pending"), (&*upper, "denied")] {
        let answer = world.admin.post(PATH, message(id, status)).await;
        refused(&answer, 409, "approval_is_ours");
    }
    // A list with one of them is refused as a whole.
    let foreign = "019a0000-0000-7000-8000-00000000f0f0";
    let list = json!([message(foreign, "approved"), message(&id, "approved")]);
    refused(&world.admin.post(PATH, list).await, 409, "approval_is_ours");
    assert_eq!(world.approval(&id).await["status"], "pending");

    // What others approve by themselves is told as ever, and is the only thing that was told.
    world.admin.post(PATH, message(foreign, "approved")).await.expect(202);
    world.admin.post(PATH, message("CHG-7", "pending")).await.expect(202);
    let mut told = Vec::new();
    while told.last() != Some(&json!("CHG-7")) {
        told.push(events.next_json().await["data"]["id"].clone());
    }
    assert!(!told.contains(&json!(id)) && !told.contains(&json!(upper)), "{told:?}");
    assert!(told.contains(&json!(foreign)), "{told:?}");
    let audit = world.admin.get("/api/v1/audit?limit=200").await.expect(200).json();
    let rows = audit["items"].as_array().expect("rows").iter();
    let object = format!("approval:{id}");
    let forged = rows.filter(|row| row["action"] == "approval.publish");
    let forged = forged.filter(|row| row["object"] == object.as_str());
    assert_eq!(forged.filter(|row| row["outcome"] == "refused").count(), 4);
}

#[tokio::test]
async fn an_approver_decides_and_does_nothing_else() {
    let world = World::of("role").await;
    let (_, approver) = world.admin.add_user("approver-role", &["approver"]).await;
    let me = approver.get("/api/v1/auth/me").await.expect(200).json();
    assert_eq!(me["user"]["permissions"], json!(["hosts:read", "approvals:manage"]), "{me}");
    let id = world.ask(isolate()).await;
    let listed = approver.get("/api/v1/approvals?status=pending").await.expect(200).text();
    assert!(listed.contains(&id), "{listed}");
    decide(&approver, &id, "approve").await.expect(200);
    assert_eq!(world.approval(&id).await["decided_by"], "approver-role");
    approver.get("/api/v1/approval-policies").await.expect(200);
    approver.post("/api/v1/approval-policies", json!({ "name": "x" })).await.refused(403);
    approver.post("/api/v1/commands", json!({ "command": "report_now" })).await.refused(403);
    approver.post("/api/v1/hosts", json!({ "friendly_name": "x" })).await.refused(403);
    approver.get("/api/v1/jobs").await.refused(403);
    approver.get("/api/v1/users").await.refused(403);
    approver.post(PATH, message("CHG-8", "pending")).await.refused(403);
    // It is built in.
    let role = json!({ "permissions": [] });
    world.admin.patch("/api/v1/roles/approver", role).await.refused(409);
}
