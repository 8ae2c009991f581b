//! wetty of npm (node-pty, the OpenSSH client): packets of socket.io and engine.io over a WebSocket.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _, future::BoxFuture};
use gangplank_tests::http::Client;
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::Peer;
use crate::way::{
    Line, Target, Way,
    socket::{self, Socket},
};

/// What its page shows before it says so.
const COMMIT: u64 = 262_144;

/// A running wetty.
pub(super) struct Wetty(Peer);

struct Terminal {
    socket: Socket,
    shown: u64,
}

impl Wetty {
    pub(super) async fn start(directory: &Path, target: &Target) -> Result<Self> {
        let program = directory.join("wetty/node_modules/.bin/wetty");
        let peer = Peer::start("wetty", &program, |command, port| {
            command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--base", "/wetty"]);
            command.args(["--force-ssh", "--ssh-host", "127.0.0.1", "--ssh-user", &target.user]);
            command.args(["--ssh-port", &target.port.to_string(), "--ssh-auth", "publickey"]);
            command.args(["--known-hosts", "/dev/null", "--log-level", "error", "--ssh-key"]);
            command.arg(&target.key);
        });
        Ok(Self(peer.await?))
    }

    async fn connect(&self) -> Result<Box<dyn Line>> {
        let client = Client::plain(&self.0.address());
        let path = "/wetty/socket.io/?EIO=4&transport=websocket";
        let mut terminal = Terminal { socket: socket::open(&client, path, &[]).await?, shown: 0 };
        terminal.say("40").await?;
        // Keys that come before it has started its client are lost.
        while !terminal.packet().await?.starts_with("42[\"login\"") {}
        Ok(Box::new(terminal))
    }
}

impl Terminal {
    async fn say(&mut self, packet: &str) -> Result<()> {
        Ok(self.socket.send(Message::text(packet)).await?)
    }

    async fn packet(&mut self) -> Result<Utf8Bytes> {
        loop {
            match socket::next(&mut self.socket).await? {
                Message::Text(ping) if ping.as_str() == "2" => self.say("3").await?,
                Message::Text(packet) => return Ok(packet),
                _ => {}
            }
        }
    }

    /// The next output: the text of a `data` event.
    async fn output(&mut self) -> Result<Bytes> {
        loop {
            if self.shown >= COMMIT {
                let commit = json!(["commit", self.shown]);
                self.say(&format!("42{commit}")).await?;
                self.shown = 0;
            }
            let packet = self.packet().await?;
            let Some(event) = packet.strip_prefix("42") else { continue };
            let mut event: Value = serde_json::from_str(event)?;
            match event[0].as_str().context("an event's name")? {
                "data" => {
                    let Value::String(output) = event[1].take() else { bail!("data without text") };
                    self.shown += output.len() as u64;
                    return Ok(output.into());
                }
                "logout" => bail!("the client ended"),
                _ => {}
            }
        }
    }
}

impl Way for Wetty {
    fn name(&self) -> &str {
        "wetty"
    }

    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Line>>> {
        self.connect().boxed()
    }

    fn processes(&self) -> Vec<Pid> {
        self.0.processes()
    }
}

impl Line for Terminal {
    fn send(&mut self, keys: Bytes) -> BoxFuture<'_, Result<()>> {
        async move {
            let event = json!(["input", std::str::from_utf8(&keys)?]);
            self.say(&format!("42{event}")).await
        }
        .boxed()
    }

    fn recv(&mut self) -> BoxFuture<'_, Result<Bytes>> {
        self.output().boxed()
    }
}
