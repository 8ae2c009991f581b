//! What a PatchMon agent posts about its integrations and containers, and the same in our words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::update::null_is_nothing;
use crate::docker::{Container, DockerInventory, Engine, Image, ImageUpdate, Network, Volume};
use crate::fact::FactText;
use crate::integration::{Integration, Integrations};

/// How one integration is: the body of `POST /hosts/integration-status`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IntegrationStatus {
    /// `docker` or `compliance`.
    #[serde(deserialize_with = "null_is_nothing")]
    pub integration: FactText,
    /// Whether it is on.
    #[serde(deserialize_with = "null_is_nothing")]
    pub enabled: bool,
    /// `ready`, `installing`, `error` and so on.
    #[serde(deserialize_with = "null_is_nothing")]
    pub status: FactText,
    /// For people.
    #[serde(deserialize_with = "null_is_nothing")]
    pub message: FactText,
    /// Its parts and how they are.
    #[serde(deserialize_with = "null_is_nothing")]
    pub components: BTreeMap<String, FactText>,
    /// What its scanners can do.
    #[serde(deserialize_with = "null_is_nothing")]
    pub scanner_info: ScannerInfo,
}

/// What a host's scanners can do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScannerInfo {
    /// Profiles that they know.
    #[serde(deserialize_with = "null_is_nothing")]
    pub available_profiles: Vec<Profile>,
}

/// A profile of a scanner.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// By which a scan names it.
    #[serde(deserialize_with = "null_is_nothing")]
    pub id: FactText,
}

impl IntegrationStatus {
    /// All integrations as they are now, where `before` is how they were.
    #[must_use]
    pub fn over(self, mut before: Integrations) -> Integrations {
        let profiles = self.scanner_info.available_profiles;
        let said = Integration {
            name: self.integration,
            enabled: self.enabled,
            status: self.status,
            message: self.message,
            components: self.components,
            choices: profiles.into_iter().map(|profile| profile.id).collect(),
        };
        before.integrations.retain(|one| one.name != said.name);
        before.integrations.push(said);
        before.bounded()
    }
}

/// The containers of a host: the body of `POST /integrations/docker`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "PatchMon's fields")]
pub struct DockerUpload {
    #[serde(deserialize_with = "null_is_nothing")]
    pub containers: Vec<DockerContainer>,
    #[serde(deserialize_with = "null_is_nothing")]
    pub images: Vec<DockerImage>,
    #[serde(deserialize_with = "null_is_nothing")]
    pub volumes: Vec<DockerVolume>,
    #[serde(deserialize_with = "null_is_nothing")]
    pub networks: Vec<DockerNetwork>,
    #[serde(deserialize_with = "null_is_nothing")]
    pub updates: Vec<DockerImageUpdate>,
    #[serde(deserialize_with = "null_is_nothing")]
    pub daemon_info: DaemonInfo,
    pub docker_hash: Option<String>,
}

/// A container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "PatchMon's fields")]
pub struct DockerContainer {
    #[serde(deserialize_with = "null_is_nothing")]
    pub container_id: FactText,
    #[serde(deserialize_with = "null_is_nothing")]
    pub name: FactText,
    #[serde(deserialize_with = "null_is_nothing")]
    pub image_name: FactText,
    #[serde(deserialize_with = "null_is_nothing")]
    pub image_tag: FactText,
    #[serde(deserialize_with = "null_is_nothing")]
    pub image_id: FactText,
    /// `running`, `exited` and so on, or the engine's words for how long it has been so.
    #[serde(deserialize_with = "null_is_nothing")]
    pub status: FactText,
    /// The same, the other way round: agents differ.
    #[serde(deserialize_with = "null_is_nothing")]
    pub state: FactText,
    #[serde(deserialize_with = "null_is_nothing")]
    pub ports: BTreeMap<String, serde_json::Value>,
    #[serde(deserialize_with = "null_is_nothing")]
    pub network_mode: FactText,
}

/// An image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "PatchMon's fields")]
pub struct DockerImage {
    #[serde(deserialize_with = "null_is_nothing")]
    pub repository: FactText,
    #[serde(deserialize_with = "null_is_nothing")]
    pub tag: FactText,
    #[serde(deserialize_with = "null_is_nothing")]
    pub image_id: FactText,
    #[serde(deserialize_with = "null_is_nothing")]
    pub size_bytes: i64,
}

/// A volume.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "PatchMon's fields")]
pub struct DockerVolume {
    #[serde(deserialize_with = "null_is_nothing")]
    pub name: FactText,
    #[serde(deserialize_with = "null_is_nothing")]
    pub driver: FactText,
    pub size_bytes: Option<i64>,
}

/// A network.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "PatchMon's fields")]
pub struct DockerNetwork {
    #[serde(deserialize_with = "null_is_nothing")]
    pub network_id: FactText,
    #[serde(deserialize_with = "null_is_nothing")]
    pub name: FactText,
    #[serde(deserialize_with = "null_is_nothing")]
    pub driver: FactText,
    #[serde(deserialize_with = "null_is_nothing")]
    pub internal: bool,
}

/// An image of which there is a newer one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "PatchMon's fields")]
pub struct DockerImageUpdate {
    #[serde(deserialize_with = "null_is_nothing")]
    pub repository: FactText,
    #[serde(deserialize_with = "null_is_nothing")]
    pub current_tag: FactText,
    #[serde(deserialize_with = "null_is_nothing")]
    pub available_tag: FactText,
}

/// The engine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "PatchMon's fields")]
pub struct DaemonInfo {
    #[serde(deserialize_with = "null_is_nothing")]
    pub version: FactText,
    #[serde(deserialize_with = "null_is_nothing")]
    pub api_version: FactText,
    #[serde(deserialize_with = "null_is_nothing")]
    pub os: FactText,
    #[serde(deserialize_with = "null_is_nothing")]
    pub architecture: FactText,
}

impl From<DockerUpload> for DockerInventory {
    fn from(said: DockerUpload) -> Self {
        let engine = said.daemon_info;
        let updates = said.updates.into_iter().map(|update| ImageUpdate {
            repository: update.repository,
            tag: update.current_tag,
            available: update.available_tag,
        });
        let inventory = Self {
            engine: Engine {
                version: engine.version,
                api_version: engine.api_version,
                os: engine.os,
                arch: engine.architecture,
            },
            containers: said.containers.into_iter().map(Container::from).collect(),
            images: said.images.into_iter().map(Image::from).collect(),
            volumes: said.volumes.into_iter().map(Volume::from).collect(),
            networks: said.networks.into_iter().map(Network::from).collect(),
            updates: updates.collect(),
            problems: Vec::new(),
        };
        inventory.bounded()
    }
}

/// The engine's own words for what a container does.
const STATES: [&str; 7] =
    ["running", "exited", "paused", "created", "restarting", "dead", "removing"];

impl From<DockerContainer> for Container {
    fn from(said: DockerContainer) -> Self {
        let ports = said.ports.into_iter().map(|(inside, outside)| match outside.as_str() {
            Some("") | None => inside.into(),
            Some(outside) => format!("{outside}->{inside}").into(),
        });
        let name = said.image_name.as_str();
        let image = match said.image_tag.as_str() {
            tag if tag.is_empty() || name.contains(':') => said.image_name,
            tag => format!("{name}:{tag}").into(),
        };
        let (state, status) = match (said.state, said.status) {
            (state, status) if STATES.contains(&state.as_str()) => (state, status),
            (words, state) => (state, words),
        };
        Self {
            id: said.container_id,
            name: said.name,
            image,
            image_id: said.image_id,
            status: if status == state { FactText::default() } else { status },
            state,
            ports: ports.collect(),
            network: said.network_mode,
            project: None,
            created_at: None,
        }
    }
}

impl From<DockerImage> for Image {
    fn from(said: DockerImage) -> Self {
        let tag = format!("{}:{}", said.repository.as_str(), said.tag.as_str());
        Self {
            id: said.image_id,
            tags: vec![tag.into()],
            size: u64::try_from(said.size_bytes).unwrap_or(0),
            created_at: None,
        }
    }
}

impl From<DockerVolume> for Volume {
    fn from(said: DockerVolume) -> Self {
        let size = said.size_bytes.and_then(|size| u64::try_from(size).ok());
        Self { name: said.name, driver: said.driver, size }
    }
}

impl From<DockerNetwork> for Network {
    fn from(said: DockerNetwork) -> Self {
        let DockerNetwork { network_id, name, driver, internal } = said;
        Self { id: network_id, name, driver, internal }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_integration_takes_the_place_of_what_was_said_of_it() {
        let say = |status: &str, profiles: serde_json::Value| -> IntegrationStatus {
            serde_json::from_value(json!({
                "integration": "compliance", "enabled": true, "status": status,
                "components": { "openscap": "ready" }, "install_events": null,
                "scanner_info": { "openscap_available": true, "available_profiles": profiles },
            }))
            .unwrap()
        };
        let docker = Integration { name: "docker".into(), ..Integration::default() };
        let before = Integrations { integrations: vec![docker.clone()] };
        let first = say("installing", json!(null)).over(before);
        let then = say("ready", json!([{ "id": "level1_server" }])).over(first);
        assert_eq!(then.integrations.len(), 2);
        assert_eq!(then.integrations.first(), Some(&docker));
        let last = then.integrations.last().unwrap();
        assert_eq!((last.status.as_str(), last.choices.len()), ("ready", 1));
    }

    #[test]
    fn a_state_is_one_whichever_field_has_it() {
        for (status, state, words) in
            [("running", "running", ""), ("Up 2 hours", "running", "Up 2 hours")]
        {
            let said = DockerContainer {
                image_name: "nginx".into(),
                image_tag: "1.25".into(),
                status: status.into(),
                state: state.into(),
                ..DockerContainer::default()
            };
            let container = Container::from(said);
            assert_eq!((container.state.as_str(), container.status.as_str()), ("running", words));
            assert_eq!(container.image.as_str(), "nginx:1.25");
        }
    }

    #[test]
    fn containers_are_told_in_our_words() {
        let said: DockerUpload = serde_json::from_value(json!({
            "containers": [{ "container_id": "c1", "name": "web", "image_name": "nginx:1.25",
                "image_tag": "1.25", "image_id": "sha256:1", "status": "running",
                "state": "Up 2 hours", "ports": { "80/tcp": "0.0.0.0:8080", "443/tcp": null },
                "labels": { "secret": "x" } }],
            "images": [{ "repository": "nginx", "tag": "1.25", "image_id": "sha256:1",
                "size_bytes": 5 }],
            "volumes": null,
            "updates": [{ "repository": "nginx", "current_tag": "1.25", "available_tag": "1.27" }],
            "daemon_info": { "version": "27.0", "total_memory": 1 },
        }))
        .unwrap();
        let inventory = DockerInventory::from(said);
        let container = inventory.containers.first().unwrap();
        assert_eq!(
            (container.state.as_str(), container.status.as_str()),
            ("running", "Up 2 hours")
        );
        let ports: Vec<_> = container.ports.iter().map(FactText::as_str).collect();
        assert_eq!(ports, ["443/tcp", "0.0.0.0:8080->80/tcp"]);
        assert_eq!(inventory.images.first().unwrap().tags.first().unwrap().as_str(), "nginx:1.25");
        assert_eq!(inventory.engine.version.as_str(), "27.0");
        assert_eq!(inventory.updates.len(), 1);
    }
}
