//! Messages of the channel `approvals`.

use serde::{Deserialize, Serialize};

use super::text::{Instant, Label, Line, Object};

/// Something that waits for consent, or what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Which.
    pub id: Label,
    /// What shall be done.
    pub action: Line,
    /// The case that it is for, if any.
    pub case_id: Option<Label>,
    /// How dangerous, such as `low`, `medium`, `high`.
    pub risk_level: Label,
    /// Such as `pending`, `approved`, `denied`, `expired`.
    pub status: Label,
    /// Who asks.
    pub requested_by: Line,
    /// What one has to know to decide.
    pub context: Object,
    /// Since when.
    pub requested_at: Instant,
    /// Until when, if it doesn't wait for ever.
    pub expires_at: Option<Instant>,
}
