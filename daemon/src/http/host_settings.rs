//! What people set a host's agent to.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::job::Command;
use gangplank_proto::settings::{Settings, Toggles};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;
use crate::job;
use crate::store::AgentKind;

/// Settings as people say them: what isn't known is a mistake.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    #[serde(default)]
    update_interval: Option<u32>,
    #[serde(default)]
    docker_events: Option<bool>,
    #[serde(default)]
    integrations: Toggles,
}

impl Said {
    /// The settings, checked.
    pub(super) fn settings(self) -> Result<Settings, String> {
        let Self { update_interval, docker_events, integrations } = self;
        let settings = Settings { update_interval, docker_events, integrations };
        settings.checked().map_err(|error| error.to_string())
    }
}

pub(super) async fn get(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let settings = app.store.host_settings(call.person()?.tenant, call.host()?.id).await?;
    super::json(StatusCode::OK, &settings)
}

pub(super) async fn patch(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let said = call.json::<Said>().await?.settings().map_err(Refusal::bad_request)?;
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let host = call.host()?;
    if host.agent == Some(AgentKind::Gangplank) && !said.integrations.is_empty() {
        let message = "what this host's agent looks into is said in the host's own file";
        return Err(Refusal::bad_request(message));
    }
    let set = app.store.set_host(tenant, &by, host.id, said).await?;
    let set = set.ok_or_else(Refusal::not_found)?;
    let order = job::plain(&app, Command::SettingsUpdate, json!(set));
    let made = job::order_as(&app, call.person()?, &by, host, &order, None).await?;
    super::json(StatusCode::OK, &json!({ "settings": set, "job_id": made.map(|made| made.job) }))
}
