//! webssh of PyPI (Tornado, Paramiko): a form, then a WebSocket.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _, future::BoxFuture};
use gangplank_tests::http::Client;
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::Peer;
use crate::way::{
    Line, Target, Way,
    socket::{self, Socket},
};

/// A running webssh.
pub(super) struct WebSsh {
    peer: Peer,
    target: Target,
}

struct Terminal(Socket);

impl WebSsh {
    pub(super) async fn start(directory: &Path, target: &Target) -> Result<Self> {
        let program = directory.join("webssh/bin/wssh");
        let peer = Peer::start("webssh", &program, |command, port| {
            command.args(["--address=127.0.0.1", "--xsrf=False", "--fbidhttp=False"]);
            command.args(["--policy=autoadd", "--encoding=utf-8", "--maxconn=100"]);
            command.args(["--logging=error", &format!("--port={port}")]);
        });
        Ok(Self { peer: peer.await?, target: target.clone() })
    }

    async fn connect(&self) -> Result<Box<dyn Line>> {
        let Target { port, user, password, .. } = &self.target;
        let form = format!("hostname=127.0.0.1&port={port}&username={user}&password={password}");
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}",
            self.peer.address(),
            form.len()
        );
        let client = Client::plain(&self.peer.address());
        let answer = client.raw(request.as_bytes()).await;
        let answer = String::from_utf8(answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("an answer")?;
        let said: Value = serde_json::from_str(body).context("a refusal")?;
        let Some(id) = said["id"].as_str() else { bail!("{said}") };
        let socket = socket::open(&client, &format!("/ws?id={id}"), &[]).await?;
        Ok(Box::new(Terminal(socket)))
    }
}

impl Way for WebSsh {
    fn name(&self) -> &str {
        "webssh"
    }

    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Line>>> {
        self.connect().boxed()
    }

    fn processes(&self) -> Vec<Pid> {
        self.peer.processes()
    }
}

impl Line for Terminal {
    fn send(&mut self, keys: Bytes) -> BoxFuture<'_, Result<()>> {
        async move {
            let text = json!({ "data": std::str::from_utf8(&keys)? }).to_string();
            Ok(self.0.send(Message::text(text)).await?)
        }
        .boxed()
    }

    fn recv(&mut self) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            loop {
                match socket::next(&mut self.0).await? {
                    Message::Binary(output) => return Ok(output),
                    Message::Text(output) => return Ok(output.into()),
                    _ => {}
                }
            }
        }
        .boxed()
    }
}
