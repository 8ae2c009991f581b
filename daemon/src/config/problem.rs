//! What is wrong with a configuration: where, why, and one way out.

use std::fmt;

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Full path of the key, or the file.
    pub key: String,
    /// Where the value comes from, such as `line 3 of gangplankd.toml`.
    #[serde(rename = "where")]
    pub place: String,
    /// What is wrong.
    pub reason: String,
    /// One fix.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}\n  fix: {}", self.key, self.place, self.reason, self.fix)
    }
}

/// A configuration that can't be used: every problem of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub Vec<Problem>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
