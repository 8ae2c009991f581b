//! Logging in and out: the cookie, wrong passwords, many of them, and tokens.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use gangplank_tests::{account::canary, daemon::Daemon};
use serde_json::json;

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

#[tokio::test]
async fn the_session_s_cookie_is_out_of_reach_of_scripts_and_other_sites() {
    let client = DAEMON.client();
    let answer = client.try_login("admin", DAEMON.password()).await.expect(200);
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-session="), "{cookie}");
    for attribute in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    let value = cookie.split(['=', ';']).nth(1).expect("a value");
    assert!(value.len() >= 43, "{} characters", value.len());
    assert!(!answer.text().contains(value));
    assert!(answer.header("cache-control").contains("no-store"));
    let user = &answer.json()["user"];
    assert_eq!(user["username"], "admin");
    assert!(user["permissions"].as_array().is_some_and(|list| !list.is_empty()), "{user}");

    let again = client.try_login("admin", DAEMON.password()).await.expect(200);
    assert_ne!(again.header("set-cookie"), cookie, "each login is its own");
    assert!(!DAEMON.log().contains(value));
}

#[tokio::test]
async fn a_preset_cookie_is_not_adopted() {
    let preset = "__Host-session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let client = DAEMON.client().with_header("Cookie", preset);
    client.get("/api/v1/auth/me").await.refused(401);
    let answer = client.try_login("admin", DAEMON.password()).await.expect(200);
    assert!(!answer.header("set-cookie").starts_with(preset));
    client.get("/api/v1/auth/me").await.refused(401);
}

#[tokio::test]
async fn wrong_password_and_unknown_user_are_answered_alike() {
    let client = DAEMON.client().from_address(31);
    let wrong = client.try_login("admin", "wrong").await;
    let unknown = client.try_login("nobody-of-that-name", "wrong").await;
    wrong.refused(401);
    assert_eq!(wrong.body, unknown.body);
    assert_eq!(wrong.json()["code"], "invalid_credentials");
    assert_eq!(wrong.header("set-cookie"), "");
    for body in [json!({}), json!({ "username": "admin" }), json!([]), json!({ "username": 1 })] {
        let answer = client.post("/api/v1/auth/login", body.clone()).await;
        assert!([400, 401, 422].contains(&answer.status), "{body}: {}", answer.status);
    }
}

#[tokio::test]
async fn guessing_is_slowed_for_the_guesser_and_never_for_the_user() {
    let guesser = DAEMON.client().from_address(66);
    for _ in 0..8 {
        guesser.try_login("admin", "guess").await.refused(401);
    }
    let start = Instant::now();
    guesser.try_login("admin", "guess").await.refused(401);
    assert!(start.elapsed() > Duration::from_millis(500), "the ninth guess took no time");
    // The right password is taken at once, also from where the guesses come.
    DAEMON.client().from_address(67).login("admin", DAEMON.password()).await;
    guesser.login("admin", DAEMON.password()).await;
}

#[tokio::test]
async fn too_many_failures_of_an_address_are_refused_for_that_address() {
    let daemon = Daemon::with(&[("limits.auth_failures_per_minute_per_ip", "10")]);
    let stranger = daemon.client().from_address(68);
    let wrong = stranger.clone().with_bearer("not.a.token");
    let mut last = 0;
    for _ in 0..30 {
        let answer = wrong.get("/api/v1/auth/me").await;
        last = answer.status;
        if last == 429 {
            assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
            break;
        }
        answer.refused(401);
    }
    assert_eq!(last, 429, "thirty failures were all answered");
    daemon.client().from_address(69).login("admin", daemon.password()).await;
}

#[tokio::test]
async fn a_password_is_taken_whole() {
    let admin = DAEMON.admin().await;
    let long = "x".repeat(100);
    let body = json!({ "username": "long", "password": long, "roles": ["viewer"] });
    let made = admin.post("/api/v1/users", body).await;
    if made.status == 201 {
        let client = DAEMON.client().from_address(32);
        client.try_login("long", &long[..72]).await.refused(401);
        client.try_login("long", &format!("{}y", &long[..99])).await.refused(401);
        client.login("long", &long).await;
    } else {
        made.refused(400);
    }
}

#[tokio::test]
async fn logging_out_ends_the_login_at_once() {
    let admin = DAEMON.admin().await;
    let other = DAEMON.admin().await;
    admin.post("/api/v1/auth/logout", json!({})).await.expect(204);
    admin.get("/api/v1/auth/me").await.refused(401);
    other.get("/api/v1/auth/me").await.expect(200);
}

#[tokio::test]
async fn tokens_are_of_one_kind_and_nothing_else_is() {
    let login = json!({ "username": "admin", "password": DAEMON.password() });
    let token = DAEMON.client().post("/api/v1/auth/token", login).await.expect(200).json();
    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(token["expires_in"], 900);
    let token = token["access_token"].as_str().expect("a token");
    DAEMON.client().with_bearer(token).get("/api/v1/auth/me").await.expect(200);

    let (head, rest) = token.split_once('.').expect("a JWT");
    let (claims, signature) = rest.split_once('.').expect("a JWT");
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    for forged in [
        format!("{none}.{claims}."),
        format!("{none}.{claims}.{signature}"),
        format!("{head}.{claims}"),
        format!("{head}.{claims}.{signature}.x"),
        format!("{head}..{signature}"),
        format!("{head}.{claims}.{}", "A".repeat(signature.len())),
        "x".repeat(7000),
    ] {
        let client = DAEMON.client().with_bearer(&forged);
        let status = client.get("/api/v1/auth/me").await.status;
        assert!([401, 431].contains(&status), "{status} for {}…", &forged[..40]);
    }
    // A token in the query opens no request.
    let path = format!("/api/v1/auth/me?token={token}");
    DAEMON.client().get(&path).await.refused(401);
    assert!(!DAEMON.log().contains(signature));
}

#[tokio::test]
async fn users_are_kept_by_those_who_may() {
    let admin = DAEMON.admin().await;
    let (id, viewer) = admin.add_user("kept", &["viewer"]).await;
    viewer.get("/api/v1/users").await.refused(403);
    viewer.get("/api/v1/audit").await.refused(403);
    viewer.get("/api/v1/hosts").await.expect(200);
    viewer.post("/api/v1/hosts", json!({ "friendly_name": "x" })).await.refused(403);
    viewer.post("/api/v1/enrolment-tokens", json!({})).await.refused(403);
    let body = json!({ "roles": ["admin"] });
    viewer.patch(&format!("/api/v1/users/{id}"), body).await.refused(403);

    let again = json!({ "username": "KEPT", "password": canary("again"), "roles": ["viewer"] });
    let answer = admin.post("/api/v1/users", again).await;
    assert!([400, 409].contains(&answer.status), "{}", answer.status);
    let odd = json!({ "username": "odd", "password": canary("odd"), "roles": ["no-such-role"] });
    admin.post("/api/v1/users", odd).await.refused(400);

    let me = admin.get("/api/v1/auth/me").await.expect(200).json();
    let own = me["user"]["id"].as_str().expect("an id");
    let answer = admin.patch(&format!("/api/v1/users/{own}"), json!({ "disabled": true })).await;
    assert!([400, 403, 409].contains(&answer.status), "the last administrator stays");
    admin.get("/api/v1/auth/me").await.expect(200);
}

#[tokio::test]
async fn the_command_line_keeps_users_too() {
    let password = canary("by-command");
    let added = DAEMON.command_with_input(
        &["user", "add", "commanded", "--role", "viewer"],
        &format!("{password}\n"),
    );
    assert_eq!(added.code, Some(0), "{added:?}");
    DAEMON.client().login("commanded", &password).await;
    let changed = canary("changed");
    let done = DAEMON.command_with_input(&["user", "passwd", "commanded"], &format!("{changed}\n"));
    assert_eq!(done.code, Some(0), "{done:?}");
    DAEMON.client().login("commanded", &changed).await;
    DAEMON.client().from_address(33).try_login("commanded", &password).await.refused(401);
    assert_eq!(DAEMON.command(&["user", "disable", "commanded"]).code, Some(0));
    DAEMON.client().from_address(33).try_login("commanded", &changed).await.refused(401);
    assert_eq!(DAEMON.command(&["user", "disable", "nobody-of-that-name"]).code, Some(1));
}
