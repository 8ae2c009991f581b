//! The words that Gangplank's programs speak, and the rules that both ends of a conversation share:
//! identifiers, limits, close codes, messages, flow control. Nothing here does I/O, knows the time,
//! or starts a task; time and bytes come in as arguments.
//!
//! | module | holds |
//! | --- | --- |
//! | [`id`], [`secret`], [`fact`], [`server_url`] | values that can't be wrong |
//! | [`limit`], [`close`], [`error`] | numbers and names that both ends agree on |
//! | [`link`], [`frame`], [`stream`], [`window`] | daemon and keeper: words, bytes, flow control |
//! | [`job`], [`report`], [`scan`] | commands to hosts, what a host reports in full, and how it complies |
//! | [`docker`], [`integration`], [`settings`] | its containers, what else it can do, and what it is set to |
//! | [`telemetry`] | what a host measures, and rows of its own |
//! | [`release`] | what a release of the agent says of itself |
//! | [`terminal`], [`event`], [`channel`] | page and daemon |
//! | [`strict`] | JSON that can be read in one way only |
//! | [`patchmon`], [`utf8`] | PatchMon's vocabulary, and text out of bytes for it |

pub mod channel;
pub mod close;
pub mod docker;
pub mod error;
pub mod event;
pub mod fact;
pub mod frame;
pub mod id;
pub mod integration;
pub mod job;
pub mod limit;
pub mod link;
pub mod patchmon;
pub mod release;
pub mod report;
pub mod scan;
pub mod secret;
pub mod server_url;
pub mod settings;
pub mod stream;
pub mod strict;
pub mod telemetry;
pub mod terminal;
pub mod utf8;
pub mod window;
