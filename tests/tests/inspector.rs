//! Looking into open sockets: one's own, and somebody else's with a second person's consent.

use gangplank_tests::{
    account::canary,
    daemon::Daemon,
    eventually,
    http::{Answer, Client},
    ws::Socket,
};
use serde_json::{Value, json};

const EVENTS: &str = "/api/v1/ws/events?topics=hosts";

/// Somebody who looks, somebody who decides and somebody who is looked at, with an open socket.
struct World {
    daemon: Daemon,
    admin: Client,
    second: Client,
    watched: Socket,
    socket: Value,
}

impl World {
    async fn new() -> Self {
        // No ping in between.
        let daemon = Daemon::with(&[("limits.heartbeat", "1h")]);
        let admin = daemon.admin().await;
        let (_, second) = admin.add_user("second", &["admin"]).await;
        let (_, operator) = admin.add_user("watched", &["operator"]).await;
        let watched = operator.upgrade(EVENTS).open().await.expect("a subscription");
        let socket = socket_of(&admin, "watched").await;
        Self { daemon, admin, second, watched, socket }
    }

    async fn look(&self, more: Value) -> Answer {
        look(&self.admin, &self.socket, more).await
    }

    /// Asks for the contents, and answers the inspection and the request.
    async fn asked(&self, more: Value) -> (String, String) {
        let mut body = json!({ "contents": true, "why": "she asked for <b>help</b>" });
        extend(&mut body, more);
        let asked = self.look(body).await.expect(202).json();
        assert_eq!((&asked["state"], &asked["until"]), (&json!("waiting"), &Value::Null));
        assert!(asked["expires_at"].is_string(), "{asked}");
        (text(&asked["id"]), text(&asked["approval_id"]))
    }

    async fn seen(&self, id: &str, after: u64) -> Value {
        let path = format!("/api/v1/inspections/{id}?after={after}&wait=20");
        self.admin.get(&path).await.expect(200).json()
    }

    async fn over(&self, id: &str, ended: &str) -> Value {
        let what = format!("the inspection to be over: {ended}");
        let seen = eventually::until(eventually::patience(), &what, || async {
            Some(self.seen(id, 0).await).filter(|seen| seen["state"] == "over")
        })
        .await;
        assert_eq!((&seen["ended"], &seen["items"]), (&json!(ended), &json!([])), "{seen}");
        seen
    }

    async fn status(&self, approval: &str, status: &str) -> Value {
        let path = format!("/api/v1/approvals/{approval}");
        eventually::until(eventually::patience(), status, || async {
            let found = self.second.get(&path).await.expect(200).json();
            (found["status"] == status).then_some(found)
        })
        .await
    }

    async fn decide(&self, approval: &str, verdict: &str) -> Answer {
        let path = format!("/api/v1/approvals/{approval}/{verdict}");
        self.second.post(&path, json!({ "note": "looked at it" })).await
    }

    /// Audit rows of an action, newest first.
    async fn audited(&self, action: &str) -> Vec<Value> {
        let audit = self.second.get("/api/v1/audit?limit=200").await.expect(200).json();
        let rows = audit["items"].as_array().expect("rows").iter();
        rows.filter(|row| row["action"] == action).cloned().collect()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn extend(body: &mut Value, more: Value) {
    for (key, value) in more.as_object().expect("fields") {
        body[key] = value.clone();
    }
}

async fn look(client: &Client, socket: &Value, more: Value) -> Answer {
    let mut body = json!({ "socket_id": socket, "minutes": 1 });
    extend(&mut body, more);
    client.post("/api/v1/inspections", body).await
}

async fn socket_of(client: &Client, user: &str) -> Value {
    let sockets = client.get("/api/v1/sockets").await.expect(200).json();
    let mut found = sockets["items"].as_array().expect("a list").iter();
    let found = found.find(|socket| socket["user"] == user);
    found.unwrap_or_else(|| panic!("{user} has no socket in {sockets}"))["socket_id"].clone()
}

#[tokio::test]
async fn a_socket_can_be_looked_into_and_contents_are_one_s_own() {
    let mut world = World::new().await;
    let admin = &world.admin;
    let own = admin.upgrade(EVENTS).open().await.expect("a subscription");
    let own_socket = socket_of(admin, "admin").await;
    // Without a word of why nobody is asked.
    world.look(json!({ "contents": true })).await.refused(403);
    look(admin, &json!("00000000-0000-4000-8000-000000000000"), json!({})).await.refused(404);
    for wrong in [
        json!({ "minutes": 16 }),
        json!({ "minutes": 0 }),
        json!({ "why": "x\u{1b}[2J" }),
        json!({ "why": "y".repeat(501) }),
        json!({ "expires_in": "2h" }),
        json!({ "session_id": world.socket }),
    ] {
        world.look(wrong).await.refused(400);
    }
    let (_, operator) = admin.add_user("operator", &["operator"]).await;
    look(&operator, &world.socket, json!({})).await.refused(403);
    operator.get("/api/v1/sockets").await.refused(403);

    let theirs_seen = text(&world.look(json!({})).await.expect(201).json()["id"]);
    let own_seen = look(admin, &own_socket, json!({ "contents": true })).await.expect(201).json();
    assert_eq!(own_seen["state"], "running");
    let own_seen = text(&own_seen["id"]);
    world.watched.text(r#"{"type":"keepalive","pad":"CANARY-contents"}"#).await;
    let frames = world.seen(&theirs_seen, 0).await;
    assert!(!frames.to_string().contains("CANARY"), "{frames}");
    let first = &frames["items"][0];
    assert_eq!(
        (&first["direction"], &first["kind"], &first["size"]),
        (&json!("in"), &json!("text"), &json!(44))
    );
    admin.add_host("inspected", None).await;
    let frames = world.seen(&own_seen, 0).await;
    assert_eq!(frames["items"][0]["direction"], "out");
    assert!(text(&frames["items"][0]["content"]).contains("inspected"), "{frames}");

    admin.delete(&format!("/api/v1/inspections/{own_seen}")).await.expect(204);
    let over = world.seen(&own_seen, 99).await;
    assert_eq!((&over["over"], &over["ended"]), (&json!(true), &json!("ended")));
    drop(own);
    let started = world.audited("inspection.start").await;
    assert!(started.iter().any(|row| row["outcome"] == "refused"), "{started:?}");
    assert!(!world.daemon.log().contains("CANARY-contents"));
}

#[tokio::test]
async fn contents_of_another_s_socket_are_seen_when_somebody_else_approves() {
    let mut world = World::new().await;
    let (id, approval) = world.asked(json!({ "minutes": 2 })).await;
    let asked = world.status(&approval, "pending").await;
    assert_eq!((&asked["action"], &asked["risk_level"]), (&json!("inspection"), &json!("high")));
    assert_eq!(asked["object"], format!("socket:{}", text(&world.socket)));
    let payload = &asked["payload"];
    assert_eq!((&payload["whose"], &payload["minutes"]), (&json!("watched"), &json!(2)));
    assert_eq!(payload["why"], "she asked for <b>help</b>");

    // Nothing is kept of what goes by before that, and nobody agrees with themselves.
    world.watched.text(r#"{"type":"keepalive","pad":"CANARY-before"}"#).await;
    let path = format!("/api/v1/approvals/{approval}/approve");
    world.admin.post(&path, json!({})).await.refused(403);
    world.decide(&approval, "approve").await.expect(200);
    let begun = eventually::until(eventually::patience(), "it to begin", || async {
        Some(world.seen(&id, 0).await).filter(|seen| seen["state"] == "running")
    })
    .await;
    assert_eq!((&begun["items"], &begun["contents"]), (&json!([]), &json!(true)), "{begun}");
    assert!(begun["until"].is_string(), "{begun}");
    world.status(&approval, "used").await;
    world.watched.text(r#"{"type":"keepalive","pad":"CANARY-after"}"#).await;
    let seen = world.seen(&id, 0).await;
    assert!(text(&seen["items"][0]["content"]).contains("CANARY-after"), "{seen}");
    assert!(!seen.to_string().contains("CANARY-before"), "{seen}");
    // Only who asked sees it.
    let path = format!("/api/v1/inspections/{id}");
    world.second.get(&path).await.refused(404);

    let asked = &world.audited("inspection.ask").await[0];
    assert_eq!(
        (&asked["actor"], &asked["detail"]["whose"]),
        (&json!("user:admin"), &json!("watched"))
    );
    let started = &world.audited("inspection.start").await[0];
    let detail = &started["detail"];
    assert_eq!((&started["outcome"], &detail["approval"]), (&json!("ok"), &json!(approval)));
    assert_eq!((&detail["approved_by"], &detail["why"]), (&json!("second"), &payload["why"]));
    assert!(detail["until"].is_string(), "{started}");

    // One approval is for one inspection, and the end of the socket is its end.
    let (other, another) = world.asked(json!({})).await;
    assert_ne!(another, approval);
    world.watched.close(1000).await;
    world.over(&other, "socket_closed").await;
    world.status(&another, "cancelled").await;
    let seen = world.seen(&id, 99).await;
    assert_eq!((&seen["state"], &seen["ended"]), (&json!("over"), &json!("socket_closed")));
    assert!(!world.daemon.log().contains("CANARY"));
}

#[tokio::test]
async fn what_is_denied_late_or_taken_back_shows_nothing() {
    let mut world = World::new().await;
    let (id, approval) = world.asked(json!({})).await;
    world.decide(&approval, "deny").await.expect(200);
    let denied = world.over(&id, "denied").await;
    assert_eq!(denied["message"], "second denied this: looked at it");

    let (id, approval) = world.asked(json!({ "expires_in": "1s" })).await;
    let late = world.over(&id, "expired").await;
    assert!(text(&late["message"]).contains("in time"), "{late}");
    world.status(&approval, "expired").await;

    let (id, approval) = world.asked(json!({})).await;
    world.admin.delete(&format!("/api/v1/inspections/{id}")).await.expect(204);
    world.over(&id, "ended").await;
    world.status(&approval, "cancelled").await;
    let (id, approval) = world.asked(json!({})).await;
    let path = format!("/api/v1/approvals/{approval}/cancel");
    world.admin.post(&path, json!({})).await.expect(200);
    world.over(&id, "cancelled").await;
    world.watched.text(r#"{"type":"keepalive"}"#).await;
    world.over(&id, "cancelled").await;
    // Nor can it be asked for past the inspector.
    let ask = json!({ "action": "inspection", "object": "socket:x" });
    world.admin.post("/api/v1/approvals", ask).await.refused(400);
    assert!(world.audited("inspection.start").await.is_empty());
}

#[tokio::test]
async fn who_may_not_look_any_more_sees_nothing_of_what_was_approved() {
    let world = World::new().await;
    let (third_id, third) = world.admin.add_user("third", &["admin"]).await;
    let ask = json!({ "contents": true, "why": "to see" });
    let asked = look(&third, &world.socket, ask.clone()).await.expect(202).json();
    let viewer = json!({ "roles": ["viewer"] });
    world.admin.patch(&format!("/api/v1/users/{third_id}"), viewer).await.expect(200);
    world.status(&text(&asked["approval_id"]), "cancelled").await;
    world.decide(&text(&asked["approval_id"]), "approve").await.refused(409);

    // One that runs ends with the login that it was asked by.
    let password = canary("user");
    let body = json!({ "username": "fourth", "password": password, "roles": ["admin"] });
    world.admin.post("/api/v1/users", body).await.expect(201);
    let fourth = world.daemon.client().login("fourth", &password).await;
    let asked = look(&fourth, &world.socket, ask).await.expect(202).json();
    world.decide(&text(&asked["approval_id"]), "approve").await.expect(200);
    world.status(&text(&asked["approval_id"]), "used").await;
    fourth.post("/api/v1/auth/logout", json!({})).await.expect(204);
    let again = world.daemon.client().login("fourth", &password).await;
    let path = format!("/api/v1/inspections/{}", text(&asked["id"]));
    let ended = eventually::until(eventually::patience(), "the end", || async {
        Some(again.get(&path).await.expect(200).json()).filter(|seen| seen["state"] == "over")
    })
    .await;
    assert_eq!(ended["ended"], "not_allowed", "{ended}");
}

#[tokio::test]
async fn what_nobody_waits_for_after_a_restart_is_not_asked_for() {
    let world = World::new().await;
    let (id, approval) = world.asked(json!({})).await;
    let other = json!({ "action": "isolate", "object": "host:1" });
    let other = world.admin.post("/api/v1/approvals", other).await.expect(201).json();
    world.daemon.kill();
    world.daemon.start_again();
    world.status(&approval, "cancelled").await;
    world.decide(&approval, "approve").await.refused(409);
    world.status(&text(&other["id"]), "pending").await;
    world.admin.get(&format!("/api/v1/inspections/{id}")).await.refused(404);
}
