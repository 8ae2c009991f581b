//! Tenants, roles for a while, API tokens, and people of several tenants, as they are used.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use gangplank_tests::{account::canary, daemon::Daemon, eventually};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

const SOON: Duration = Duration::from_secs(5);

fn id(answer: &Value) -> String {
    answer["id"].as_str().expect("an id").to_owned()
}

fn later(wait: Duration) -> String {
    OffsetDateTime::from(SystemTime::now() + wait).format(&Rfc3339).expect("a time")
}

#[tokio::test]
async fn nobody_gives_what_they_do_not_have() {
    let admin = DAEMON.admin().await;
    let role = |name: &str, permissions: Value| json!({ "name": name, "permissions": permissions });
    let clerk = role("clerk", json!(["users:manage", "hosts:read"]));
    admin.post("/api/v1/roles", clerk.clone()).await.expect(201);
    admin.post("/api/v1/roles", clerk).await.refused(409);
    admin.post("/api/v1/roles", role("odd", json!(["root"]))).await.refused(400);
    let (own, clerk) = admin.add_user("the-clerk", &["clerk"]).await;
    let (boss, _) = admin.add_user("the-boss", &["admin"]).await;
    for body in [role("mine", json!(["admin"])), role("mine", json!(["tenants:manage"]))] {
        clerk.post("/api/v1/roles", body).await.refused(403);
    }
    clerk.patch("/api/v1/roles/operator", json!({ "permissions": [] })).await.refused(403);
    admin.patch("/api/v1/roles/operator", json!({ "permissions": [] })).await.refused(409);
    let user =
        |roles: Value| json!({ "username": "by-clerk", "password": canary("u"), "roles": roles });
    clerk.post("/api/v1/users", user(json!(["operator"]))).await.refused(403);
    clerk.post("/api/v1/users", user(json!(["viewer"]))).await.expect(201);
    clerk
        .patch(&format!("/api/v1/users/{own}"), json!({ "roles": ["clerk", "admin"] }))
        .await
        .refused(403);
    for body in
        [json!({ "password": canary("p") }), json!({ "disabled": true }), json!({ "roles": [] })]
    {
        clerk.patch(&format!("/api/v1/users/{boss}"), body).await.refused(403);
    }
    let audit = admin.get("/api/v1/audit?limit=500").await.expect(200).text();
    assert!(audit.contains("user:the-clerk"), "{audit}");
    admin.delete("/api/v1/roles/clerk").await.refused(409);
    admin.patch(&format!("/api/v1/users/{own}"), json!({ "roles": ["viewer"] })).await.expect(200);
    admin.delete("/api/v1/roles/clerk").await.expect(204);
    admin.delete("/api/v1/roles/clerk").await.refused(404);
}

#[tokio::test]
async fn a_role_for_a_while_ends_with_what_it_opened() {
    let admin = DAEMON.admin().await;
    let (user, client) = admin.add_user("for-a-while", &[]).await;
    let path = format!("/api/v1/users/{user}");
    let past = json!({ "roles": [{ "role": "viewer", "expires_at": "2020-01-01T00:00:00Z" }] });
    admin.patch(&path, past).await.refused(400);
    let until = later(Duration::from_secs(3));
    let body = json!({ "roles": [{ "role": "viewer", "expires_at": until }] });
    let changed = admin.patch(&path, body).await.expect(200).json();
    assert_eq!(changed["roles"], json!(["viewer"]));
    assert!(changed["grants"][0]["expires_at"].is_string(), "{changed}");
    let mut events = client.upgrade("/api/v1/ws/events?topics=hosts").open().await.expect("101");
    assert_eq!(events.closed(Duration::from_secs(3) + SOON).await.code, 4003);
    client.get("/api/v1/hosts").await.refused(403);
    eventually::until(SOON, "the audit to say so", || async {
        let audit = admin.get("/api/v1/audit?limit=500").await.expect(200).text();
        audit.contains("user.role_expired").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_program_does_what_its_token_is_for() {
    let admin = DAEMON.admin().await;
    let (user, operator) = admin.add_user("with-tokens", &["operator"]).await;
    for wrong in [
        json!({ "name": "x", "scopes": [] }),
        json!({ "name": "", "scopes": ["hosts:read"] }),
        json!({ "name": "x", "scopes": ["hosts:read"], "expires": "400d" }),
    ] {
        operator.post("/api/v1/tokens", wrong).await.refused(400);
    }
    let more = json!({ "name": "x", "scopes": ["users:manage"] });
    operator.post("/api/v1/tokens", more).await.refused(403);
    let body = json!({ "name": "deploy", "scopes": ["hosts:read"], "expires": "30d" });
    let made = operator.post("/api/v1/tokens", body).await.expect(201).json();
    let token = made["token"].as_str().expect("a token").to_owned();
    let program = operator.clone().anonymous().with_origin(None).with_bearer(&token);
    program.get("/api/v1/hosts").await.expect(200);
    program.post("/api/v1/hosts", json!({ "friendly_name": "x" })).await.refused(403);
    // Neither tokens, nor the account, nor another tenant are for it.
    let another = json!({ "name": "x", "scopes": ["hosts:read"] });
    program.post("/api/v1/tokens", another.clone()).await.refused(403);
    program.post("/api/v1/auth/logout", json!({})).await.refused(403);
    program.post("/api/v1/auth/tenant", json!({ "tenant": "default" })).await.refused(403);
    program.delete(&format!("/api/v1/tokens/{}", id(&made))).await.refused(403);
    program.get(&format!("/api/v1/hosts?token={token}")).await.expect(200);
    let query = operator.clone().anonymous();
    let query =
        query.upgrade(&format!("/api/v1/ws/events?topics=hosts&token={token}")).open().await;
    assert_eq!(query.expect_err("not in addresses").status, 401);

    let listed = operator.get("/api/v1/tokens").await.expect(200);
    assert!(!listed.text().contains(&token), "it is shown once");
    assert!(listed.json()["items"][0]["last_used_at"].is_string(), "{}", listed.text());
    assert!(!admin.get("/api/v1/tokens").await.expect(200).text().contains("deploy"));
    assert!(admin.get("/api/v1/tokens?all=true").await.expect(200).text().contains("deploy"));
    operator.get("/api/v1/tokens?all=true").await.refused(403);

    let socket = operator.clone().anonymous().with_bearer(&token);
    let mut events = socket.upgrade("/api/v1/ws/events?topics=hosts").open().await.expect("101");
    operator.delete(&format!("/api/v1/tokens/{}", id(&made))).await.expect(204);
    assert_eq!(events.closed(SOON).await.code, 4001);
    program.get("/api/v1/hosts").await.refused(401);
    operator.delete(&format!("/api/v1/tokens/{}", id(&made))).await.refused(404);

    // One that is for making tokens makes no more than it may itself; all die with their user.
    let maker = json!({ "name": "maker", "scopes": ["tokens:manage", "hosts:read"] });
    operator.post("/api/v1/tokens", maker.clone()).await.refused(403);
    let maker = admin.post("/api/v1/tokens", maker).await.expect(201).json();
    let maker = program.clone().with_bearer(maker["token"].as_str().expect("a token"));
    let wide = json!({ "name": "wide", "scopes": ["audit:read"] });
    maker.post("/api/v1/tokens", wide).await.refused(403);
    maker.post("/api/v1/tokens", another.clone()).await.expect(201);
    let made = operator.post("/api/v1/tokens", another).await.expect(201).json();
    let program = program.with_bearer(made["token"].as_str().expect("a token"));
    program.get("/api/v1/hosts").await.expect(200);
    admin.patch(&format!("/api/v1/users/{user}"), json!({ "disabled": true })).await.expect(200);
    program.get("/api/v1/hosts").await.refused(401);
    assert!(!DAEMON.log().contains(&token));
}

#[tokio::test]
async fn a_person_of_two_tenants_goes_from_one_to_the_other() {
    let platform = DAEMON.admin().await;
    let (north, _, north_admin) = platform.add_tenant("north").await;
    let (user, ada) = platform.add_user("ada-of-two", &["operator"]).await;
    let members = format!("/api/v1/tenants/{north}/members");
    let join = json!({ "username": "ada-of-two", "roles": ["viewer"] });
    platform.post(&members, join.clone()).await.expect(201);
    platform.post(&members, join).await.refused(409);
    platform.post(&members, json!({ "username": "nobody-at-all" })).await.refused(400);
    let me = ada.get("/api/v1/auth/me").await.expect(200).json();
    assert_eq!(me["tenants"].as_array().map(Vec::len), Some(2), "{me}");
    assert_eq!(me["user"]["tenant"]["name"], "default");
    platform.post("/api/v1/auth/tenant", json!({ "tenant": "north" })).await.refused(404);
    let host = north_admin.add_host("of-the-north", None).await;

    let mut events = ada.upgrade("/api/v1/ws/events?topics=hosts").open().await.expect("101");
    let switched = ada.post("/api/v1/auth/tenant", json!({ "tenant": "north" })).await.expect(200);
    assert_eq!(events.closed(SOON).await.code, 4001);
    ada.get("/api/v1/auth/me").await.refused(401);
    let there = ada.clone().anonymous();
    let cookie = gangplank_tests::http::session_cookie(&switched);
    let there = there.with_header("Cookie", &cookie);
    let me = there.get("/api/v1/auth/me").await.expect(200).json();
    assert_eq!(me["user"]["tenant"]["name"], "north");
    assert_eq!(me["user"]["permissions"], json!(["hosts:read"]));
    let hosts = there.get("/api/v1/hosts").await.expect(200).text();
    assert!(hosts.contains(&id(&host)), "{hosts}");
    there.post("/api/v1/hosts", json!({ "friendly_name": "x" })).await.refused(403);
    let users = north_admin.get("/api/v1/users").await.expect(200).json();
    let guest = users["items"].as_array().expect("a list").iter().find(|u| u["guest"] == true);
    let guest = guest.expect("her user there").clone();
    assert_eq!((&guest["username"], guest["id"] == user), (&json!("ada-of-two"), false));
    let password = json!({ "password": canary("taken") });
    let guest = format!("/api/v1/users/{}", id(&guest));
    north_admin.patch(&guest, password).await.refused(409);
    // Locked out there, she is at home still.
    north_admin.patch(&guest, json!({ "disabled": true })).await.expect(200);
    there.get("/api/v1/auth/me").await.refused(401);
}

#[tokio::test]
async fn who_looks_after_tenants_sees_no_more_than_that() {
    let platform = DAEMON.admin().await;
    let (south, _, south_admin) = platform.add_tenant("south").await;
    let path = format!("/api/v1/tenants/{south}");
    let host = south_admin.add_host("of-the-south", None).await;
    for call in ["/api/v1/tenants", &path] {
        south_admin.get(call).await.refused(403);
    }
    let scope = json!({ "name": "x", "permissions": ["tenants:manage"] });
    south_admin.post("/api/v1/roles", scope).await.refused(403);
    let seen = platform.get(&path).await.expect(200).json();
    assert_eq!((&seen["hosts"], &seen["users"]), (&json!(1), &json!(1)), "{seen}");
    platform.get(&format!("/api/v1/hosts/{}", id(&host))).await.refused(404);
    let limits = json!({ "limits": { "max_hosts": 1 } });
    platform.patch(&path, limits).await.expect(200);
    south_admin.post("/api/v1/hosts", json!({ "friendly_name": "more" })).await.refused(409);
    let settings = south_admin.get("/api/v1/settings").await.expect(200).json();
    assert_eq!(settings["limits"]["max_hosts"], 1, "{settings}");
    for wrong in [json!({ "name": "" }), json!({ "name": south }), json!({ "cats": 1 })] {
        platform.patch(&path, wrong).await.refused(400);
    }
    let first = platform.get("/api/v1/auth/me").await.expect(200).json();
    let first = format!("/api/v1/tenants/{}", id(&first["user"]["tenant"]));
    platform.patch(&first, json!({ "active": false })).await.refused(409);
    platform.delete(&first).await.refused(409);

    let mut events =
        south_admin.upgrade("/api/v1/ws/events?topics=hosts").open().await.expect("101");
    platform.patch(&path, json!({ "active": false })).await.expect(200);
    assert_eq!(events.closed(SOON).await.code, 4001);
    south_admin.get("/api/v1/auth/me").await.refused(401);
    platform.patch(&path, json!({ "active": true })).await.expect(200);
    let mut events =
        south_admin.upgrade("/api/v1/ws/events?topics=hosts").open().await.expect("101");
    platform.delete(&path).await.expect(204);
    assert_eq!(events.closed(SOON).await.code, 4001);
    south_admin.get("/api/v1/auth/me").await.refused(401);
    platform.get(&path).await.refused(404);
    let again = platform.post("/api/v1/tenants", json!({ "name": "south" })).await.expect(201);
    assert_ne!(id(&again.json()), south, "an id is never used again");
}
