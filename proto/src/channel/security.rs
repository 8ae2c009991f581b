//! Messages of the channel `security`.

use serde::{Deserialize, Serialize};

use super::text::Object;

/// Something that concerns security.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Security {
    /// What `data` is.
    #[serde(rename = "type")]
    pub kind: SecurityKind,
    /// All about it.
    pub data: Object,
}

/// Kinds of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecurityKind {
    /// Something happened.
    Alert,
    /// Somebody looks into it.
    Investigation,
    /// What a tool printed that was run for a case.
    ToolOutput,
}
