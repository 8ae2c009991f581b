//! What PatchMon's agents ask about themselves when they start.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::settings::ComplianceMode;
use serde_json::{Map, Value, json};

use super::{done, own_host};
use crate::app::App;
use crate::http::error::Refusal;
use crate::http::gate::Call;

/// Minutes between two reports, where people say nothing else.
const INTERVAL: u32 = 60;

pub(in crate::http) async fn update_interval(
    app: Arc<App>,
    call: Call,
) -> Result<Response, Refusal> {
    let agent = call.agent()?;
    let settings = app.store.host_settings(agent.tenant, agent.host).await?;
    // Its agents can't be told to be silent.
    let minutes = settings.update_interval.filter(|minutes| *minutes > 0).unwrap_or(INTERVAL);
    let cron = match minutes {
        1..60 => format!("*/{minutes} * * * *"),
        _ => format!("0 */{} * * *", (minutes / 60).min(23)),
    };
    done(&json!({ "updateInterval": minutes, "cronExpression": cron }))
}

pub(in crate::http) async fn auto_update(app: Arc<App>, _: Call) -> Result<Response, Refusal> {
    done(&json!({ "autoUpdate": provides(&app) }))
}

pub(in crate::http) async fn host(app: Arc<App>, _: Call) -> Result<Response, Refusal> {
    let provides = provides(&app);
    done(&json!({ "auto_update": provides, "host_auto_update": provides }))
}

/// Whoever puts programs there wants them to be used.
pub(super) fn provides(app: &App) -> bool {
    app.config().patchmon_programs.is_some()
}

pub(in crate::http) async fn info(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let host = own_host(&app, &call).await?;
    done(&json!({
        "id": host.id,
        "friendly_name": host.friendly_name,
        "hostname": host.facts.hostname,
        "ip": host.address,
        "os_type": host.facts.os,
        "os_version": host.facts.os_version,
        "architecture": host.facts.arch,
        "last_update": host.last_seen_at,
        "status": "active",
        "created_at": host.created_at,
        "api_id": host.api_id,
    }))
}

/// Only what people have decided: whatever is not named stays as the agent has it.
pub(in crate::http) async fn integrations(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let agent = call.agent()?;
    let toggles = app.store.host_settings(agent.tenant, agent.host).await?.integrations;
    let mut integrations = Map::new();
    let mut answer = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        answer.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("compliance_mode", toggles.compliance.map(|mode| json!(mode)));
    let on_demand = toggles.compliance.map(|mode| mode == ComplianceMode::OnDemand);
    put("compliance_on_demand_only", on_demand.map(Value::from));
    put("compliance_openscap_enabled", toggles.openscap.map(Value::from));
    put("compliance_docker_bench_enabled", toggles.docker_bench.map(Value::from));
    let compliance = toggles.compliance.map(|mode| mode != ComplianceMode::Disabled);
    for (name, value) in [("docker", toggles.docker), ("compliance", compliance)] {
        integrations.extend(value.map(|value| (name.to_owned(), Value::from(value))));
    }
    answer.insert("integrations".to_owned(), integrations.into());
    answer.insert("success".to_owned(), true.into());
    done(&answer)
}
