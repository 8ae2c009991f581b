//! A hub as teams write it, of Node and its package ws, behind the paths of our own channels.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use gangplank_tests::{http::Client, program, scratch};
use nix::unistd::Pid;

use super::Peer;

/// A running hub.
pub(crate) struct Hub {
    peer: Peer,
    ca: String,
}

impl Hub {
    /// Starts one, if its package is installed below `peers`.
    pub(crate) async fn start(peers: &Path) -> Result<Self> {
        let modules = peers.join("ws/node_modules");
        ensure!(modules.join("ws").is_dir(), "not installed; --install-peers tries to");
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let directory = scratch::directory();
        let (cert, key) = (directory.join("cert.pem"), directory.join("key.pem"));
        fs::write(&cert, made.cert.pem())?;
        fs::write(&key, made.signing_key.serialize_pem())?;
        let script = program::source("tests/benches/way/peer/hub.cjs");
        let node = program::installed("node");
        let peer = Peer::start("hub", &node, |command, port| {
            command.env("NODE_PATH", &modules).arg(script).arg(port.to_string());
            command.arg(&cert).arg(&key);
        })
        .await;
        Ok(Self { peer: peer.context("a hub of Node")?, ca: made.cert.pem() })
    }

    /// One who publishes there and listens.
    pub(crate) fn client(&self) -> Client {
        Client::new(&format!("https://{}", self.peer.address()), self.ca.as_bytes())
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        self.peer.process.pid()
    }
}
