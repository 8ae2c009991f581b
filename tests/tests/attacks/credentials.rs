//! Credentials that are almost right, forged, in the wrong place, or used up.

use std::collections::HashSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gangplank_tests::{
    daemon::Daemon,
    farm::Farm,
    http::Client,
    page::{V1, path},
    rig::times,
};
use serde_json::{Value, json};

use crate::{RIG, TURN};

/// Texts that are almost another, each of which a careless comparison takes for it.
fn almost(right: &str) -> Vec<String> {
    let (start, last) = right.split_at(right.len() - 1);
    let other = if last == "0" { "1" } else { "0" };
    vec![
        format!("{right}0"),
        format!("{right}{right}"),
        format!("{right}%00"),
        format!("{right},{right}"),
        format!("{right}{}", "x".repeat(100)),
        start.to_owned(),
        right[1..].to_owned(),
        format!("{start}{other}"),
        format!("0{right}"),
        right.to_uppercase(),
        right[..right.len() / 2].to_owned(),
        String::new(),
        "*".to_owned(),
        "%".to_owned(),
    ]
}

#[tokio::test]
async fn a_key_is_taken_whole_and_exactly() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let tenant = RIG.a().await;
    let host = tenant.admin.add_host("almost", None).await;
    let text = |name: &str| host[name].as_str().expect("text");
    let (api_id, key) = (text("api_id"), text("api_key"));
    let stranger = RIG.stranger().with_origin(None);
    let with = |name: &str, value: &str| stranger.clone().with_header(name, value);
    for wrong in almost(key).iter().filter(|wrong| *wrong != key) {
        let agent = with("X-API-ID", api_id).with_header("X-API-KEY", wrong);
        let refused = agent.upgrade("/api/v1/agents/ws").open().await.expect_err("a refusal");
        refused.refused(401);
        let device = with("X-Device-Key", &format!("{api_id}.{wrong}"));
        device.get("/api/v1/commands").await.refused(401);
    }
    let right = with("X-Device-Key", &format!("{api_id}.{key}"));
    right.get("/api/v1/commands?wait=0").await.expect(200);

    let token = json!({ "name": "almost", "scopes": ["hosts:read"] });
    let token = tenant.admin.post("/api/v1/tokens", token).await.expect(201).json();
    let token = token["token"].as_str().expect("a token").to_owned();
    let enrolment = json!({ "uses": 5, "expires": "10m" });
    let enrolment = tenant.admin.post("/api/v1/enrolment-tokens", enrolment).await.expect(201);
    let enrolment = enrolment.json()["token"].as_str().expect("a token").to_owned();
    let cookie = tenant.admin.cookie().expect("a login").to_owned();
    let page = RIG.stranger();
    for wrong in almost(&token).iter().filter(|wrong| **wrong != token) {
        page.clone().with_bearer(wrong).get("/api/v1/hosts").await.refused(401);
    }
    for wrong in almost(&enrolment).iter().filter(|wrong| **wrong != enrolment) {
        let enrolling = with("X-Provisioning-Key", wrong);
        let body = json!({ "hostname": "almost" });
        enrolling.post("/api/v1/devices/register", body).await.refused(401);
    }
    let (name, session) = cookie.split_once('=').expect("a cookie");
    for wrong in almost(session).iter().filter(|wrong| *wrong != session) {
        let page = page.clone().with_header("Cookie", &format!("{name}={wrong}"));
        page.get("/api/v1/hosts").await.refused(401);
    }
    page.with_bearer(&token).get("/api/v1/hosts").await.expect(200);
    RIG.holds(control).await;
}

/// An access token with another head, and another end.
fn forged(right: &str, head: &Value) -> Vec<String> {
    let mut parts = right.split('.');
    let (_, body, signature) = (parts.next(), parts.next(), parts.next());
    let (body, signature) = (body.expect("claims"), signature.expect("a signature"));
    let head = URL_SAFE_NO_PAD.encode(head.to_string());
    vec![format!("{head}.{body}.{signature}"), format!("{head}.{body}."), format!("{head}.{body}")]
}

#[tokio::test]
async fn no_forged_token_is_taken_and_nobody_is_asked_for_its_key() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let farm = Farm::open().await;
    let login = json!({ "username": "admin", "password": RIG.daemon().password() });
    let made = RIG.client().post("/api/v1/auth/token", login).await.expect(200).json();
    let right = made["access_token"].as_str().expect("a token");
    let mut tokens = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS256", "ES256", "EdDSA"] {
        tokens.extend(forged(right, &json!({ "alg": alg, "typ": "JWT" })));
    }
    for address in farm.addresses() {
        for (name, scheme) in [("jku", "https"), ("x5u", "https"), ("jku", "http"), ("kid", "http")]
        {
            let url = format!("{scheme}://{address}/key");
            tokens.extend(forged(right, &json!({ "alg": "RS256", "typ": "JWT", name: url })));
        }
    }
    for kid in ["../../../../dev/null", "/dev/null", "' UNION SELECT 'x", "|id", "\u{0}"] {
        tokens.extend(forged(right, &json!({ "alg": "HS256", "typ": "JWT", "kid": kid })));
    }
    let jwk = json!({ "kty": "oct", "k": "AAAA" });
    tokens.extend(forged(right, &json!({ "alg": "HS256", "typ": "JWT", "jwk": jwk })));
    let parts: Vec<_> = right.split('.').collect();
    let head = json!({ "alg": "HS256", "typ": "JWT" }).to_string();
    let altered = URL_SAFE_NO_PAD.encode(head);
    tokens.extend([
        parts[0].to_owned(),
        parts[..2].join("."),
        format!("{right}.{}", parts[2]),
        format!("{altered}.{}.{}", parts[1], parts[0]),
        format!(".{}.{}", parts[1], parts[2]),
        "..".to_owned(),
        "x".repeat(4_000),
    ]);
    let stranger = RIG.stranger();
    for token in tokens.iter().filter(|token| *token != right) {
        let answer = stranger.clone().with_bearer(token).get("/api/v1/hosts").await;
        assert_eq!(answer.status, 401, "{token}: {}", answer.text());
    }
    let long = stranger.clone().with_bearer(&"x".repeat(100_000)).get("/api/v1/hosts").await;
    assert!([401, 431].contains(&long.status), "{}", long.status);
    stranger.with_bearer(right).get("/api/v1/hosts").await.expect(200);
    farm.nobody_came().await;
    RIG.holds(control).await;
}

#[tokio::test]
async fn a_credential_in_the_query_is_worth_nothing_and_is_not_logged() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let tenant = RIG.a().await;
    let text = |name: &str| tenant.host[name].as_str().expect("text");
    let (api_id, key) = (text("api_id"), text("api_key"));
    let login = json!({ "username": "admin", "password": RIG.daemon().password() });
    let made = RIG.client().post("/api/v1/auth/token", login).await.expect(200).json();
    let token = made["access_token"].as_str().expect("a token");
    let stranger = RIG.stranger();
    let link = stranger.clone().with_origin(None);
    for query in [
        format!("api_id={api_id}&api_key={key}"),
        format!("X-API-ID={api_id}&X-API-KEY={key}"),
        format!("x-device-key={api_id}.{key}"),
        format!("token={api_id}.{key}"),
    ] {
        let socket = link.upgrade(&format!("/api/v1/agents/ws?{query}")).open().await;
        socket.expect_err("a refusal").refused(401);
        link.get(&format!("/api/v1/commands?{query}")).await.refused(401);
    }
    for query in ["token", "access_token", "authorization", "bearer", "session", "__Host-session"] {
        stranger.get(&format!("/api/v1/hosts?{query}={token}")).await.refused(401);
    }
    // Nor is it good for a socket, where the query takes tokens that were made for that socket.
    let socket = stranger.upgrade(&format!("/api/v1/ws/events?topics=hosts&token={token}"));
    socket.open().await.expect_err("a refusal").refused(401);
    let log = RIG.daemon().log();
    assert!(!log.contains(key) && !log.contains(token), "a credential is in the log");
    RIG.holds(control).await;
}

async fn status(client: &Client, host: &str, ticket: &str) -> u16 {
    match client.upgrade(&path(host, ticket)).protocol(V1).open().await {
        Ok(_) => 101,
        Err(answer) => answer.status,
    }
}

/// What opened a socket is used up before that socket is there: no death brings it back.
#[tokio::test]
async fn a_used_ticket_stays_used_over_a_kill() {
    let _turn = TURN.lock().await;
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let host = admin.add_host("killed", Some(("127.0.0.1", 22))).await;
    let host = host["id"].as_str().expect("an id");
    let anonymous = admin.clone().anonymous();
    for _ in 0..times(3) {
        let (used, logged_out, other) =
            (admin.ticket(host).await, daemon.admin().await, admin.channel_ticket("events").await);
        let ended = logged_out.ticket(host).await;
        logged_out.post("/api/v1/auth/logout", json!({})).await.expect(204);
        let events = format!("/api/v1/ws/events?topics=hosts&ticket={other}");
        drop(anonymous.upgrade(&events).open().await.expect("101"));
        assert_eq!(status(&anonymous, host, &used).await, 101);
        daemon.kill();
        daemon.start_again();
        assert_eq!(status(&anonymous, host, &used).await, 401);
        assert_eq!(status(&anonymous, host, &ended).await, 401);
        anonymous.upgrade(&events).open().await.expect_err("a refusal").refused(401);
        logged_out.get("/api/v1/auth/me").await.refused(401);
        admin.get("/api/v1/auth/me").await.expect(200);
    }
}

#[tokio::test]
async fn tickets_have_no_structure_to_guess() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let tenant = RIG.a().await;
    let mut ones = [0_u32; 256];
    let mut seen = HashSet::new();
    const COUNT: u32 = 200;
    for _ in 0..COUNT {
        let ticket = tenant.operator.ticket(tenant.host_id()).await;
        let bytes = hex::decode(&ticket).expect("hexadecimal");
        assert_eq!(bytes.len(), 32);
        for (n, one) in ones.iter_mut().enumerate() {
            *one += u32::from(bytes[n / 8] >> (n % 8) & 1);
        }
        assert!(seen.insert(ticket), "the same ticket twice");
    }
    // A fair coin falls outside of this once in 10^11 times.
    let bounds = COUNT / 4..=COUNT * 3 / 4;
    assert!(ones.iter().all(|one| bounds.contains(one)), "{ones:?}");
    let stranger = RIG.stranger();
    for number in 0..times(100) {
        let guess = format!("{number:0>64x}");
        assert_eq!(status(&stranger, tenant.host_id(), &guess).await, 401);
    }
    RIG.holds(control).await;
}
