//! A terminal page that loses its socket and comes back: it counts the bytes both ways, as the
//! console does, and goes on where it stopped.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    eventually::patience,
    http::Client,
    page::{V1, path},
    ws::{Closed, Incoming, Socket},
};

/// A page with one terminal that it does not give up.
#[derive(Debug)]
pub struct Returning {
    client: Client,
    host: String,
    session: String,
    socket: Option<Socket>,
    output: Vec<u8>,
    /// Offset of the first byte in `output`.
    from: u64,
    /// Bytes of output that the daemon declared lost.
    pub gaps: Vec<(u64, u64)>,
    /// Everything that was typed, and how much of it the daemon has or was sent.
    typed: Vec<u8>,
    /// Offset of the first byte in `typed`.
    typed_from: u64,
    sent: usize,
    /// Whether this socket has a terminal.
    greeted: bool,
    closed: Option<Closed>,
    events: Vec<Value>,
}

impl Returning {
    /// Opens a terminal.
    pub async fn open(client: &Client, host: &str, connect: Value) -> Self {
        let mut page = Self::to(client, host, "");
        page.ask(connect).await;
        let connected = page.event("connected").await;
        assert_eq!(connected["resumed"], false, "{connected}");
        page.session = connected["session_id"].as_str().expect("a session").to_owned();
        page
    }

    /// A page that knows of a terminal and has nothing of it yet.
    pub fn to(client: &Client, host: &str, session: &str) -> Self {
        Self {
            client: client.clone(),
            host: host.to_owned(),
            session: session.to_owned(),
            socket: None,
            output: Vec::new(),
            from: 0,
            gaps: Vec::new(),
            typed: Vec::new(),
            typed_from: 0,
            sent: 0,
            greeted: false,
            closed: None,
            events: Vec::new(),
        }
    }

    /// Id of the terminal.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Loses the socket without a word.
    pub fn lose(&mut self) {
        self.socket = None;
    }

    /// Comes back, and answers what the daemon said of it: `connected`, `error` or `closed`.
    pub async fn resume(&mut self) -> Value {
        let offset = self.from + self.output.len() as u64;
        self.closed = None;
        self.events.clear();
        self.ask(json!({ "resume": { "session_id": self.session, "offset": offset } })).await;
        self.any(&["connected", "error", "closed"]).await
    }

    /// Comes back; the terminal must be there, if perhaps its agent isn't yet.
    pub async fn resumed(&mut self) -> Value {
        let mut connected = self.resume().await;
        if connected["code"] == "agent_offline" {
            connected = self.any(&["connected", "closed"]).await;
        }
        assert_eq!(connected["type"], "connected", "{connected}");
        connected
    }

    async fn ask(&mut self, fields: Value) {
        self.lose();
        let path = path(&self.host, &self.client.ticket(&self.host).await);
        let socket = self.client.upgrade(&path).protocol(V1).open().await.expect("an upgrade");
        self.greeted = false;
        let mut connect = json!({ "type": "connect", "cols": 80, "rows": 24 });
        for (key, value) in fields.as_object().expect("fields") {
            connect[key] = value.clone();
        }
        self.socket.insert(socket).json(&connect).await;
    }

    /// Types. While there is no socket it waits for the next one.
    pub async fn keys(&mut self, text: &str) {
        self.typed.extend_from_slice(text.as_bytes());
        self.send().await;
    }

    async fn send(&mut self) {
        if let Some(socket) = &mut self.socket {
            let rest = self.typed[self.sent..].to_vec();
            self.sent = self.typed.len();
            // A socket that is lost shows it when it is read.
            socket.binary(rest).await;
        }
    }

    /// The offset after the output that came so far.
    pub fn offset(&self) -> u64 {
        self.from + self.output.len() as u64
    }

    /// Everything that came, from the last gap on.
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// Forgets the output that came so far, not its count.
    pub fn forget(&mut self) {
        self.from += self.output.len() as u64;
        self.output.clear();
    }

    /// Waits for a control message.
    pub async fn event(&mut self, kind: &str) -> Value {
        self.any(&[kind]).await
    }

    async fn any(&mut self, kinds: &[&str]) -> Value {
        let deadline = Instant::now() + patience();
        loop {
            let found =
                self.events.iter().position(|event| kinds.iter().any(|k| event["type"] == *k));
            if let Some(at) = found {
                return self.events.remove(at);
            }
            self.step(deadline, &format!("{kinds:?}")).await;
        }
    }

    /// Waits until the output that was not forgotten contains `text`.
    pub async fn shows(&mut self, text: &str) {
        let deadline = Instant::now() + patience();
        let found = |output: &[u8]| output.windows(text.len()).any(|w| w == text.as_bytes());
        while !found(&self.output) {
            self.step(deadline, text).await;
        }
    }

    /// Waits until `count` bytes of output are there, or the socket is lost. Answers whether they
    /// are.
    pub async fn collects(&mut self, count: usize) -> bool {
        let deadline = Instant::now() + patience();
        while self.output.len() < count && self.closed.is_none() {
            self.step(deadline, &format!("{count} bytes")).await;
        }
        self.output.len() >= count
    }

    /// Waits for the end of the socket.
    pub async fn ended(&mut self, limit: Duration) -> Closed {
        let deadline = Instant::now() + limit;
        while self.closed.is_none() {
            self.step(deadline, "the end of the socket").await;
        }
        self.closed.clone().expect("an end")
    }

    async fn step(&mut self, deadline: Instant, what: &str) {
        assert!(self.closed.is_none(), "closed ({:?}) while waiting for {what}", self.closed);
        let left = deadline.saturating_duration_since(Instant::now());
        let socket = self.socket.as_mut().expect("a socket");
        let Some(incoming) = socket.next_within(left).await else {
            let tail = &self.output[self.output.len().saturating_sub(300)..];
            let tail = String::from_utf8_lossy(tail);
            panic!("waited in vain for {what}; {:?}, output ends {tail:?}", self.events);
        };
        match incoming {
            Incoming::Binary(bytes) => {
                self.output.extend_from_slice(&bytes);
                let offset = self.from + self.output.len() as u64;
                let ack = json!({ "type": "ack", "offset": offset });
                socket.json(&ack).await;
            }
            Incoming::Text(text) => {
                let event: Value = serde_json::from_str(&text).expect("JSON");
                match event["type"].as_str() {
                    Some("connected") => {
                        let input = event["input_offset"].as_u64().expect("a number");
                        if self.typed.is_empty() {
                            self.typed_from = input;
                        }
                        let sent = input.checked_sub(self.typed_from).expect("what it had");
                        // What this socket sent already is not sent again.
                        if !self.greeted {
                            self.sent = usize::try_from(sent).expect("a size");
                        }
                        self.greeted = true;
                        assert!(self.sent <= self.typed.len(), "more than was typed: {event}");
                        self.events.push(event);
                        self.send().await;
                    }
                    Some("gap") => {
                        let at = |key: &str| event[key].as_u64().expect("a number");
                        assert_eq!(at("from"), self.offset(), "{event}");
                        self.gaps.push((at("from"), at("to")));
                        self.output.clear();
                        self.from = at("to");
                    }
                    _ => self.events.push(event),
                }
            }
            Incoming::Closed(closed) => self.closed = Some(closed),
        }
    }
}
