//! The other programs that speak PatchMon's vocabulary: its 1.4 agent, its 2.1 agent and its
//! browser terminal, each with the habits and limits of that program.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    http::Client,
    ws::{Closed, Incoming, Socket},
};

/// Largest message that either agent takes; a larger one makes it close its whole socket.
pub const AGENT_MESSAGE: usize = 65_536;

/// Which agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// v1.4: any version segment in its path; expects a greeting but does without.
    V14,
    /// v2.1: always `v1`; pings like the other.
    V21,
}

impl Version {
    /// What such an agent says in its posts.
    pub fn number(self) -> &'static str {
        match self {
            Self::V14 => "1.4.2",
            Self::V21 => "2.1.4",
        }
    }
}

/// A PatchMon agent on its control socket. It answers nothing by itself: the test plays its SSH and
/// what it does when it is told to.
#[derive(Debug)]
pub struct PatchmonAgent {
    socket: Socket,
    version: Version,
    http: Client,
}

impl PatchmonAgent {
    /// Connects with a host's credential, without subprotocol and without an `Origin`.
    pub async fn connect(client: &Client, version: Version, host: &Value) -> Self {
        let api_id = host["api_id"].as_str().expect("an api_id");
        let api_key = host["api_key"].as_str().expect("an api_key");
        let client = client.clone().anonymous().with_origin(None);
        let http = client.with_header("X-API-ID", api_id).with_header("X-API-KEY", api_key);
        let socket = http.upgrade("/api/v1/agents/ws").open().await.expect("an upgrade");
        assert_eq!(socket.protocol(), None, "PatchMon's agents know no subprotocol");
        Self { socket, version, http }
    }

    /// Starts as the real one does: asks for its settings, gives a sign of life, connects, and
    /// reports.
    pub async fn start(client: &Client, version: Version, host: &Value) -> Self {
        let agent = Self::connect(client, version, host).await;
        let interval = agent.get("/api/v1/settings/update-interval").await;
        assert_eq!(interval["updateInterval"], 60);
        let integrations = agent.get("/api/v1/hosts/integrations").await;
        assert_eq!(integrations["success"], true);
        // Each switch that is named would be written into the agent's own file.
        assert_eq!(integrations["integrations"], json!({}));
        agent.ping().await;
        agent.report().await;
        agent
    }

    /// Asks for something. Everything but 200 is an error to the agent.
    pub async fn get(&self, path: &str) -> Value {
        self.http.get(path).await.expect(200).json()
    }

    /// Posts something. Everything but 200 is an error to the agent.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.http.post(path, body).await.expect(200).json()
    }

    /// Its way to the server beside the socket.
    pub fn http(&self) -> &Client {
        &self.http
    }

    /// A sign of life as this version gives it, and what is answered.
    pub async fn ping(&self) -> Value {
        let answer = match self.version {
            Version::V14 => self.http.send("POST", "/api/v1/hosts/ping", None).await,
            Version::V21 => {
                let hash = |name: &str| hash::hostname(name);
                let body = json!({
                    "hashes": {
                        "packagesHash": hash::packages(&packages()), "reposHash": hash::EMPTY_LIST,
                        "interfacesHash": hash::EMPTY_LIST, "hostnameHash": hash("web1"),
                    },
                    "metrics": { "systemUptime": "2 hours, 1 minutes", "needsReboot": false },
                    "agentVersion": self.version.number(),
                });
                self.http.post("/api/v1/hosts/ping", body).await
            }
        };
        let answer = answer.expect(200).json();
        assert!(answer["friendlyName"].is_string() && answer["timestamp"].is_string(), "{answer}");
        // Without it a 2.1 agent reports in full each time; a 1.4 agent knows nothing of it.
        assert_eq!(answer["hashGate"] == true, self.version == Version::V21, "{answer}");
        answer
    }

    /// The body of a whole report.
    pub fn report_body(&self) -> Value {
        let mut body = json!({
            "packages": packages(), "repositories": [], "osType": "Debian GNU/Linux",
            "osVersion": "12 (bookworm)", "hostname": "web1", "ip": "192.0.2.7",
            "architecture": "x86_64", "agentVersion": self.version.number(), "machineId": "m1",
            "kernelVersion": "6.1.0-9", "selinuxStatus": "disabled",
            "systemUptime": "1 hours, 1 minutes", "loadAverage": [0.1, 0.2, 0.3],
            "cpuModel": "cpu", "cpuCores": 2, "ramInstalled": 3.8, "swapSize": 0,
            "diskDetails": [{ "name": "/dev/sda1", "mountpoint": "/",
                "size": "40.00GB (10.00GB used, 30.00GB free, 25.0% used)" }],
            "gatewayIp": "", "dnsServers": null, "networkInterfaces": [],
            "executionTime": 1.5, "needsReboot": true, "rebootReason": "kernel",
        });
        if self.version == Version::V21 {
            body["packageManager"] = "apt".into();
            body["hashes"] = json!({
                "packagesHash": hash::packages(&packages()),
                "hostnameHash": hash::hostname("web1"),
            });
        }
        body
    }

    /// Reports in full.
    pub async fn report(&self) {
        let answer = self.post("/api/v1/hosts/update", self.report_body()).await;
        assert_eq!(answer["packagesProcessed"], 2, "{answer}");
        assert_eq!(
            (&answer["updatesAvailable"], &answer["securityUpdates"]),
            (&json!(1), &json!(1))
        );
    }

    /// The socket.
    pub fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// The next message of type `kind`. Others are ignored, as the agent does.
    ///
    /// # Panics
    /// When a message breaks what the agent can take, or the socket ends.
    pub async fn next(&mut self, kind: &str) -> Value {
        loop {
            match self.socket.next().await {
                Incoming::Text(text) => {
                    assert!(text.len() < AGENT_MESSAGE, "{} bytes break the agent", text.len());
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    if message["type"] == kind {
                        return message;
                    }
                }
                other => panic!("{:?} can't take {other:?}", self.version),
            }
        }
    }

    /// The next `ssh_proxy`, checked for the types that the agent's decoder insists on.
    pub async fn ssh_proxy(&mut self) -> Value {
        let message = self.next("ssh_proxy").await;
        let session = message["session_id"].as_str().expect("a session");
        assert!(session.len() == 32 && session.bytes().all(|b| b.is_ascii_hexdigit()), "{session}");
        for text in ["host", "username", "terminal"] {
            assert!(message[text].is_string(), "{message}");
        }
        for number in ["port", "cols", "rows"] {
            assert!(message[number].is_u64(), "{message}");
        }
        message
    }

    /// Says that the shell is up.
    pub async fn connected(&mut self, session: &Value) {
        self.socket.json(&json!({ "type": "ssh_proxy_connected", "session_id": session })).await;
    }

    /// Sends output. The agent reads at most 4096 bytes at once.
    pub async fn data(&mut self, session: &Value, data: &str) {
        let message = json!({ "type": "ssh_proxy_data", "session_id": session, "data": data });
        self.socket.json(&message).await;
    }

    /// Says that the session could not be opened.
    pub async fn error(&mut self, session: &Value, text: &str) {
        let message = json!({
            "type": "ssh_proxy_error", "session_id": session, "message": text, "data": text,
        });
        self.socket.json(&message).await;
    }

    /// Says that the shell ended.
    pub async fn closed(&mut self, session: &Value) {
        self.socket.json(&json!({ "type": "ssh_proxy_closed", "session_id": session })).await;
    }

    /// Input until `count` bytes of it have come, put together.
    pub async fn input(&mut self, session: &Value, count: usize) -> String {
        let mut all = String::new();
        while all.len() < count {
            let message = self.next("ssh_proxy_input").await;
            assert_eq!(&message["session_id"], session);
            all.push_str(message["data"].as_str().expect("text"));
        }
        all
    }

    /// How the daemon ends the socket.
    pub async fn ended(&mut self, limit: Duration) -> Closed {
        self.socket.closed(limit).await
    }
}

/// What the agents' host has installed.
pub fn packages() -> Value {
    json!([
        { "name": "openssl", "description": "a <b> & c", "currentVersion": "3.0.2",
          "availableVersion": "3.0.13", "needsUpdate": true, "isSecurityUpdate": true },
        { "name": "curl", "currentVersion": "7.81.0", "needsUpdate": false,
          "isSecurityUpdate": false },
    ])
}

/// The hashes of a 2.1 agent, written from the description of its canonical form.
pub mod hash {
    use serde_json::Value;
    use sha2::{Digest as _, Sha256};

    /// Of a list without items.
    pub const EMPTY_LIST: &str = "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945";

    /// Of a name.
    pub fn hostname(name: &str) -> String {
        hex::encode(Sha256::digest(name))
    }

    /// Of packages that have no more fields than the tests give them.
    pub fn packages(packages: &Value) -> String {
        let mut packages = packages.as_array().expect("a list").clone();
        packages.sort_by_key(|package| package["name"].as_str().map(str::to_owned));
        let rows = packages.iter().map(|package| {
            let text = |key: &str| package[key].as_str().unwrap_or("").to_owned();
            format!(
                "{{\"name\":\"{}\",\"description\":\"{}\",\"category\":\"\",\"currentVersion\":\"{}\",\
                 \"availableVersion\":\"{}\",\"needsUpdate\":{},\"isSecurityUpdate\":{},\
                 \"sourceRepository\":\"\",\"wuaGuid\":\"\",\"wuaKb\":\"\",\"wuaSeverity\":\"\",\
                 \"wuaCategories\":null,\"wuaSupportUrl\":\"\",\"wuaRevisionNumber\":0}}",
                text("name"),
                text("description").replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"),
                text("currentVersion"),
                text("availableVersion"),
                package["needsUpdate"] == true,
                package["isSecurityUpdate"] == true,
            )
        });
        let rows: Vec<_> = rows.collect();
        hex::encode(Sha256::digest(format!("[{}]", rows.join(","))))
    }
}
