//! How far alerts are looked into.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What people made of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// Nobody has said anything.
    New,
    /// Somebody looks into it.
    Acknowledged,
    /// It is dealt with.
    Closed,
}

impl AlertState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::New, Self::Acknowledged, Self::Closed];

    /// Its name, which is also the `status` of the alert.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Acknowledged => "acknowledged",
            Self::Closed => "closed",
        }
    }

    /// What going there is called in the audit.
    #[must_use]
    pub fn action(self) -> &'static str {
        match self {
            Self::New => "alert.reopen",
            Self::Acknowledged => "alert.acknowledge",
            Self::Closed => "alert.close",
        }
    }

    /// The state after whoever publishes has said `status` of an alert that was in `before`. Saying
    /// again that it is new takes back no acknowledgement, but opens again what was closed.
    #[must_use]
    pub fn after(before: Option<Self>, status: &str) -> Self {
        match (status.parse(), before) {
            (Ok(said @ (Self::Acknowledged | Self::Closed)), _) => said,
            (_, Some(Self::Acknowledged)) => Self::Acknowledged,
            _ => Self::New,
        }
    }
}

impl fmt::Display for AlertState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such state of an alert")]
pub struct UnknownAlertState;

impl FromStr for AlertState {
    type Err = UnknownAlertState;

    fn from_str(name: &str) -> Result<Self, UnknownAlertState> {
        Self::ALL.into_iter().find(|state| state.as_str() == name).ok_or(UnknownAlertState)
    }
}

#[cfg(test)]
mod tests {
    use super::AlertState::{Acknowledged, Closed, New};
    use super::*;

    #[test]
    fn only_what_was_closed_is_opened_by_being_raised_again() {
        for (before, status, after) in [
            (None, "new", New),
            (None, "whatever", New),
            (None, "closed", Closed),
            (Some(New), "new", New),
            (Some(Acknowledged), "new", Acknowledged),
            (Some(Acknowledged), "whatever", Acknowledged),
            (Some(Acknowledged), "closed", Closed),
            (Some(Closed), "new", New),
            (Some(Closed), "acknowledged", Acknowledged),
        ] {
            assert_eq!(AlertState::after(before, status), after, "{before:?}, then {status}");
        }
    }
}
