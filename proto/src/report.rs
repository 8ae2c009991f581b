//! What a host reports in full, when it is asked to. As with every fact, it is a claim of a possibly
//! hostile host: bounded when it is read, shown as text only.

use serde::{Deserialize, Serialize};

use crate::fact::{FactText, HostFacts};

/// Packages kept of one report.
const PACKAGES: usize = 20_000;

/// Interfaces and disks kept of one report.
const DEVICES: usize = 256;

/// Addresses kept of one interface.
const ADDRESSES: usize = 32;

/// A host in full.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostReport {
    /// Name, system and machine.
    pub host: HostFacts,
    /// Seconds since it was started.
    pub uptime_seconds: Option<u64>,
    /// Whether it has to be restarted for an update to take effect; absent when it doesn't say.
    pub reboot_needed: Option<bool>,
    /// Its packages; absent without a package manager that is known.
    pub packages: Option<Packages>,
    /// Its network interfaces.
    pub interfaces: Vec<Interface>,
    /// Its mounted file systems.
    pub disks: Vec<Disk>,
    /// What could not be found out, and why.
    pub problems: Vec<FactText>,
}

/// The packages of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Packages {
    /// `apt`, `dnf`, `pacman` or `apk`.
    pub manager: FactText,
    /// How many are installed.
    pub installed_count: u32,
    /// Those that have a newer version; absent when that could not be found out.
    pub pending: Option<Vec<Pending>>,
    /// The installed ones; absent when they are too many to be listed.
    pub installed: Option<Vec<Package>>,
}

/// An installed package.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Package {
    /// Its name.
    pub name: FactText,
    /// Its version.
    pub version: FactText,
}

/// A package that has a newer version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pending {
    /// Its name.
    pub name: FactText,
    /// The installed version.
    pub version: FactText,
    /// The version to be had.
    pub available: FactText,
    /// Whether that version closes a security hole, as far as the package manager says.
    pub security: bool,
}

/// A network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interface {
    /// Its name.
    pub name: FactText,
    /// Hardware address.
    pub mac: Option<FactText>,
    /// Addresses with their prefix lengths.
    pub addresses: Vec<FactText>,
    /// Whether it is up.
    pub up: bool,
}

/// A mounted file system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Disk {
    /// Where it is mounted.
    pub mount: FactText,
    /// What is mounted there.
    pub device: FactText,
    /// Its type.
    pub filesystem: FactText,
    /// Bytes in all.
    pub size: u64,
    /// Bytes that are free for everybody.
    pub free: u64,
}

impl HostReport {
    /// Cuts every list to its bound; the texts bound themselves.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        if let Some(packages) = &mut self.packages {
            packages.pending.iter_mut().for_each(|list| list.truncate(PACKAGES));
            packages.installed.iter_mut().for_each(|list| list.truncate(PACKAGES));
        }
        self.interfaces.truncate(DEVICES);
        self.interfaces.iter_mut().for_each(|interface| interface.addresses.truncate(ADDRESSES));
        self.disks.truncate(DEVICES);
        self.problems.truncate(DEVICES);
        self
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_bounded_and_tolerates_what_is_missing() {
        let disks = vec![serde_json::json!({ "mount": "/\u{1b}[2J" }); 1000];
        let text = serde_json::json!({ "disks": disks, "packages": { "manager": "apt" } });
        let report: HostReport = serde_json::from_value(text).unwrap();
        let report = report.bounded();
        assert_eq!(report.disks.len(), DEVICES);
        assert!(report.disks.iter().all(|disk| !disk.mount.as_str().contains('\u{1b}')));
        assert_eq!(report.packages.unwrap().pending, None);
    }
}
