//! The log, on standard error: one line an event, control characters escaped, whatever a peer made
//! part of it.

use std::io::{self, Write};

use tracing::Level;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::config::{Log, LogFormat};

/// Changes the level of a running log.
#[derive(Debug, Clone)]
pub struct LogHandle {
    level: reload::Handle<LevelFilter, Registry>,
}

impl LogHandle {
    /// Logs this much from now on.
    pub fn set_level(&self, level: Level) {
        if let Err(error) = self.level.modify(|filter| *filter = LevelFilter::from_level(level)) {
            tracing::error!(%error, "the log level could not be changed");
        }
    }
}

/// Starts the log of this process.
///
/// # Errors
/// When it was started before.
pub fn start(log: Log) -> Result<LogHandle, TryInitError> {
    let (filter, level) = reload::Layer::new(LevelFilter::from_level(log.level));
    let base = fmt::layer().with_ansi(false).with_writer(|| Lines(io::stderr()));
    let layer = match log.format {
        LogFormat::Text => base.boxed(),
        LogFormat::Json => base.json().flatten_event(true).boxed(),
    };
    // Libraries tell of what passes through them, passwords and keystrokes too: at any level of
    // ours, nothing of theirs is heard but warnings.
    let quiet = tracing_subscriber::filter::Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("gangplank", LevelFilter::TRACE);
    tracing_subscriber::registry().with(filter).with(layer.with_filter(quiet)).try_init()?;
    // SSH and WebSockets write several lines for each key: those are not even looked at.
    log::set_max_level(log::LevelFilter::Warn);
    Ok(LogHandle { level })
}

/// Writes events, each of which arrives whole: what could move a cursor or begin a false line is
/// escaped.
struct Lines<W>(W);

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let body = text.strip_suffix('\n').unwrap_or(&text);
        let mut line = String::with_capacity(body.len() + 1);
        for c in body.chars() {
            if c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
                line.extend(c.escape_default());
            } else {
                line.push(c);
            }
        }
        line.push('\n');
        self.0.write_all(line.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_harmless_line() {
        let mut lines = Lines(Vec::new());
        lines
            .write_all("host=\u{1b}[31mevil\nINFO all is well\u{9b}2J\u{202e}\n".as_bytes())
            .unwrap();
        let written = String::from_utf8(lines.0).unwrap();
        assert_eq!(written, "host=\\u{1b}[31mevil\\nINFO all is well\\u{9b}2J\\u{202e}\n");
    }
}
