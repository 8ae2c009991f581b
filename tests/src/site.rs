//! A daemon that carries releases, and an agent that is updated to them.

use std::{fs, os::unix::net::UnixDatagram, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    agent::{Agent, Policy},
    daemon::Daemon,
    eventually,
    http::Client,
    release::{Release, Signer, agent_program},
    scratch,
};

/// What every agent here was installed as.
pub const BASE: &str = env!("CARGO_PKG_VERSION");

/// A daemon that carries releases, and a host that takes them.
#[derive(Debug)]
pub struct Site {
    /// Carries the releases.
    pub daemon: Daemon,
    /// A login.
    pub admin: Client,
    /// Takes them.
    pub agent: Agent,
    /// Makes them.
    pub signer: Signer,
}

impl Site {
    /// Starts both.
    pub async fn start() -> Self {
        Self::start_for("localhost:22").await
    }

    /// Starts both; the agent may show this SSH server.
    pub async fn start_for(target: &str) -> Self {
        let daemon = Daemon::start();
        let admin = daemon.admin().await;
        let signer = Signer::new();
        let policy = Policy::everything(target);
        let agent = Agent::enrol_with(&daemon, &admin, &policy, |table| signer.allow(table)).await;
        Self { daemon, admin, agent, signer }
    }

    /// Gives the daemon a release.
    pub fn offer(&self, release: &Release) {
        release.put(self.daemon.directory());
    }

    /// Offers the agent itself as another version.
    pub fn offer_version(&self, version: &str) {
        self.offer(&self.signer.release(version, &agent_program()));
    }

    /// Orders an update, and answers the job's id.
    pub async fn order(&self, params: Value) -> String {
        let order = json!({ "command": "update_agent", "params": params });
        self.admin.order(self.agent.host(), order).await
    }

    /// Orders an update and answers the job when it is over.
    pub async fn update(&self) -> Value {
        let id = self.order(json!({})).await;
        self.admin.job_over(&id).await
    }

    /// Waits until the agent is connected and says that it is this version.
    pub async fn runs(&self, version: &str) {
        let what = format!("the agent to run as {version}");
        eventually::until(eventually::patience(), &what, || async {
            let status = self.admin.status(self.agent.host()).await;
            let runs = status["state"] == "online" && status["agent_version"] == version;
            runs.then_some(())
        })
        .await;
    }

    /// What the agent keeps about updates.
    pub fn kept(&self, name: &str) -> PathBuf {
        self.agent.config().with_extension("update").join(name)
    }

    /// What the agent knows about versions.
    pub fn state(&self) -> Value {
        let text = fs::read(self.kept("state.json")).expect("a state");
        serde_json::from_slice(&text).expect("JSON")
    }

    /// Puts something else in its place.
    pub fn set_state(&self, state: &Value) {
        fs::write(self.kept("state.json"), state.to_string()).expect("our own file");
    }

    /// Kills the agent, and waits until the daemon knows that it is gone.
    pub async fn kill(&self) {
        self.agent.kill();
        self.agent.state(&self.admin, "offline").await;
    }

    /// Starts the agent again, as a service manager would, until it stays.
    pub async fn keep_alive(&self, manager: &Manager, version: &str) {
        for _ in 0..10 {
            self.agent.start_again_with(&manager.variables());
            let stays = eventually::until(eventually::patience(), "an end or a link", || async {
                let status = self.admin.status(self.agent.host()).await;
                if status["state"] == "online" && status["agent_version"] == version {
                    return Some(true);
                }
                self.agent.has_ended().then_some(false)
            })
            .await;
            if stays {
                return;
            }
        }
        panic!("it does not come back as {version}:\n{}", self.agent.log());
    }
}

/// Somebody who starts again what ends, as the agent sees it.
#[derive(Debug)]
pub struct Manager(UnixDatagram, String);

impl Default for Manager {
    fn default() -> Self {
        Self::new()
    }
}

impl Manager {
    /// Somebody who hears what services say.
    pub fn new() -> Self {
        let path = scratch::directory().join("notify");
        let socket = UnixDatagram::bind(&path).expect("our own directory");
        Self(socket, path.to_str().expect("UTF-8").to_owned())
    }

    /// What a service needs to be heard.
    pub fn variables(&self) -> [(&str, &str); 1] {
        [("NOTIFY_SOCKET", &self.1)]
    }

    /// Everything that it was told so far.
    pub fn heard(&self) -> String {
        self.0.set_nonblocking(true).expect("a socket");
        let mut heard = String::new();
        let mut message = [0; 4096];
        while let Ok(length) = self.0.recv(&mut message) {
            heard.push_str(&String::from_utf8_lossy(&message[..length]));
            heard.push('\n');
        }
        heard
    }
}
