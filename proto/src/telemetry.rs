//! Rows that a host sends in batches: what it measures, and what happens on it. As with every fact,
//! they are claims of a possibly hostile host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fact::FactText;

/// Largest row, in bytes of JSON.
pub const ROW: usize = 16 << 10;

/// Rows in one batch at most.
pub const ROWS: usize = 5000;

/// Values of its own that a host may name in one row.
pub const VALUES: usize = 64;

/// One measurement, the row of kind `metrics`. What is absent was not measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metrics {
    /// When, in RFC 3339; without it the moment at which the row arrives counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Processor time in use, in percent of all processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Memory in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Space>,
    /// File systems.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disk: Vec<Space>,
    /// Traffic since the measurement before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Traffic>,
    /// Rows that were thrown away since the measurement before, for want of room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<u64>,
    /// Values of the host's own, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, f64>,
}

/// How much of something is in use, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// In use.
    pub used: u64,
    /// In all.
    pub total: u64,
}

impl Space {
    /// In percent; none of nothing.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a percentage needs no 53 bits")]
    pub fn percent(self) -> Option<f64> {
        (self.total > 0).then(|| (self.used as f64 / self.total as f64 * 100.0).min(100.0))
    }
}

/// Bytes a second, over all interfaces that lead out of the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Received.
    pub received: f64,
    /// Sent.
    pub sent: f64,
}

/// Something that happened, the row of kind `event`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Happening {
    /// When, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What, in a line.
    pub title: FactText,
    /// How grave it is, in the sender's own words.
    #[serde(default, skip_serializing_if = "FactText::is_empty")]
    pub severity: FactText,
    /// Whatever else is known.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

/// A line of a log, the row of kind `log`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The line.
    pub message: String,
    /// How grave it is.
    #[serde(default, skip_serializing_if = "FactText::is_empty")]
    pub level: FactText,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "FactText::is_empty")]
    pub source: FactText,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage_whatever_the_host_says() {
        assert_eq!(Space { used: 1, total: 4 }.percent(), Some(25.0));
        assert_eq!(Space { used: 9, total: 3 }.percent(), Some(100.0));
        assert_eq!(Space { used: 9, total: 0 }.percent(), None);
    }

    #[test]
    fn what_was_not_measured_is_not_sent() {
        assert_eq!(serde_json::to_string(&Metrics::default()).unwrap(), "{}");
        let read: Metrics = serde_json::from_str(r#"{"kind":"metrics","cpu":1.5}"#).unwrap();
        assert_eq!(read, Metrics { cpu: Some(1.5), ..Metrics::default() });
    }
}
