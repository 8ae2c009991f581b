//! How the agent's program is replaced by a newer one, and never by one that nobody signed.
//!
//! ```text
//!  daemon or URL ──> fetch ──> incoming ──> check (signature, rules, hash) ──> version ──> probe
//!                                                                                           │
//!    base ──> launch ──> exec of the version on trial <── restart <── state: trying <───────┘
//!              ▲              │ connects: state: confirmed
//!              └──────────────┘ doesn't within two minutes, breaks, or crashes: rolled back
//! ```
//!
//! The program that was installed, the *base*, is never touched. `gangplank-agent run` begins as the
//! base, looks into the state beside its configuration, and runs the version that is named there in
//! its own place, keeping its process id. Whatever is wrong with a version, the base can go back: it is
//! started again by the service manager, or, where there is none, stays as the parent of a version on
//! trial.
//!
//! Terminals outlive all of this: the program that ends leaves them to whatever comes, and whoever is
//! connected takes them ([`handover`]).
//!
//! What is run was signed by a key that the host's own file names, and that is checked on the opened
//! file that is executed, at each start ([`version`]). What the daemon sends is not believed before.

pub mod check;
mod download;
pub mod fetch;
pub mod handover;
pub mod incoming;
pub mod key;
pub mod launch;
pub mod place;
pub mod source;
pub mod state;
mod supervise;
pub mod trial;
pub mod version;
mod work;

use std::str::FromStr as _;

use gangplank_proto::release::{Target, Version};

pub use check::{Refusal, Release, Wanted};
pub use key::{KeyError, Keys};
pub use place::Place;
pub use work::{End, Order, Updates, look};

use crate::facts::VERSION;

/// The release that this program was built as.
#[must_use]
pub fn built_as() -> Version {
    // One that isn't three numbers is older than any release.
    VERSION.parse().unwrap_or_default()
}

/// The system that this program was built for, if there are releases for it.
#[must_use]
pub fn target() -> Option<Target> {
    Target::from_str(env!("GANGPLANK_TARGET")).ok()
}
