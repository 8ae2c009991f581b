//! A local PTY read in a loop: what the kernel gives at best, without any relay or SSH.

use anyhow::{Result, ensure};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, future::BoxFuture};
use nix::unistd::Pid;
use pty_process::{Command, Pty};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Child,
};

use super::{Line, Way};

/// Bytes read at a time.
const CHUNK: usize = 64 << 10;

/// What it is called in tables.
pub(crate) const BARE_PTY: &str = "bare PTY";

/// PTYs of this process.
#[derive(Debug)]
pub(crate) struct BarePty;

struct Shell {
    _child: Child,
    pty: Pty,
    buffer: BytesMut,
}

impl Way for BarePty {
    fn name(&self) -> &str {
        BARE_PTY
    }

    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Line>>> {
        async {
            let (pty, pts) = pty_process::open()?;
            let shell = Command::new("bash").args(["--norc", "--noprofile"]).kill_on_drop(true);
            let line = Shell { _child: shell.spawn(pts)?, pty, buffer: BytesMut::new() };
            Ok(Box::new(line) as Box<dyn Line>)
        }
        .boxed()
    }

    /// Nothing relays.
    fn processes(&self) -> Vec<Pid> {
        Vec::new()
    }
}

impl Line for Shell {
    fn send(&mut self, keys: Bytes) -> BoxFuture<'_, Result<()>> {
        async move { Ok(self.pty.write_all(&keys).await?) }.boxed()
    }

    fn recv(&mut self) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            self.buffer.reserve(CHUNK);
            ensure!(self.pty.read_buf(&mut self.buffer).await? > 0, "the shell ended");
            Ok(self.buffer.split().freeze())
        }
        .boxed()
    }
}
