//! A PatchMon agent's report in our own words.

use crate::fact::FactText;
use crate::report::{Disk, HostReport, Interface, Package, Packages, Pending};

use super::ping::Metrics;
use super::update::{self, Section, Update};

/// Bytes of what PatchMon calls a gigabyte.
const GIGABYTE: f64 = 1_073_741_824.0;

impl Update {
    /// What the host reports now, where `before` is what it reported last: parts that are not here
    /// stay as they were.
    #[must_use]
    pub fn over(self, mut before: HostReport) -> HostReport {
        let (names, has_packages) = (self.has(Section::Hostname), self.has(Section::Packages));
        let has_interfaces = self.has(Section::Interfaces);
        let facts = &mut before.host;
        if names {
            facts.hostname = self.hostname.as_str().into();
        }
        for (fact, said) in [
            (&mut facts.os, &self.os_type),
            (&mut facts.os_version, &self.os_version),
            (&mut facts.kernel, &self.kernel_version),
            (&mut facts.arch, &self.architecture),
            (&mut facts.agent_version, &self.agent_version),
        ] {
            if !said.is_empty() {
                *fact = said.as_str().into();
            }
        }
        if has_packages {
            before.packages = Some(packages(&self));
        }
        if has_interfaces {
            before.interfaces = self.network_interfaces.iter().map(interface).collect();
        }
        let disks = (!self.disk_details.is_empty()).then_some(self.disk_details);
        let metrics = Metrics {
            system_uptime: Some(self.system_uptime),
            disk_details: disks,
            needs_reboot: self.needs_reboot,
        };
        metrics.over(before).bounded()
    }
}

impl Metrics {
    /// A report with what changes all the time as it is now.
    #[must_use]
    pub fn over(self, mut before: HostReport) -> HostReport {
        let uptime = self.system_uptime.as_deref().and_then(seconds);
        before.uptime_seconds = uptime.or(before.uptime_seconds);
        before.reboot_needed = self.needs_reboot.or(before.reboot_needed);
        if let Some(disks) = self.disk_details {
            before.disks = disks.iter().map(disk).collect();
        }
        before
    }
}

fn packages(update: &Update) -> Packages {
    let pending = update.packages.iter().filter(|package| package.needs_update);
    let pending = pending.map(|package| Pending {
        name: package.name.as_str().into(),
        version: package.current_version.as_str().into(),
        available: package.available_version.as_str().into(),
        security: package.is_security_update,
    });
    let installed = update.packages.iter().map(|package| Package {
        name: package.name.as_str().into(),
        version: package.current_version.as_str().into(),
    });
    Packages {
        manager: manager(update),
        installed_count: u32::try_from(update.packages.len()).unwrap_or(u32::MAX),
        pending: Some(pending.collect()),
        installed: Some(installed.collect()),
    }
}

/// Older agents don't name their package manager, but where packages come from.
fn manager(update: &Update) -> FactText {
    if !update.package_manager.is_empty() {
        return update.package_manager.as_str().into();
    }
    let kind = update.repositories.first().map_or("", |repository| repository.repo_type.as_str());
    match kind {
        "deb" | "deb-src" => "apt".into(),
        "rpm" => "dnf".into(),
        "freebsd" => "pkg".into(),
        other => other.into(),
    }
}

fn interface(said: &update::Interface) -> Interface {
    let addresses = said.addresses.iter().map(|one| {
        let whole = one.address.contains('/') || !one.netmask.starts_with('/');
        let prefix = if whole { "" } else { one.netmask.as_str() };
        format!("{}{prefix}", one.address).into()
    });
    Interface {
        name: said.name.as_str().into(),
        mac: (!said.mac_address.is_empty()).then(|| said.mac_address.as_str().into()),
        addresses: addresses.collect(),
        up: said.status == "up",
    }
}

fn disk(said: &update::Disk) -> Disk {
    let mut amounts = said.size.split(['(', ',', ')']);
    let size = amounts.next().and_then(gigabytes);
    let free = amounts.find_map(|part| gigabytes(part.trim().strip_suffix("free")?));
    Disk {
        mount: said.mountpoint.as_str().into(),
        device: said.name.as_str().into(),
        filesystem: FactText::default(),
        size: size.unwrap_or(0),
        free: free.unwrap_or(0),
    }
}

/// `12.50GB` in bytes.
fn gigabytes(text: &str) -> Option<u64> {
    let amount: f64 = text.trim().strip_suffix("GB")?.trim().parse().ok()?;
    // A number that is no size at all saturates.
    (amount >= 0.0).then_some((amount * GIGABYTE) as u64)
}

/// `3 days, 4 hours, 5 minutes` in seconds.
fn seconds(text: &str) -> Option<u64> {
    let mut total = None;
    for part in text.split(',') {
        let (count, unit) = part.trim().split_once(' ')?;
        let unit = match unit.trim_end_matches('s') {
            "day" => 86_400,
            "hour" => 3_600,
            "minute" => 60,
            _ => return None,
        };
        let seconds = count.parse::<u64>().ok()?.checked_mul(unit)?;
        total = Some(total.unwrap_or(0_u64).checked_add(seconds)?);
    }
    total
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn full() -> Update {
        serde_json::from_value(json!({
            "packages": [
                { "name": "curl", "currentVersion": "1", "availableVersion": "2",
                  "needsUpdate": true, "isSecurityUpdate": true },
                { "name": "sed", "currentVersion": "4" },
            ],
            "repositories": [{ "repoType": "deb" }],
            "osType": "Debian GNU/Linux", "osVersion": "12 (bookworm)", "hostname": "web\u{1b}1",
            "architecture": "x86_64", "kernelVersion": "6.1", "agentVersion": "1.4.2",
            "systemUptime": "1 days, 2 hours, 3 minutes", "needsReboot": true,
            "diskDetails": [{ "name": "/dev/sda1", "mountpoint": "/",
                "size": "2.00GB (1.50GB used, 0.50GB free, 75.0% used)" }],
            "networkInterfaces": [{ "name": "eth0", "type": "ethernet", "status": "up",
                "macAddress": "aa:bb", "addresses": [
                    { "address": "10.0.0.5", "family": "inet", "netmask": "/24" }] }],
        }))
        .unwrap()
    }

    #[test]
    fn a_whole_report_is_told_in_our_words() {
        let report = full().over(HostReport::default());
        assert_eq!(report.host.os.as_str(), "Debian GNU/Linux");
        assert_eq!(report.host.hostname.as_str(), "web\u{fffd}1");
        assert_eq!(report.uptime_seconds, Some(93_780));
        assert_eq!(report.reboot_needed, Some(true));
        let packages = report.packages.unwrap();
        assert_eq!((packages.manager.as_str(), packages.installed_count), ("apt", 2));
        let pending = packages.pending.unwrap();
        assert_eq!(pending.len(), 1);
        assert!(pending.iter().all(|one| one.security && one.available.as_str() == "2"));
        let interface = report.interfaces.first().unwrap();
        assert_eq!(interface.addresses.first().unwrap().as_str(), "10.0.0.5/24");
        assert!(interface.up);
        let disk = report.disks.first().unwrap();
        assert_eq!((disk.size, disk.free), (2 << 30, 1 << 29));
    }

    #[test]
    fn a_part_leaves_the_others_as_they_were() {
        let before = full().over(HostReport::default());
        let part: Update = serde_json::from_value(json!({
            "sections": ["hostname"], "hostname": "web2", "agentVersion": "2.1.0",
        }))
        .unwrap();
        let after = part.over(before.clone());
        assert_eq!(after.host.hostname.as_str(), "web2");
        assert_eq!(after.host.agent_version.as_str(), "2.1.0");
        assert_eq!(after.packages, before.packages);
        assert_eq!(after.interfaces, before.interfaces);
        assert_eq!(after.disks, before.disks);
        assert_eq!(after.uptime_seconds, before.uptime_seconds);
    }

    #[test]
    fn words_that_are_no_amounts_are_none() {
        for wrong in ["", "Unknown", "-1 days", "1 weeks", "99999999999999999999 days"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
        assert_eq!(seconds("7 minutes"), Some(420));
        for wrong in ["", "lots", "NaNGB", "-1GB"] {
            assert_eq!(gigabytes(wrong), None, "{wrong}");
        }
    }
}
