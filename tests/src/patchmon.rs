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

/// A PatchMon agent on its control socket. It answers nothing by itself: the test plays its SSH.
#[derive(Debug)]
pub struct PatchmonAgent {
    socket: Socket,
    version: Version,
}

impl PatchmonAgent {
    /// Connects with a host's credential, without subprotocol and without an `Origin`.
    pub async fn connect(client: &Client, version: Version, host: &Value) -> Self {
        let api_id = host["api_id"].as_str().expect("an api_id");
        let api_key = host["api_key"].as_str().expect("an api_key");
        let client = client.clone().anonymous().with_origin(None);
        let socket = client
            .upgrade("/api/v1/agents/ws")
            .header("X-API-ID", api_id)
            .header("X-API-KEY", api_key)
            .open()
            .await
            .expect("an upgrade");
        assert_eq!(socket.protocol(), None, "PatchMon's agents know no subprotocol");
        Self { socket, version }
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
