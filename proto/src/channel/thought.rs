//! Messages of the channel `agent_thoughts`.

use serde::{Deserialize, Serialize};

use super::text::{Instant, Label, Line, Object};

/// A step of an automatic investigator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thought {
    /// Which investigator.
    pub agent: Label,
    /// What it did.
    pub action: Line,
    /// The case that it works on, if any.
    pub case_id: Option<Label>,
    /// Why, and with what.
    pub details: Object,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// When.
    pub timestamp: Instant,
}
