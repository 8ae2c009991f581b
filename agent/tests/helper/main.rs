//! The helper as the agent meets it: real processes and real sockets, first without a service manager,
//! where the worker alone bounds its work, then with one. Needs root, as the helper does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod asker;
mod death;
mod manager;
mod policy;
mod refusal;
mod shell;
mod units;
mod verb;
