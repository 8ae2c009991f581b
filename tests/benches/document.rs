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

/// Writes the document and a plot for each figure.
pub(crate) fn write(figures: &[Figure], rounds: usize) -> Result<()> {
    let plots = source("docs/performance");
    fs::create_dir_all(&plots)?;
    let mut text = format!("{BEFORE}\n{}. {rounds} rounds.\n", report::machine());
    for figure in figures {
        fs::write(plots.join(format!("{}.svg", figure.id)), plot::bars(figure))?;
        text.push('\n');
        text.push_str(&report::markdown(figure));
    }
    Ok(fs::write(source("docs/performance.md"), text)?)
}
