//! Passkeys in a real Chromium, whose authenticator is a virtual one: making them, logging in by
//! them, and what must not let anybody in.

use std::sync::LazyLock;

use gangplank_tests::{
    account::canary,
    browser::{Browser, field},
    daemon::Daemon,
};
use serde_json::{Value, json};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

/// Passkeys belong to names, not to addresses.
fn url() -> String {
    let (_, port) = DAEMON.authority().rsplit_once(':').expect("a port");
    format!("https://localhost:{port}")
}

/// A browser at the login page, with an authenticator.
async fn browser() -> (Browser, String) {
    let mut browser = Browser::start(&[DAEMON.ca()]).await;
    let authenticator = browser.authenticator().await;
    browser.goto(&url()).await;
    browser.until("the login form", "document.activeElement?.name === 'username'").await;
    (browser, authenticator)
}

async fn user(name: &str) -> String {
    let password = canary(name);
    let body = json!({ "username": name, "password": password, "roles": ["viewer"] });
    DAEMON.admin().await.post("/api/v1/users", body).await.expect(201);
    password
}

async fn fill(browser: &mut Browser, which: &str, text: &str) {
    browser.click(&format!("the field {which}"), &field(which)).await;
    browser.keys(text).await;
}

/// Logs in by password and makes a passkey.
async fn make(browser: &mut Browser, name: &str, password: &str) {
    browser.keys(&format!("{name}\t{password}\r")).await;
    browser.click_text("Account of").await;
    browser.click_text("Add a passkey").await;
    fill(browser, "What to call it", "my laptop").await;
    fill(browser, "Your password", password).await;
    browser.click_text("Make passkey").await;
    browser.until("the passkey", "document.body.innerText.includes('my laptop')").await;
}

async fn leave(browser: &mut Browser) {
    browser.click_text("^\\s*Log out").await;
    browser.until("the login form", "document.activeElement?.name === 'username'").await;
}

/// What a page can do by itself: asks, lets the authenticator sign, and brings the answer so often.
/// The statuses.
async fn by_hand(browser: &mut Browser, times: usize, change: &str) -> Value {
    let script = format!(
        "(async () => {{ \
         const post = (path, body) => fetch('/api/v1/auth/' + path, {{ method: 'POST', \
           headers: {{ 'Content-Type': 'application/json' }}, body: JSON.stringify(body) }}); \
         const {{ challenge, options }} = await (await post('passkey/start', {{}})).json(); \
         const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options); \
         const credential = (await navigator.credentials.get({{ publicKey }})).toJSON(); \
         const body = {{ challenge, credential }}; {change}; const statuses = []; \
         for (let n = 0; n < {times}; n++) \
           statuses.push((await post('passkey', body)).status); \
         return statuses; }})()"
    );
    browser.eval(&script).await
}

#[tokio::test]
async fn a_passkey_is_made_used_renamed_and_removed() {
    let password = user("keyed").await;
    let (mut browser, authenticator) = browser().await;
    make(&mut browser, "keyed", &password).await;
    let made = browser.passkeys(&authenticator).await;
    assert_eq!(made.len(), 1);
    assert_eq!(
        (&made[0]["rpId"], &made[0]["isResidentCredential"]),
        (&json!("localhost"), &json!(true))
    );

    leave(&mut browser).await;
    browser.click_text("Use a passkey").await;
    browser.click_text("Account of keyed").await;
    browser.click_text("Rename my laptop").await;
    // The old name is there, and gives way to the new one.
    browser.until("the field", "document.activeElement?.name === 'name'").await;
    browser.eval("document.querySelector('dialog input').select()").await;
    browser.keys("the old one\r").await;
    browser.shows("The passkey is renamed.").await;
    browser.click_text("Remove the old one").await;
    browser
        .click("the button that removes", "document.querySelector('dialog button.danger')")
        .await;
    browser.shows("The passkey is removed.").await;

    leave(&mut browser).await;
    browser.click_text("Use a passkey").await;
    browser.shows("does not let you in").await;
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn an_answer_counts_once_for_its_own_question_and_from_its_own_person() {
    let password = user("asked").await;
    let (mut browser, authenticator) = browser().await;
    make(&mut browser, "asked", &password).await;
    leave(&mut browser).await;
    assert_eq!(by_hand(&mut browser, 2, "").await, json!([200, 401]));
    // The answer to one question does not answer another.
    let other = "body.challenge = (await (await post('passkey/start', {})).json()).challenge";
    assert_eq!(by_hand(&mut browser, 1, other).await, json!([401]));
    let unknown = "body.challenge = 'f'.repeat(64)";
    assert_eq!(by_hand(&mut browser, 1, unknown).await, json!([401]));
    let flipped = "const s = credential.response.signature; \
                   credential.response.signature = s.slice(0, 12) + \
                   (s[12] === 'A' ? 'B' : 'A') + s.slice(13)";
    assert_eq!(by_hand(&mut browser, 1, flipped).await, json!([401]));
    let somebody = "credential.response.userHandle = 'AAAAAAAAAAAAAAAAAAAAAA'";
    assert_eq!(by_hand(&mut browser, 1, somebody).await, json!([401]));
    assert_eq!(by_hand(&mut browser, 1, "").await, json!([200]));

    // A device that does not recognise its person signs nothing that counts.
    browser.recognises(&authenticator, false).await;
    browser.reload().await;
    leave(&mut browser).await;
    browser.click_text("Use a passkey").await;
    browser.shows("The browser got no passkey").await;
    browser.recognises(&authenticator, true).await;

    // A locked-out person stays out.
    let admin = DAEMON.admin().await;
    let users = admin.get("/api/v1/users?limit=500").await.expect(200).json();
    let items = users["items"].as_array().expect("users");
    let asked = items.iter().find(|user| user["username"] == "asked").expect("the user");
    let path = format!("/api/v1/users/{}", asked["id"].as_str().expect("an id"));
    admin.patch(&path, json!({ "disabled": true })).await.expect(200);
    assert_eq!(by_hand(&mut browser, 1, "").await, json!([401]));
}

#[tokio::test]
async fn a_copy_of_a_passkey_is_noticed() {
    let password = user("copied").await;
    let (mut browser, authenticator) = browser().await;
    make(&mut browser, "copied", &password).await;
    leave(&mut browser).await;
    let copy = browser.passkeys(&authenticator).await.remove(0);
    for _ in 0..3 {
        assert_eq!(by_hand(&mut browser, 1, "").await, json!([200]));
    }
    browser.put_passkey(&authenticator, &copy).await;
    assert_eq!(by_hand(&mut browser, 1, "").await, json!([401]));
    let audit = DAEMON.admin().await.get("/api/v1/audit?limit=100").await.expect(200).json();
    let rows = audit["items"].as_array().expect("rows");
    assert!(rows.iter().any(|row| row["action"] == "passkey.copied"), "{audit}");
}

#[tokio::test]
async fn passkeys_are_for_names_and_for_pages_of_ours() {
    let client = DAEMON.client();
    let refused = client.post("/api/v1/auth/passkey/start", json!({})).await;
    assert_eq!(refused.status, 409, "an address: {}", refused.text());
    let named = client.clone().with_host("localhost");
    let asked = named.post("/api/v1/auth/passkey/start", json!({})).await.expect(200).json();
    assert_eq!(asked["options"]["rpId"], "localhost");
    assert_eq!(asked["options"]["userVerification"], "required");
    assert_eq!(asked["options"]["allowCredentials"], json!([]));
    let foreign = named.with_origin(Some("https://evil.example"));
    foreign.post("/api/v1/auth/passkey/start", json!({})).await.refused(403);
    foreign.post("/api/v1/auth/passkey", json!({})).await.refused(403);
}
