//! One-time codes and recovery codes, and people who must have them.

use std::{fs, sync::LazyLock};

use gangplank_tests::{
    account::canary,
    authenticator::Authenticator,
    browser::{Browser, field},
    console,
    daemon::Daemon,
    http::{Answer, Client, session_cookie},
};
use serde_json::{Value, json};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

/// Makes a user; their name, password and a login.
async fn user(name: &str) -> (String, String, Client) {
    user_of(&DAEMON, name).await
}

async fn user_of(daemon: &Daemon, name: &str) -> (String, String, Client) {
    let password = canary(name);
    let body = json!({ "username": name, "password": password, "roles": ["viewer"] });
    daemon.admin().await.post("/api/v1/users", body).await.expect(201);
    let client = daemon.client().login(name, &password).await;
    (name.to_owned(), password, client)
}

async fn login_with(name: &str, password: &str, code: &str) -> Answer {
    let body = json!({ "username": name, "password": password, "totp": code });
    DAEMON.client().post("/api/v1/auth/login", body).await
}

fn code(answer: &Answer) -> Value {
    answer.json()["code"].clone()
}

#[tokio::test]
async fn a_code_is_asked_for_after_the_password_and_counts_once() {
    let (name, password, client) = user("coded").await;
    let wrong = client.post("/api/v1/account/totp", json!({ "password": "wrong" })).await;
    assert_eq!((wrong.status, code(&wrong)), (400, json!("wrong_password")));
    client.post("/api/v1/account/totp", json!({})).await.refused(400);
    let (app, recovery) = client.enrol_codes(&password).await;
    assert_eq!(recovery.len(), 10);

    let asked = DAEMON.client().try_login(&name, &password).await;
    assert_eq!((asked.status, code(&asked)), (401, json!("totp_required")));
    assert_eq!(asked.header("set-cookie"), "");
    // Whoever doesn't know the password doesn't learn that there are codes.
    let wrong = DAEMON.client().try_login(&name, "wrong").await;
    let unknown = DAEMON.client().try_login("nobody-at-all", "wrong").await;
    assert_eq!(wrong.body, unknown.body);
    assert_eq!(login_with(&name, "wrong", &app.next()).await.body, unknown.body);

    let next = app.next();
    login_with(&name, &password, &next).await.expect(200);
    let again = login_with(&name, &password, &next).await;
    assert_eq!((again.status, code(&again)), (401, json!("totp_invalid")));

    let token = json!({ "username": name, "password": password });
    let token = DAEMON.client().post("/api/v1/auth/token", token).await;
    assert_eq!((token.status, code(&token)), (401, json!("totp_required")));
    let token = json!({ "username": name, "password": password, "totp": recovery[0] });
    DAEMON.client().post("/api/v1/auth/token", token.clone()).await.expect(200);
    DAEMON.client().post("/api/v1/auth/token", token).await.refused(401);
    let mine = client.get("/api/v1/account").await.expect(200).json();
    assert_eq!((&mine["totp"], &mine["recovery_codes"]), (&json!(true), &json!(9)));

    // Nothing of it lies open.
    let database = fs::read(DAEMON.directory().join("gangplank.db")).expect("the database");
    let log = fs::read(DAEMON.directory().join("gangplank.db-wal")).unwrap_or_default();
    for secret in &recovery {
        let plain = secret.replace('-', "");
        for bytes in [&database, &log] {
            for form in [secret.as_bytes(), plain.as_bytes()] {
                assert!(!bytes.windows(form.len()).any(|window| window == form));
            }
        }
        assert!(!DAEMON.log().contains(secret));
    }
}

#[tokio::test]
async fn guessing_codes_ends_soon_and_recovery_codes_still_work() {
    let (name, password, client) = user("guessed").await;
    let (app, recovery) = client.enrol_codes(&password).await;
    let right = [app.code(), app.next()];
    let wrong = (0..).map(|n| format!("{n:06}")).find(|code| !right.contains(code));
    let wrong = wrong.expect("a wrong code");
    let mut last = 0;
    for _ in 0..10 {
        last = login_with(&name, &password, &wrong).await.status;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429, "ten wrong codes were all answered");
    login_with(&name, &password, &app.next()).await.refused(429);
    login_with(&name, &password, &recovery[3]).await.expect(200);
    let audit = DAEMON.admin().await.get("/api/v1/audit?limit=100").await.expect(200).json();
    let refused = |row: &&Value| row["action"] == "login.code" && row["object"] == name.as_str();
    assert!(audit["items"].as_array().expect("rows").iter().any(|row| refused(&row)), "{audit}");
}

#[tokio::test]
async fn codes_are_turned_off_by_their_owner_with_a_code_or_by_an_administrator() {
    let (name, password, client) = user("leaving").await;
    let (_, recovery) = client.enrol_codes(&password).await;
    let off = "/api/v1/account/totp/disable";
    let body = |password: &str, code: &str| json!({ "password": password, "code": code });
    client.post(off, body("wrong", &recovery[0])).await.refused(400);
    client.post(off, body(&password, "000000")).await.refused(400);
    client.post(off, body(&password, &recovery[0])).await.expect(204);
    DAEMON.client().login(&name, &password).await;

    client.enrol_codes(&password).await;
    let admin = DAEMON.admin().await;
    let me = client.get("/api/v1/auth/me").await.expect(200).json();
    let id = me["user"]["id"].as_str().expect("an id");
    let reset = format!("/api/v1/users/{id}/reset-second-factor");
    client.post(&reset, json!({})).await.refused(403);
    admin.post(&reset, json!({})).await.expect(204);
    client.get("/api/v1/auth/me").await.refused(401);
    DAEMON.client().login(&name, &password).await;
}

#[tokio::test]
async fn who_must_have_a_second_factor_can_do_nothing_before() {
    let daemon = Daemon::start();
    let (name, password, _) = user_of(&daemon, "hurried").await;
    let admin = daemon.admin().await;
    let policy = json!({ "second_factor_required": true });
    admin.send("PUT", "/api/v1/settings/sign-in", Some(policy)).await.expect(200);

    let token = json!({ "username": name, "password": password });
    let token = daemon.client().post("/api/v1/auth/token", token).await;
    assert_eq!((token.status, code(&token)), (403, json!("second_factor_required")));
    let answer = daemon.client().try_login(&name, &password).await.expect(200);
    assert_eq!(answer.json()["user"]["must_enrol"], true);
    let client = daemon.client().with_header("Cookie", &session_cookie(&answer));
    for path in ["/api/v1/hosts", "/api/v1/account/logins", "/api/v1/settings"] {
        let refused = client.get(path).await;
        assert_eq!((refused.status, code(&refused)), (403, json!("second_factor_required")));
    }
    client.post("/api/v1/auth/ws-ticket", json!({ "channel": "events" })).await.refused(403);
    client.get("/api/v1/account").await.expect(200);
    client.enrol_codes("").await;
    client.get("/api/v1/hosts").await.expect(200);
}

#[tokio::test]
async fn a_person_changes_their_password_and_ends_their_other_logins() {
    let (name, password, client) = user("moving").await;
    let other = DAEMON.client().login(&name, &password).await;
    let logins = client.get("/api/v1/account/logins").await.expect(200).json();
    let items = logins["items"].as_array().expect("logins");
    assert_eq!(items.len(), 2, "{logins}");
    let foreign = items.iter().find(|login| login["current"] == false).expect("the other");
    let id = foreign["id"].as_str().expect("an id");
    let (_, _, stranger) = user("stranger").await;
    stranger.delete(&format!("/api/v1/account/logins/{id}")).await.refused(404);
    client.delete(&format!("/api/v1/account/logins/{id}")).await.expect(204);
    other.get("/api/v1/auth/me").await.refused(401);

    let third = DAEMON.client().login(&name, &password).await;
    let new = canary("moved");
    let body = |current: &str| json!({ "current": current, "new": new });
    client.post("/api/v1/account/password", body("wrong")).await.refused(400);
    client.post("/api/v1/account/password", body(&password)).await.expect(204);
    client.get("/api/v1/auth/me").await.expect(200);
    third.get("/api/v1/auth/me").await.refused(401);
    DAEMON.client().try_login(&name, &password).await.refused(401);
    DAEMON.client().login(&name, &new).await;
}

async fn fill(browser: &mut Browser, which: &str, text: &str) {
    browser.click(&format!("the field {which}"), &field(which)).await;
    browser.keys(text).await;
}

#[tokio::test]
async fn codes_are_set_up_and_used_in_the_console() {
    let (name, password, _) = user("clicking").await;
    let mut browser = console::browser(&DAEMON.url(), DAEMON.ca()).await;
    browser.until("the login form", "document.activeElement?.name === 'username'").await;
    browser.keys(&format!("{name}\t{password}\r")).await;
    browser.click_text("Account of clicking").await;
    browser.click_text("Set up codes").await;
    fill(&mut browser, "Your password", &password).await;
    browser.click_text("^\\s*Continue").await;
    browser.until("the QR code", "document.querySelector('svg.qr path')").await;
    let secret = browser.eval("document.querySelector('dialog pre').innerText").await;
    let app = Authenticator::typed(secret.as_str().expect("a secret"));
    fill(&mut browser, "Code from your app", &app.code()).await;
    browser.click_text("^\\s*Turn on").await;
    browser.shows("Your recovery codes").await;
    let codes = browser.eval("document.querySelector('dialog pre').innerText").await;
    assert_eq!(codes.as_str().expect("codes").lines().count(), 10);
    browser.click_text("I have kept them").await;
    browser.shows("10 of your recovery codes").await;

    browser.click_text("^\\s*Log out").await;
    browser.until("the login form", "document.activeElement?.name === 'username'").await;
    browser.keys(&format!("{name}\t{password}\r")).await;
    browser.until("the field for a code", "document.activeElement?.name === 'totp'").await;
    browser.keys("12\r").await;
    browser.shows("That code is wrong").await;
    // The wrong one is selected, so that typing replaces it.
    browser.keys(&format!("{}\r", app.next())).await;
    browser.click_text("Account of clicking").await;
    browser.shows("this one").await;
    assert_eq!(browser.problems(), Vec::<String>::new());
}
