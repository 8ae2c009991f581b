//! Updates in this process, against servers that the test plays and files that it exchanges.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod check;
mod fetch;
mod release;
mod server;
mod swap;
