//! The inspector in the console: one looks, another agrees, and frames appear as they go by.

use gangplank_tests::{account::canary, browser::Browser, console, daemon::Daemon};
use serde_json::json;

/// Something that no page may ever run, as somebody could send it.
const MARKUP: &str = "<img src=x onerror=alert(1)>";

/// Presses the button of the socket of a user.
async fn look_at(browser: &mut Browser, user: &str) {
    let label = format!("Look into the socket of {user}");
    browser
        .click(&label, &format!("document.querySelector('[aria-label={}]')", json!(label)))
        .await;
    browser.until("the question", "document.querySelector('dialog[open] [name=minutes]')").await;
}

async fn submit(browser: &mut Browser) {
    browser.click("Begin", "document.querySelector('dialog[open] button[type=submit]')").await;
}

fn state(state: &str) -> String {
    format!("document.querySelector('[data-inspection={state}]')")
}

/// The page is not wider than a phone, and keeps to the policy.
async fn fits(browser: &mut Browser, what: &str) {
    browser.size(360, 740).await;
    let over = browser.eval("document.documentElement.scrollWidth - innerWidth").await;
    assert!(over.as_i64().is_some_and(|over| over <= 0), "{what} is too wide: {over}");
    browser.size(1280, 800).await;
    assert_eq!(browser.problems(), Vec::<String>::new(), "{what}");
}

#[tokio::test]
async fn a_socket_is_looked_into_and_its_contents_when_somebody_agrees() {
    // No ping in between.
    let daemon = Daemon::with(&[("limits.heartbeat", "1h")]);
    let admin = daemon.admin().await;
    let password = canary("user");
    let body = json!({ "username": "second", "password": password, "roles": ["admin"] });
    admin.post("/api/v1/users", body).await.expect(201);
    let second = daemon.client().login("second", &password).await;
    let (_, operator) = admin.add_user("watched", &["operator"]).await;
    let path = "/api/v1/ws/events?topics=hosts";
    let mut watched = operator.upgrade(path).open().await.expect("a subscription");
    admin.add_host("some-host", None).await;

    let mut browser = console::browser(&daemon.url(), daemon.ca()).await;
    console::login(&mut browser, daemon.password()).await;
    browser.goto(&format!("{}/inspector", daemon.url())).await;
    browser.shows("watched").await;
    fits(&mut browser, "the open sockets").await;

    // Without contents at once, by the keyboard alone.
    look_at(&mut browser, "watched").await;
    browser.eval("document.querySelector('dialog [name=minutes]').focus()").await;
    browser.keys("\r").await;
    browser.until("it to run", &state("running")).await;
    browser.shows("without contents").await;
    let frame = json!({ "type": "keepalive", "pad": MARKUP }).to_string();
    watched.text(&frame).await;
    browser.until("a frame", "document.querySelector('[data-frame]')").await;
    browser.shows(&format!("{} bytes", frame.len())).await;
    assert_eq!(browser.eval("document.querySelectorAll('td code').length").await, 0);
    // A pause holds what comes.
    browser.keys(" ").await;
    browser.shows("Paused: 0 wait").await;
    watched.text(&frame).await;
    browser.shows("Paused: 1 waits").await;
    assert_eq!(browser.eval("document.querySelectorAll('[data-frame]').length").await, 1);
    browser.keys(" ").await;
    browser.until("both", "document.querySelectorAll('[data-frame]').length === 2").await;
    browser.click_text("^End").await;
    browser.shows("You ended it").await;

    // With contents when somebody else agrees.
    browser.click_text("^Open sockets").await;
    look_at(&mut browser, "watched").await;
    browser.click("contents", "document.querySelector('dialog [name=contents]')").await;
    browser.click("why", "document.querySelector('dialog [name=why]')").await;
    browser.keys("a stuck page").await;
    submit(&mut browser).await;
    browser.until("it to wait", &state("waiting")).await;
    let pending = second.get("/api/v1/approvals?status=pending").await.expect(200).json();
    let asked = &pending["items"][0];
    assert_eq!(asked["payload"]["why"], "a stuck page", "{asked}");
    let decide = async |id: &str, verdict: &str| {
        let path = format!("/api/v1/approvals/{id}/{verdict}");
        second.post(&path, json!({ "note": "not today" })).await.expect(200);
    };
    decide(asked["id"].as_str().expect("an id"), "approve").await;
    browser.until("it to run", &state("running")).await;
    watched.text(&frame).await;
    browser.shows(MARKUP).await;
    browser.keys("x").await;
    browser.shows("7b 22").await;
    // A page that is loaded again goes on with it.
    browser.reload().await;
    browser.until("it to run", &state("running")).await;
    browser.shows(MARKUP).await;
    assert_eq!(browser.eval("document.images.length").await, 0);
    fits(&mut browser, "the frames").await;

    // A refusal says so.
    browser.click_text("^Open sockets").await;
    look_at(&mut browser, "watched").await;
    browser.click("contents", "document.querySelector('dialog [name=contents]')").await;
    browser.click("why", "document.querySelector('dialog [name=why]')").await;
    browser.keys("again").await;
    submit(&mut browser).await;
    browser.until("it to wait", &state("waiting")).await;
    let pending = second.get("/api/v1/approvals?status=pending").await.expect(200).json();
    decide(pending["items"][0]["id"].as_str().expect("an id"), "deny").await;
    browser.shows("second denied this: not today").await;
    assert_eq!(browser.problems(), Vec::<String>::new());
}
