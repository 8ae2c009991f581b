//! Much of what is cheap to send: failures, logins, guesses.

use futures_util::future::join_all;
use serde_json::json;

use gangplank_tests::rig::times;

use crate::{RIG, TURN};

/// What anonymous callers do wrong fills neither the log nor the audit.
#[tokio::test]
async fn failures_without_end_are_told_in_sums() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let admin = RIG.daemon().admin().await;
    let rows = async || {
        let audit = admin.get("/api/v1/audit?limit=500").await.expect(200).json();
        audit["items"].as_array().expect("a list").len()
    };
    let (lines, before) = (RIG.daemon().log().lines().count(), rows().await);
    let stranger = RIG.stranger();
    let link = stranger.clone().with_origin(None).with_header("X-API-ID", "gp_0000000000000000");
    let count = times(400);
    for number in 0..count {
        let key = format!("CANARY-{number:0>57}");
        match number % 4 {
            0 => stranger.clone().with_bearer(&key).get("/api/v1/hosts").await.status,
            1 => stranger.get("/api/v1/hosts").await.status,
            2 => {
                stranger
                    .clone()
                    .with_origin(Some("https://evil.example"))
                    .get("/bullboard")
                    .await
                    .status
            }
            _ => {
                let link = link.clone().with_header("X-API-KEY", &key);
                link.upgrade("/api/v1/agents/ws").open().await.expect_err("a refusal").status
            }
        };
    }
    let log = RIG.daemon().log();
    let more: Vec<_> = log.lines().skip(lines).collect();
    assert!(more.len() < count / 4, "{} lines: {:?}", more.len(), more.last());
    let more = rows().await - before;
    assert!(more < count / 4, "{more} rows of the audit");
    RIG.holds(control).await;
}

/// Hashing of passwords is work for few threads, and never for those that answer.
#[tokio::test]
async fn a_crowd_at_the_login_delays_nobody_else() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let strangers: Vec<_> = (0..16).map(|_| RIG.stranger()).collect();
    for _ in 0..times(1) {
        let logins = (0..128).map(|number| {
            let client = strangers[number % strangers.len()].clone();
            async move {
                let name = if number % 2 == 0 { "admin" } else { "nobody" };
                let body =
                    json!({ "username": name, "password": format!("CANARY-guess-{number}") });
                client.post("/api/v1/auth/login", body).await.status
            }
        });
        for status in join_all(logins).await {
            assert!([401, 429, 503].contains(&status), "{status}");
        }
    }
    RIG.daemon().admin().await.get("/api/v1/hosts").await.expect(200);
    RIG.holds(control).await;
}
