//! `refresh_integration_status`: what this host can do beside terminals and reports.

use std::collections::BTreeMap;

use gangplank_proto::fact::FactText;
use gangplank_proto::integration::{Integration, Integrations};
use gangplank_proto::job::Done;

use super::{Context, print};
use crate::config::Local;
use crate::docker;
use crate::scan::{self, Available, Setup};
use crate::update::KeyError;

pub(super) async fn run(context: &Context) -> Done {
    let local = &context.local;
    let integrations = vec![
        of_docker(local).await,
        of_compliance(local).await,
        of_tools(local),
        of_packages(local),
        of_update(local),
    ];
    print(&Integrations { integrations }, context).await
}

fn disabled(name: &str, key: &str) -> Integration {
    Integration {
        name: name.into(),
        status: "disabled".into(),
        message: format!("switched off by the host's own file ({key})").into(),
        ..Integration::default()
    }
}

fn ready(name: &str, message: &str) -> Integration {
    Integration {
        name: name.into(),
        enabled: true,
        status: "ready".into(),
        message: message.into(),
        ..Integration::default()
    }
}

async fn of_docker(local: &Local) -> Integration {
    match docker::collect(&local.policy).await {
        Ok(found) => {
            let running = found.containers.iter().filter(|one| one.state.as_str() == "running");
            let (running, all) = (running.count(), found.containers.len());
            let engine = found.engine.version;
            let message = format!("{running} of {all} containers run; engine {}", engine.as_str());
            Integration {
                components: BTreeMap::from([("engine".to_owned(), engine)]),
                ..ready("docker", &message)
            }
        }
        Err(docker::DockerError::NotAllowed) => disabled("docker", "policy.docker"),
        Err(error) => Integration {
            enabled: true,
            status: "unavailable".into(),
            message: error.to_string().into(),
            ..disabled("docker", "")
        },
    }
}

async fn of_compliance(local: &Local) -> Integration {
    if !local.policy.scan {
        return disabled("compliance", "policy.scan");
    }
    let content = local.policy.scan_content.clone();
    let look = move || scan::available(&content, &Setup::of_host());
    let Available { scanners, profiles } =
        tokio::task::spawn_blocking(look).await.unwrap_or_default();
    let there = scanners.values().filter(|there| **there).count();
    let status = match there {
        0 => "unavailable",
        some if some < scanners.len() => "partial",
        _ => "ready",
    };
    let components = scanners.into_iter().map(|(name, there)| {
        (name.to_owned(), FactText::from(if there { "ready" } else { "unavailable" }))
    });
    Integration {
        status: status.into(),
        components: components.collect(),
        choices: profiles.into_iter().map(Into::into).collect(),
        ..ready("compliance", "")
    }
}

fn of_tools(local: &Local) -> Integration {
    if !local.policy.tools {
        return disabled("tools", "policy.tools");
    }
    let choices: Vec<_> = local.tools.keys().map(|name| name.as_str().into()).collect();
    Integration { choices, ..ready("tools", "") }
}

fn of_packages(local: &Local) -> Integration {
    if !local.policy.packages {
        return disabled("packages", "policy.packages");
    }
    if super::is_root() || local.helper.exists() {
        return ready("packages", "updates of packages may be ordered");
    }
    let message = "to update takes a helper that is root, and none listens";
    Integration { status: "partial".into(), ..ready("packages", message) }
}

fn of_update(local: &Local) -> Integration {
    if !local.policy.update {
        disabled("update", "policy.update")
    } else if local.keys.is_empty() {
        let missing = KeyError::NoKeys.to_string();
        Integration { status: "unavailable".into(), ..ready("update", &missing) }
    } else {
        ready("update", "the agent may be updated to signed releases")
    }
}
