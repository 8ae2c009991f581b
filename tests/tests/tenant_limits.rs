//! What a tenant may have and how long it keeps it, set for one tenant and felt by no other.

use std::{sync::LazyLock, time::Duration};

use gangplank_tests::{
    account::canary,
    agent::{Agent, Policy, shell_user},
    daemon::Daemon,
    eventually,
    farm::Farm,
    http::Client,
    inbox,
    page::Page,
};
use serde_json::{Value, json};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

const SOON: Duration = Duration::from_secs(30);

async fn put(client: &Client, wish: Value) -> gangplank_tests::http::Answer {
    client.send("PUT", "/api/v1/settings/retention", Some(wish)).await
}

async fn alerts(client: &Client) -> usize {
    let page = client.get("/api/v1/channels/alerts/events?limit=100").await.expect(200).json();
    page["items"].as_array().expect("a list").len()
}

#[tokio::test]
async fn what_one_tenant_keeps_is_its_own_business() {
    let platform = DAEMON.admin().await;
    let (brief_id, _, brief) = platform.add_tenant("brief").await;
    let brief_path = format!("/api/v1/tenants/{brief_id}");
    let (_, _, long) = platform.add_tenant("long").await;
    let (_, viewer) = brief.add_user("brief-viewer", &["viewer"]).await;
    for client in [&brief, &long] {
        let ten = (0..10).map(|n| inbox::alert(&format!("a-{n}"), "Alert"));
        client.tell("alerts", ten.collect()).await;
    }
    put(&viewer, json!({})).await.refused(403);
    put(&brief, json!({ "jobs": "31d" })).await.refused(400);
    put(&brief, json!({ "topics": { "alerts": { "count": 10_001 } } })).await.refused(400);
    put(&brief, json!({ "audit": "1d" })).await.refused(400);
    let wish = json!({ "topics": { "alerts": { "count": 3 } }, "jobs": "2d" });
    let kept = put(&brief, wish.clone()).await.expect(200).json();
    assert_eq!((&kept["own"]["topics"], &kept["own"]["jobs"]), (&wish["topics"], &wish["jobs"]));
    assert_eq!(kept["in_force"]["topics"]["alerts"]["count"], 3, "{kept}");
    assert_eq!((&kept["in_force"]["jobs"], &kept["most"]["jobs"]), (&json!("2d"), &json!("30d")));
    eventually::until(SOON, "the oldest to go", || async {
        (alerts(&brief).await == 3).then_some(())
    })
    .await;
    assert_eq!(alerts(&long).await, 10, "another tenant's stay");
    let other = long.get("/api/v1/settings/retention").await.expect(200).json();
    assert_eq!((&other["own"]["jobs"], &other["in_force"]), (&Value::Null, &other["most"]));

    // More than is configured is given by those who look after tenants, and taken back by them.
    long.patch(&brief_path, json!({ "retention": { "jobs": "90d" } })).await.refused(403);
    let grant = json!({ "retention": { "jobs": "90d", "topics": { "alerts": { "count": 5 } } } });
    let seen = platform.patch(&brief_path, grant).await.expect(200).json();
    assert_eq!(seen["retention"]["granted"]["jobs"], "90d", "{seen}");
    assert_eq!(seen["retention"]["in_force"]["jobs"], "2d", "{seen}");
    put(&brief, json!({ "jobs": "60d" })).await.expect(200);
    put(&brief, json!({ "topics": { "alerts": { "count": 6 } } })).await.refused(400);
    platform.patch(&brief_path, json!({ "retention": {} })).await.expect(200);
    let kept = brief.get("/api/v1/settings/retention").await.expect(200).json();
    assert_eq!((&kept["own"]["jobs"], &kept["in_force"]["jobs"]), (&json!("60d"), &json!("30d")));
    let audit = brief.get("/api/v1/audit?limit=100").await.expect(200).text();
    assert!(audit.contains("settings.retention") && audit.contains("90d"), "{audit}");
}

#[tokio::test]
async fn a_tenant_has_no_more_than_it_may() {
    let platform = DAEMON.admin().await;
    let (id, _, small) = platform.add_tenant("small").await;
    let path = format!("/api/v1/tenants/{id}");
    let (_, _, other) = platform.add_tenant("other").await;
    let limits = json!({ "limits": { "max_subscribers": 1, "max_rows_per_minute": 2,
        "max_users": 1, "max_hosts": 1 } });
    let seen = platform.patch(&path, limits).await.expect(200).json();
    assert_eq!(
        (&seen["limits"]["max_subscribers"], &seen["limits"]["max_terminals"]),
        (&json!(1), &Value::Null)
    );
    platform.patch(&path, json!({ "limits": { "max_cats": 1 } })).await.refused(400);

    for (client, most) in [(&small, 1), (&other, 2)] {
        let mut open = Vec::new();
        for n in 0..2 {
            let mut socket =
                client.upgrade("/api/v1/ws/events?topics=alerts").open().await.expect("101");
            if n == most {
                assert_eq!(socket.closed(SOON).await.code, 1013);
            } else {
                // It listens for sure when it has heard something.
                client.tell("alerts", inbox::alert("told", "Told")).await;
                socket.next_json().await;
                open.push(socket);
            }
        }
    }

    for (client, second) in [(&small, 429), (&other, 204)] {
        let host = client.add_host("device", None).await;
        let word = |name: &str| host[name].as_str().expect("text").to_owned();
        let key = format!("{}.{}", word("api_id"), word("api_key"));
        let device = DAEMON.client().with_origin(None).with_header("X-Device-Key", &key);
        let rows = json!([{ "kind": "door" }, { "kind": "door" }]);
        device.post("/v1/ingest", rows.clone()).await.expect(204);
        assert_eq!(device.post("/v1/ingest", rows).await.status, second);
    }

    let user = json!({ "username": "one-more", "password": canary("user"), "roles": [] });
    small.post("/api/v1/users", user).await.refused(409);
}

#[tokio::test]
async fn a_tenant_opens_no_more_terminals_than_it_may() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let me = admin.get("/api/v1/auth/me").await.expect(200).json();
    let own = me["user"]["tenant"]["id"].as_str().expect("an id");
    let own = format!("/api/v1/tenants/{own}");
    admin.patch(&own, json!({ "limits": { "max_terminals": 1 } })).await.expect(200);
    let agent = Agent::enrol(&daemon, &admin, &Policy::everything("localhost:22")).await;
    let pty = json!({ "connection_mode": "pty", "username": shell_user() });
    let mut first = Page::open(&admin, agent.host()).await;
    first.connected(pty.clone()).await;
    let mut second = Page::open(&admin, agent.host()).await;
    let refused = second.refused(pty.clone()).await;
    assert_eq!(refused["code"], "not_allowed", "{refused}");
    assert!(refused["message"].as_str().expect("words").contains("as many terminals"));
    let farm = Farm::open().await;
    let at = farm.addresses()[0];
    let host = admin.add_host("next", Some((&at.ip().to_string(), at.port()))).await;
    let mut third = Page::open(&admin, host["id"].as_str().expect("an id")).await;
    let direct = json!({ "connection_mode": "direct", "username": "x", "password": canary("p") });
    assert_eq!(third.refused(direct).await["code"], "not_allowed");
    farm.nobody_came().await;
    first.proves_a_shell().await;
    admin.patch(&own, json!({ "limits": {} })).await.expect(200);
    second.connected(pty).await;
    second.proves_a_shell().await;
}
