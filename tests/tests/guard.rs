//! Whoever misbehaves is slowed, blocked and in the end not answered, and hurts nobody else; a login
//! that behaves oddly is seen, and treated as configured.

use std::{path::Path, process::Command, time::Duration};

use gangplank_tests::{daemon::Daemon, eventually, http::Client, process, program, scratch};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SOON: Duration = Duration::from_secs(30);

/// A daemon that loses its patience quickly.
fn strict(more: &[(&str, &str)]) -> Daemon {
    let few = [
        ("guard.slow_at", "10"),
        ("guard.block_at", "20"),
        ("guard.close_at", "60"),
        ("guard.points.bad_credential", "2"),
    ];
    Daemon::with(&few.iter().chain(more).copied().collect::<Vec<_>>())
}

/// The first security event of a kind, as soon as there is one.
async fn event(admin: &Client, filter: &str) -> Value {
    eventually::until(SOON, filter, || async {
        let path = format!("/api/v1/security/events?{filter}");
        let found = admin.get(&path).await.expect(200).json();
        found["items"].as_array().and_then(|items| items.first().cloned())
    })
    .await
}

#[tokio::test]
async fn who_guesses_is_blocked_and_nobody_else_is() {
    let daemon = strict(&[]);
    let admin = daemon.admin().await;
    let host = admin.add_host("same-nat", None).await;
    let (id, key) =
        (host["api_id"].as_str().expect("an id"), host["api_key"].as_str().expect("a key"));
    let behind = daemon.client().with_origin(None).from_address(7);
    let agent = || {
        let link = behind.upgrade("/api/v1/agents/ws").header("X-API-ID", id);
        link.header("X-API-KEY", key)
    };
    let first = agent().open().await.expect("a link");

    // Somebody at the same address guesses keys of that very host.
    let guess = || {
        let link = behind.upgrade("/api/v1/agents/ws").header("X-API-ID", id);
        link.header("X-API-KEY", "wrong")
    };
    let mut answers = Vec::new();
    for _ in 0..14 {
        answers.push(*guess().open().await.expect_err("a refusal"));
    }
    assert_eq!(answers[0].status, 401);
    let last = answers.last().expect("some");
    last.refused(429);
    let wait: u64 = last.header("retry-after").parse().expect("seconds");
    assert!((1..=300).contains(&wait), "{wait}");
    // Nor does a login come in from there, even with the right password.
    let there = daemon.client().from_address(7);
    there.try_login("admin", daemon.password()).await.refused(429);

    // The agent that was good before is let in, and so is everybody elsewhere.
    drop(first);
    drop(agent().open().await.expect("a link from the blocked address"));
    let elsewhere = daemon.client().with_origin(None).from_address(8);
    let link = elsewhere.upgrade("/api/v1/agents/ws").header("X-API-ID", id);
    link.header("X-API-KEY", key).open().await.expect("a link from elsewhere");
    daemon.admin().await.get("/api/v1/hosts").await.expect(200);

    let blocked = event(&admin, "kind=source_blocked&source=127.0.0.7").await;
    assert_eq!(blocked["severity"], "warning");
    assert!(blocked["evidence"]["misdeeds"]["bad_credential"].as_u64() >= Some(10), "{blocked}");
    event(&admin, "kind=source_slowed").await;
    let none = admin.get("/api/v1/security/events?source=127.0.0.8").await.expect(200).json();
    assert_eq!(none["items"], json!([]));
}

#[tokio::test]
async fn the_worst_are_not_answered_at_all() {
    let daemon = strict(&[]);
    let admin = daemon.admin().await;
    let there = daemon.client().from_address(9);
    for _ in 0..40 {
        // Refused, at last before TLS.
        let mut wire = match there.dial().await {
            Ok(wire) => wire,
            Err(_) => break,
        };
        let body = r#"{"username":"admin","password":"wrong"}"#;
        let request = format!(
            "POST /api/v1/auth/login HTTP/1.1\r\nHost: {}\r\nOrigin: {}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            there.authority(),
            daemon.url(),
            body.len()
        );
        let _ = wire.write_all(request.as_bytes()).await;
        let _ = tokio::time::timeout(SOON, wire.read_to_end(&mut Vec::new())).await;
    }
    assert!(there.dial().await.is_err(), "no TLS for the worst");
    let closed = event(&admin, "kind=source_closed").await;
    assert_eq!((&closed["severity"], &closed["source"]), (&json!("high"), &json!("127.0.0.9")));
    // Somebody logged in from this address, so it is answered whatever others do there.
    for _ in 0..60 {
        daemon
            .client()
            .post("/api/v1/auth/login", json!({ "username": "x", "password": "y" }))
            .await;
    }
    admin.get("/api/v1/hosts").await.expect(200);
}

#[tokio::test]
async fn an_odd_login_is_seen_with_its_reasons() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let (_, operator) = admin.add_user("odd", &["operator"]).await;
    let news = admin.upgrade("/api/v1/ws/events?topics=security").open().await;
    let mut news = news.expect("a subscription");
    let alerts = admin.upgrade("/api/v1/ws/events?topics=alerts").open().await;
    let mut alerts = alerts.expect("a subscription");
    let tool = operator.clone().with_header("User-Agent", "sqlmap/1.8 =cmd()");
    tool.get("/api/v1/hosts").await.expect(200);
    let told = news.next_json().await;
    assert_eq!(told["data"]["type"], "alert");
    let told = &told["data"]["data"];
    assert_eq!((&told["kind"], &told["user"]), (&json!("login_standing"), &json!("odd")));
    assert_eq!(told["evidence"]["to"], "suspicious");
    assert_eq!(told["evidence"]["reasons"]["suspicious_user_agent"], 1);
    let alert = alerts.next_json().await;
    assert_eq!(alert["data"]["severity"], "high");
    let stored = event(&admin, "user=odd&severity=high").await;
    assert_eq!(stored["id"], told["id"]);
    let logins = admin.get("/api/v1/security/logins").await.expect(200).json();
    assert_eq!(logins["items"][0]["state"], "suspicious", "{logins}");
    // As a file, in which nothing is computed.
    let file = admin.get("/api/v1/security/events/export.csv?user=odd").await.expect(200);
    assert!(file.header("content-type").starts_with("text/csv"));
    assert!(file.text().contains("sqlmap"), "{}", file.text());
    // Who may not see it doesn't.
    let (_, viewer) = admin.add_user("viewer", &["viewer"]).await;
    viewer.get("/api/v1/security/events").await.refused(403);
    admin.get("/api/v1/security/events?kind=nonsense").await.refused(400);
    admin.get("/api/v1/security/events?since=yesterday").await.refused(400);
}

#[tokio::test]
async fn a_page_of_another_origin_is_held_against_the_login_it_used() {
    let daemon = Daemon::with(&[("guard.on_suspicious", "close")]);
    let admin = daemon.admin().await;
    let (_, operator) = admin.add_user("lured", &["operator"]).await;
    let open = operator.upgrade("/api/v1/ws/events?topics=hosts").open().await;
    let mut open = open.expect("a subscription");
    let evil = operator.clone().with_origin(Some("https://evil.example"));
    for _ in 0..3 {
        evil.upgrade("/api/v1/ws/events?topics=hosts").open().await.expect_err("403").refused(403);
    }
    assert_eq!(open.closed(SOON).await.code, 1008);
    operator.get("/api/v1/auth/me").await.refused(401);
    eventually::until(SOON, "that the login was ended", || async {
        let newest = event(&admin, "user=lured").await;
        (newest["evidence"]["to"] == "terminated").then_some(())
    })
    .await;
    // The user may log in again.
    let audit = admin.get("/api/v1/audit?limit=50").await.expect(200).text();
    assert!(audit.contains("\"actor\":\"daemon\",\"action\":\"login.end\""), "{audit}");
}

#[tokio::test]
async fn a_blocked_user_waits_where_it_was_blocked_only() {
    let settings = [("guard.on_suspicious", "block"), ("guard.block", "1h")];
    let daemon = Daemon::with(&settings);
    let admin = daemon.admin().await;
    let password = "CANARY-a-long-enough-password";
    let body = json!({ "username": "blocked", "password": password, "roles": ["operator"] });
    admin.post("/api/v1/users", body).await.expect(201);
    let there = daemon.client().from_address(5);
    let user = there.login("blocked", password).await;
    let tool = user.clone().with_header("User-Agent", "nikto");
    tool.get("/api/v1/hosts").await;
    eventually::until(SOON, "the block", || async {
        let refused = there.try_login("blocked", password).await;
        (refused.status == 429).then_some(())
    })
    .await;
    daemon.client().from_address(6).login("blocked", password).await;
}

#[tokio::test]
async fn a_person_gets_so_many_tickets_a_minute() {
    let daemon = Daemon::with(&[("limits.tickets_per_minute", "5")]);
    let admin = daemon.admin().await;
    for _ in 0..5 {
        admin.post("/api/v1/auth/ws-ticket", json!({ "channel": "hosts" })).await.expect(200);
    }
    admin.post("/api/v1/auth/ws-ticket", json!({ "channel": "hosts" })).await.refused(429);
    daemon.admin().await.get("/api/v1/hosts").await.expect(200);
}

#[tokio::test]
async fn a_subscriber_is_throttled_by_number_and_by_bytes_and_then_closed() {
    let settings =
        [("limits.channel_messages_per_minute", "5"), ("limits.channel_bytes_per_minute", "8 KiB")];
    let daemon = Daemon::with(&settings);
    let admin = daemon.admin().await;
    let subscribe = async || {
        let path = "/api/v1/ws/events?topics=hosts";
        admin.upgrade(path).open().await.expect("a subscription")
    };
    let mut many = subscribe().await;
    for _ in 0..9 {
        many.text(r#"{"type":"keepalive"}"#).await;
    }
    admin.add_host("still-told", None).await;
    assert_eq!(many.next_json().await["topic"], "hosts");
    for _ in 0..4 {
        many.text(r#"{"type":"keepalive"}"#).await;
    }
    assert_eq!(many.closed(SOON).await.code, 1008);
    let mut large = subscribe().await;
    for _ in 0..3 {
        large.text(&format!(r#"{{"type":"keepalive","pad":"{}"}}"#, "x".repeat(6 << 10))).await;
    }
    assert_eq!(large.closed(SOON).await.code, 1008);
}

#[tokio::test]
async fn a_message_with_two_readings_is_refused_everywhere() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let cookie = admin.cookie().expect("a login");
    for body in [
        r#"{"friendly_name":"a","friendly_name":"b"}"#,
        r#"{"friendly_name":"a","labels":[{"x":1,"x":2}]}"#,
        r#"{"friendly_name":"a"}{"friendly_name":"b"}"#,
        &format!(r#"{{"friendly_name":"a","x":{}{}}}"#, "[".repeat(40), "]".repeat(40)),
    ] {
        let request = format!(
            "POST /api/v1/hosts HTTP/1.1\r\nHost: {}\r\nOrigin: {}\r\nCookie: {cookie}\r\n\
             Connection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            admin.authority(),
            daemon.url(),
            body.len()
        );
        let answer = String::from_utf8_lossy(&admin.raw(request.as_bytes()).await).into_owned();
        assert!(answer.starts_with("HTTP/1.1 400"), "{body}: {answer}");
    }
    assert_eq!(admin.get("/api/v1/hosts").await.expect(200).json()["items"], json!([]));
    let mut socket = admin.upgrade("/api/v1/ws/events?topics=hosts").open().await.expect("101");
    for _ in 0..3 {
        socket.text(r#"{"type":"keepalive","type":"keepalive"}"#).await;
    }
    assert_eq!(socket.closed(SOON).await.code, 1008);
}

#[test]
fn weak_settings_are_named_with_their_fix() {
    let check = |environment: &[(&str, &str)], json: bool| {
        let mut command = Command::new(program::gangplankd());
        command.args(["check-config", "--policy", "--config", "/dev/null"]);
        command.args(json.then_some("--json")).envs(environment.iter().copied());
        process::run(&command)
    };
    let strong = [("GANGPLANK_ENV", "production"), ("GANGPLANK_SSH__ALLOW_UNVERIFIED", "false")];
    let checked = check(&strong, false);
    assert_eq!(checked.code, Some(0), "{checked:?}");

    let weak = [
        ("GANGPLANK_AUTH__ORIGINS", "*"),
        ("GANGPLANK_LISTEN__PLAIN", "127.0.0.1:0"),
        ("GANGPLANK_LIMITS__PENDING_PER_IP", "100000"),
        ("GANGPLANK_GUARD__PENALTIES", "false"),
        ("GANGPLANK_COMPLIANCE__KEPT", "3650d"),
        ("GANGPLANK_CHANNELS__RETENTION", "3650d"),
        ("GANGPLANK_CHANNELS__KEPT", "100000000"),
        ("GANGPLANK_CHANNELS__TOPICS", "receipts=3650d"),
        ("GANGPLANK_INGEST__TELEMETRY_KEPT", "1d"),
    ];
    let checked = check(&weak, true);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    let said: Value = serde_json::from_str(&checked.stdout).expect("JSON and nothing else");
    assert_eq!(said["ok"], false);
    let named = |key: &str| {
        let found = said["weak"].as_array().expect("a list").iter().find(|weak| weak["key"] == key);
        found.unwrap_or_else(|| panic!("{key} is missing in {said}"))
    };
    for key in [
        "GANGPLANK_ENV",
        "auth.origins",
        "auth.legacy_query_token",
        "auth.legacy_cookie",
        "listen.plain",
        "ssh.allow_unverified",
        "limits.pending_per_ip",
        "guard.penalties",
        "compliance.kept",
        "channels.retention",
        "channels.kept",
        "channels.topics",
        "ingest.telemetry_kept",
    ] {
        assert!(named(key)["reason"].is_string() && named(key)["fix"].is_string(), "{said}");
    }
    assert!(named("guard.penalties")["where"].as_str().expect("text").contains("GUARD__PENALTIES"));
    let broken = check(&[("GANGPLANK_GUARD__BLOCK_AT", "1")], true);
    assert_eq!(broken.code, Some(78), "{broken:?}");
}

#[tokio::test]
async fn a_tenant_without_a_required_second_factor_is_weak() {
    let daemon = Daemon::start();
    let empty = scratch::directory();
    let check = |directory: &Path| {
        let mut command = Command::new(program::gangplankd());
        command.args(["check-config", "--policy", "--json", "--config", "/dev/null"]);
        command.env("GANGPLANK_ENV", "production").env("GANGPLANK_DATA_DIR", directory);
        command.env("GANGPLANK_SSH__ALLOW_UNVERIFIED", "false");
        let checked = process::run(&command);
        let said: Value = serde_json::from_str(&checked.stdout).expect("JSON and nothing else");
        (checked.code, said)
    };
    // Where there is no store that is said, and is no weakness.
    let (code, said) = check(&empty);
    assert_eq!((code, &said["store"]["seen"]), (Some(0), &json!(false)), "{said}");
    assert_eq!(said["store"]["reason"], "there is no store yet");

    let admin = daemon.admin().await;
    let weak = |said: &Value| {
        let weak = said["weak"].as_array().expect("a list").iter();
        weak.filter(|weak| weak["key"] == "second_factor_required").cloned().collect::<Vec<_>>()
    };
    let (code, said) = check(daemon.directory());
    assert_eq!((code, &said["store"]["seen"]), (Some(1), &json!(true)), "{said}");
    let found = weak(&said);
    assert_eq!(found.len(), 1, "{said}");
    assert!(found[0]["fix"].is_string() && found[0]["reason"].is_string(), "{said}");

    let required = json!({ "second_factor_required": true });
    admin.send("PUT", "/api/v1/settings/sign-in", Some(required)).await.expect(200);
    let (code, said) = check(daemon.directory());
    assert_eq!((code, weak(&said)), (Some(0), Vec::new()), "{said}");
    // So is what is granted to a tenant as good as for ever.
    let tenants = admin.get("/api/v1/tenants").await.expect(200).json();
    let path = format!("/api/v1/tenants/{}", tenants["items"][0]["id"].as_str().expect("an id"));
    let endless = json!({ "events": { "age": "3000d" }, "topics": { "vpn": { "count": 2_000_000 } },
        "scans": "400d", "telemetry": "731d" });
    admin.patch(&path, json!({ "retention": endless })).await.expect(200);
    let (code, said) = check(daemon.directory());
    let weak = said["weak"].as_array().expect("a list").iter();
    let keys: Vec<_> = weak.map(|weak| weak["key"].as_str().expect("text")).collect();
    assert_eq!((code, keys), (Some(1), vec!["retention.events", "retention.topics"]), "{said}");
    admin.patch(&path, json!({ "retention": {} })).await.expect(200);
    // The same of a daemon that doesn't run, and nothing is left beside its database.
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.exit_code(SOON), Some(0));
    let names = || {
        let entries = std::fs::read_dir(daemon.directory()).expect("a directory");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("one").file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    let (code, said) = check(daemon.directory());
    assert_eq!((code, &said["store"]["seen"]), (Some(0), &json!(true)), "{said}");
    assert_eq!(names(), before);
}
