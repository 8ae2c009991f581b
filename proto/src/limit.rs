//! Sizes and times that both ends of a socket agree on, each with its unit. What an operator may
//! change is a configuration key of the daemon; these are the defaults and the hard ceilings.

use std::time::Duration;

/// Largest WebSocket message taken from anybody, in bytes: one frame, or all fragments together.
pub const MESSAGE: usize = 1 << 20;

/// Largest piece of channel data in one binary message, in bytes, so that interactive data never
/// waits behind a long one.
pub const PIECE: usize = 16 << 10;

/// Terminal output taken at once, in bytes: a piece that fits into one TLS record with the headers
/// before it (RFC 8446 §5.1: 16 KiB).
pub const OUTPUT: usize = PIECE - 32;

/// Unacknowledged terminal output at most, in bytes; also the first window of a channel.
pub const TERMINAL_WINDOW: u32 = 256 << 10;

/// Replay ring of one terminal, in bytes.
pub const REPLAY_RING: usize = 1 << 20;

/// Largest offset in a terminal's output that is believed: beyond it JSON numbers are not exact
/// (RFC 8259 §6), and no terminal says so much.
pub const OFFSET: u64 = 1 << 53;

/// Life of a detached terminal.
pub const DETACHED_LIFE: Duration = Duration::from_secs(5 * 60);

/// Longest life of a detached terminal that anybody may set.
pub const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// A lost viewer's unacknowledged output stops the terminal for so long, rather than being
/// overwritten.
pub const LOSSLESS_HOLD: Duration = Duration::from_secs(60);

/// Input that a terminal took is told to its viewer after so long at the latest.
pub const INPUT_REPORT: Duration = Duration::from_millis(500);

/// A WebSocket ping goes out this often; two missed answers mean a dead peer.
pub const HEARTBEAT: Duration = Duration::from_secs(30);

/// From accept to an established socket or a complete request.
pub const ESTABLISH: Duration = Duration::from_secs(10);

/// First message due on a terminal socket after the upgrade.
pub const FIRST_MESSAGE: Duration = Duration::from_secs(10);

/// A message to a PatchMon agent must stay below this many bytes after JSON escaping; a larger one
/// makes that agent close its whole socket.
pub const PATCHMON_AGENT_MESSAGE: usize = 65_536;

/// Life of a ticket.
pub const TICKET_LIFE: Duration = Duration::from_secs(30);

/// Unused tickets that one login may hold; the oldest goes.
pub const TICKETS_PER_LOGIN: u32 = 32;

/// Terminal columns and rows are clamped to 1..=this.
pub const TERMINAL_CELLS: u16 = 4096;

/// Longest word in a byte stream between a daemon and its keeper, in bytes: the hello of a keeper
/// with 100 000 terminals.
pub const STREAM_WORD: usize = 16 << 20;

/// Channels that may be open in one agent link.
pub const CHANNELS_PER_LINK: usize = 256;

/// Largest word about a job in an agent's link, in bytes of JSON, so that a key never waits behind a
/// long one.
pub const JOB_WORD: usize = PIECE;

/// Parameters of a command, in bytes of JSON.
pub const JOB_PARAMS: usize = 8 << 10;

/// Result of a command, in bytes of JSON. What is longer is output.
pub const JOB_RESULT: usize = 4 << 10;

/// Output of a command in one word, in bytes before base64.
pub const JOB_OUTPUT_PIECE: usize = 8 << 10;

/// Output of all commands of an agent that the daemon has not acknowledged, in bytes.
pub const JOB_OUTPUT_WINDOW: usize = 64 << 10;

/// Output that is kept of one job, in bytes: half of it the first, half of it the newest.
pub const JOB_OUTPUT_KEPT: usize = 1 << 20;

/// Report of a compliance scan, in bytes of JSON: a job's output of this length waits whole on a host
/// that nobody listens to.
pub const SCAN_REPORT: usize = 192 << 10;

/// Jobs that an agent has in its journal at once.
pub const JOBS_HELD: usize = 64;

/// Manifest of a release, in bytes.
pub const RELEASE_MANIFEST: usize = 4 << 10;

/// Program of a release, in bytes.
pub const RELEASE: u64 = 256 << 20;
