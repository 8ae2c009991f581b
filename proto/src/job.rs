//! Commands to hosts: their names, the states that one goes through, and the words about it between
//! daemon and agent.
//!
//! A job is delivered at least once and takes effect at most once: the agent writes down that it
//! received, started and finished an attempt before it says so, and knows it again when it comes a
//! second time.

mod state;
mod word;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use state::{JobEvent, JobState, Outcome, UnknownState};
pub use word::{Asked, Done, FromJob, Output, Progress, Run, Said, ToJob};

/// What a host can be told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Command {
    /// Put a newer, signed program in place of the agent's.
    UpdateAgent,
    /// Run a compliance scanner.
    ComplianceScan,
    /// Report the host in full.
    ReportNow,
    /// Report containers and images.
    DockerInventory,
    /// Look which integrations the host has.
    RefreshIntegrationStatus,
    /// Read the settings again.
    SettingsUpdate,
    /// Run a tool that the host's own file lists.
    RunTool,
    /// Update packages.
    UpdatePackages,
}

/// The text names no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such command")]
pub struct UnknownCommand;

impl Command {
    /// Every command.
    pub const ALL: [Self; 8] = [
        Self::UpdateAgent,
        Self::ComplianceScan,
        Self::ReportNow,
        Self::DockerInventory,
        Self::RefreshIntegrationStatus,
        Self::SettingsUpdate,
        Self::RunTool,
        Self::UpdatePackages,
    ];

    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UpdateAgent => "update_agent",
            Self::ComplianceScan => "compliance_scan",
            Self::ReportNow => "report_now",
            Self::DockerInventory => "docker_inventory",
            Self::RefreshIntegrationStatus => "refresh_integration_status",
            Self::SettingsUpdate => "settings_update",
            Self::RunTool => "run_tool",
            Self::UpdatePackages => "update_packages",
        }
    }

    /// Whether running it twice comes to the same as running it once, so that it may run again when
    /// nobody knows how far it got.
    #[must_use]
    pub fn is_idempotent(self) -> bool {
        match self {
            Self::ReportNow
            | Self::DockerInventory
            | Self::RefreshIntegrationStatus
            | Self::SettingsUpdate => true,
            Self::UpdateAgent | Self::ComplianceScan | Self::RunTool | Self::UpdatePackages => {
                false
            }
        }
    }

    /// Whether a host feels it: such commands run one after the other.
    #[must_use]
    pub fn is_heavy(self) -> bool {
        !self.is_idempotent()
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Command {
    type Err = UnknownCommand;

    fn from_str(name: &str) -> Result<Self, UnknownCommand> {
        Self::ALL.into_iter().find(|known| known.as_str() == name).ok_or(UnknownCommand)
    }
}

impl TryFrom<String> for Command {
    type Error = UnknownCommand;

    fn try_from(name: String) -> Result<Self, UnknownCommand> {
        name.parse()
    }
}

impl From<Command> for String {
    fn from(command: Command) -> Self {
        command.as_str().to_owned()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for command in Command::ALL {
            assert_eq!(command.as_str().parse::<Command>().unwrap(), command);
        }
        for wrong in ["", "run-tool", "RUN_TOOL", "rm"] {
            assert_eq!(wrong.parse::<Command>(), Err(UnknownCommand));
        }
    }
}
