//! The bare relay, which marks the limit.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _, future::BoxFuture};
use gangplank_tests::{http::Client, process::Process, program};
use nix::unistd::Pid;
use tokio_tungstenite::tungstenite::Message;

use super::{
    Line, Target, Way,
    socket::{self, Socket},
};

/// A running bare relay.
#[derive(Debug)]
pub(crate) struct Bare {
    process: Process,
    client: Client,
}

struct Bytewise(Socket);

impl Bare {
    /// Starts it between us and the server that the OpenSSH client goes to.
    pub(crate) fn start(target: &Target, directory: &Path) -> Result<Self> {
        let certificate = directory.join("bare-relay.pem");
        let mut command = Command::new(program::bare_relay());
        command.arg(format!("127.0.0.1:{}", target.port)).arg(&target.user);
        command.arg(&target.key).arg(&certificate);
        let process = Process::start("bare-relay", &command);
        let line =
            process.line(Duration::from_secs(10), "its address", |l| l.starts_with("listening"));
        let address: SocketAddr = line.split(' ').nth(1).context("an address")?.parse()?;
        let client = Client::new(&format!("https://{address}"), &fs::read(certificate)?);
        Ok(Self { process, client })
    }
}

impl Way for Bare {
    fn name(&self) -> &str {
        "bare relay"
    }

    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Line>>> {
        async move {
            let line: Box<dyn Line> =
                Box::new(Bytewise(socket::open(&self.client, "/", &[]).await?));
            Ok(line)
        }
        .boxed()
    }

    fn processes(&self) -> Vec<Pid> {
        vec![self.process.pid()]
    }
}

impl Line for Bytewise {
    fn send(&mut self, keys: Bytes) -> BoxFuture<'_, Result<()>> {
        async move { Ok(self.0.send(Message::Binary(keys)).await?) }.boxed()
    }

    fn recv(&mut self) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            loop {
                if let Message::Binary(output) = socket::next(&mut self.0).await? {
                    return Ok(output);
                }
            }
        }
        .boxed()
    }
}
