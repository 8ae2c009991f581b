//! A daemon, a real sshd and a real agent on this machine, put together the way most tests need
//! them.

use serde_json::{Value, json};

use crate::{
    agent::{Agent, Policy, shell_user},
    daemon::Daemon,
    http::Client,
    sshd::Sshd,
};

/// A daemon with one host, which can be reached directly and through its agent.
#[derive(Debug)]
pub struct Fleet {
    /// The daemon.
    pub daemon: Daemon,
    /// The SSH server of the host.
    pub sshd: Sshd,
    /// The agent of the host.
    pub agent: Agent,
}

impl Fleet {
    /// Starts all three with their defaults.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts all three, the daemon with settings.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        Self::around(Daemon::with(settings)).await
    }

    /// Starts an sshd and an agent for a daemon that is there already.
    pub async fn around(daemon: Daemon) -> Self {
        let sshd = Sshd::start();
        let admin = daemon.admin().await;
        let agent = Agent::enrol(&daemon, &admin, &Policy::everything(&sshd.target())).await;
        let body = json!({ "address": "127.0.0.1", "port": sshd.port() });
        admin.patch(&format!("/api/v1/hosts/{}", agent.host()), body).await.expect(200);
        Self { daemon, sshd, agent }
    }

    /// Id of the host.
    pub fn host(&self) -> &str {
        self.agent.host()
    }

    /// A login of its own.
    pub async fn admin(&self) -> Client {
        self.daemon.admin().await
    }

    /// `connect` for the host's address, with the right password.
    pub fn direct(&self) -> Value {
        json!({
            "connection_mode": "direct",
            "username": self.sshd.account().name,
            "password": self.sshd.account().password,
        })
    }

    /// `connect` for SSH through the agent, with the right password.
    pub fn proxy(&self) -> Value {
        json!({
            "connection_mode": "proxy",
            "username": self.sshd.account().name,
            "password": self.sshd.account().password,
            "proxy_host": "127.0.0.1",
            "proxy_port": self.sshd.port(),
        })
    }

    /// `connect` for a PTY of the agent.
    pub fn pty(&self) -> Value {
        json!({ "connection_mode": "pty", "username": shell_user() })
    }

    /// Forgets every host key that was accepted, so that a test starts from an unknown one.
    pub async fn forget_host_keys(&self, admin: &Client) {
        let path = format!("/api/v1/hosts/{}/host-keys", self.host());
        let keys = admin.get(&path).await.expect(200).json();
        for key in keys["items"].as_array().expect("a list") {
            if key["source"] == "accepted" {
                let id = key["id"].as_str().expect("an id");
                admin.delete(&format!("{path}/{id}")).await.expect(204);
            }
        }
    }
}
