//! What a PatchMon agent posts about its host: the body of `POST /hosts/update`. Its lists may be
//! missing or `null`, and fields that nobody here needs are not looked at.

use serde::{Deserialize, Deserializer, Serialize};

use super::hash;

/// Packages of one report at most, as PatchMon has it.
const PACKAGES: usize = 10_000;

/// A report, whole or in part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Update {
    /// Every package, pending updates among them.
    #[serde(deserialize_with = "null_is_nothing")]
    pub packages: Vec<Package>,
    /// Where packages come from.
    #[serde(deserialize_with = "null_is_nothing")]
    pub repositories: Vec<Repository>,
    /// Name of the operating system.
    #[serde(deserialize_with = "null_is_nothing")]
    pub os_type: String,
    /// Its version.
    #[serde(deserialize_with = "null_is_nothing")]
    pub os_version: String,
    /// Name of the host.
    #[serde(deserialize_with = "null_is_nothing")]
    pub hostname: String,
    /// Machine architecture.
    #[serde(deserialize_with = "null_is_nothing")]
    pub architecture: String,
    /// Version of the agent.
    #[serde(deserialize_with = "null_is_nothing")]
    pub agent_version: String,
    /// Kernel that runs.
    #[serde(deserialize_with = "null_is_nothing")]
    pub kernel_version: String,
    /// In words, such as `3 days, 4 hours, 5 minutes`.
    #[serde(deserialize_with = "null_is_nothing")]
    pub system_uptime: String,
    /// Mounted file systems.
    #[serde(deserialize_with = "null_is_nothing")]
    pub disk_details: Vec<Disk>,
    /// Network interfaces.
    #[serde(deserialize_with = "null_is_nothing")]
    pub network_interfaces: Vec<Interface>,
    /// Whether the host has to be restarted.
    pub needs_reboot: Option<bool>,
    /// `apt`, `dnf` and so on; newer agents only.
    #[serde(deserialize_with = "null_is_nothing")]
    pub package_manager: String,
    /// Which parts are here; all of them when it names none.
    #[serde(deserialize_with = "null_is_nothing")]
    pub sections: Vec<String>,
    /// The agent's hashes of these parts.
    #[serde(deserialize_with = "null_is_nothing")]
    pub hashes: Hashes,
}

/// One package.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[allow(missing_docs, reason = "PatchMon's fields, which its hash covers whole")]
pub struct Package {
    #[serde(deserialize_with = "null_is_nothing")]
    pub name: String,
    #[serde(deserialize_with = "null_is_nothing")]
    pub description: String,
    #[serde(deserialize_with = "null_is_nothing")]
    pub category: String,
    #[serde(deserialize_with = "null_is_nothing")]
    pub current_version: String,
    #[serde(deserialize_with = "null_is_nothing")]
    pub available_version: String,
    #[serde(deserialize_with = "null_is_nothing")]
    pub needs_update: bool,
    #[serde(deserialize_with = "null_is_nothing")]
    pub is_security_update: bool,
    #[serde(deserialize_with = "null_is_nothing")]
    pub source_repository: String,
    #[serde(deserialize_with = "null_is_nothing")]
    pub wua_guid: String,
    #[serde(deserialize_with = "null_is_nothing")]
    pub wua_kb: String,
    #[serde(deserialize_with = "null_is_nothing")]
    pub wua_severity: String,
    #[serde(deserialize_with = "null_is_nothing")]
    pub wua_categories: Vec<String>,
    #[serde(deserialize_with = "null_is_nothing")]
    pub wua_support_url: String,
    #[serde(deserialize_with = "null_is_nothing")]
    pub wua_revision_number: i32,
}

/// One source of packages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[allow(missing_docs, reason = "PatchMon's fields, which its hash covers whole")]
pub struct Repository {
    #[serde(deserialize_with = "null_is_nothing")]
    pub name: String,
    #[serde(deserialize_with = "null_is_nothing")]
    pub url: String,
    #[serde(deserialize_with = "null_is_nothing")]
    pub distribution: String,
    #[serde(deserialize_with = "null_is_nothing")]
    pub components: String,
    #[serde(deserialize_with = "null_is_nothing")]
    pub repo_type: String,
    #[serde(deserialize_with = "null_is_nothing")]
    pub is_enabled: bool,
    #[serde(deserialize_with = "null_is_nothing")]
    pub is_secure: bool,
}

/// One network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Interface {
    /// Its name.
    #[serde(deserialize_with = "null_is_nothing")]
    pub name: String,
    /// Its kind.
    #[serde(rename = "type")]
    #[serde(deserialize_with = "null_is_nothing")]
    pub kind: String,
    /// Hardware address.
    #[serde(deserialize_with = "null_is_nothing")]
    pub mac_address: String,
    /// `up` or `down`.
    #[serde(deserialize_with = "null_is_nothing")]
    pub status: String,
    /// Its addresses.
    #[serde(deserialize_with = "null_is_nothing")]
    pub addresses: Vec<Address>,
}

/// An address of an interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Address {
    /// The address.
    #[serde(deserialize_with = "null_is_nothing")]
    pub address: String,
    /// `inet` or `inet6`.
    #[serde(deserialize_with = "null_is_nothing")]
    pub family: String,
    /// Length of the prefix, such as `/24`.
    #[serde(deserialize_with = "null_is_nothing")]
    pub netmask: String,
    /// The way out.
    #[serde(deserialize_with = "null_is_nothing")]
    pub gateway: String,
}

/// A mounted file system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Disk {
    /// Its device.
    #[serde(deserialize_with = "null_is_nothing")]
    pub name: String,
    /// In words, such as `50.00GB (20.00GB used, 30.00GB free, 40.0% used)`.
    #[serde(deserialize_with = "null_is_nothing")]
    pub size: String,
    /// Where it is mounted.
    #[serde(deserialize_with = "null_is_nothing")]
    pub mountpoint: String,
}

/// Hashes of the parts of a report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[allow(missing_docs, reason = "one for each section")]
pub struct Hashes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packages_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repos_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interfaces_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compliance_hash: Option<String>,
}

/// A part of what a host tells, sent only when it differs from what was told before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Its packages.
    Packages,
    /// Where they come from.
    Repos,
    /// Its network interfaces.
    Interfaces,
    /// Its name.
    Hostname,
    /// Its containers.
    Docker,
    /// Its latest scans.
    Compliance,
}

/// A report that can't be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUpdate {
    /// More than PatchMon's own server takes.
    #[error("packages takes up to {PACKAGES}")]
    TooManyPackages,
    /// A whole report that is none.
    #[error("a whole report takes at least packages or a hostname")]
    Nothing,
    /// A part that nobody knows.
    #[error("sections names a part that there is not")]
    UnknownSection,
    /// A host without a single package is one that could not read them.
    #[error("packages is empty, though sections names it")]
    NoPackages,
    /// It is here and not said to be.
    #[error("{} is here, though sections does not name it", .0.as_str())]
    Unclaimed(Section),
    /// What came is not what was hashed.
    #[error("{} hash mismatch", .0.as_str())]
    Mismatch(Section),
}

impl Section {
    /// Every part, in PatchMon's order.
    pub const ALL: [Self; 6] = [
        Self::Packages,
        Self::Repos,
        Self::Interfaces,
        Self::Hostname,
        Self::Docker,
        Self::Compliance,
    ];

    /// The parts of a report.
    const REPORTED: [Self; 4] = [Self::Packages, Self::Repos, Self::Interfaces, Self::Hostname];

    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Packages => "packages",
            Self::Repos => "repos",
            Self::Interfaces => "interfaces",
            Self::Hostname => "hostname",
            Self::Docker => "docker",
            Self::Compliance => "compliance",
        }
    }
}

impl Hashes {
    /// The hash of one part, if it was said.
    #[must_use]
    pub fn of(&self, section: Section) -> Option<&str> {
        let hash = match section {
            Section::Packages => &self.packages_hash,
            Section::Repos => &self.repos_hash,
            Section::Interfaces => &self.interfaces_hash,
            Section::Hostname => &self.hostname_hash,
            Section::Docker => &self.docker_hash,
            Section::Compliance => &self.compliance_hash,
        };
        hash.as_deref().filter(|hash| !hash.is_empty())
    }

    /// Says the hash of one part.
    pub fn set(&mut self, section: Section, hash: String) {
        let place = match section {
            Section::Packages => &mut self.packages_hash,
            Section::Repos => &mut self.repos_hash,
            Section::Interfaces => &mut self.interfaces_hash,
            Section::Hostname => &mut self.hostname_hash,
            Section::Docker => &mut self.docker_hash,
            Section::Compliance => &mut self.compliance_hash,
        };
        *place = Some(hash);
    }
}

impl Update {
    /// Whether a part of the report is here.
    #[must_use]
    pub fn has(&self, section: Section) -> bool {
        let named = self.sections.is_empty() || self.sections.iter().any(|s| s == section.as_str());
        // An agent that could not find its name out leaves it empty.
        named && (section != Section::Hostname || !self.hostname.is_empty())
    }

    /// Checks what the parts say of each other, and answers the hashes of those that are here.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<Hashes, BadUpdate> {
        if self.packages.len() > PACKAGES {
            return Err(BadUpdate::TooManyPackages);
        }
        let known = |name: &String| {
            name == "metrics" || Section::ALL.iter().any(|section| section.as_str() == name)
        };
        if !self.sections.iter().all(known) {
            return Err(BadUpdate::UnknownSection);
        }
        if self.sections.is_empty() && self.packages.is_empty() && self.hostname.is_empty() {
            return Err(BadUpdate::Nothing);
        }
        if !self.sections.is_empty() {
            if self.has(Section::Packages) && self.packages.is_empty() {
                return Err(BadUpdate::NoPackages);
            }
            for (section, is_empty) in [
                (Section::Packages, self.packages.is_empty()),
                (Section::Repos, self.repositories.is_empty()),
                (Section::Interfaces, self.network_interfaces.is_empty()),
            ] {
                if !is_empty && !self.has(section) {
                    return Err(BadUpdate::Unclaimed(section));
                }
            }
        }
        let mut hashes = Hashes::default();
        for section in Section::REPORTED.into_iter().filter(|section| self.has(*section)) {
            let hash = match section {
                Section::Packages => hash::packages(&self.packages),
                Section::Repos => hash::repositories(&self.repositories),
                Section::Interfaces => hash::interfaces(&self.network_interfaces),
                _ => hash::hostname(&self.hostname),
            };
            if self.hashes.of(section).is_some_and(|said| said != hash) {
                return Err(BadUpdate::Mismatch(section));
            }
            hashes.set(section, hash);
        }
        Ok(hashes)
    }
}

/// Go writes a list that was never filled as `null`.
pub(super) fn null_is_nothing<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn update(body: serde_json::Value) -> Update {
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn what_is_missing_or_null_is_nothing_and_what_is_unknown_is_ignored() {
        let read = update(json!({ "packages": null, "hostname": null, "loadAverage": "?" }));
        assert_eq!(read, Update::default());
        let nulls = json!({ "name": null, "macAddress": null, "addresses": [{ "netmask": null }] });
        let read = update(json!({ "networkInterfaces": [nulls] }));
        assert!(read.network_interfaces.iter().all(|one| one.mac_address.is_empty()));
        assert!(serde_json::from_value::<Update>(json!({ "packages": "curl" })).is_err());
        assert!(serde_json::from_value::<Update>(json!({ "needsReboot": "no" })).is_err());
    }

    #[test]
    fn an_old_agent_s_report_is_whole_and_has_no_hashes() {
        let read = update(json!({ "packages": [{ "name": "curl" }], "hostname": "a" }));
        let hashes = read.check().unwrap();
        assert!(Section::REPORTED.iter().all(|section| hashes.of(*section).is_some()));
        assert!(hashes.of(Section::Docker).is_none());
    }

    #[test]
    fn parts_are_what_they_are_said_to_be() {
        let with = |body| update(body).check();
        let packages = json!([{ "name": "curl" }]);
        assert_eq!(with(json!({})), Err(BadUpdate::Nothing));
        assert_eq!(with(json!({ "sections": ["packages"] })), Err(BadUpdate::NoPackages));
        assert_eq!(with(json!({ "sections": ["kernel"] })), Err(BadUpdate::UnknownSection));
        assert_eq!(
            with(json!({ "sections": ["repos"], "packages": packages })),
            Err(BadUpdate::Unclaimed(Section::Packages))
        );
        let repos = with(json!({ "sections": ["repos", "hostname"] })).unwrap();
        assert!(repos.of(Section::Repos).is_some() && repos.of(Section::Hostname).is_none());
        let wrong = json!({ "hostname": "a", "hashes": { "hostnameHash": "00" } });
        assert_eq!(with(wrong).unwrap_err().to_string(), "hostname hash mismatch");
        let many = vec![json!({ "name": "curl" }); PACKAGES + 1];
        assert_eq!(with(json!({ "packages": many })), Err(BadUpdate::TooManyPackages));
    }
}
