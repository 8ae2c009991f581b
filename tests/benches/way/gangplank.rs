//! Gangplank itself, as the console's page uses it: `gangplank.terminal.v1`, output acknowledged.

use std::sync::Arc;

use anyhow::{Result, bail};
use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _, future::BoxFuture};
use gangplank_tests::{fleet::Fleet, http::Client, page::V1};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{
    Line, Way,
    socket::{self, Socket},
};

/// Output that is acknowledged at once, as the console does; less of it waits for more.
const ACK_BYTES: u64 = 32 << 10;

/// One of the ways through a daemon.
pub(crate) struct Gangplank {
    /// Its name.
    pub(crate) name: &'static str,
    /// The daemon and its host.
    pub(crate) fleet: Arc<Fleet>,
    /// A login.
    pub(crate) client: Client,
    /// What the page asks for.
    pub(crate) connect: Value,
    /// Whether the agent relays, too.
    pub(crate) by_agent: bool,
}

/// A terminal socket of the console's vocabulary.
pub(crate) struct Viewer {
    socket: Socket,
    shown: u64,
    acknowledged: u64,
}

impl Gangplank {
    /// Opens or resumes a terminal and returns what the daemon said of it.
    pub(crate) async fn connect(&self, connect: &Value) -> Result<(Viewer, Value)> {
        let path = format!("/api/v1/ssh-terminal/{}", self.fleet.host());
        let headers = [
            ("Origin", self.fleet.daemon.ready().url.as_str()),
            ("Cookie", self.client.cookie().unwrap_or_default()),
            ("Sec-WebSocket-Protocol", V1),
        ];
        let mut socket = socket::open(&self.client, &path, &headers).await?;
        socket.send(Message::text(connect.to_string())).await?;
        loop {
            let Message::Text(text) = socket::next(&mut socket).await? else { continue };
            let said: Value = serde_json::from_str(&text)?;
            match said["type"].as_str() {
                Some("connected") => {
                    let shown = said["offset"].as_u64().unwrap_or(0);
                    return Ok((Viewer { socket, shown, acknowledged: shown }, said));
                }
                Some("error") => bail!("{said}"),
                _ => {}
            }
        }
    }
}

impl Way for Gangplank {
    fn name(&self) -> &str {
        self.name
    }

    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Line>>> {
        async move {
            let (viewer, _) = self.connect(&self.connect).await?;
            let line: Box<dyn Line> = Box::new(viewer);
            Ok(line)
        }
        .boxed()
    }

    fn processes(&self) -> Vec<Pid> {
        let mut processes = vec![Pid::from_raw(self.fleet.daemon.pid())];
        processes.extend(self.by_agent.then(|| self.fleet.agent.pid()));
        processes
    }
}

impl Viewer {
    /// The next message that isn't output, or output, which is acknowledged now and then. Cancel
    /// safe: an acknowledgement that a cancelled call has not sent goes with the next one.
    pub(crate) async fn next(&mut self) -> Result<Message> {
        if self.shown - self.acknowledged >= ACK_BYTES {
            self.acknowledged = self.shown;
            let ack = json!({ "type": "ack", "offset": self.shown });
            self.socket.feed(Message::text(ack.to_string())).await?;
            self.socket.flush().await?;
        }
        let message = socket::next(&mut self.socket).await?;
        if let Message::Binary(output) = &message {
            self.shown += output.len() as u64;
        }
        Ok(message)
    }
}

impl Line for Viewer {
    fn send(&mut self, keys: Bytes) -> BoxFuture<'_, Result<()>> {
        async move { Ok(self.socket.send(Message::Binary(keys)).await?) }.boxed()
    }

    fn recv(&mut self) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            loop {
                match self.next().await? {
                    Message::Binary(output) => return Ok(output),
                    Message::Text(text) if text.contains("\"error\"") => bail!("{text}"),
                    _ => {}
                }
            }
        }
        .boxed()
    }
}
