//! Events of a topic: numbered, resumable by cursor.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One event as subscribers see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The topic, such as `hosts`.
    pub topic: String,
    /// Number within tenant and topic, from 1, without holes.
    pub seq: u64,
    /// Unique id.
    pub id: String,
    /// RFC 3339 time in UTC.
    pub at: String,
    /// The payload.
    pub data: serde_json::Value,
}

/// Tells a subscriber that events between its cursor and what follows are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The topic.
    pub topic: String,
    /// What is lost.
    pub gap: GapRange,
}

/// Tells a subscriber who asks for it where it begins, before anything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions {
    /// The number after which each topic is told.
    pub positions: BTreeMap<String, u64>,
}

/// The numbers that are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapRange {
    /// First lost number.
    pub from: u64,
    /// Last lost number.
    pub to: u64,
}
