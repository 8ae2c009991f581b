//! Terminals against a real OpenSSH server, real shells and real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod backpressure;
mod detached;
mod direct;
mod frozen;
mod host_key;
mod hostile;
mod keeper;
mod key;
mod login;
mod pty;
mod server;
mod shell;
mod sshd;
mod viewer;
