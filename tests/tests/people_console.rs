//! Roles, tokens and tenants as a person works with them in a real browser.

use gangplank_tests::{account::canary, browser::Browser, daemon::Daemon};
use serde_json::json;

async fn browser(daemon: &Daemon, username: &str, password: &str) -> Browser {
    let mut browser = Browser::start(&[daemon.ca()]).await;
    browser.goto(&daemon.url()).await;
    browser.until("the login form", "document.activeElement?.name === 'username'").await;
    browser.keys(username).await;
    browser.keys("\t").await;
    browser.keys(password).await;
    browser.click_text("^\\s*log in").await;
    browser.until("the console", "document.querySelector('header .user')").await;
    browser
}

async fn shows(browser: &mut Browser, what: &str) {
    let words = what.replace('\'', "\\'");
    let shown = format!("document.querySelector('tbody')?.innerText.includes('{words}')");
    browser.until(what, &shown).await;
}

#[tokio::test]
async fn a_role_is_made_and_a_token_is_shown_once() {
    let daemon = Daemon::start();
    let mut browser = browser(&daemon, "admin", daemon.password()).await;
    browser.goto(&format!("{}/roles", daemon.url())).await;
    shows(&mut browser, "operator").await;
    browser.click_text("Add role").await;
    browser.until("the form", "document.activeElement?.name === 'name'").await;
    browser.keys("auditor").await;
    browser.eval("document.querySelector('input[value=\"audit:read\"]').click()").await;
    browser.keys("\r").await;
    shows(&mut browser, "auditor").await;
    let roles = daemon.admin().await.get("/api/v1/roles").await.expect(200).json();
    let made = roles["items"].as_array().expect("a list").iter().find(|r| r["name"] == "auditor");
    assert_eq!(made.expect("the role")["permissions"], json!(["audit:read"]));

    browser.goto(&format!("{}/tokens", daemon.url())).await;
    browser.click_text("Make token").await;
    browser.until("the form", "document.activeElement?.name === 'name'").await;
    browser.keys("nightly").await;
    browser.keys("\r").await;
    browser.until("the token", "document.querySelector('dialog pre')").await;
    let token = browser.eval("document.querySelector('dialog pre').innerText").await;
    let token = token.as_str().expect("text").to_owned();
    let program = daemon.client().with_origin(None).with_bearer(&token);
    program.get("/api/v1/hosts").await.expect(200);
    browser.click_text("^Done").await;
    shows(&mut browser, "nightly").await;
    let page = browser.eval("document.documentElement.outerHTML").await;
    assert!(!page.as_str().expect("a page").contains(&token), "it is shown once");
    browser.click_text("Revoke nightly").await;
    browser.click_text("^Revoke token").await;
    browser.until("the empty list", "!document.querySelector('tbody')").await;
    program.get("/api/v1/hosts").await.refused(401);
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn who_belongs_to_two_tenants_chooses_in_the_bar() {
    let daemon = Daemon::start();
    let platform = daemon.admin().await;
    let north = platform.post("/api/v1/tenants", json!({ "name": "north" })).await.expect(201);
    let north = north.json()["id"].as_str().expect("an id").to_owned();
    let password = canary("ada");
    let ada = json!({ "username": "ada", "password": password, "roles": ["operator"] });
    platform.post("/api/v1/users", ada).await.expect(201);
    let join = json!({ "username": "ada", "roles": ["admin"] });
    platform.post(&format!("/api/v1/tenants/{north}/members"), join).await.expect(201);
    platform.add_host("of-the-first", None).await;

    let mut browser = browser(&daemon, "ada", &password).await;
    browser
        .until("her tenants", "document.querySelectorAll('.tenant-switch option').length === 2")
        .await;
    browser.until("the host", "document.body.innerText.includes('of-the-first')").await;
    let choose = "const s = document.querySelector('.tenant-switch'); \
        s.value = [...s.options].find((o) => o.text === 'north').value; \
        s.dispatchEvent(new Event('change', { bubbles: true }))";
    browser.eval(&format!("(() => {{ {choose} }})()")).await;
    let there = "document.querySelector('.tenant-switch')?.selectedOptions[0]?.text === 'north' \
        && document.querySelector('h1') && !document.body.innerText.includes('of-the-first')";
    browser.until("the other tenant", there).await;
    browser.goto(&format!("{}/users", daemon.url())).await;
    shows(&mut browser, "of another tenant").await;
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn how_long_things_are_kept_is_said_and_wished() {
    let daemon = Daemon::start();
    let platform = daemon.admin().await;
    let north = platform.post("/api/v1/tenants", json!({ "name": "north" })).await.expect(201);
    let north = format!("/api/v1/tenants/{}", north.json()["id"].as_str().expect("an id"));
    let mut browser = browser(&daemon, "admin", daemon.password()).await;
    browser.goto(&format!("{}/tenants", daemon.url())).await;
    shows(&mut browser, "north").await;
    browser.click_text("Change north").await;
    browser.until("the fields", "document.querySelector('dialog input[name=jobs]')").await;
    browser
        .eval("document.querySelectorAll('dialog details').forEach((d) => { d.open = true; })")
        .await;
    fill(&mut browser, "input[name=max_terminals]", "7").await;
    fill(&mut browser, "input[name=jobs]", "90d").await;
    fill(&mut browser, "textarea[name=topics]", "alerts=60d/500").await;
    browser.click_text("^\\s*Save").await;
    browser.until("the dialog to go", "!document.querySelector('dialog')").await;
    let said = platform.get(&north).await.expect(200).json();
    assert_eq!(said["limits"]["max_terminals"], 7, "{said}");
    let granted = &said["retention"]["granted"];
    assert_eq!(granted["jobs"], "90d", "{said}");
    assert_eq!(granted["topics"], json!({ "alerts": { "age": "60d", "count": 500 } }));

    browser.goto(&format!("{}/account", daemon.url())).await;
    browser.until("the wish", "document.querySelector('input[name=records]')").await;
    browser.eval("document.querySelectorAll('details').forEach((d) => { d.open = true; })").await;
    fill(&mut browser, "input[name=records]", "2d").await;
    browser.keys("\r").await;
    browser.shows("Things are kept for so long").await;
    let own = platform.get("/api/v1/settings/retention").await.expect(200).json();
    assert_eq!((&own["own"]["records"], &own["in_force"]["records"]), (&json!("2d"), &json!("2d")));
    assert_eq!(browser.problems(), Vec::<String>::new());
}

/// Types into the field of a form.
async fn fill(browser: &mut Browser, field: &str, text: &str) {
    browser.eval(&format!("document.querySelector('{field}').focus()")).await;
    browser.keys(text).await;
}
