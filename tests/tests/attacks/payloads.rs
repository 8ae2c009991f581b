//! What stands in requests: who one claims to be, and texts that mean something to others.

use std::time::Duration;

use gangplank_proto::channel::Channel;
use serde_json::{Value, json};

use crate::{RIG, TURN};

/// Nothing that a payload says of its sender counts: who that is, the connection says.
#[tokio::test]
async fn a_payload_makes_nobody_somebody_else() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let (a, b) = (RIG.a().await, RIG.b().await);
    let theirs = async || {
        let hosts = b.admin.get("/api/v1/hosts?limit=500").await.expect(200).text();
        let users = b.admin.get("/api/v1/users").await.expect(200).text();
        (hosts, users)
    };
    let before = theirs().await;
    let claims = |mut body: Value| {
        for name in ["tenant_id", "tenant", "tenantId"] {
            body[name] = b.id.clone().into();
        }
        for name in ["host_id", "id"] {
            body[name] = b.host["id"].clone();
        }
        body["api_id"] = b.host["api_id"].clone();
        body["user_id"] = body["id"].clone();
        body["is_admin"] = true.into();
        body
    };
    // Where more is said than is understood, it is either refused or without effect.
    for (number, (path, body)) in [
        ("/api/v1/hosts", json!({ "friendly_name": "claimed" })),
        (
            "/api/v1/users",
            json!({ "username": "claimed", "password": "CANARY-claimed", "roles": ["viewer"] }),
        ),
        ("/api/v1/roles", json!({ "name": "claimed", "permissions": ["hosts:read"] })),
        ("/api/v1/tokens", json!({ "name": "claimed", "scopes": ["hosts:read"] })),
        ("/api/v1/enrolment-tokens", json!({ "uses": 1 })),
        (
            "/api/v1/approvals",
            json!({ "action": "isolate_host", "object": "x", "payload": {}, "risk_level": "low" }),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = a.admin.post(path, claims(body)).await;
        assert!([201, 400].contains(&answer.status), "{number}: {}", answer.text());
        if answer.status == 201 {
            assert!(!answer.text().contains(&b.id), "{path}: {}", answer.text());
            assert_ne!(answer.json()["id"], b.host["id"], "{path}");
        }
    }
    let ours = format!("/api/v1/hosts/{}", a.host_id());
    let answer = a.admin.patch(&ours, claims(json!({ "friendly_name": "host-of-a" }))).await;
    assert!([200, 400].contains(&answer.status), "{}", answer.text());
    assert_eq!(a.admin.get(&ours).await.expect(200).json()["api_id"], a.host["api_id"]);

    // A device's rows are its own host's, and what an agent says is said by its own host.
    let key = |host: &Value| {
        format!(
            "{}.{}",
            host["api_id"].as_str().expect("text"),
            host["api_key"].as_str().expect("text")
        )
    };
    let device = RIG.client().with_origin(None).with_header("X-Device-Key", &key(&a.host));
    let device = device.with_header("Idempotency-Key", "claims");
    let rows = json!([claims(json!({ "kind": "claim", "text": "mine" }))]);
    let answer = device.post("/v1/ingest", rows).await;
    assert!([204, 400].contains(&answer.status), "{}", answer.text());
    let link = RIG.agent_of(&a.host);
    let mut link = link.upgrade("/api/v1/agents/ws").open().await.expect("101");
    link.json(&claims(json!({ "type": "ping", "hostname": "claimed-by-agent" }))).await;
    link.json(&claims(json!({ "type": "docker_status", "event": "start", "name": "claimed" })))
        .await;
    drop(link);
    let records = format!("/api/v1/hosts/{}/records?limit=100", b.host_id());
    assert_eq!(b.admin.get(&records).await.expect(200).json()["items"], json!([]));

    // A message in a channel may name anybody; it is told in the tenant of who published it.
    let mut message = gangplank_tests::channel::message(Channel::Vpn);
    message["data"] = claims(message["data"].take());
    let mut heard = b.admin.listen(Channel::Vpn, "").await;
    let answer = a.admin.publish(Channel::Vpn, message).await;
    assert!([202, 400].contains(&answer.status), "{}", answer.text());
    assert_eq!(heard.next_within(Duration::from_secs(1)).await, None);
    assert_eq!(theirs().await, before);
    RIG.holds(control).await;
}

/// SQL, wildcards, paths: where an id is due, they are the id of nothing.
#[tokio::test]
async fn an_id_is_an_id_whatever_it_says() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let a = RIG.a().await;
    let hosts = a.admin.get("/api/v1/hosts?limit=500").await.expect(200).text();
    let strange = [
        "'%20OR%20'1'='1",
        "1;DROP%20TABLE%20hosts--",
        "%25",
        "*",
        ">",
        "hosts.>",
        "_",
        "%00",
        "%0d%0a",
        "..%2f..",
        "null",
        "undefined",
        "-1",
        "9223372036854775808",
        "%7b%7d",
        "$(id)",
        "%F0%9F%92%A9",
    ];
    let mut tried = 0;
    for route in a.admin.routes().await {
        if route.method != "GET" || route.socket || !route.takes("cookie") {
            continue;
        }
        if route.parameters().is_empty() {
            continue;
        }
        for id in strange {
            let names = route.parameters();
            let path = names
                .iter()
                .fold(route.path.clone(), |path, name| path.replace(&format!("{{{name}}}"), id));
            let answer = a.admin.get(&path).await;
            assert!([400, 404].contains(&answer.status), "{path}: {}", answer.status);
            let text = answer.text().to_lowercase();
            for word in ["sql", "syntax", "panicked", "src/", "stack"] {
                assert!(!text.contains(word), "{path}: {text}");
            }
            tried += 1;
        }
    }
    assert!(tried > 200, "{tried} requests");
    for id in strange {
        for query in ["cursor", "limit", "topics", "state"] {
            let answer = a.admin.get(&format!("/api/v1/hosts?{query}={id}")).await;
            assert!([200, 400].contains(&answer.status), "{query}={id}: {}", answer.text());
        }
        let ticket = json!({ "hostId": id });
        let answer = a.admin.post("/api/v1/auth/ssh-ticket", ticket).await;
        assert!([400, 404].contains(&answer.status), "{id}: {}", answer.text());
        a.admin.post("/api/v1/auth/ws-ticket", json!({ "channel": id })).await.refused(400);
    }
    assert_eq!(a.admin.get("/api/v1/hosts?limit=500").await.expect(200).text(), hosts);
    RIG.holds(control).await;
}

/// Nothing of a tenant that is gone works on, and nobody gets its id.
#[tokio::test]
async fn a_tenant_that_is_deleted_is_gone_with_its_sockets() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let doomed = RIG.new_tenant("doomed").await;
    let agent = RIG.agent_of(&doomed.host);
    let mut link = agent.upgrade("/api/v1/agents/ws").open().await.expect("101");
    let mut sockets = Vec::new();
    for channel in Channel::ALL {
        sockets.push(doomed.admin.listen(channel, "").await);
    }
    sockets
        .push(doomed.viewer.upgrade("/api/v1/ws/events?topics=hosts").open().await.expect("101"));
    let ticket = doomed.operator.ticket(doomed.host_id()).await;
    let path = format!("/api/v1/tenants/{}", doomed.id);
    let gone = RIG.a().await.admin.delete(&path).await;
    assert!([200, 202, 204].contains(&gone.status), "{}", gone.text());
    let soon = Duration::from_secs(10);
    for socket in &mut sockets {
        assert_eq!(socket.closed(soon).await.code, 4001);
    }
    assert_eq!(link.closed(soon).await.code, 4001);
    for client in [&doomed.admin, &doomed.operator, &doomed.viewer] {
        client.get("/api/v1/hosts").await.refused(401);
    }
    agent.upgrade("/api/v1/agents/ws").open().await.expect_err("a refusal").refused(401);
    let terminal = gangplank_tests::page::path(doomed.host_id(), &ticket);
    RIG.client().upgrade(&terminal).open().await.expect_err("a refusal").refused(401);
    let platform = &RIG.a().await.admin;
    let again = platform.post("/api/v1/tenants", json!({ "name": "doomed-again" })).await;
    assert_ne!(again.expect(201).json()["id"], doomed.id.as_str());
    RIG.holds(control).await;
}
