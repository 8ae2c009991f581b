//! The helper as the agent meets it: real processes, real sockets, and no service manager, so that
//! work is bounded by the worker alone. Needs root, as the helper does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod asker;
mod death;
mod policy;
mod refusal;
mod verb;
