//! `gangplankd`: the daemon.
//!
//! A request comes in by a [`listener`], passes the one gate of [`http`], and ends in a handler or a
//! [`socket`]: an agent's [`link`], a [`session`]'s terminal, or a subscriber of [`event`]s. Terminals
//! that the daemon dials itself live in a [`keeper`].
//! [`patchmon`] has what PatchMon's agents need beside their link.
//! [`app::App`] is what they share. What must survive a restart is in the [`store`].

pub mod admin;
pub mod alert;
pub mod app;
pub mod approval;
pub mod audit;
pub mod auth;
pub mod authority;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod egress;
pub mod event;
pub mod fleet;
pub mod guard;
pub mod http;
pub mod identity;
pub mod import;
pub mod inbox;
pub mod ingest;
pub mod inspect;
pub mod job;
pub mod keeper;
pub mod link;
pub mod listener;
pub mod logging;
pub mod message;
pub mod notify;
pub mod oidc;
pub mod patchmon;
pub mod random;
pub mod redis;
pub mod registry;
pub mod retention;
pub mod schedule;
pub mod session;
pub mod socket;
pub mod store;
pub mod ticket;
pub mod webhook;
