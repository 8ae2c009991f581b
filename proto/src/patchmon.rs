//! PatchMon's vocabulary on the agent socket: JSON text messages told apart by `type`. Only the
//! words that Gangplank acts on are listed; an agent ignores what it doesn't know, and so do we.
//! What agents post beside the socket is in the modules below.

mod command;
mod hash;
mod integration;
mod ping;
mod report;
mod scan;
mod update;

use serde::{Deserialize, Serialize};

pub use command::{Generation, NotOffered, messages};
pub use integration::{
    DaemonInfo, DockerContainer, DockerImage, DockerImageUpdate, DockerNetwork, DockerUpload,
    DockerVolume, IntegrationStatus, Profile, ScannerInfo,
};
pub use ping::{Metrics, Ping};
pub use scan::{
    BadScans, PostedResult, PostedScan, PostedStatus, ProfileType, ScanStatus, ScanUpload,
    ScannerVersions,
};
pub use update::{
    Address, BadUpdate, Disk, Hashes, Interface, Package, Repository, Section, Update,
};

use crate::docker::DockerStatus;
use crate::fact::FactText;
use crate::secret::Secret;
use crate::settings::ComplianceMode;

/// A message to a PatchMon agent. It must stay below
/// [`crate::limit::PATCHMON_AGENT_MESSAGE`] bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToPatchmon {
    /// Greeting of the 1.4 server; newer agents ignore it.
    Connected,
    /// Open SSH from the agent.
    SshProxy {
        /// 32 hex digits, made by the server.
        session_id: String,
        /// Target as the agent sees it.
        host: String,
        /// Its port.
        port: u16,
        /// Login name.
        username: String,
        /// `TERM`.
        terminal: String,
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
        /// Password.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<Secret>,
        /// Private key in PEM form.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        private_key: Option<Secret>,
        /// Its passphrase.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        passphrase: Option<Secret>,
    },
    /// Keys.
    SshProxyInput {
        /// Which session.
        session_id: String,
        /// The keys.
        data: String,
    },
    /// The window's size changed.
    SshProxyResize {
        /// Which session.
        session_id: String,
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
    /// End the session.
    SshProxyDisconnect {
        /// Which session.
        session_id: String,
    },
    /// Report in full.
    ReportNow,
    /// Report containers and images.
    DockerInventoryRefresh,
    /// Tell which integrations there are.
    RefreshIntegrationStatus,
    /// Fetch a newer program.
    UpdateAgent,
    /// Report in another rhythm.
    SettingsUpdate {
        /// Minutes between two reports.
        update_interval: u32,
    },
    /// Switch an integration; agents before 2.0.
    IntegrationToggle {
        /// `docker` or `compliance`.
        integration: String,
        /// On, or off.
        enabled: bool,
    },
    /// Say when to scan; agents before 2.0.
    SetComplianceMode {
        /// When.
        mode: ComplianceMode,
    },
    /// Switch integrations; agents from 2.0 on.
    ApplyConfig {
        /// Which, and how.
        config: AgentConfig,
    },
    /// Scan.
    ComplianceScan {
        /// `all`, `openscap` or `docker-bench`.
        profile_type: String,
        /// The profile; the agent's own choice when absent.
        profile_id: Option<String>,
        /// Never asked for: a scan changes nothing.
        #[serde(default)]
        enable_remediation: bool,
        /// Never asked for: a scan fetches nothing.
        #[serde(default)]
        fetch_remote_resources: bool,
        /// Whether OpenSCAP looks; as the host is set when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        openscap_enabled: Option<bool>,
        /// Whether Docker Bench looks; as the host is set when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        docker_bench_enabled: Option<bool>,
    },
    /// Stop the scan that runs.
    ComplianceScanCancel,
}

/// What of a 2.x agent's own configuration is to be changed; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentConfig {
    /// Whether containers are reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker: Option<bool>,
    /// How the host is scanned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compliance: Option<ComplianceConfig>,
}

/// How a 2.x agent scans its host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComplianceConfig {
    /// `true`, `false` or `"on-demand"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<Switch>,
    /// Whether OpenSCAP looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openscap_enabled: Option<bool>,
    /// Whether Docker Bench looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_bench_enabled: Option<bool>,
}

/// A switch that can also stand on a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Switch {
    /// On, or off.
    Plain(bool),
    /// A mode by its name.
    Mode(ComplianceMode),
}

/// A message from a PatchMon agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromPatchmon {
    /// The shell is up.
    SshProxyConnected {
        /// Which session.
        #[serde(default)]
        session_id: String,
    },
    /// Output.
    SshProxyData {
        /// Which session.
        #[serde(default)]
        session_id: String,
        /// The text.
        #[serde(default)]
        data: String,
    },
    /// The session could not be opened.
    SshProxyError {
        /// Which session.
        #[serde(default)]
        session_id: String,
        /// For people.
        #[serde(default)]
        message: String,
    },
    /// The shell ended.
    SshProxyClosed {
        /// Which session.
        #[serde(default)]
        session_id: String,
    },
    /// A container changed; the words are ours, too.
    DockerStatus(Box<DockerStatus>),
    /// How far a scan is.
    ComplianceScanProgress {
        /// What it does, in a word.
        #[serde(default)]
        phase: FactText,
        /// For people.
        #[serde(default)]
        message: FactText,
        /// 0 to 100.
        #[serde(default)]
        progress: f64,
    },
    /// Anything else.
    #[serde(other)]
    Other,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn unknown_words_are_tolerated() {
        let word = r#"{"type":"upgrade_done","event":{},"name":"x"}"#;
        assert!(matches!(serde_json::from_str(word).unwrap(), FromPatchmon::Other));
    }

    #[test]
    fn words_have_patchmon_s_names() {
        let word = ToPatchmon::SshProxyResize { session_id: "a".to_owned(), cols: 80, rows: 24 };
        assert_eq!(
            serde_json::to_string(&word).unwrap(),
            r#"{"type":"ssh_proxy_resize","session_id":"a","cols":80,"rows":24}"#
        );
    }
}
