//! What a host's agent is set to by the people who run it. Nothing here widens what the host's own
//! file allows.

use serde::{Deserialize, Serialize};

/// Longest time between two reports, in minutes: a month.
const LONGEST: u32 = 31 * 24 * 60;

/// The settings of one host's agent. What is absent is as it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Minutes between two reports in full; 0 for none but those that are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_interval: Option<u32>,
    /// Whether changes of containers are told as they happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_events: Option<bool>,
}

/// A setting that can't be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("update_interval takes 0 to {LONGEST} minutes")]
pub struct SettingsError;

impl Settings {
    /// Checks the bounds.
    ///
    /// # Errors
    /// When a number is out of its bounds.
    pub fn checked(self) -> Result<Self, SettingsError> {
        if self.update_interval.is_some_and(|minutes| minutes > LONGEST) {
            return Err(SettingsError);
        }
        Ok(self)
    }

    /// These settings, and for what they don't say those of `before`.
    #[must_use]
    pub fn over(self, before: Self) -> Self {
        Self {
            update_interval: self.update_interval.or(before.update_interval),
            docker_events: self.docker_events.or(before.docker_events),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_and_laid_over_each_other() {
        let before = Settings { update_interval: Some(60), docker_events: Some(true) };
        let said: Settings = serde_json::from_str(r#"{"update_interval":5}"#).unwrap();
        let both = said.checked().unwrap().over(before);
        assert_eq!(both, Settings { update_interval: Some(5), docker_events: Some(true) });
        let long = Settings { update_interval: Some(LONGEST + 1), ..Settings::default() };
        assert_eq!(long.checked(), Err(SettingsError));
    }
}
