//! Two ends of TLS joined in memory, and a moment to start from.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(dead_code, reason = "each test program uses its own part")]

use gangplank_certs::{Authority, ClientTrust, Names, Reloadable, TicketKeys, server_config};
use rustls::time_provider::TimeProvider;
use rustls::{
    ClientConfig, ClientConnection, Error, HandshakeKind, ServerConfig, ServerConnection,
};
use rustls_pki_types::{ServerName, UnixTime};
use std::path::Path;
use std::sync::Arc;
use time::OffsetDateTime;

/// A fixed moment, so that no test depends on the day it runs.
pub(crate) fn start() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
}

/// A clock that stands still.
#[derive(Debug)]
pub(crate) struct At(pub(crate) OffsetDateTime);

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = self.0.unix_timestamp().try_into().unwrap();
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}

pub(crate) fn names(list: &[&str]) -> Names {
    Names::parse(list).unwrap()
}

/// The authority in `dir` for `list`.
pub(crate) fn authority(dir: &Path, list: &[&str]) -> Arc<Authority> {
    Arc::new(Authority::load_or_create(dir, &names(list), start()).unwrap())
}

/// A server with a leaf of `authority` for `list`.
pub(crate) fn server(authority: &Arc<Authority>, list: &[&str]) -> Arc<ServerConfig> {
    let served = Reloadable::from_authority(Arc::clone(authority), names(list), start()).unwrap();
    serving(Arc::new(served))
}

pub(crate) fn serving(served: Arc<Reloadable>) -> Arc<ServerConfig> {
    server_config(served, Arc::new(TicketKeys::in_memory(start()).unwrap())).unwrap()
}

/// A client of `trust` whose clock shows [`start`].
pub(crate) fn client(trust: &ClientTrust) -> Arc<ClientConfig> {
    trust.config_at(Arc::new(At(start()))).unwrap()
}

/// What came of a handshake that succeeded.
pub(crate) struct Joined {
    pub(crate) server: ServerConnection,
    pub(crate) client: ClientConnection,
    pub(crate) kind: HandshakeKind,
}

/// Shakes hands and carries one byte each way, so that tickets arrive too; the first error of
/// either side ends it.
pub(crate) fn join(
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
    name: &str,
) -> Result<Joined, Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    for _ in 0..8 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut read = wire.as_slice();
        while !read.is_empty() {
            server.read_tls(&mut read).unwrap();
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut read = wire.as_slice();
        while !read.is_empty() {
            client.read_tls(&mut read).unwrap();
            client.process_new_packets()?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    let kind = client.handshake_kind().unwrap();
    Ok(Joined { server, client, kind })
}
