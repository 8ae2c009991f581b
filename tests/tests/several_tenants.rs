//! People of several tenants: choosing one at the login, and a tenant that asks for more than theirs.

use std::sync::LazyLock;

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

const LOGIN: &str = "/api/v1/auth/login";
const SWITCH: &str = "/api/v1/auth/tenant";

/// Makes somebody of the first tenant, who is let into these, too. Their password.
async fn person(platform: &Client, name: &str, tenants: &[&str]) -> String {
    let password = canary(name);
    let body = json!({ "username": name, "password": password, "roles": ["viewer"] });
    platform.post("/api/v1/users", body).await.expect(201);
    for tenant in tenants {
        let join = json!({ "username": name, "roles": ["operator"] });
        platform.post(&format!("/api/v1/tenants/{tenant}/members"), join).await.expect(201);
    }
    password
}

fn as_logged_in(answer: &Answer) -> Client {
    DAEMON.client().with_header("Cookie", &session_cookie(answer))
}

async fn is_in(client: &Client) -> Value {
    let me = client.get("/api/v1/auth/me").await.expect(200).json();
    me["user"]["tenant"]["name"].clone()
}

async fn require(admin: &Client) {
    let policy = json!({ "second_factor_required": true });
    admin.send("PUT", "/api/v1/settings/sign-in", Some(policy)).await.expect(200);
}

fn code(answer: &Answer) -> (u16, Value) {
    (answer.status, answer.json()["code"].clone())
}

#[tokio::test]
async fn who_names_a_tenant_enters_it_and_a_foreign_one_is_a_wrong_password() {
    let platform = DAEMON.admin().await;
    let (east, _, east_admin) = platform.add_tenant("east").await;
    let (west, _, _) = platform.add_tenant("west").await;
    let password = person(&platform, "edith", &[&east]).await;
    let body = |password: &str, tenant: Value| json!({ "username": "edith", "password": password, "tenant": tenant });
    let ask = async |body: Value| DAEMON.client().post(LOGIN, body).await;
    for (named, there) in [
        (json!("east"), "east"),
        (json!(east), "east"),
        (json!("default"), "default"),
        (Value::Null, "default"),
    ] {
        let answer = ask(body(&password, named)).await.expect(200);
        assert_eq!(is_in(&as_logged_in(&answer)).await, there);
    }
    let token = DAEMON.client().post("/api/v1/auth/token", body(&password, json!("east"))).await;
    let token = token.expect(200).json()["access_token"].as_str().expect("a token").to_owned();
    assert_eq!(is_in(&DAEMON.client().with_origin(None).with_bearer(&token)).await, "east");

    let wrong = ask(body("wrong", Value::Null)).await;
    assert_eq!(wrong.status, 401);
    for (password, named) in [
        (password.as_str(), json!("west")),
        (&password, json!(west)),
        (&password, json!("nowhere")),
        (&password, json!("")),
        ("wrong", json!("east")),
    ] {
        let answer = ask(body(password, named.clone())).await;
        assert_eq!((answer.status, &answer.body), (401, &wrong.body), "{named}");
        assert_eq!(answer.header("set-cookie"), "");
    }
    // Locked out there, she is at home still, and that tenant is one that isn't hers.
    let users = east_admin.get("/api/v1/users").await.expect(200).json();
    let guest = users["items"].as_array().expect("a list").iter().find(|u| u["guest"] == true);
    let guest =
        format!("/api/v1/users/{}", guest.expect("her user")["id"].as_str().expect("an id"));
    east_admin.patch(&guest, json!({ "disabled": true })).await.expect(200);
    assert_eq!(ask(body(&password, json!("east"))).await.body, wrong.body);
    ask(body(&password, Value::Null)).await.expect(200);
}

#[tokio::test]
async fn a_guest_sets_up_a_second_factor_where_they_are_and_goes_on() {
    let platform = DAEMON.admin().await;
    let (loose, _, _) = platform.add_tenant("loose").await;
    let (strict, _, strict_admin) = platform.add_tenant("strict").await;
    require(&strict_admin).await;
    let password = person(&platform, "greta", &[&loose, &strict]).await;
    let login =
        |tenant: &str| json!({ "username": "greta", "password": password, "tenant": tenant });
    let there = as_logged_in(&DAEMON.client().post(LOGIN, login("loose")).await.expect(200));
    let refused = there.post(SWITCH, json!({ "tenant": "strict" })).await;
    assert_eq!(code(&refused), (403, json!("lacks_second_factor")));
    assert_eq!(is_in(&there).await, "loose", "the login goes on");

    let offer = there.post("/api/v1/account/totp", json!({ "password": "wrong" })).await;
    assert_eq!(code(&offer), (400, json!("wrong_password")));
    let (app, recovery) = there.enrol_codes(&password).await;
    let answer = there.post(SWITCH, json!({ "tenant": "strict" })).await.expect(200);
    let strict = as_logged_in(&answer);
    assert_eq!(is_in(&strict).await, "strict");
    // It is the account's, wherever she is.
    let asked = DAEMON.client().post(LOGIN, login("default")).await;
    assert_eq!(code(&asked), (401, json!("totp_required")));
    let mut with_code = login("strict");
    with_code["totp"] = json!(app.next());
    DAEMON.client().post(LOGIN, with_code).await.expect(200);
    let off = json!({ "password": password, "code": recovery[0] });
    strict.post("/api/v1/account/totp/disable", off).await.expect(204);

    // A new password ends what she has open in every tenant but here.
    let home = DAEMON.client().login("greta", &password).await;
    let new = canary("new");
    let body = json!({ "current": password, "new": new });
    strict.post("/api/v1/account/password", body).await.expect(204);
    home.get("/api/v1/auth/me").await.refused(401);
    assert_eq!(is_in(&strict).await, "strict");
}

#[tokio::test]
async fn who_enters_a_strict_tenant_at_once_sets_up_a_second_factor_first() {
    let platform = DAEMON.admin().await;
    let (exact, _, exact_admin) = platform.add_tenant("exact").await;
    require(&exact_admin).await;
    let password = person(&platform, "emil", &[&exact]).await;
    let login = json!({ "username": "emil", "password": password, "tenant": "exact" });
    let token = DAEMON.client().post("/api/v1/auth/token", login.clone()).await;
    assert_eq!(code(&token), (403, json!("second_factor_required")));
    let answer = DAEMON.client().post(LOGIN, login).await.expect(200);
    assert_eq!(answer.json()["user"]["must_enrol"], true);
    let client = as_logged_in(&answer);
    client.get("/api/v1/hosts").await.refused(403);
    client.enrol_codes("").await;
    client.get("/api/v1/hosts").await.expect(200);
    assert_eq!(is_in(&client).await, "exact");
}

async fn fill(browser: &mut Browser, which: &str, text: &str) {
    browser.click(&format!("the field {which}"), &field(which)).await;
    browser.keys(text).await;
}

#[tokio::test]
async fn the_console_asks_for_a_second_factor_on_the_way_to_a_strict_tenant() {
    let platform = DAEMON.admin().await;
    let (quiet, _, _) = platform.add_tenant("quiet").await;
    let (guarded, _, guarded_admin) = platform.add_tenant("guarded").await;
    require(&guarded_admin).await;
    let password = person(&platform, "paula", &[&quiet, &guarded]).await;
    let mut browser =
        console::browser(&format!("{}/login?tenant=quiet", DAEMON.url()), DAEMON.ca()).await;
    browser.until("the login form", "document.activeElement?.name === 'username'").await;
    browser
        .until("the tenant", "document.querySelector('input[name=tenant]').value === 'quiet'")
        .await;
    browser.keys(&format!("paula\t{password}\r")).await;
    let chosen = |name: &str| {
        format!("document.querySelector('.tenant-switch')?.selectedOptions[0]?.text === '{name}'")
    };
    browser.until("that tenant", &chosen("quiet")).await;
    let choose = "const s = document.querySelector('.tenant-switch'); \
        s.value = [...s.options].find((o) => o.text === 'guarded').value; \
        s.dispatchEvent(new Event('change', { bubbles: true }))";
    browser.eval(&format!("(() => {{ {choose} }})()")).await;
    browser.shows("guarded wants a second factor").await;
    assert_eq!(browser.eval(&chosen("quiet")).await, true, "she is there still");
    browser.click_text("Set up codes").await;
    fill(&mut browser, "Your password", &password).await;
    browser.click_text("^\\s*Continue").await;
    browser.until("the QR code", "document.querySelector('svg.qr path')").await;
    let secret = browser.eval("document.querySelector('dialog pre').innerText").await;
    let app = Authenticator::typed(secret.as_str().expect("a secret"));
    fill(&mut browser, "Code from your app", &app.code()).await;
    browser.click_text("^\\s*Turn on").await;
    browser.shows("Your recovery codes").await;
    browser.click_text("I have kept them").await;
    browser.until("the strict tenant", &chosen("guarded")).await;
    assert_eq!(browser.problems(), Vec::<String>::new());
}
