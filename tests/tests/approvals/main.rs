//! The consent of a second person: who may give it, for what exactly, once; and what waits for it.

mod advance;
mod commands;
mod deciding;
mod policies;
mod publishing;
mod terminals;

use std::sync::LazyLock;

use gangplank_tests::{
    agent::{Agent, Policy},
    daemon::Daemon,
    eventually,
    http::{Answer, Client},
    job::Marker,
};
use serde_json::{Value, json};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

/// Somebody who asks and somebody who decides, and what is asked for on hosts of a label of their own.
struct World {
    admin: Client,
    alice: Client,
    label: String,
}

impl World {
    async fn of(name: &str) -> Self {
        let admin = DAEMON.admin().await;
        let (_, alice) = admin.add_user(&format!("alice-{name}"), &["operator"]).await;
        Self { admin, alice, label: format!("label-{name}") }
    }

    /// Makes a policy about hosts of the label.
    async fn policy(&self, rules: Value) -> Value {
        let mut policy = json!({ "name": self.label, "labels": [self.label] });
        for (key, value) in rules.as_object().expect("rules") {
            policy[key] = value.clone();
        }
        self.admin.post("/api/v1/approval-policies", policy).await.expect(201).json()
    }

    /// An agent whose host has the label.
    async fn agent(&self, marker: &Marker) -> Agent {
        let policy = Policy::everything("localhost:22");
        let agent = Agent::enrol_with(&DAEMON, &self.admin, &policy, |t| marker.allow(t)).await;
        let body = json!({ "labels": [self.label] });
        self.admin.patch(&format!("/api/v1/hosts/{}", agent.host()), body).await.expect(200);
        agent
    }

    /// Asks for something by hand.
    async fn ask(&self, body: Value) -> String {
        let asked = self.alice.post("/api/v1/approvals", body).await.expect(201).json();
        assert_eq!(asked["status"], "pending", "{asked}");
        asked["id"].as_str().expect("an id").to_owned()
    }

    async fn approval(&self, id: &str) -> Value {
        self.admin.get(&format!("/api/v1/approvals/{id}")).await.expect(200).json()
    }

    async fn status(&self, id: &str, status: &str) -> Value {
        let what = format!("approval {id} to be {status}");
        eventually::until(eventually::patience(), &what, || async {
            Some(self.approval(id).await).filter(|approval| approval["status"] == status)
        })
        .await
    }
}

async fn decide(client: &Client, id: &str, verdict: &str) -> Answer {
    let body = json!({ "note": "looked at it" });
    client.post(&format!("/api/v1/approvals/{id}/{verdict}"), body).await
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.json()["code"], code, "{}", answer.text());
}

fn isolate() -> Value {
    json!({
        "action": "isolate_host", "object": "host:web-1", "payload": { "vlan": 7, "hard": true },
        "risk_level": "high", "case_id": "case-7", "context": { "why": "<b>beacons</b>" },
    })
}
