//! Reading a password: asked for at a terminal without showing it, otherwise the first line of
//! standard input. Never an argument, where everybody on the machine could read it.

use std::io::{BufRead, IsTerminal, Read, Write};

use gangplank_proto::secret::Secret;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::Failure;
use crate::auth::LONGEST_PASSWORD;

/// Hides what is typed until it is dropped.
struct Hidden(Termios);

impl Hidden {
    fn new() -> Result<Self, Failure> {
        let before = tcgetattr(std::io::stdin()).map_err(Failure::new)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &quiet).map_err(Failure::new)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // The terminal is gone, or it is as it was; there is no third thing to do.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Reads a new password; at a terminal it is asked for twice.
pub(super) fn read_new() -> Result<Secret, Failure> {
    if !std::io::stdin().is_terminal() {
        return line();
    }
    let first = ask("Password: ")?;
    let second = ask("Once more: ")?;
    if first.expose() != second.expose() {
        return Err(Failure::new("the two passwords differ"));
    }
    Ok(first)
}

fn ask(prompt: &str) -> Result<Secret, Failure> {
    let hidden = Hidden::new()?;
    let mut err = std::io::stderr();
    write!(err, "{prompt}").and_then(|()| err.flush()).map_err(Failure::new)?;
    let password = line();
    drop(hidden);
    writeln!(err).map_err(Failure::new)?;
    password
}

fn line() -> Result<Secret, Failure> {
    let mut text = String::new();
    let bound = u64::try_from(LONGEST_PASSWORD).unwrap_or(u64::MAX).saturating_add(2);
    std::io::stdin().lock().take(bound).read_line(&mut text).map_err(Failure::new)?;
    let end = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(end);
    if text.is_empty() {
        return Err(Failure::new("no password was given on standard input"));
    }
    Ok(Secret::new(text))
}
