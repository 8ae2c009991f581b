//! What is said on standard output, and how a command fails.

use std::fmt::Display;
use std::io::Write;

use serde::Serialize;

use crate::config::ConfigError;

/// How a command failed: what is said on standard error, and the exit code.
#[derive(Debug)]
pub struct Failure {
    /// For people; empty when everything was said already.
    pub message: String,
    /// 1 failed, 2 wrong usage, 78 bad configuration.
    pub code: u8,
}

impl Failure {
    /// It did not work.
    pub(super) fn new(message: impl Display) -> Self {
        Self { message: message.to_string(), code: 1 }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let problems = if error.0.len() == 1 { "a problem" } else { "problems" };
        Self { message: format!("the configuration has {problems}:\n{error}"), code: 78 }
    }
}

/// Says a text on standard output.
pub(super) fn say(text: impl Display) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).or_else(|error| match error.kind() {
        // Whoever read it has read enough.
        std::io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Failure::new(format!("standard output: {error}"))),
    })
}

/// Says a value as one line of JSON.
pub(super) fn say_json(value: &impl Serialize) -> Result<(), Failure> {
    say(serde_json::to_string(value).map_err(Failure::new)?)
}

/// Columns under their headings, as wide as they need to be.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        let heading = headings.get(column).map_or(0, |heading| heading.chars().count());
        cells.max().unwrap_or(0).max(heading)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut headings.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["longer".to_owned(), String::new()]];
        assert_eq!(table(&["NAME", "N"], &rows), "NAME    N\na       1\nlonger");
    }
}
