//! Logs: to standard error, in plain text, at a level that can change while the agent runs.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Environment, Level};

/// Changes the level of what is logged.
#[derive(Debug, Clone)]
pub struct LogLevel(reload::Handle<EnvFilter, tracing_subscriber::Registry>);

/// Starts logging for this process. A second call changes nothing but answers a handle of its own.
#[must_use]
pub fn start(level: Level, environment: &Environment) -> LogLevel {
    let (filter, handle) = reload::Layer::new(filter(level));
    // systemd stamps every line itself.
    let journal = environment.get("JOURNAL_STREAM").is_some();
    let colours = std::io::stderr().is_terminal() && environment.get("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .with_target(false);
    let registry = tracing_subscriber::registry().with(filter);
    let started = if journal {
        registry.with(lines.without_time()).try_init()
    } else {
        registry.with(lines).try_init()
    };
    if started.is_err() {
        tracing::debug!("logs are written already");
    }
    // What they would write for each key is not even looked at.
    log::set_max_level(log::LevelFilter::Warn);
    LogLevel(handle)
}

impl LogLevel {
    /// Sets the level from now on.
    pub fn set(&self, level: Level) {
        if let Err(error) = self.0.reload(filter(level)) {
            tracing::warn!(%error, "the log level can't be changed");
        }
    }
}

/// Libraries are kept at warnings: below, some of them write headers, and so keys.
fn filter(level: Level) -> EnvFilter {
    let level = level.as_str();
    let own = ["gangplank_agent", "gangplank_terminal", "gangplank_certs", "gangplank_proto"];
    let words: Vec<String> = own.iter().map(|name| format!("{name}={level}")).collect();
    EnvFilter::new(format!(
        "{},{}",
        if level == "error" { "error" } else { "warn" },
        words.join(",")
    ))
}
