//! TLS as the server speaks it.

use crate::provider;
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use std::sync::Arc;
use thiserror::Error;

/// The library refused the settings; a fault of ours.
#[derive(Debug, Error)]
#[error("TLS can't be set up: {0}")]
pub struct ServerConfigError(#[from] rustls::Error);

/// TLS 1.3 alone, HTTP/1.1 alone, one stateless ticket a handshake, no early data (it could be
/// replayed) and no session memory.
///
/// `certificate` is asked at every handshake, so it may change meanwhile; see
/// [`Reloadable`](crate::Reloadable). `tickets` are [`TicketKeys`](crate::TicketKeys).
///
/// # Errors
/// When the library refuses the settings.
pub fn server_config(
    certificate: Arc<dyn ResolvesServerCert>,
    tickets: Arc<dyn ProducesTickets>,
) -> Result<Arc<ServerConfig>, ServerConfigError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = tickets;
    config.send_tls13_tickets = 1;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}
