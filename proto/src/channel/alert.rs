//! Messages of the channel `alerts`.

use serde::{Deserialize, Serialize};

use super::text::{Instant, Label, Line, List, Object};

/// An alert. The same id again is the same alert, changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// Which.
    pub id: Label,
    /// What it is, in one line.
    pub title: Line,
    /// How bad, such as `low`, `medium`, `high`, `critical`.
    pub severity: Label,
    /// How far it is looked into, such as `new`, `acknowledged`, `closed`.
    pub status: Label,
    /// Who raised it.
    pub source: Label,
    /// Indicators of compromise.
    pub iocs: List<Indicator>,
    /// Techniques by their MITRE ATT&CK ids, such as `T1110`.
    pub mitre_techniques: List<Label>,
    /// When.
    pub timestamp: Instant,
}

/// An indicator of compromise: a text, or an object that says of which kind it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Indicator {
    /// Such as an address or a hash.
    Text(Line),
    /// Such as `{"type":"ip","value":"192.0.2.1"}`.
    Object(Object),
}
