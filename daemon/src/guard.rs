//! Limits that protect the daemon from its peers.

mod door;
mod recent;
mod source;

pub use door::{Anonymous, Guard, Sum, UserSocket};
pub(crate) use recent::Recent;
pub use source::Source;
