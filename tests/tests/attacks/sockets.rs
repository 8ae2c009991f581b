//! Every socket that there is, tried by everybody who must not open it, and the opening handshake.

use std::collections::BTreeSet;

use gangplank_proto::channel::Channel;
use gangplank_tests::{
    channel::message,
    http::{Answer, Client},
    rig::{Tenant, times},
    ws::Socket,
};
use serde_json::{Value, json};

use crate::{RIG, TURN};

/// What it takes to open a socket.
#[derive(Clone, Copy, PartialEq)]
enum Needs {
    /// A right that no viewer has; what is told is one's own tenant's.
    Right,
    /// A right to an object of one's own tenant.
    Object,
    /// An agent's key.
    Key,
}

/// A row for each socket in the daemon's document: its path there, and what is asked for.
const SOCKETS: [(&str, &str, Needs); 10] = [
    ("/api/v1/agents/ws", "/api/v1/agents/ws", Needs::Key),
    ("/api/v1/ssh-terminal/{host_id}", "/api/v1/ssh-terminal/HOST", Needs::Object),
    ("/api/v1/ws/events", "/api/v1/ws/events?topics=hosts,alerts", Needs::Right),
    ("/api/ws/security", "/api/ws/security", Needs::Right),
    ("/api/ws/vpn", "/api/ws/vpn", Needs::Right),
    ("/api/v1/ws/alerts", "/api/v1/ws/alerts", Needs::Right),
    ("/api/v1/ws/agent-thoughts", "/api/v1/ws/agent-thoughts", Needs::Right),
    ("/api/v1/ws/approvals", "/api/v1/ws/approvals", Needs::Right),
    ("/api/v1/ws/investigation-receipts", "/api/v1/ws/investigation-receipts", Needs::Right),
    ("/bullboard", "/bullboard", Needs::Right),
];

const ORIGINS: [&str; 4] =
    ["https://evil.example", "null", "https://127.0.0.1", "https://localhost.evil.example"];

async fn refused(client: &Client, path: &str, status: u16) {
    match client.upgrade(path).open().await {
        Ok(_) => panic!("{path} was opened where {status} was due"),
        Err(answer) => {
            assert_eq!(answer.status, status, "{path}: {}", answer.text());
            answer.refused(status);
            assert_eq!(answer.header("connection"), "close", "{path}");
        }
    }
}

async fn opened(client: &Client, path: &str) -> Socket {
    let refusal = |answer: Box<Answer>| panic!("{path}: {}", answer.text());
    client.upgrade(path).open().await.unwrap_or_else(refusal)
}

/// A login, a token and an agent's key that were good, and were withdrawn.
async fn revoked(tenant: &Tenant) -> Vec<(Client, bool)> {
    let (_, login) = tenant.admin.add_user("socket-revoked", &["admin"]).await;
    let token = json!({ "name": "socket-revoked", "scopes": ["admin"] });
    let token = tenant.admin.post("/api/v1/tokens", token).await.expect(201).json();
    let bearer = login.clone().with_bearer(token["token"].as_str().expect("a token"));
    let host = tenant.admin.add_host("socket-revoked", None).await;
    let id = host["id"].as_str().expect("an id");
    let agent = RIG.agent_of(&host);
    drop(opened(&agent, "/api/v1/agents/ws").await);
    drop(opened(&login, "/bullboard").await);
    drop(opened(&bearer, "/bullboard").await);
    login.post("/api/v1/auth/logout", json!({})).await.expect(204);
    let token = format!("/api/v1/tokens/{}", token["id"].as_str().expect("an id"));
    tenant.admin.delete(&token).await.expect(204);
    let again = format!("/api/v1/hosts/{id}/regenerate-credentials");
    tenant.admin.post(&again, json!({})).await.expect(200);
    vec![(login, false), (bearer, false), (agent, true)]
}

/// Whoever must not open a socket is refused at each; a socket without a row here fails.
#[tokio::test]
async fn no_socket_opens_for_whoever_must_not() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let (a, b) = (RIG.a().await, RIG.b().await);
    let routes = a.admin.routes().await;
    let there: BTreeSet<_> =
        routes.iter().filter(|route| route.socket).map(|route| route.path.clone()).collect();
    let rows: BTreeSet<_> = SOCKETS.iter().map(|(path, ..)| (*path).to_owned()).collect();
    assert_eq!(there, rows, "each socket of the daemon has a row here");
    let revoked = revoked(a).await;
    let anonymous = RIG.client();
    for (_, path, needs) in SOCKETS {
        let path = path.replace("HOST", a.host_id());
        let is_agents = needs == Needs::Key;
        let from = |client: &Client| match is_agents {
            true => client.clone().with_origin(None),
            false => client.clone(),
        };
        refused(&from(&anonymous), &path, 401).await;
        // A person's login is no agent's, nor the reverse.
        let viewer = if is_agents { 401 } else { 403 };
        refused(&from(&a.viewer), &path, viewer).await;
        let agent = RIG.agent_of(&a.host);
        let good = if is_agents { &agent } else { &a.admin };
        if !is_agents {
            refused(&agent, &path, 403).await;
            refused(&agent.clone().with_origin(Some(&RIG.daemon().url())), &path, 401).await;
            refused(&good.clone().with_origin(None), &path, 403).await;
        }
        for origin in ORIGINS {
            refused(&good.clone().with_origin(Some(origin)), &path, 403).await;
        }
        for (client, of_agent) in &revoked {
            if *of_agent == is_agents {
                refused(client, &path, 401).await;
            }
        }
        match needs {
            Needs::Object => refused(&b.admin, &path, 404).await,
            Needs::Key => {
                let mixed = json!({ "api_id": a.host["api_id"], "api_key": b.host["api_key"] });
                refused(&RIG.agent_of(&mixed), &path, 401).await;
            }
            // Theirs opens, and tells of their own tenant: the test below.
            Needs::Right => drop(opened(&b.admin, &path).await),
        }
        drop(opened(good, &path).await);
    }
    RIG.holds(control).await;
}

/// All words by which another tenant could be meant.
#[tokio::test]
async fn nobody_hears_another_tenant_whatever_is_asked_for() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let (a, b) = (RIG.a().await, RIG.b().await);
    let ticket = b.admin.channel_ticket("security").await;
    let mut listening = Vec::new();
    for channel in [Channel::Security, Channel::Vpn] {
        for query in [
            "",
            "tenant=ID",
            "tenant_id=ID",
            "tenant=*",
            "tenant=",
            "topics=*",
            "tenant=a&tenant=ID",
        ] {
            let path = format!("{}?{}", channel.path(), query.replace("ID", &b.id));
            let named = a.admin.clone().with_header("X-Tenant-ID", &b.id);
            for client in [&a.admin, &named] {
                match client.upgrade(&path).open().await {
                    Ok(socket) => listening.push((channel, socket)),
                    Err(answer) => assert_eq!(answer.status, 400, "{path}: {}", answer.text()),
                }
            }
        }
    }
    // Of a ticket and a cookie the cookie counts, so a ticket of theirs makes nobody one of them.
    let path = format!("/api/ws/security?ticket={ticket}");
    listening.push((Channel::Security, opened(&a.admin, &path).await));
    for topics in ["*", "hosts,*", ">", "hosts.>", "hosts%20", "..", "hosts';--", "%00"] {
        let path = format!("/api/v1/ws/events?topics={topics}");
        let answer = a.admin.upgrade(&path).open().await.expect_err("a refusal");
        assert_eq!(answer.status, 400, "{topics}: {}", answer.text());
    }
    let said = |who: &str, channel: Channel| {
        let mut message = message(channel);
        message["data"]["host_name"] = who.into();
        message
    };
    for channel in [Channel::Security, Channel::Vpn] {
        let many: Vec<Value> = (0..500).map(|_| said("theirs", channel)).collect();
        for _ in 0..times(10) {
            b.admin.publish(channel, json!(many)).await.expect(202);
        }
        // An internal service that names the other tenant speaks to that one.
        let service = RIG.service().client().with_header("X-Tenant-ID", &b.id);
        service.publish(channel, said("theirs", channel)).await.expect(202);
        a.admin.publish(channel, said("ours", channel)).await.expect(202);
    }
    for (channel, mut socket) in listening {
        loop {
            let message = socket.next_json().await.to_string();
            assert!(!message.contains("theirs"), "{channel}: {message}");
            if message.contains("ours") {
                break;
            }
        }
    }
    RIG.holds(control).await;
}
