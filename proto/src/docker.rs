//! What a host reports of its containers: an inventory when it is asked, and what changes as it
//! happens. As with every fact, it is a claim of a possibly hostile host: bounded when it is read,
//! shown as text only. Environments, commands and labels of containers hold secrets too often, and
//! are not reported.

use serde::{Deserialize, Serialize};

use crate::fact::FactText;

/// Containers, images, volumes and networks kept of one inventory, each.
const ITEMS: usize = 2_000;

/// Ports and tags kept of one container or image.
const PARTS: usize = 64;

/// The containers of a host and what they are made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DockerInventory {
    /// The engine that runs them.
    pub engine: Engine,
    /// Containers, running or not.
    pub containers: Vec<Container>,
    /// Images.
    pub images: Vec<Image>,
    /// Volumes.
    pub volumes: Vec<Volume>,
    /// Networks.
    pub networks: Vec<Network>,
    /// Images of which the registry has a newer one, where a host looks for that.
    pub updates: Vec<ImageUpdate>,
    /// What could not be found out, and why.
    pub problems: Vec<FactText>,
}

/// A container engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Engine {
    /// Its version.
    pub version: FactText,
    /// The version of its API.
    pub api_version: FactText,
    /// Operating system, such as `linux`.
    pub os: FactText,
    /// Machine architecture, such as `amd64`.
    pub arch: FactText,
}

/// A container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Container {
    /// Its id in full, as the engine has it.
    pub id: FactText,
    /// Its first name.
    pub name: FactText,
    /// The image that it was made of, as it was named then.
    pub image: FactText,
    /// That image's id.
    pub image_id: FactText,
    /// `running`, `exited`, `paused`, `created`, `restarting`, `dead` or `removed`.
    pub state: FactText,
    /// The engine's words for how long it has been so.
    pub status: FactText,
    /// Published ports, such as `127.0.0.1:8080->80/tcp`.
    pub ports: Vec<FactText>,
    /// The network that it is in.
    pub network: FactText,
    /// The compose project that it belongs to.
    pub project: Option<FactText>,
    /// When it was made, in seconds since 1970.
    pub created_at: Option<i64>,
}

/// An image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Image {
    /// Its id.
    pub id: FactText,
    /// Names and tags, such as `debian:12`.
    pub tags: Vec<FactText>,
    /// Bytes that it takes.
    pub size: u64,
    /// When it was made, in seconds since 1970.
    pub created_at: Option<i64>,
}

/// A volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Volume {
    /// Its name.
    pub name: FactText,
    /// What keeps it.
    pub driver: FactText,
    /// Bytes that it takes, where that is known.
    pub size: Option<u64>,
}

/// A network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    /// Its id.
    pub id: FactText,
    /// Its name.
    pub name: FactText,
    /// What makes it.
    pub driver: FactText,
    /// Whether nothing leads out of it.
    pub internal: bool,
}

/// An image of which the registry has a newer one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageUpdate {
    /// Its repository.
    pub repository: FactText,
    /// The tag in use.
    pub tag: FactText,
    /// The tag to be had.
    pub available: FactText,
}

/// A container changed. The same words as in PatchMon's vocabulary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DockerStatus {
    /// Which container.
    pub container_id: FactText,
    /// Its name.
    pub name: FactText,
    /// Its state from now on: `running`, `exited`, `paused`, `removed` or `unknown`.
    pub status: FactText,
    /// When, by the host's clock, as RFC 3339.
    pub timestamp: FactText,
    /// What happened.
    pub event: DockerEvent,
}

/// What happened to a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DockerEvent {
    /// `container_start`, `container_stop`, `container_die`, `container_pause`,
    /// `container_unpause`, `container_kill` or `container_destroy`.
    #[serde(rename = "type")]
    pub kind: FactText,
    /// The image that the container was made of.
    pub image: FactText,
}

impl DockerInventory {
    /// Cuts every list to its bound; the texts bound themselves.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.containers.truncate(ITEMS);
        self.containers.iter_mut().for_each(|container| container.ports.truncate(PARTS));
        self.images.truncate(ITEMS);
        self.images.iter_mut().for_each(|image| image.tags.truncate(PARTS));
        self.volumes.truncate(ITEMS);
        self.networks.truncate(ITEMS);
        self.updates.truncate(ITEMS);
        self.problems.truncate(PARTS);
        self
    }

    /// Takes a change in. False when it changes nothing that is known here, such as a container
    /// that came later than the inventory; a removed one leaves.
    pub fn take(&mut self, change: &DockerStatus) -> bool {
        let found = self.containers.iter().position(|one| one.id == change.container_id);
        if change.status.as_str() == "removed" {
            let Some(at) = found else { return false };
            self.containers.remove(at);
            return true;
        }
        let Some(container) = found.and_then(|at| self.containers.get_mut(at)) else {
            if change.container_id.is_empty() || self.containers.len() >= ITEMS {
                return false;
            }
            self.containers.push(Container {
                id: change.container_id.clone(),
                name: change.name.clone(),
                image: change.event.image.clone(),
                state: change.status.clone(),
                ..Container::default()
            });
            return true;
        };
        let changed = container.state != change.status;
        container.state.clone_from(&change.status);
        if changed {
            // The engine's words are of another time.
            container.status = FactText::default();
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(id: &str, status: &str) -> DockerStatus {
        DockerStatus { container_id: id.into(), status: status.into(), ..DockerStatus::default() }
    }

    #[test]
    fn an_inventory_is_bounded() {
        let containers =
            vec![Container { ports: vec!["1".into(); 999], ..Container::default() }; 9_999];
        let inventory = DockerInventory { containers, ..DockerInventory::default() }.bounded();
        assert_eq!(inventory.containers.len(), ITEMS);
        assert!(inventory.containers.iter().all(|container| container.ports.len() == PARTS));
    }

    #[test]
    fn changes_are_taken_in() {
        let mut inventory = DockerInventory::default();
        assert!(inventory.take(&change("a", "running")));
        assert!(!inventory.take(&change("a", "running")));
        assert!(inventory.take(&change("a", "exited")));
        assert_eq!(inventory.containers.first().map(|one| one.state.as_str()), Some("exited"));
        assert!(inventory.take(&change("a", "removed")));
        assert!(inventory.containers.is_empty());
        assert!(!inventory.take(&change("a", "removed")));
        assert!(!inventory.take(&change("", "running")));
    }
}
