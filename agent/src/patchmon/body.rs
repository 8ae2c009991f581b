//! What is posted, in PatchMon's words.

use gangplank_proto::docker::DockerInventory;
use gangplank_proto::report::HostReport;
use gangplank_proto::scan::{Report, RuleOutcome};
use serde_json::{Value, json};

use crate::facts::{Introduction, VERSION};

/// Bytes of what PatchMon calls a gigabyte.
const GIGABYTE: f64 = 1_073_741_824.0;

/// `POST /hosts/update`.
pub(super) fn report(report: &HostReport, host: &Introduction) -> Value {
    let packages = report.packages.as_ref();
    let pending = packages.and_then(|all| all.pending.as_deref()).unwrap_or_default();
    let installed = packages.and_then(|all| all.installed.as_deref()).unwrap_or_default();
    let newer = pending.iter().map(|one| {
        json!({
            "name": one.name, "currentVersion": one.version, "availableVersion": one.available,
            "needsUpdate": true, "isSecurityUpdate": one.security,
        })
    });
    let waits = |name: &str| pending.iter().any(|one| one.name.as_str() == name);
    let others = installed.iter().filter(|one| !waits(one.name.as_str())).map(|one| {
        json!({
            "name": one.name, "currentVersion": one.version, "needsUpdate": false,
            "isSecurityUpdate": false,
        })
    });
    let packages: Vec<Value> = newer.chain(others).collect();
    let gigabytes = |bytes: u64| bytes as f64 / GIGABYTE;
    let disks = report.disks.iter().map(|disk| {
        let (size, free) = (gigabytes(disk.size), gigabytes(disk.free));
        json!({
            "name": disk.device, "mountpoint": disk.mount,
            "size": format!("{size:.2}GB ({:.2}GB used, {free:.2}GB free)", size - free),
        })
    });
    let interfaces = report.interfaces.iter().map(|interface| {
        let addresses = interface.addresses.iter().map(|address| {
            let (address, prefix) =
                address.as_str().split_once('/').unwrap_or((address.as_str(), ""));
            let family = if address.contains(':') { "inet6" } else { "inet" };
            json!({ "address": address, "family": family, "netmask": format!("/{prefix}") })
        });
        json!({
            "name": interface.name, "type": "ethernet", "macAddress": interface.mac,
            "status": if interface.up { "up" } else { "down" },
            "addresses": addresses.collect::<Vec<_>>(),
        })
    });
    let first = report.interfaces.iter().filter(|interface| interface.name.as_str() != "lo");
    let mut ip = first.flat_map(|interface| &interface.addresses).map(|address| address.as_str());
    let ip = ip.find(|address| !address.contains(':')).unwrap_or_default();
    json!({
        "packages": packages, "repositories": [],
        "osType": report.host.os, "osVersion": report.host.os_version,
        "hostname": report.host.hostname, "architecture": report.host.arch,
        "kernelVersion": report.host.kernel, "agentVersion": VERSION,
        "machineId": host.machine_id, "ip": ip.split('/').next(),
        "systemUptime": uptime(report.uptime_seconds.unwrap_or(0)),
        "diskDetails": disks.collect::<Vec<_>>(),
        "networkInterfaces": interfaces.collect::<Vec<_>>(),
        "needsReboot": report.reboot_needed.unwrap_or(false),
        "packageManager": report.packages.as_ref().map(|all| &all.manager),
    })
}

fn uptime(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    format!("{days} days, {hours} hours, {minutes} minutes")
}

/// `POST /integrations/docker`.
pub(super) fn docker(inventory: &DockerInventory, host: &Introduction) -> Value {
    let containers = inventory.containers.iter().map(|one| {
        let (repository, tag) =
            one.image.as_str().rsplit_once(':').unwrap_or((one.image.as_str(), ""));
        let ports = one.ports.iter().map(|port| {
            let (outside, inside) = port.as_str().split_once("->").unwrap_or(("", port.as_str()));
            (inside.to_owned(), Value::from(outside))
        });
        json!({
            "container_id": one.id, "name": one.name, "image_name": one.image,
            "image_repository": repository, "image_tag": tag, "image_source": "docker-hub",
            "image_id": one.image_id, "status": one.state, "state": one.state,
            "network_mode": one.network, "ports": ports.collect::<serde_json::Map<_, _>>(),
        })
    });
    let images = inventory.images.iter().map(|image| {
        let name = image.tags.first().map(|tag| tag.as_str()).unwrap_or("<none>:<none>");
        let (repository, tag) = name.rsplit_once(':').unwrap_or((name, ""));
        json!({
            "repository": repository, "tag": tag, "image_id": image.id, "size_bytes": image.size,
            "source": "docker-hub",
        })
    });
    let volumes = inventory.volumes.iter().map(|volume| {
        json!({
            "volume_id": volume.name, "name": volume.name, "driver": volume.driver,
            "scope": "local", "size_bytes": volume.size,
        })
    });
    let networks = inventory.networks.iter().map(|network| {
        json!({
            "network_id": network.id, "name": network.name, "driver": network.driver,
            "scope": "local", "internal": network.internal, "ipv6_enabled": false,
            "attachable": false, "ingress": false, "config_only": false,
        })
    });
    let engine = &inventory.engine;
    json!({
        "containers": containers.collect::<Vec<_>>(), "images": images.collect::<Vec<_>>(),
        "volumes": volumes.collect::<Vec<_>>(), "networks": networks.collect::<Vec<_>>(),
        "updates": [],
        "daemon_info": {
            "version": engine.version, "api_version": engine.api_version, "os": engine.os,
            "architecture": engine.arch,
        },
        "hostname": host.hostname, "machine_id": host.machine_id, "agent_version": VERSION,
    })
}

/// `POST /compliance/scans`, of a scan that came to its end or was ended.
pub(super) fn scan(report: &Report, complete: bool, host: &Introduction) -> Value {
    let results = report.rules.iter().map(|rule| {
        json!({
            "rule_ref": rule.id, "title": rule.title, "status": status(rule.result),
            "severity": rule.severity, "description": rule.rationale, "remediation": rule.fix,
        })
    });
    let counts = &report.scan.counts;
    let (passed, failed) =
        (counts.pass + counts.fixed, counts.fail + counts.error + counts.unknown);
    let skipped = counts.notchecked + counts.notselected;
    let one = json!({
        "profile_name": report.scan.profile, "profile_type": "openscap",
        "status": if complete { "completed" } else { "failed" },
        "score": report.scan.score.unwrap_or(0.0), "total_rules": report.rules.len(),
        "passed": passed, "failed": failed, "warnings": counts.informational, "skipped": skipped,
        "not_applicable": counts.notapplicable, "started_at": report.scan.started_at,
        "completed_at": report.scan.finished_at, "results": results.collect::<Vec<_>>(),
    });
    upload(one, host)
}

/// `POST /compliance/scans`, of a scan that came to nothing.
pub(super) fn failed_scan(profile: &str, error: &str, host: &Introduction) -> Value {
    let one = json!({
        "profile_name": profile, "profile_type": "openscap", "status": "failed", "score": 0,
        "total_rules": 0, "passed": 0, "failed": 0, "warnings": 0, "skipped": 0,
        "not_applicable": 0, "results": [], "error": error,
    });
    upload(one, host)
}

fn upload(scan: Value, host: &Introduction) -> Value {
    json!({
        "scans": [scan], "hostname": host.hostname, "machine_id": host.machine_id,
        "agent_version": VERSION,
        "os_info": { "name": host.os, "version": host.os_version },
        "scanner_info": { "openscap_available": true },
    })
}

fn status(outcome: RuleOutcome) -> &'static str {
    match outcome {
        RuleOutcome::Pass | RuleOutcome::Fixed => "pass",
        RuleOutcome::Fail => "fail",
        RuleOutcome::Error | RuleOutcome::Unknown => "error",
        RuleOutcome::Notapplicable => "notapplicable",
        RuleOutcome::Informational => "warn",
        RuleOutcome::Notchecked | RuleOutcome::Notselected => "skip",
    }
}
