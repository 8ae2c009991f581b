//! Certificates: making, loading, reloading and pinning them, and the TLS settings of both ends.
//!
//! ```text
//!  Authority (own CA, one file) ── issues ──> Identity (chain + key) <── loads ── given files
//!                                                 │
//!                                    Reloadable (what is served now) + TicketKeys
//!                                                 │
//!                                          server_config          ClientTrust::config
//! ```
//!
//! An [`Authority`] is made at the first start and can vouch for nothing but the names that this
//! server has (critical name constraints), so that trusting it risks nothing else. Its leaf lives
//! in memory only and is issued again at two thirds of its life. A pair of files given by the
//! operator is used instead where there is one; a bad pair never replaces a good one.
//!
//! Every function that depends on the time takes it as an argument. This crate knows nothing of
//! HTTP, of stores and of async runtimes, and it never logs: errors go to the caller.

mod authority;
mod constraint;
mod error;
mod file;
mod fingerprint;
mod identity;
mod leaf;
mod names;
mod reload;
mod server;
mod ticket;
mod trust;

pub use authority::{Authority, CA_LIFE};
pub use error::{AuthorityError, LoadError, ReloadError, TicketError, TrustError};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use identity::Identity;
pub use leaf::{LEAF_LIFE, Leaf};
pub use names::{MAX_NAMES, Name, Names, NamesError};
pub use reload::{Changed, Reloadable};
pub use server::{ServerConfigError, server_config};
pub use ticket::{TICKET_KEY_LIFE, TicketKeys};
pub use trust::ClientTrust;

use rustls::crypto::CryptoProvider;
use std::sync::Arc;

/// The cryptography that both ends use: aws-lc-rs, named explicitly so that no other provider
/// that some dependency might install can take its place.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
