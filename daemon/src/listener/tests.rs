//! Listeners on real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod heads;
mod limits;
mod proxy;
mod rig;
mod stream;
mod tls;
