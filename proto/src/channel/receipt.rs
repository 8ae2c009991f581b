//! Messages of the channel `receipts`.

use serde::{Deserialize, Serialize};

use super::text::{Instant, Label, Object};

/// What was done for a case, committed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// What kind of message it is.
    pub event: ReceiptEvent,
    /// When.
    pub timestamp: Instant,
    /// For which case.
    pub case_id: Label,
    /// The attack that the case is about, if it is about one.
    pub network_attack_id: Option<Label>,
    /// What was done.
    pub receipt: Object,
    /// What is known of the case.
    pub case: Object,
    /// What is known of the attack.
    pub network_attack: Object,
}

/// The one kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptEvent {
    /// There is a new receipt, or a receipt says something else now.
    InvestigationReceiptUpdated,
}
