//! The OpenSSH client with a terminal, spoken to by pipes: what every other way is compared with.

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, future::BoxFuture};
use nix::unistd::Pid;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::{Line, Target, Way};

/// Bytes read at a time.
const CHUNK: usize = 64 << 10;

/// The OpenSSH client.
#[derive(Debug)]
pub(crate) struct OpenSsh(pub(crate) Target);

struct Pipes {
    _child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    buffer: BytesMut,
}

impl OpenSsh {
    async fn connect(&self) -> Result<Box<dyn Line>> {
        let Target { port, user, key, .. } = &self.0;
        // The kernel ends it when we end, however that is.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "ssh", "-tt", "-F", "none"])
            .args(["-c", "aes256-gcm@openssh.com", "-o", "LogLevel=ERROR"])
            .args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"])
            .args(["-o", "IdentitiesOnly=yes", "-i"])
            .arg(key)
            .args(["-p", &port.to_string(), &format!("{user}@127.0.0.1")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let stdin = child.stdin.take().context("a piped stdin")?;
        let stdout = child.stdout.take().context("a piped stdout")?;
        Ok(Box::new(Pipes { _child: child, stdin, stdout, buffer: BytesMut::new() }))
    }
}

impl Way for OpenSsh {
    fn name(&self) -> &str {
        "OpenSSH client"
    }

    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Line>>> {
        self.connect().boxed()
    }

    /// Each terminal is a client of its own; none of them relays.
    fn processes(&self) -> Vec<Pid> {
        Vec::new()
    }
}

impl Line for Pipes {
    fn send(&mut self, keys: Bytes) -> BoxFuture<'_, Result<()>> {
        async move { Ok(self.stdin.write_all(&keys).await?) }.boxed()
    }

    fn recv(&mut self) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            self.buffer.reserve(CHUNK);
            ensure!(self.stdout.read_buf(&mut self.buffer).await? > 0, "the client ended");
            Ok(self.buffer.split().freeze())
        }
        .boxed()
    }
}
