//! Internal services decide by signed messages whether a tenant is let in, and how much it may have.

use std::{sync::LazyLock, time::Duration};

use gangplank_tests::{
    agent::{Agent, Policy, shell_user},
    eventually,
    internal::{self, Message, Service},
    page::Page,
};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(5);

static SERVICE: LazyLock<Service> = LazyLock::new(|| Service::start(&[]));

async fn is_active(service: &Service) -> bool {
    let license = service.client().get("/internal/v1/license/default").await.expect(200).json();
    license["active"].as_bool().expect("a word")
}

fn refused(what: &str, message: Message) -> (String, Message) {
    (what.to_owned(), message)
}

#[tokio::test]
async fn only_what_is_signed_now_and_for_the_first_time_counts() {
    let service = &*SERVICE;
    let off = json!({ "tenant": "default", "active": false });
    let right = service.sign(&off, 0);
    let with = |signature: String| Message { signature, ..right.clone() };
    let hex = right.signature.trim_start_matches("sha256=").to_owned();
    let empty = internal::signature("", &right.timestamp, &off.to_string());
    let other = internal::signature(&hex, &right.timestamp, &off.to_string());
    let pretty = serde_json::to_string_pretty(&off).expect("JSON");
    let reserialised = service.signature(&right.timestamp, &pretty);
    let untimed = service.signature("", &off.to_string());
    let wrong = [
        refused("no signature", with(String::new())),
        refused("a truncated one", with(right.signature[..70].to_owned())),
        refused("one of sha1", with(format!("sha1={}", &hex[..40]))),
        refused("one without its name", with(hex.clone())),
        refused("one in upper case", with(format!("sha256={}", hex.to_uppercase()))),
        refused("one by an empty secret", with(empty)),
        refused("one by another secret", with(other)),
        refused("a body that was written again", with(reserialised)),
        refused("a time that was not signed", with(untimed)),
        refused("another time", Message { timestamp: "1".to_owned(), ..right.clone() }),
        refused("no time", Message { timestamp: String::new(), ..right.clone() }),
        refused("no delivery", Message { delivery: String::new(), ..right.clone() }),
        refused("a long delivery", Message { delivery: "x".repeat(129), ..right.clone() }),
        refused("a time long ago", service.sign(&off, -360)),
        refused("a time to come", service.sign(&off, 360)),
        refused(
            "another body",
            Message { body: json!({ "tenant": "default", "active": 0 }), ..right.clone() },
        ),
    ];
    for (what, message) in wrong {
        let answer = service.license(&message).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        answer.refused(401);
    }
    let large = service.sign(&Value::String("x".repeat((1 << 20) + 1)), 0);
    service.license(&large).await.refused(413);
    let packed = service.daemon.client().with_origin(None).with_header("Content-Encoding", "gzip");
    let packed = packed.with_header("X-Signature", &right.signature);
    let packed = packed.with_header("X-Timestamp", &right.timestamp);
    let packed = packed.with_header("X-Delivery-Id", &right.delivery);
    packed.post("/internal/license/refresh", off.clone()).await.refused(415);
    assert!(is_active(service).await, "nothing of that had an effect");

    // Once, whatever it is called, and not again when it is overtaken.
    service.license(&right).await.expect(200);
    assert!(!is_active(service).await);
    service.license(&right).await.refused(409);
    let on = service.sign(&json!({ "tenant": "default", "active": true }), 0);
    service.license(&on).await.expect(200);
    let renamed = Message { delivery: "another".to_owned(), ..right };
    service.license(&renamed).await.refused(409);
    assert!(is_active(service).await);
    let unknown = service.sign(&json!({ "tenant": "nobody", "active": true }), 0);
    service.license(&unknown).await.refused(404);
    let strange = service.sign(&json!({ "tenant": "default" }), 0);
    service.license(&strange).await.refused(400);
    let limits = json!({ "tenant": "default", "active": true, "limits": { "max_cats": 1 } });
    service.license(&service.sign(&limits, 0)).await.refused(400);
    let client = service.daemon.client().with_origin(None);
    client.get("/internal/v1/license/default").await.refused(401);
    let guess = client.with_header("X-Internal-Token", "wrong");
    guess.get("/internal/v1/license/default").await.refused(401);
}

#[tokio::test]
async fn a_suspended_tenant_loses_everything_and_comes_back() {
    let service = Service::start(&[]);
    let daemon = &service.daemon;
    let admin = daemon.admin().await;
    let agent = Agent::enrol(daemon, &admin, &Policy::everything("localhost:22")).await;
    let token = json!({ "username": "admin", "password": daemon.password() });
    let token = admin.clone().anonymous().post("/api/v1/auth/token", token).await.expect(200);
    let bearer = admin.clone().with_bearer(token.json()["access_token"].as_str().expect("one"));
    let ticket = admin.ticket(agent.host()).await;
    let mut page = Page::open(&admin, agent.host()).await;
    page.connected(json!({ "connection_mode": "pty", "username": shell_user() })).await;
    let mut events = admin.upgrade("/api/v1/ws/events?topics=hosts").open().await.expect("101");
    let key = daemon.token();

    let off = service.sign(&json!({ "tenant": "default", "active": false }), 0);
    service.license(&off).await.expect(200);
    assert_eq!(page.ended(SOON).await.code, 4001);
    assert_eq!(events.closed(SOON).await.code, 4001);
    eventually::within(SOON, "the agent's link to be closed", || {
        agent.log().contains("no link").then_some(())
    });
    admin.get("/api/v1/auth/me").await.refused(401);
    bearer.get("/api/v1/auth/me").await.refused(401);
    admin.clone().anonymous().try_login("admin", daemon.password()).await.refused(401);
    let path = gangplank_tests::page::path(agent.host(), &ticket);
    assert_eq!(admin.upgrade(&path).open().await.expect_err("a refusal").status, 401);
    let config = gangplank_tests::agent::read(agent.config());
    let field = |name: &str| config["credentials"][name].as_str().expect("text").to_owned();
    let device = format!("{}.{}", field("api_id"), field("api_key"));
    let device = daemon.client().with_origin(None).with_header("X-Device-Key", &device);
    device.get("/api/v1/commands").await.refused(401);
    let enrolling = daemon.client().with_origin(None).with_header("X-Provisioning-Key", &key);
    let body = json!({ "hostname": "late" });
    enrolling.post("/api/v1/devices/register", body.clone()).await.refused(401);

    let on = json!({ "tenant": "default", "active": true });
    service.license(&service.sign(&on, 0)).await.expect(200);
    let admin = daemon.admin().await;
    agent.kill();
    agent.start_again();
    agent.online(&admin).await;

    // No more than the license allows.
    let mut on = on;
    on["limits"] = json!({ "max_hosts": 1, "max_users": 1 });
    let licensed = service.license(&service.sign(&on, 0)).await.expect(200).json();
    assert_eq!(licensed["limits"]["max_hosts"], 1, "{licensed}");
    let host = json!({ "friendly_name": "one more" });
    admin.post("/api/v1/hosts", host.clone()).await.refused(409);
    enrolling.post("/api/v1/devices/register", body).await.refused(409);
    let user = json!({ "username": "one-more", "password": "long enough for anybody" });
    admin.post("/api/v1/users", user.clone()).await.refused(409);
    on["limits"] = json!({});
    service.license(&service.sign(&on, 0)).await.expect(200);
    admin.post("/api/v1/hosts", host).await.expect(201);
    admin.post("/api/v1/users", user).await.expect(201);
    let audit = admin.get("/api/v1/audit").await.expect(200).text();
    assert!(audit.contains("tenant.license"), "{audit}");
}
