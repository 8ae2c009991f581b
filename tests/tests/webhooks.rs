//! Events to receivers outside: signed, in order, at least once, and to nobody who may not be reached.

use std::time::Duration;

use gangplank_tests::{
    console,
    daemon::Daemon,
    eventually,
    http::Client,
    receiver::{Certificate, Manner, Received, Receiver},
};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

fn sending(certificate: &Certificate, settings: &[(&str, &str)]) -> Daemon {
    let ca = certificate.file().to_str().expect("a path");
    let mut all = vec![("webhooks.ca", ca), ("webhooks.allow", "127.0.0.0/8")];
    all.push(("webhooks.retry", "50ms"));
    all.extend(settings);
    Daemon::with(&all)
}

async fn add(admin: &Client, name: &str, receiver: &Receiver) -> Value {
    let body = json!({ "name": name, "url": receiver.url(), "topics": ["hosts"] });
    admin.post("/api/v1/webhooks", body).await.expect(201).json()
}

fn signature(secret: &str, received: &Received) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    mac.update(format!("{}.{}", received.header("x-timestamp"), received.body).as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

fn name(received: &Received) -> String {
    received.json()["data"]["host"]["friendly_name"].as_str().unwrap_or_default().to_owned()
}

async fn deliveries(admin: &Client, hook: &Value, state: &str) -> Vec<Value> {
    let path = format!("/api/v1/webhooks/{}/deliveries?state={state}", text(hook, "id"));
    let list = admin.get(&path).await.expect(200).json();
    list["items"].as_array().expect("a list").clone()
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().expect("text").to_owned()
}

#[tokio::test]
async fn what_happens_is_sent_signed_and_in_order() {
    let certificate = Certificate::new();
    let receiver = Receiver::start(&certificate).await;
    let daemon = sending(&certificate, &[]);
    let admin = daemon.admin().await;
    admin.add_host("before", None).await;
    // It is told a moment after it was added.
    let path = "/api/v1/ws/events?topics=hosts&cursor=hosts:0";
    admin.upgrade(path).open().await.expect("an upgrade").next_json().await;
    let hook = add(&admin, "ops", &receiver).await;
    let secret = text(&hook, "secret");
    for host in ["one", "two", "three"] {
        admin.add_host(host, None).await;
    }
    let received = receiver.until(3).await;
    assert_eq!(received.iter().map(name).collect::<Vec<_>>(), ["one", "two", "three"]);
    for received in &received {
        assert_eq!(received.header("x-signature"), signature(&secret, received));
        assert_eq!(received.header("content-type"), "application/json");
        let event = received.json();
        assert!(event["seq"].is_u64() && event["topic"] == "hosts", "{event}");
    }
    let path = format!("/api/v1/webhooks/{}", text(&hook, "id"));
    let again = admin.get(&path).await.expect(200).json();
    assert!(again["secret"].is_null() && !daemon.log().contains(&secret));

    let rotated = admin.post(&format!("{path}/rotate"), json!({})).await.expect(200).json();
    let new = text(&rotated, "secret");
    admin.add_host("four", None).await;
    let four = receiver.until(4).await.pop().expect("one");
    assert_eq!(four.header("x-signature"), signature(&new, &four));
    assert_eq!(four.header("x-signature-before"), signature(&secret, &four));

    admin.delete(&path).await.expect(204);
    admin.get(&path).await.expect(404);
}

#[tokio::test]
async fn a_receiver_that_fails_gets_everything_later_and_delays_no_other() {
    let certificate = Certificate::new();
    let (failing, hanging, fine) = (
        Receiver::start(&certificate).await,
        Receiver::start(&certificate).await,
        Receiver::start(&certificate).await,
    );
    let daemon = sending(&certificate, &[]);
    let admin = daemon.admin().await;
    failing.behave(Manner::Refuse("503 Service Unavailable"));
    hanging.behave(Manner::Hang);
    for (name, receiver) in [("failing", &failing), ("hanging", &hanging), ("fine", &fine)] {
        add(&admin, name, receiver).await;
    }
    for host in ["one", "two"] {
        admin.add_host(host, None).await;
    }
    fine.until(2).await;
    failing.until(2).await;
    // What is on its way outlives us.
    daemon.kill();
    daemon.start_again();
    let admin = daemon.admin().await;
    admin.add_host("three", None).await;
    let tried = failing.received().len();
    failing.until(tried + 1).await;
    failing.behave(Manner::Take);
    let all = eventually::until(Duration::from_secs(30), "everything", || async {
        let received = failing.received();
        (received.last().map(name)? == "three").then_some(received)
    })
    .await;
    let mut order: Vec<_> = all.iter().map(name).collect();
    order.dedup();
    assert_eq!(order, ["one", "two", "three"]);
    let id = all.first().expect("one").header("x-delivery-id").to_owned();
    let first: Vec<_> = all.iter().filter(|received| name(received) == "one").collect();
    assert!(first.len() > 1 && first.iter().all(|r| r.header("x-delivery-id") == id));
    fine.until(3).await;
}

#[tokio::test]
async fn what_was_given_up_is_kept_and_can_be_sent_again() {
    let certificate = Certificate::new();
    let receiver = Receiver::start(&certificate).await;
    let daemon = sending(&certificate, &[("webhooks.attempts", "2")]);
    let admin = daemon.admin().await;
    let hook = add(&admin, "ops", &receiver).await;
    receiver.behave(Manner::Refuse("500 Internal Server Error"));
    admin.add_host("lost", None).await;
    let dead = eventually::until(Duration::from_secs(30), "a dead letter", || async {
        deliveries(&admin, &hook, "dead").await.pop()
    })
    .await;
    assert_eq!((&dead["attempts"], &dead["status"]), (&2.into(), &500.into()), "{dead}");
    receiver.behave(Manner::Endless);
    admin.add_host("after", None).await;
    let delivered = || async { deliveries(&admin, &hook, "delivered").await.pop() };
    eventually::until(Duration::from_secs(30), "what comes after", delivered).await;
    let path =
        format!("/api/v1/webhooks/{}/deliveries/{}/replay", text(&hook, "id"), text(&dead, "id"));
    admin.post(&path, json!({})).await.expect(204);
    eventually::until(Duration::from_secs(30), "what was lost", || async {
        let delivered = deliveries(&admin, &hook, "delivered").await;
        delivered.iter().any(|one| one["id"] == dead["id"]).then_some(())
    })
    .await;
    assert_eq!(name(receiver.received().last().expect("one")), "lost");
}

#[tokio::test]
async fn nobody_is_reached_who_may_not_be() {
    let certificate = Certificate::new();
    let (inner, elsewhere) =
        (Receiver::start(&certificate).await, Receiver::start(&certificate).await);
    let ca = certificate.file().to_str().expect("a path");
    let daemon = Daemon::with(&[
        ("webhooks.ca", ca),
        ("webhooks.attempts", "1"),
        ("webhooks.retry", "10ms"),
    ]);
    let admin = daemon.admin().await;
    let hook = add(&admin, "inner", &inner).await;
    admin.add_host("one", None).await;
    let dead = || async { deliveries(&admin, &hook, "dead").await.pop() };
    let dead = eventually::until(Duration::from_secs(30), "a dead letter", dead).await;
    assert!(text(&dead, "error").contains("not allowed"), "{dead}");
    assert_eq!(inner.connections(), 0);
    for url in ["http://127.0.0.1/", "file:///etc/passwd", "https://a:b@example.com/", "x"] {
        let body = json!({ "name": "bad", "url": url, "topics": ["hosts"] });
        admin.post("/api/v1/webhooks", body).await.expect(400);
    }
    let (_, viewer) = admin.add_user("webhook-viewer", &["viewer"]).await;
    viewer.get("/api/v1/webhooks").await.expect(403);

    let daemon = sending(&certificate, &[("webhooks.attempts", "1")]);
    let admin = daemon.admin().await;
    inner.behave(Manner::Redirect(elsewhere.url()));
    let hook = add(&admin, "redirecting", &inner).await;
    admin.add_host("two", None).await;
    let dead = || async { deliveries(&admin, &hook, "dead").await.pop() };
    let dead = eventually::until(Duration::from_secs(30), "a dead letter", dead).await;
    assert_eq!(dead["status"], 302);
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_person_adds_one_and_sees_what_became_of_its_deliveries() {
    let certificate = Certificate::new();
    let receiver = Receiver::start(&certificate).await;
    let daemon = sending(&certificate, &[("webhooks.attempts", "1")]);
    let admin = daemon.admin().await;
    admin.add_host("harbour", None).await;
    let mut browser = console::browser(&daemon.url(), daemon.ca()).await;
    console::login(&mut browser, daemon.password()).await;
    browser.goto(&format!("{}/webhooks", daemon.url())).await;
    browser.shows("Nothing is sent anywhere yet").await;
    browser.click_text("Add webhook").await;
    browser.until("the field", "document.activeElement?.name === 'name'").await;
    browser.keys("ops\t").await;
    browser.keys(&receiver.url()).await;
    browser.eval("document.querySelector('input[value=hosts]').click()").await;
    browser.keys("\r").await;
    browser.shows("It is shown this once").await;
    browser.click_text("^Done").await;
    browser.shows("by user:admin").await;
    receiver.behave(Manner::Refuse("500 Internal Server Error"));
    admin.add_host("lighthouse", None).await;
    receiver.until(1).await;
    browser.click_text("^Deliveries").await;
    browser.until("what was given up", GIVEN_UP).await;
    receiver.behave(Manner::Take);
    browser.click_text("^Send again").await;
    receiver.until(2).await;
    browser.until("what was delivered", DELIVERED).await;
    assert_eq!(browser.problems(), Vec::<String>::new());
}

/// Looks again until a delivery was given up.
const GIVEN_UP: &str = "(() => { const said = document.body.innerText.includes('Given up after 1 attempt'); \
    if (!said) [...document.querySelectorAll('button')].find(e => e.innerText === 'Look again')?.click(); \
    return said; })()";

/// Looks again until one was delivered.
const DELIVERED: &str = "(() => { const said = document.body.innerText.includes('Delivered '); \
    if (!said) [...document.querySelectorAll('button')].find(e => e.innerText === 'Look again')?.click(); \
    return said; })()";
