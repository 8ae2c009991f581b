//! shellinabox of Debian (the OpenSSH client): output by HTTP long polls, keys by requests of their
//! own.

use std::{net::Ipv4Addr, path::Path};

use anyhow::{Context as _, Result, ensure};
use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{FutureExt as _, future::BoxFuture};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::Peer;
use crate::way::{Line, Target, Way};

/// A running shellinabox.
pub(super) struct ShellInABox(Peer);

struct Terminal {
    session: String,
    polls: Http,
    keys: Http,
    /// Keys that wait until those before them were taken, as in its page.
    typed: Vec<u8>,
}

/// A connection with at most one request under way.
struct Http {
    stream: TcpStream,
    buffer: BytesMut,
    asked: bool,
}

impl ShellInABox {
    pub(super) async fn start(directory: &Path, target: &Target) -> Result<Self> {
        let program = directory.join("shellinabox/usr/bin/shellinaboxd");
        let client = format!(
            "/:root:root:/:ssh -tt -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o \
             LogLevel=ERROR -p {} -i {} {}@127.0.0.1",
            target.port,
            target.key.display(),
            target.user
        );
        let peer = Peer::start("shellinabox", &program, |command, port| {
            command.args(["--localhost-only", "--disable-ssl", "--quiet"]);
            command.args(["--disable-utmp-logging", "--user=root", "--group=root"]);
            command.args(["--port", &port.to_string(), "--service", &client]);
        });
        Ok(Self(peer.await?))
    }

    async fn connect(&self) -> Result<Box<dyn Line>> {
        let (mut polls, keys) = (Http::open(self.0.port).await?, Http::open(self.0.port).await?);
        polls.ask(&format!("width=80&height=24&rooturl=http://{}/", self.0.address())).await?;
        let said = polls.answer().await?;
        let session = said["session"].as_str().context("a session")?.to_owned();
        Ok(Box::new(Terminal { session, polls, keys, typed: Vec::new() }))
    }
}

impl Http {
    async fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: BytesMut::new(), asked: false })
    }

    async fn ask(&mut self, form: &str) -> Result<()> {
        self.asked = true;
        let request = format!(
            "POST /? HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n\r\n{form}",
            form.len()
        );
        Ok(self.stream.write_all(request.as_bytes()).await?)
    }

    /// The answer to the last request. Cancel safe.
    async fn answer(&mut self) -> Result<Value> {
        loop {
            if let Some(body) = take_answer(&mut self.buffer)? {
                self.asked = false;
                // Keys are answered with nothing.
                return Ok(serde_json::from_slice(&body).unwrap_or_default());
            }
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the connection ended");
        }
    }
}

/// Takes a whole answer from the front of what was read.
fn take_answer(buffer: &mut BytesMut) -> Result<Option<BytesMut>> {
    let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&buffer[..end])?.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.context("a length")?.trim().parse()?;
    if buffer.len() < end + 4 + length {
        return Ok(None);
    }
    ensure!(head.split(' ').nth(1) == Some("200"), "refused: {head}");
    buffer.advance(end + 4);
    Ok(Some(buffer.split_to(length)))
}

impl Way for ShellInABox {
    fn name(&self) -> &str {
        "shellinabox"
    }

    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Line>>> {
        self.connect().boxed()
    }

    fn processes(&self) -> Vec<Pid> {
        self.0.processes()
    }
}

impl Terminal {
    async fn give(&mut self) -> Result<()> {
        if self.keys.asked || self.typed.is_empty() {
            return Ok(());
        }
        let (session, keys) = (&self.session, hex::encode_upper(&self.typed));
        self.typed.clear();
        self.keys.ask(&format!("width=80&height=24&session={session}&keys={keys}")).await
    }

    async fn output(&mut self) -> Result<Bytes> {
        loop {
            if !self.polls.asked {
                let session = &self.session;
                self.polls.ask(&format!("width=80&height=24&session={session}")).await?;
            }
            tokio::select! {
                said = self.polls.answer() => match said?["data"].as_str() {
                    None | Some("") => {}
                    Some(output) => return Ok(Bytes::from(output.to_owned())),
                },
                taken = self.keys.answer(), if self.keys.asked => {
                    taken?;
                    self.give().await?;
                }
            }
        }
    }
}

impl Line for Terminal {
    fn send(&mut self, keys: Bytes) -> BoxFuture<'_, Result<()>> {
        self.typed.extend_from_slice(&keys);
        self.give().boxed()
    }

    fn recv(&mut self) -> BoxFuture<'_, Result<Bytes>> {
        self.output().boxed()
    }
}
