//! `docs/performance.md` and its plots, made from what was just measured.

use std::fs;

use anyhow::Result;
use gangplank_tests::program::source;

use crate::{plot, report, table::Figure};

const BEFORE: &str = "# Performance

Written by `cargo xtask bench --install-peers --write-docs`; run it to see the figures of your own
machine.

Everything below was measured in one run, in turns, so that a machine's mood meets all of them alike.
What counts are ratios: to the OpenSSH client on the same sshd with the same cipher
(aes256-gcm@openssh.com), and to a *bare relay*, a hundred lines that pump the same SSH library into
the same WebSocket library over TLS 1.3 and do nothing else (`tests/benches/bare_relay.rs`). Numbers
are medians of the rounds, with the lowest and the highest in brackets. A ratio is taken within each
round. *Client CPU* is the load generator's own share of one core: near 100 % it would be the limit.

- Echo: keys typed at a steady pace into `stty raw -echo; exec cat`, from the write until the byte is
  back.
- Bulk: `head -c N file` in the terminal, read as fast as it comes.
- Relay CPU: what the relay's own processes used; with the agent, daemon and agent together.
- Direct terminals and peers go through sshd; a PTY of the agent doesn't. What can come out of a PTY
  at all shows the *bare PTY*: a loop that reads one and does nothing else.
";

const BEFORE_JOBS: &str = "# Performance: commands to a whole fleet

Written by `cargo xtask bench jobs --write-docs`; run it to see the figures of your own machine.

The agents are connections of one process, which take every command, say so, and do nothing; daemon and
agents share the machine. An order is a batch without rings: each of its jobs is on disk before the
order is accepted, and each word of an agent before it is answered. Numbers are medians of the rounds,
with the lowest and the highest in brackets.
";

const BEFORE_CHANNELS: &str = "# Performance: channels of dashboards

Written by `cargo xtask bench channels --write-docs`; run it to see the figures of your own machine.

Subscribers are WebSockets over TLS of one process, which decrypts and counts what it is told; it shares
the machine with the daemon and with whoever publishes. Gangplank's events are on disk before they are
confirmed and before anybody is told. The hub beside it is what teams write themselves, of Node's HTTPS server
and the package ws: it keeps nothing, numbers nothing and asks nobody who they are. The time runs from the publication's request to the last subscriber's receipt;
a stream comes in lists, a hundred of them a second. Numbers are medians of the rounds, with the lowest
and the highest in brackets.
";

/// Writes the document of the terminals, and a plot for each figure.
pub(crate) fn write(figures: &[Figure], rounds: usize) -> Result<()> {
    document("docs/performance.md", BEFORE, figures, rounds)
}

/// Writes the document of commands, and a plot for each figure.
pub(crate) fn write_jobs(figures: &[Figure], rounds: usize) -> Result<()> {
    document("docs/performance-jobs.md", BEFORE_JOBS, figures, rounds)
}

/// Writes the document of channels, and a plot for each figure.
pub(crate) fn write_channels(figures: &[Figure], rounds: usize) -> Result<()> {
    document("docs/performance-channels.md", BEFORE_CHANNELS, figures, rounds)
}

fn document(path: &str, before: &str, figures: &[Figure], rounds: usize) -> Result<()> {
    let plots = source("docs/performance");
    fs::create_dir_all(&plots)?;
    let mut text = format!("{before}\n{}. {rounds} rounds.\n", report::machine());
    for figure in figures {
        fs::write(plots.join(format!("{}.svg", figure.id)), plot::bars(figure))?;
        text.push('\n');
        text.push_str(&report::markdown(figure));
    }
    Ok(fs::write(source(path), text)?)
}
