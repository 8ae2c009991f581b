//! `gangplank-agent`: a host's own side of the relay. It dials out to the daemon, keeps one link
//! to it, and opens what the host's own policy allows: a shell here, or SSH from here.
//!
//! | module | does |
//! | --- | --- |
//! | [`cli`] | what people type |
//! | [`config`], [`policy`] | the host's file: where to connect, and what may be done |
//! | [`dial`], [`link`], [`agent`] | from an address to terminals |
//! | [`job`], [`command`] | what the daemon has done here, once |
//! | [`enroll`], [`facts`], [`report`] | how a host introduces itself |
//! | [`helper`] | what needs root, by verbs over a local socket |
//! | [`packages`] | updates by the host's package manager |
//! | [`scan`] | compliance scanners, and what they find |
//! | [`telemetry`] | what the host measures of itself |
//! | [`update`] | how the program is replaced by a newer one that somebody signed |
//! | [`mod@log`] | what is written down |

pub mod agent;
pub mod cli;
pub mod command;
pub mod config;
pub mod dial;
pub mod docker;
pub mod enroll;
pub mod facts;
pub mod helper;
pub mod job;
pub mod link;
pub mod log;
pub mod packages;
pub mod patchmon;
pub mod policy;
mod process;
pub mod report;
pub mod scan;
pub mod telemetry;
pub mod update;
