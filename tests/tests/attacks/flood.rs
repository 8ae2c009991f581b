//! Much of what is cheap to send: failures, logins, guesses.

use std::time::Duration;

use futures_util::future::join_all;
use gangplank_proto::channel::Channel;
use gangplank_tests::{
    channel::message,
    eventually,
    rig::{Footprint, times},
    ws::Incoming,
};
use serde_json::{Value, json};

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
    let mut stranger = RIG.stranger();
    let count = times(400);
    for number in 0..count {
        // One alone would be slowed in the end, which is another matter.
        if number % 400 == 399 {
            stranger = RIG.stranger();
        }
        let link = stranger.clone().with_origin(None);
        let link = link.with_header("X-API-ID", "gp_0000000000000000");
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
                let link = link.with_header("X-API-KEY", &key);
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

/// Events that nobody silent reads, how many are silent, and what may be kept for each.
const EVENTS: u64 = 10_000;
const SILENT: u64 = 8;
const KEPT: u64 = 256 << 10;

/// Who never reads costs a bounded buffer and is left in time; who reads is told everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_that_never_read_cost_no_more_than_a_buffer() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let tenant = RIG.new_tenant("unread").await;
    let large = |number: u64| {
        let mut thought = message(Channel::AgentThoughts);
        thought["duration_ms"] = number.into();
        thought["details"] = json!({ "text": "x".repeat(2_000) });
        thought
    };
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        silent.push(tenant.admin.listen(Channel::AgentThoughts, "").await);
    }
    let mut reading = tenant.admin.listen(Channel::AgentThoughts, "").await;
    let told = tokio::spawn(async move {
        for expected in 1..=EVENTS {
            match reading.next().await {
                Incoming::Text(text) => {
                    let event: Value = serde_json::from_str(&text).expect("JSON");
                    assert_eq!(event["duration_ms"], expected);
                }
                other => panic!("after {expected}: {other:?}"),
            }
        }
        reading
    });
    let before = Footprint::of(RIG.daemon().pid()).memory;
    for first in (1..=EVENTS).step_by(250) {
        let list: Vec<_> = (first..first + 250).map(large).collect();
        tenant.admin.publish(Channel::AgentThoughts, json!(list)).await.expect(202);
    }
    let grown = Footprint::of(RIG.daemon().pid()).memory.saturating_sub(before);
    assert!(grown < SILENT * KEPT + (32 << 20), "{grown} bytes for {SILENT}");
    let reading = told.await.expect("everything, in order");
    let left = Duration::from_secs(30);
    eventually::until(left, "those who never read to be left", || async {
        let open = tenant.admin.get("/api/v1/sockets").await.expect(200).json();
        (open["items"].as_array().expect("a list").len() == 1).then_some(())
    })
    .await;
    drop((reading, silent));
    RIG.holds(control).await;
}
