//! Guesses, withdrawn rights, and what a viewer may not do.

use std::time::Duration;

use gangplank_tests::rig::times;
use serde_json::{Value, json};

use crate::{RIG, TURN};

#[tokio::test]
async fn a_disabled_user_loses_twenty_sockets_at_once() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let admin = RIG.daemon().admin().await;
    let (id, user) = admin.add_user("twenty-sockets", &["operator"]).await;
    let mut sockets = Vec::new();
    for _ in 0..20 {
        let socket = user.upgrade("/api/v1/ws/events?topics=hosts").open().await;
        sockets.push(socket.expect("a subscription"));
    }
    admin.patch(&format!("/api/v1/users/{id}"), json!({ "disabled": true })).await.expect(200);
    for socket in &mut sockets {
        assert_eq!(socket.closed(Duration::from_secs(10)).await.code, 4001);
    }
    user.get("/api/v1/auth/me").await.refused(401);
    user.upgrade("/api/v1/ws/events?topics=hosts").open().await.expect_err("401").refused(401);
    RIG.holds(control).await;
}

#[tokio::test]
async fn guesses_of_keys_and_tickets_hurt_no_host() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let admin = RIG.daemon().admin().await;
    let host = admin.get(&format!("/api/v1/hosts/{}", RIG.host().await)).await.expect(200).json();
    let api_id = host["api_id"].as_str().expect("an id");
    for number in 0..times(150) {
        let attacker = RIG.attacker(50 + u8::try_from(number % 10).expect("small"));
        let link = attacker.clone().with_origin(None);
        let link = link.upgrade("/api/v1/agents/ws").header("X-API-ID", api_id);
        let key = format!("CANARY-{number:0>57}");
        let refused = link.header("X-API-KEY", &key).open().await.expect_err("a refusal");
        assert!([401, 429].contains(&refused.status), "{refused:?}");
        let path = format!("/api/v1/ssh-terminal/{}?ticket={number:0>64x}", RIG.host().await);
        attacker.upgrade(&path).open().await.expect_err("a refusal").refused(401);
    }
    RIG.holds(control).await;
}

/// Every change that the API knows, tried by somebody who may only look.
#[tokio::test]
async fn a_viewer_changes_nothing() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let admin = RIG.daemon().admin().await;
    let (_, viewer) = admin.add_user("only-looks", &["viewer"]).await;
    let document = viewer.get("/api/v1/openapi.json").await.expect(200).json();
    let paths = document["paths"].as_object().expect("paths");
    let mut tried = 0;
    for (path, methods) in paths {
        // Everybody may log in and out, ask for a socket's ticket, and keep their own account.
        if path.contains("/auth/") || path.contains("/account") || path.contains("/me") {
            continue;
        }
        for method in ["post", "put", "patch", "delete"] {
            if methods.get(method).is_none_or(Value::is_null) {
                continue;
            }
            let mut concrete = path.clone();
            while let (Some(from), Some(to)) = (concrete.find('{'), concrete.find('}')) {
                concrete.replace_range(from..=to, "00000000-0000-4000-8000-000000000000");
            }
            let body = (method != "delete").then(|| json!({}));
            let answer = viewer.send(&method.to_uppercase(), &concrete, body).await;
            assert!((400..500).contains(&answer.status), "{method} {path}: {}", answer.status);
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried} routes");
    RIG.holds(control).await;
}
