//! Other relays, run as their documents say, where they are installed.

mod hub;
mod shellinabox;
mod webssh;
mod wetty;

use std::{net::Ipv4Addr, path::Path, process::Command, time::Duration};

use anyhow::{Result, bail, ensure};
use gangplank_tests::{process::Process, sshd};
use nix::unistd::Pid;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

pub(crate) use self::hub::Hub;
use self::{shellinabox::ShellInABox, webssh::WebSsh, wetty::Wetty};
use super::{Missing, PATIENCE, Target, Way};
use crate::usage;

/// Starts each peer that is installed below `directory`; the others say that they are missing.
pub(crate) async fn all(directory: &Path, target: &Target) -> Vec<Box<dyn Way>> {
    vec![
        Missing::or("webssh", WebSsh::start(directory, target).await),
        Missing::or("wetty", Wetty::start(directory, target).await),
        Missing::or("shellinabox", ShellInABox::start(directory, target).await),
    ]
}

/// A running peer.
#[derive(Debug)]
struct Peer {
    process: Process,
    port: u16,
}

impl Peer {
    /// Starts a program, which `arguments` make listen on a port of 127.0.0.1.
    async fn start(
        name: &str,
        program: &Path,
        arguments: impl FnOnce(&mut Command, u16),
    ) -> Result<Self> {
        ensure!(program.is_file(), "not installed; --install-peers tries to");
        let port = sshd::free_port();
        let mut command = Command::new(program);
        arguments(&mut command, port);
        let process = Process::start(name, &command);
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            if process.exit_status().is_some() || Instant::now() > deadline {
                bail!("it doesn't start: {}", process.log());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { process, port })
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The peer and all that it started: clients of SSH are part of how it relays.
    fn processes(&self) -> Vec<Pid> {
        usage::descendants(self.process.pid())
    }
}
