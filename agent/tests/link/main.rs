//! The agent against a daemon that the test plays: real sockets, real terminals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod daemon;
mod enrolment;
mod lifetime;
mod network;
mod program;
mod terminals;
