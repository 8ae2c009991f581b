//! The ways to a terminal that are compared: the OpenSSH client, the bare relay, Gangplank, peers.

pub(crate) mod bare;
pub(crate) mod gangplank;
pub(crate) mod openssh;
pub(crate) mod peer;
pub(crate) mod pty;
mod socket;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use nix::unistd::Pid;
use tokio::time::timeout;

/// How long a terminal may take to open, a workload to begin, or output to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A way to a terminal.
pub(crate) trait Way {
    /// What it is called in tables.
    fn name(&self) -> &str;

    /// Opens a terminal with a login shell in it.
    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Line>>>;

    /// The processes that relay, without clients, servers and shells.
    fn processes(&self) -> Vec<Pid>;
}

/// An open terminal.
pub(crate) trait Line: Send {
    /// Types.
    fn send(&mut self, keys: Bytes) -> BoxFuture<'_, Result<()>>;

    /// The next output; an error when there is none any more. Cancel safe.
    fn recv(&mut self) -> BoxFuture<'_, Result<Bytes>>;
}

/// The SSH server that the ways lead to, on 127.0.0.1.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Its port.
    pub(crate) port: u16,
    /// Login name.
    pub(crate) user: String,
    /// Password.
    pub(crate) password: String,
    /// File of a private key that is as good.
    pub(crate) key: PathBuf,
}

/// A way that isn't there, which its rows say.
#[derive(Debug)]
pub(crate) struct Missing {
    name: &'static str,
    why: String,
}

impl Missing {
    /// The way itself, or one that says why it is missing.
    pub(crate) fn or<W: Way + 'static>(name: &'static str, way: Result<W>) -> Box<dyn Way> {
        match way {
            Ok(way) => Box::new(way),
            Err(error) => Box::new(Self { name, why: format!("{error:#}") }),
        }
    }
}

impl Way for Missing {
    fn name(&self) -> &str {
        self.name
    }

    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Line>>> {
        async { bail!("{}", self.why) }.boxed()
    }

    fn processes(&self) -> Vec<Pid> {
        Vec::new()
    }
}

/// What runs in a terminal.
#[derive(Debug, Clone)]
pub(crate) enum Program {
    /// Says every byte back.
    Echo,
    /// Waits for one byte, then says the first bytes of a file, then what is typed.
    Stream {
        /// Path of the file.
        file: PathBuf,
        /// How many bytes.
        len: u64,
    },
}

/// What a program says when it begins. The command that prints it doesn't contain it, so that the
/// terminal's echo of the command can't be mistaken for it.
const READY: &[u8] = b"ready-and-waiting";

impl Program {
    fn command(&self) -> String {
        let begin = "stty raw -echo; printf 'ready-%s' and-waiting";
        match self {
            Self::Echo => format!("{begin}; exec cat\r"),
            Self::Stream { file, len } => {
                let file = file.display();
                format!("{begin}; head -c 1 >/dev/null; head -c {len} {file}; exec cat\r")
            }
        }
    }
}

/// Opens a terminal and starts a program in it.
pub(crate) async fn start(way: &dyn Way, program: &Program) -> Result<Box<dyn Line>> {
    let start = async {
        let mut line = way.open().await?;
        begin(&mut *line, program).await?;
        anyhow::Ok(line)
    };
    timeout(PATIENCE, start).await.context("no terminal in time")?
}

/// Starts a program in a new terminal and says how much output came before the program's own.
pub(crate) async fn begin(line: &mut dyn Line, program: &Program) -> Result<u64> {
    // What is typed before the shell says anything, a client that is still starting may throw away.
    let mut output = line.recv().await?.to_vec();
    line.send(Bytes::from(program.command())).await?;
    while !output.ends_with(READY) {
        output.extend_from_slice(&line.recv().await?);
    }
    Ok(output.len() as u64)
}
