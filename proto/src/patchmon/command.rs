//! Commands in PatchMon's vocabulary. Its agents know no jobs: they are told what to do and never
//! say that they heard it.

use serde::Deserialize;

use super::{AgentConfig, ComplianceConfig, Switch, ToPatchmon};
use crate::job::{Command, Run};
use crate::settings::{ComplianceMode, Settings};

/// Longest name of a profile, in bytes; with a longer one the agent drops the message.
const PROFILE: usize = 256;

/// Shortest and longest time between two reports that its agents are made for, in minutes.
const INTERVAL: std::ops::RangeInclusive<u32> = 5..=1440;

/// Which words an agent knows, by the version that it said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Before 2.0.
    One,
    /// From 2.0 on.
    Two,
    /// It has not said; it is told everything twice, and ignores what it doesn't know.
    Unsaid,
}

impl Generation {
    /// The generation of a version such as `1.4.2`.
    #[must_use]
    pub fn of(version: &str) -> Self {
        let major = version.trim_start_matches('v').split('.').next();
        match major.and_then(|major| major.parse::<u32>().ok()) {
            None => Self::Unsaid,
            Some(0 | 1) => Self::One,
            Some(_) => Self::Two,
        }
    }
}

/// A command that a PatchMon agent can't be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOffered {
    /// It has nothing of the kind.
    #[error("a PatchMon agent does not offer {0}")]
    Command(String),
    /// It does not know this parameter, or not this value.
    #[error("a PatchMon agent does not take these parameters: {0}")]
    Params(String),
}

/// The messages for a command.
///
/// # Errors
/// When its agents have no words for it.
pub fn messages(run: &Run, generation: Generation) -> Result<Vec<ToPatchmon>, NotOffered> {
    let name = run.command.as_str();
    let nothing_of_the_kind = || NotOffered::Command(name.to_owned());
    match name.parse::<Command>().map_err(|_| nothing_of_the_kind())? {
        Command::ReportNow => Ok(vec![ToPatchmon::ReportNow]),
        Command::DockerInventory => Ok(vec![ToPatchmon::DockerInventoryRefresh]),
        Command::RefreshIntegrationStatus => Ok(vec![ToPatchmon::RefreshIntegrationStatus]),
        Command::UpdateAgent => Ok(vec![ToPatchmon::UpdateAgent]),
        Command::ComplianceScan => Ok(vec![scan(params(run)?)?]),
        Command::SettingsUpdate => settings(params(run)?, generation),
        Command::RunTool | Command::UpdatePackages => Err(nothing_of_the_kind()),
    }
}

fn params<T: for<'de> Deserialize<'de>>(run: &Run) -> Result<T, NotOffered> {
    T::deserialize(&run.params).map_err(|error| NotOffered::Params(error.to_string()))
}

/// What of our own `compliance_scan` its agents can do.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scan {
    #[serde(default)]
    scanner: Option<Scanner>,
    #[serde(default)]
    profile: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Scanner {
    Openscap,
    DockerBench,
}

fn scan(wanted: Scan) -> Result<ToPatchmon, NotOffered> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let wrong = |profile: &String| profile.len() > PROFILE || !profile.chars().all(plain);
    if wanted.profile.as_ref().is_some_and(wrong) {
        let form = format!("profile takes up to {PROFILE} letters, digits, dots and dashes");
        return Err(NotOffered::Params(form));
    }
    let (profile_type, openscap, bench) = match wanted.scanner {
        None => ("all", None, None),
        Some(Scanner::Openscap) => ("openscap", Some(true), Some(false)),
        Some(Scanner::DockerBench) => ("docker-bench", Some(false), Some(true)),
    };
    Ok(ToPatchmon::ComplianceScan {
        profile_type: profile_type.to_owned(),
        profile_id: wanted.profile.filter(|profile| !profile.is_empty()),
        enable_remediation: false,
        fetch_remote_resources: false,
        openscap_enabled: openscap,
        docker_bench_enabled: bench,
    })
}

fn settings(wanted: Settings, generation: Generation) -> Result<Vec<ToPatchmon>, NotOffered> {
    let mut messages = Vec::new();
    let toggles = wanted.integrations;
    if wanted.docker_events == Some(false) {
        let always = "what changes of containers is always told".to_owned();
        return Err(NotOffered::Params(always));
    }
    if let Some(update_interval) = wanted.update_interval {
        if !INTERVAL.contains(&update_interval) {
            let form = "update_interval takes 5 to 1440 minutes".to_owned();
            return Err(NotOffered::Params(form));
        }
        messages.push(ToPatchmon::SettingsUpdate { update_interval });
    }
    if generation == Generation::One && (toggles.openscap, toggles.docker_bench) != (None, None) {
        let since = "openscap and docker_bench are there from version 2.0 on".to_owned();
        return Err(NotOffered::Params(since));
    }
    if generation != Generation::Two {
        let toggle = |integration: &str, enabled| ToPatchmon::IntegrationToggle {
            integration: integration.to_owned(),
            enabled,
        };
        if let Some(mode) = toggles.compliance {
            // The one installs or removes scanners, the other says when they run.
            messages.push(toggle("compliance", mode != ComplianceMode::Disabled));
            messages.push(ToPatchmon::SetComplianceMode { mode });
        }
        // Last, since the agent restarts itself with it.
        messages.extend(toggles.docker.map(|enabled| toggle("docker", enabled)));
    }
    let enabled = toggles.compliance.map(|mode| match mode {
        ComplianceMode::Disabled => Switch::Plain(false),
        ComplianceMode::Enabled => Switch::Plain(true),
        ComplianceMode::OnDemand => Switch::Mode(mode),
    });
    let compliance = ComplianceConfig {
        enabled,
        openscap_enabled: toggles.openscap,
        docker_bench_enabled: toggles.docker_bench,
    };
    let compliance = (compliance != ComplianceConfig::default()).then_some(compliance);
    let config = AgentConfig { docker: toggles.docker, compliance };
    if generation != Generation::One && config != AgentConfig::default() {
        messages.push(ToPatchmon::ApplyConfig { config });
    }
    if messages.is_empty() {
        return Err(NotOffered::Params("they name nothing to change".to_owned()));
    }
    Ok(messages)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(command: &str, params: Value, version: &str) -> Result<Value, NotOffered> {
        let run = Run { command: command.into(), params, deadline_in_ms: None, idempotent: false };
        let messages = messages(&run, Generation::of(version))?;
        Ok(serde_json::to_value(messages).unwrap())
    }

    #[test]
    fn each_generation_hears_its_own_words() {
        let wanted = json!({
            "integrations": { "docker": true, "compliance": "on-demand" },
        });
        assert_eq!(
            said("settings_update", wanted.clone(), "1.4.2").unwrap(),
            json!([
                { "type": "integration_toggle", "integration": "compliance", "enabled": true },
                { "type": "set_compliance_mode", "mode": "on-demand" },
                { "type": "integration_toggle", "integration": "docker", "enabled": true },
            ])
        );
        let two = json!({ "type": "apply_config",
            "config": { "docker": true, "compliance": { "enabled": "on-demand" } } });
        assert_eq!(said("settings_update", wanted.clone(), "2.1.4").unwrap(), json!([two]));
        let both = said("settings_update", wanted, "").unwrap();
        assert_eq!(both.as_array().unwrap().len(), 4);
        let off = json!({ "integrations": { "compliance": "disabled" } });
        let off = said("settings_update", off, "v2.0.0").unwrap();
        let off_config = json!({ "compliance": { "enabled": false } });
        assert_eq!(off, json!([{ "type": "apply_config", "config": off_config }]));
        assert_eq!(
            said("settings_update", json!({ "update_interval": 30 }), "1.4.0").unwrap(),
            json!([{ "type": "settings_update", "update_interval": 30 }])
        );
    }

    #[test]
    fn a_scan_changes_and_fetches_nothing() {
        assert_eq!(
            said("compliance_scan", json!({ "profile": "level1_server" }), "2.1.0").unwrap(),
            json!([{ "type": "compliance_scan", "profile_type": "all",
                "profile_id": "level1_server", "enable_remediation": false,
                "fetch_remote_resources": false }])
        );
        let bench = said("compliance_scan", json!({ "scanner": "docker-bench" }), "").unwrap();
        assert!(bench.to_string().contains(r#""docker_bench_enabled":true"#), "{bench}");
    }

    #[test]
    fn what_its_agents_have_no_words_for_is_refused() {
        for (command, params) in [
            ("run_tool", json!({ "tool": "df" })),
            ("update_packages", json!({})),
            ("no_such_command", json!({})),
            ("compliance_scan", json!({ "scanner": "lynis" })),
            ("compliance_scan", json!({ "content": "/etc/shadow" })),
            ("compliance_scan", json!({ "profile": "a b" })),
            ("compliance_scan", json!({ "profile": "x".repeat(257) })),
            ("settings_update", json!({})),
            ("settings_update", json!({ "update_interval": 0 })),
            ("settings_update", json!({ "docker_events": false })),
            ("settings_update", json!({ "integrations": { "openscap": true } })),
        ] {
            assert!(said(command, params.clone(), "1.4.2").is_err(), "{command} {params}");
        }
    }
}
