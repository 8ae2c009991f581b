//! Terminals, apart from whoever shows them and whatever carries them.
//!
//! A [`keeper::Keeper`] is the table of the terminals of one process. A [`channel::Channel`] joins a
//! viewer to a terminal: words and bytes each way, windows in bytes. Behind it stands a shell by
//! SSH, a shell on this host, or a plain TCP stream.

mod backend;
pub mod channel;
pub mod dial;
mod echo;
pub mod frozen;
pub mod gathering;
mod ignored;
mod input;
pub mod input_log;
pub mod keeper;
pub mod lent;
pub mod link;
pub mod playback;
mod progress;
mod pty;
mod question;
pub mod queue;
pub mod read_ahead;
pub mod ring;
mod shell;
mod side;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod simulation;
pub mod ssh;
mod stop;
pub mod stream;
mod tcp;
mod terminal;
mod turns;
mod viewer;
