//! A terminal page without a browser: connects, types, acknowledges what it has shown, and waits
//! until the output says something.

use std::{collections::VecDeque, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    eventually::patience,
    http::Client,
    ws::{Closed, Incoming, Socket},
};

/// The subprotocol of the console's own page.
pub const V1: &str = "gangplank.terminal.v1";

/// An open terminal socket.
#[derive(Debug)]
pub struct Page {
    socket: Socket,
    v1: bool,
    /// Whether output is acknowledged as it comes.
    acknowledging: bool,
    output: Vec<u8>,
    /// How far [`Page::shows`] has looked.
    seen: usize,
    events: VecDeque<Value>,
    closed: Option<Closed>,
}

impl Page {
    /// Takes a ticket and opens a socket in the console's vocabulary.
    pub async fn open(client: &Client, host: &str) -> Self {
        let path = path(host, &client.ticket(host).await);
        let socket = client.upgrade(&path).protocol(V1).open().await.expect("an upgrade");
        assert_eq!(socket.protocol(), Some(V1));
        Self::over(socket)
    }

    /// Takes a ticket and opens a socket in PatchMon's vocabulary.
    pub async fn open_json(client: &Client, host: &str) -> Self {
        let path = path(host, &client.ticket(host).await);
        let socket = client.upgrade(&path).open().await.expect("an upgrade");
        assert_eq!(socket.protocol(), None);
        Self::over(socket)
    }

    /// A page over a socket that is open already.
    pub fn over(socket: Socket) -> Self {
        Self {
            v1: socket.protocol() == Some(V1),
            socket,
            acknowledging: true,
            output: Vec::new(),
            seen: 0,
            events: VecDeque::new(),
            closed: None,
        }
    }

    /// Stops acknowledging output, as a page that is asleep.
    pub fn stop_acknowledging(&mut self) {
        self.acknowledging = false;
    }

    /// Acknowledges what came, and what comes from now on.
    pub async fn acknowledge_again(&mut self) {
        self.acknowledging = true;
        self.socket.json(&json!({ "type": "ack", "offset": self.output.len() })).await;
    }

    /// The socket, for messages that no page would send.
    pub fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Sends a `connect` with the given fields.
    pub async fn connect(&mut self, fields: Value) {
        let mut connect = json!({ "type": "connect", "cols": 80, "rows": 24 });
        for (key, value) in fields.as_object().expect("fields") {
            connect[key] = value.clone();
        }
        self.socket.json(&connect).await;
    }

    /// Connects, and waits until the terminal is open.
    pub async fn connected(&mut self, fields: Value) -> Value {
        self.connect(fields).await;
        self.event("connected").await
    }

    /// Connects to a target whose key nobody knows yet, accepts that key, and waits until the
    /// terminal is open.
    pub async fn accepted(&mut self, mut fields: Value) -> Value {
        self.connect(fields.clone()).await;
        let unknown = self.event("error").await;
        assert_eq!(unknown["code"], "host_key_unknown", "{unknown}");
        fields["accept_host_key"] = unknown["fingerprint"].clone();
        self.connected(fields).await
    }

    /// Connects, and returns the `error` that must follow.
    pub async fn refused(&mut self, fields: Value) -> Value {
        self.connect(fields).await;
        self.event("error").await
    }

    /// Types text.
    pub async fn keys(&mut self, text: &str) {
        self.bytes(text.as_bytes()).await;
    }

    /// Sends input as it is; in PatchMon's vocabulary it must be UTF-8.
    pub async fn bytes(&mut self, bytes: &[u8]) {
        if self.v1 {
            self.socket.binary(bytes.to_vec()).await;
        } else {
            let data = std::str::from_utf8(bytes).expect("text");
            self.socket.json(&json!({ "type": "input", "data": data })).await;
        }
    }

    /// Says that the window has another size.
    pub async fn resize(&mut self, cols: i64, rows: i64) {
        self.socket.json(&json!({ "type": "resize", "cols": cols, "rows": rows })).await;
    }

    /// Waits for the next control message of a kind; others before it are thrown away, save an
    /// `error` where something else was hoped for.
    ///
    /// # Panics
    /// When none comes in time.
    pub async fn event(&mut self, kind: &str) -> Value {
        self.event_within(kind, patience()).await
    }

    /// As [`Page::event`], with a limit of its own.
    ///
    /// # Panics
    /// When none comes in time.
    pub async fn event_within(&mut self, kind: &str, limit: Duration) -> Value {
        let deadline = Instant::now() + limit;
        loop {
            while let Some(event) = self.events.pop_front() {
                if event["type"] == kind {
                    return event;
                }
                assert_ne!(event["type"], "error", "while waiting for {kind}: {event}");
            }
            self.step(deadline, kind).await;
        }
    }

    /// As [`Page::event`], whatever errors came before: a terminal that was away and is back.
    ///
    /// # Panics
    /// When none comes in time.
    pub async fn event_past_errors(&mut self, kind: &str) -> Value {
        let deadline = Instant::now() + patience();
        loop {
            while let Some(event) = self.events.pop_front() {
                if event["type"] == kind {
                    return event;
                }
            }
            self.step(deadline, kind).await;
        }
    }

    /// Waits until the output contains `text`, after what earlier calls have found.
    ///
    /// # Panics
    /// When it doesn't in time.
    pub async fn shows(&mut self, text: &str) {
        self.shows_bytes(text.as_bytes()).await;
    }

    /// As [`Page::shows`], for bytes that are no text.
    ///
    /// # Panics
    /// When it doesn't in time.
    pub async fn shows_bytes(&mut self, wanted: &[u8]) {
        let deadline = Instant::now() + patience();
        let mut from = self.seen;
        loop {
            let fresh = &self.output[from..];
            if let Some(at) = fresh.windows(wanted.len()).position(|window| window == wanted) {
                self.seen = from + at + wanted.len();
                return;
            }
            from = self.output.len().saturating_sub(wanted.len()).max(self.seen);
            self.step(deadline, &String::from_utf8_lossy(wanted)).await;
        }
    }

    /// Everything shown so far.
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// Output after what [`Page::shows`] has found, once there are `count` bytes of it.
    ///
    /// # Panics
    /// When that many don't come in time.
    pub async fn take(&mut self, count: usize) -> Vec<u8> {
        let deadline = Instant::now() + patience();
        while self.output.len() < self.seen + count {
            self.step(deadline, &format!("{count} bytes of output")).await;
        }
        let taken = self.output[self.seen..self.seen + count].to_vec();
        self.seen += count;
        taken
    }

    /// How much output has come when none comes any more for `quiet`.
    pub async fn settled(&mut self, quiet: Duration) -> usize {
        while let Some(incoming) = self.socket.next_within(quiet).await {
            self.take_in(incoming).await;
            if self.closed.is_some() {
                break;
            }
        }
        self.output.len()
    }

    /// Waits for the socket's end.
    ///
    /// # Panics
    /// When it is still open after `limit`.
    pub async fn ended(&mut self, limit: Duration) -> Closed {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(closed) = self.closed.take() {
                return closed;
            }
            self.step(deadline, "the end of the socket").await;
        }
    }

    /// A command whose output can't be mistaken for its echo.
    pub async fn proves_a_shell(&mut self) {
        self.keys("echo $((6*7))\r").await;
        self.shows("42").await;
    }

    /// Takes one message.
    async fn step(&mut self, deadline: Instant, what: &str) {
        if let Some(closed) = &self.closed {
            panic!("closed ({closed:?}) while waiting for {what}; {}", self.state());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(incoming) = self.socket.next_within(left).await else {
            panic!("waited in vain for {what}; {}", self.state());
        };
        self.take_in(incoming).await;
    }

    async fn take_in(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Binary(bytes) => {
                assert!(self.v1, "binary in a vocabulary of text");
                self.output.extend_from_slice(&bytes);
                if self.acknowledging {
                    let ack = json!({ "type": "ack", "offset": self.output.len() });
                    self.socket.json(&ack).await;
                }
            }
            Incoming::Text(text) => {
                let event: Value = serde_json::from_str(&text).expect("JSON");
                if event["type"] == "data" {
                    let data = event["data"].as_str().expect("text");
                    self.output.extend_from_slice(data.as_bytes());
                } else {
                    self.events.push_back(event);
                }
            }
            Incoming::Closed(closed) => self.closed = Some(closed),
        }
    }

    fn state(&self) -> String {
        let tail = &self.output[self.output.len().saturating_sub(600)..];
        format!("events {:?}, output ends {:?}", self.events, String::from_utf8_lossy(tail))
    }
}

/// Path of a terminal socket.
pub fn path(host: &str, ticket: &str) -> String {
    format!("/api/v1/ssh-terminal/{host}?ticket={ticket}")
}
