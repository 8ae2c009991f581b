//! What a PatchMon agent says of itself between two reports: the body of `POST /hosts/ping`. An old
//! agent's is empty.

use serde::{Deserialize, Serialize};

use super::update::{Disk, Hashes, Section, null_is_nothing};

/// A sign of life.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Ping {
    /// The hashes of what the agent would report now; absent from an agent that knows none.
    pub hashes: Option<Hashes>,
    /// What changes all the time.
    #[serde(deserialize_with = "null_is_nothing")]
    pub metrics: Metrics,
    /// Version of the agent.
    #[serde(deserialize_with = "null_is_nothing")]
    pub agent_version: String,
}

/// What changes all the time; absent where it could not be found out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metrics {
    /// In words, such as `3 days, 4 hours, 5 minutes`.
    pub system_uptime: Option<String>,
    /// Mounted file systems.
    pub disk_details: Option<Vec<Disk>>,
    /// Whether the host has to be restarted.
    pub needs_reboot: Option<bool>,
}

impl Ping {
    /// The parts that differ from what is kept here. Containers and scans are not everywhere: only
    /// what has a hash is asked for.
    #[must_use]
    pub fn differing(&self, kept: &Hashes) -> Vec<Section> {
        let Some(said) = &self.hashes else { return Vec::new() };
        let differs = |section: &Section| match (section, said.of(*section)) {
            (Section::Docker | Section::Compliance, None) => false,
            (_, None) => true,
            (_, hash) => hash != kept.of(*section),
        };
        Section::ALL.into_iter().filter(differs).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_asked_for() {
        let ping: Ping = serde_json::from_value(json!({
            "hashes": { "packagesHash": "a", "reposHash": "b", "hostnameHash": "", "dockerHash": "d" },
        }))
        .unwrap();
        let mut kept = Hashes::default();
        kept.set(Section::Packages, "a".to_owned());
        kept.set(Section::Repos, "x".to_owned());
        use Section::{Docker, Hostname, Interfaces, Repos};
        assert_eq!(ping.differing(&kept), [Repos, Interfaces, Hostname, Docker]);
        assert!(Ping::default().differing(&kept).is_empty());
    }
}
