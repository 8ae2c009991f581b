//! Terminals that wait.

use gangplank_tests::{eventually, page::Page, sshd::Sshd};
use serde_json::{Value, json};

use super::{World, decide, refused};

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
