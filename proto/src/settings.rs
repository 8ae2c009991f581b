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
    /// What a PatchMon agent looks into. Of an agent of our own its host's file decides that.
    #[serde(default, skip_serializing_if = "Toggles::is_empty")]
    pub integrations: Toggles,
}

/// Switches of a PatchMon agent, which takes them from its server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Toggles {
    /// Whether containers are reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker: Option<bool>,
    /// When the host is scanned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compliance: Option<ComplianceMode>,
    /// Whether OpenSCAP looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openscap: Option<bool>,
    /// Whether Docker Bench looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_bench: Option<bool>,
}

/// When a host is scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComplianceMode {
    /// Never.
    Disabled,
    /// When it is ordered.
    OnDemand,
    /// By the agent's own schedule, too.
    Enabled,
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
            integrations: self.integrations.over(before.integrations),
        }
    }
}

impl Toggles {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn over(self, before: Self) -> Self {
        Self {
            docker: self.docker.or(before.docker),
            compliance: self.compliance.or(before.compliance),
            openscap: self.openscap.or(before.openscap),
            docker_bench: self.docker_bench.or(before.docker_bench),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_and_laid_over_each_other() {
        let before =
            r#"{"update_interval":60,"docker_events":true,"integrations":{"docker":true}}"#;
        let before: Settings = serde_json::from_str(before).unwrap();
        let said = r#"{"update_interval":5,"integrations":{"compliance":"on-demand"}}"#;
        let said: Settings = serde_json::from_str(said).unwrap();
        let both = said.checked().unwrap().over(before);
        assert_eq!((both.update_interval, both.docker_events), (Some(5), Some(true)));
        let compliance = Some(ComplianceMode::OnDemand);
        let toggles = Toggles { docker: Some(true), compliance, ..Toggles::default() };
        assert_eq!(both.integrations, toggles);
        assert_eq!(serde_json::to_string(&Settings::default()).unwrap(), "{}");
        let long = Settings { update_interval: Some(LONGEST + 1), ..Settings::default() };
        assert_eq!(long.checked(), Err(SettingsError));
    }
}
