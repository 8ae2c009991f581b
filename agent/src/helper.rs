//! What needs root, done by a small process that is root and knows only verbs.
//!
//! The agent that talks to the network has a user of its own and no privileges. Beside it a helper
//! listens on a local socket: it checks who asks, by the uid that the kernel vouches for, and
//! whether a file that only root can write allows the verb. Then it has the work done elsewhere:
//!
//! ```text
//!   agent ──ask──> helper (broker) ──> transient unit: worker ──> scanner, package manager, tool
//!         <────────── output, progress, outcome ──────────────────────┘
//! ```
//!
//! The helper itself parses nothing but the ask; it takes no path and no argument list from anybody.
//! The worker is this program once more, with limits and a sandbox that fit the verb; it reads the
//! policy for itself. Whoever asks may hang up its side to call the work off; an asker that died has
//! hung up too, and so has a helper that died, for its worker.
//!
//! | module | does |
//! | --- | --- |
//! | [`word`] | verbs and answers |
//! | [`frame`] | how they travel |
//! | [`policy`] | root's file |
//! | [`server`] | who may ask, and how many at once |
//! | [`broker`] | from a verb to a worker, and back |
//! | [`mod@unit`] | the transient unit of a verb |
//! | [`work`] | the worker |
//! | `shell` | a terminal of another user |
//! | [`client`], [`borrow`] | the agent's side |

pub mod borrow;
pub mod broker;
pub mod client;
pub mod frame;
pub mod policy;
pub mod server;
mod shell;
pub mod unit;
pub mod word;
pub mod work;

pub use word::{Answer, Name, NotAName, Verb};

/// Where the helper listens unless somebody says otherwise. The directory is root's: the daemon has one
/// of its own, which its user could change.
pub const SOCKET: &str = "/run/gangplank-agent/helper.sock";

/// Where its policy is unless somebody says otherwise.
pub const POLICY: &str = "/etc/gangplank/helper.toml";
