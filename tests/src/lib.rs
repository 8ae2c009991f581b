//! The harness of the end-to-end tests: real programs on loopback addresses, driven as their
//! users drive them.
//!
//! [`daemon`], [`keeper`] and [`agent`] run the programs, [`sshd`] a real OpenSSH server, [`nginx`] a
//! real reverse proxy, [`mod@redis`] a real Redis, [`docker`] a real container engine and [`browser`] a real Chromium, with which [`console`] works as a person does;
//! [`mod@line`] is the way from it to the daemon, and [`tunnel`] the way from an agent, to be cut.
//! [`rig`] is a daemon under attack, and [`farm`] where nobody should call;
//! [`http`] and [`ws`] speak to the daemon with full control over every header; [`page`] behaves as
//! the console's terminal page does, and [`patchmon`] as the programs of another vocabulary do.
//!
//! Nothing outlives a test run: every program that [`process`] starts dies with the test process,
//! and [`scratch`] takes back files and accounts even when that process was killed. A test never
//! sleeps in order to wait: it polls a condition with a deadline ([`eventually`]).

pub mod account;
pub mod agent;
pub mod authenticator;
pub mod browser;
pub mod channel;
pub mod console;
pub mod daemon;
pub mod devtools;
pub mod disk;
pub mod docker;
pub mod eventually;
pub mod farm;
pub mod fleet;
pub mod helper;
pub mod http;
pub mod inbox;
pub mod internal;
pub mod job;
pub mod keeper;
pub mod line;
pub mod netns;
pub mod nginx;
pub mod page;
pub mod patchmon;
pub mod patchmon_server;
pub mod postgres;
pub mod process;
pub mod program;
pub mod provider;
pub mod receiver;
pub mod redis;
pub mod release;
pub mod returning;
pub mod rig;
pub mod routes;
pub mod scratch;
pub mod service_manager;
pub mod site;
pub mod sshd;
pub mod tunnel;
pub mod ws;
