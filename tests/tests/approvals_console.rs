//! Approvals in the console: two people, one of whom asks while the other decides.

use gangplank_tests::{
    account::canary,
    agent::{Agent, Policy},
    browser::{Browser, field},
    console,
    daemon::Daemon,
    http::Client,
    job::Marker,
};
use serde_json::json;

/// Something that no page may ever run, as somebody could write it.
const MARKUP: &str = "<img src=x onerror=alert(1)>";

async fn fill(browser: &mut Browser, which: &str, text: &str) {
    browser.click(&format!("the field {which}"), &field(which)).await;
    browser.keys(text).await;
}

/// The page is not wider than a phone, and keeps to the policy.
async fn fits(browser: &mut Browser, what: &str) {
    browser.size(360, 740).await;
    let over = browser.eval("document.documentElement.scrollWidth - innerWidth").await;
    assert!(over.as_i64().is_some_and(|over| over <= 0), "{what} is too wide: {over}");
    browser.size(1280, 800).await;
    assert_eq!(browser.problems(), Vec::<String>::new(), "{what}");
}

/// Another person than the first, logged in by a browser and as a program.
async fn person(daemon: &Daemon, admin: &Client, name: &str) -> (Browser, Client) {
    let password = canary("user");
    let body = json!({ "username": name, "password": password, "roles": ["operator"] });
    admin.post("/api/v1/users", body).await.expect(201);
    let mut browser = console::browser(&daemon.url(), daemon.ca()).await;
    browser.until("the login form", "document.activeElement?.name === 'username'").await;
    browser.keys(&format!("{name}\t{password}")).await;
    browser.click_text("^\\s*log in").await;
    browser.until("the host list", "document.querySelector('ul.hosts li')").await;
    (browser, daemon.client().login(name, &password).await)
}

/// What the bar says of what waits, on whatever page.
fn badge(count: &str) -> String {
    format!(
        "[...document.querySelectorAll('header nav .count')]\
         .some(e => e.getClientRects().length && e.innerText === {})",
        json!(count)
    )
}

#[tokio::test]
async fn one_asks_and_another_decides() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let marker = Marker::new();
    let policy = Policy::everything("localhost:22");
    let agent = Agent::enrol_with(&daemon, &admin, &policy, |table| marker.allow(table)).await;
    let (mut grace, program) = person(&daemon, &admin, "grace").await;
    let mut ada = console::browser(&daemon.url(), daemon.ca()).await;
    console::login(&mut ada, daemon.password()).await;

    // The administrator says what needs approval.
    ada.goto(&format!("{}/policies", daemon.url())).await;
    ada.shows("Nothing needs approval").await;
    ada.click_text("^Add policy").await;
    fill(&mut ada, "^Name", "Tools and shells").await;
    fill(&mut ada, "^Tools that", "mark").await;
    ada.click("the agent's own terminals", &field("^the agent's own")).await;
    fill(&mut ada, "^For these roles", "operator").await;
    ada.click("Add", "document.querySelector('dialog button[type=submit]')").await;
    ada.shows("tools mark; terminals (pty)").await;
    fits(&mut ada, "the policies").await;

    // A terminal waits where it is asked for, and shows in the bar of whatever page the other is at.
    let button = "document.querySelector('ul.hosts li .host-actions button')";
    grace.click("Terminal", button).await;
    grace.until("the terminal to wait", &console::in_state("approval")).await;
    grace.shows("Waits until somebody else approves this terminal").await;
    ada.until("a badge", &badge("1")).await;
    ada.click_text("^Approvals").await;
    ada.until("the request", "document.querySelector('[data-approval]')").await;
    ada.shows("grace").await;
    fits(&mut ada, "the approvals").await;

    // By the keyboard alone, asked once more.
    ada.eval("document.querySelector('[data-approval]').focus()").await;
    ada.keys("a").await;
    ada.until("the question", "document.querySelector('dialog[open] input[name=note]')").await;
    ada.keys("go ahead\r").await;
    console::connected(&mut grace).await;
    ada.shows("Nothing waits for approval").await;
    ada.shows("go ahead").await;
    ada.until("no badge", &format!("!({})", badge("1"))).await;

    // A command is denied, with a reason that its page shows.
    let order = json!({ "command": "run_tool", "params": Marker::params("denied", 0) });
    let job = program.order(agent.host(), order).await;
    grace.goto(&format!("{}/job?id={job}", daemon.url())).await;
    grace.shows("Waits for approval").await;
    ada.until("the request", "document.querySelector('[data-approval]')").await;
    ada.click_text("^Deny").await;
    ada.until("the question", "document.querySelector('dialog[open] input[name=note]')").await;
    ada.keys(MARKUP).await;
    ada.click("Deny", "document.querySelector('dialog[open] footer button.danger')").await;
    grace.until("the end", "document.querySelector('[data-job-state=cancelled]')").await;
    grace.shows(MARKUP).await;
    assert!(marker.effects().is_empty());

    // Nobody decides on their own, here neither.
    let own = json!({ "action": "isolate", "object": MARKUP, "context": { "why": MARKUP } });
    admin.post("/api/v1/approvals", own).await.expect(201);
    ada.shows("Your own request").await;
    ada.eval("document.querySelector('[data-approval]').focus()").await;
    ada.keys("a").await;
    assert_eq!(ada.eval("document.querySelector('dialog[open]')").await, json!(null));
    ada.click_text("^Take it back").await;
    ada.shows("Nothing waits for approval").await;
    assert_eq!(ada.eval("document.images.length").await, 0);
    fits(&mut ada, "what was decided").await;
    assert_eq!(grace.problems(), Vec::<String>::new());
}
