//! The channels of dashboards: their fixtures, who publishes and who listens.

use std::{fs, io, path::PathBuf, time::Duration};

use gangplank_proto::channel::Channel;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use crate::{
    http::{Answer, Client, Wire, parse_answer, parse_head},
    program,
    ws::Socket,
};

/// How long an event may take.
const SOON: Duration = Duration::from_secs(30);

/// A message of a channel, out of its fixture.
pub fn message(channel: Channel) -> Value {
    fixture(channel)["taken"][0]["message"].clone()
}

/// What is taken and what is refused in a channel.
///
/// # Panics
/// When there is no such fixture.
pub fn fixture(channel: Channel) -> Value {
    let file: PathBuf = program::source(&format!("proto/fixtures/channels/{channel}.json"));
    serde_json::from_slice(&fs::read(file).expect("a fixture")).expect("JSON")
}

/// An alert that is told apart from others by its number.
pub fn alert(number: u64) -> Value {
    let mut alert = message(Channel::Alerts);
    alert["id"] = number.to_string().into();
    alert
}

/// The number of such an alert.
///
/// # Panics
/// When it is none.
pub fn number(alert: &Value) -> u64 {
    alert["id"].as_str().and_then(|id| id.parse().ok()).expect("a numbered alert")
}

impl Client {
    /// Publishes a message, or a list of them.
    pub async fn publish(&self, channel: Channel, body: Value) -> Answer {
        self.post(&format!("/api/v1/channels/{channel}/events"), body).await
    }

    /// Publishes a message and answers its number.
    pub async fn published(&self, channel: Channel, message: Value) -> u64 {
        let answer = self.publish(channel, message).await.expect(202).json();
        assert!(answer["id"].is_string(), "{answer}");
        answer["seq"].as_u64().expect("a number")
    }

    /// Listens to a channel.
    ///
    /// # Panics
    /// When the daemon refuses.
    pub async fn listen(&self, channel: Channel, query: &str) -> Socket {
        let path = format!("{}?{query}", channel.path());
        self.upgrade(&path).open().await.expect("an upgrade")
    }

    /// A ticket for a channel's socket.
    ///
    /// # Panics
    /// When the daemon gives none.
    pub async fn channel_ticket(&self, channel: &str) -> String {
        let body = json!({ "channel": channel });
        let made = self.post("/api/v1/auth/ws-ticket", body).await.expect(200).json();
        made["ticket"].as_str().expect("a ticket").to_owned()
    }

    /// Asks for server-sent events.
    ///
    /// # Errors
    /// What is answered instead.
    ///
    /// # Panics
    /// When the daemon can't be reached.
    pub async fn events(
        &self,
        query: &str,
        last_event_id: Option<&str>,
    ) -> Result<EventStream, Box<Answer>> {
        let opened = EventStream::open(self, query, last_event_id);
        timeout(SOON, opened).await.expect("an answer in time").expect("the daemon is there")
    }
}

/// Server-sent events, as an `EventSource` reads them.
pub struct EventStream {
    wire: Box<dyn Wire>,
    /// What was read and is still in chunks.
    raw: Vec<u8>,
    text: String,
    /// The `id` that came last.
    pub last_event_id: String,
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream").field("at", &self.last_event_id).finish_non_exhaustive()
    }
}

/// An event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamEvent {
    /// What `event` says.
    pub event: String,
    /// What `data` says.
    pub data: Value,
}

impl EventStream {
    async fn open(
        client: &Client,
        query: &str,
        last_event_id: Option<&str>,
    ) -> io::Result<Result<Self, Box<Answer>>> {
        let mut request =
            format!("GET /api/v1/ws/events?{query} HTTP/1.1\r\nAccept: text/event-stream\r\n");
        for (name, value) in client.head() {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(id) = last_event_id {
            request.push_str(&format!("Last-Event-ID: {id}\r\n"));
        }
        request.push_str("\r\n");
        let mut wire = client.dial().await?;
        wire.write_all(request.as_bytes()).await?;
        wire.flush().await?;
        let mut raw = Vec::new();
        let end = loop {
            if let Some(end) = raw.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if wire.read_buf(&mut raw).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let (status, headers) = parse_head(&raw[..end]).ok_or(io::ErrorKind::InvalidData)?;
        if status.as_u16() != 200 {
            let _ = wire.read_to_end(&mut raw).await;
            return Ok(Err(Box::new(parse_answer(&raw).ok_or(io::ErrorKind::InvalidData)?)));
        }
        assert_eq!(headers["content-type"], "text/event-stream");
        let raw = raw.split_off(end + 4);
        Ok(Ok(Self { wire, raw, text: String::new(), last_event_id: String::new() }))
    }

    /// The next event; none when the stream has ended.
    ///
    /// # Panics
    /// When nothing comes in time.
    pub async fn next(&mut self) -> Option<StreamEvent> {
        timeout(SOON, self.read()).await.expect("an event in time")
    }

    /// The next event, if one comes within `limit`.
    pub async fn next_within(&mut self, limit: Duration) -> Option<StreamEvent> {
        timeout(limit, self.read()).await.ok().flatten()
    }

    async fn read(&mut self) -> Option<StreamEvent> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let (mut event, mut data) = (String::new(), None);
                for line in block.lines() {
                    match line.split_once(": ") {
                        Some(("id", id)) => id.clone_into(&mut self.last_event_id),
                        Some(("event", kind)) => kind.clone_into(&mut event),
                        Some(("data", text)) => {
                            data = Some(serde_json::from_str(text).expect("JSON"));
                        }
                        _ => {}
                    }
                }
                if let Some(data) = data {
                    return Some(StreamEvent { event, data });
                }
            }
            self.more().await?;
        }
    }

    /// Reads another chunk; none at the end.
    async fn more(&mut self) -> Option<()> {
        loop {
            if let Some(end) = self.raw.windows(2).position(|window| window == b"\r\n") {
                let size = std::str::from_utf8(&self.raw[..end]).expect("a chunk's size");
                let size = usize::from_str_radix(size.trim(), 16).expect("a chunk's size");
                if size == 0 {
                    return None;
                }
                if self.raw.len() >= end + 2 + size + 2 {
                    let chunk = &self.raw[end + 2..end + 2 + size];
                    self.text.push_str(std::str::from_utf8(chunk).expect("text"));
                    self.raw.drain(..end + 2 + size + 2);
                    return Some(());
                }
            }
            if self.wire.read_buf(&mut self.raw).await.ok()? == 0 {
                return None;
            }
        }
    }
}

/// Publishes again and again over one connection.
pub struct Publisher {
    wire: Box<dyn Wire>,
    head: String,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Publisher")
    }
}

impl Publisher {
    /// Connects.
    ///
    /// # Errors
    /// What TCP or TLS says.
    pub async fn open(client: &Client, channel: Channel) -> io::Result<Self> {
        let mut head = format!("POST /api/v1/channels/{channel}/events HTTP/1.1\r\n");
        for (name, value) in client.head() {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        Ok(Self { wire: client.dial().await?, head })
    }

    /// Publishes a message, or a list of them, and waits until that is confirmed.
    ///
    /// # Errors
    /// When the daemon does not confirm it.
    pub async fn publish(&mut self, body: &Value) -> io::Result<()> {
        let body = body.to_string();
        let request = format!("{}Content-Length: {}\r\n\r\n{body}", self.head, body.len());
        self.wire.write_all(request.as_bytes()).await?;
        self.wire.flush().await?;
        let mut read = Vec::new();
        let end = loop {
            if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if self.wire.read_buf(&mut read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let (status, headers) = parse_head(&read[..end]).ok_or(io::ErrorKind::InvalidData)?;
        let length = headers.get("content-length").and_then(|value| value.to_str().ok());
        let length: usize = length.and_then(|text| text.parse().ok()).unwrap_or_default();
        while read.len() < end + 4 + length {
            if self.wire.read_buf(&mut read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        if status.as_u16() == 202 { Ok(()) } else { Err(io::Error::other(status.to_string())) }
    }
}
