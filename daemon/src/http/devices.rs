//! Enrolment: provisioning keys, and the hosts that come in by them.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use gangplank_proto::fact::FactText;
use gangplank_proto::id::{HostId, TenantId};
use http::StatusCode;
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::error::Refusal;
use super::gate::{Call, Caller, auth_refusal};
use super::install;
use crate::app::App;
use crate::auth::{AuthError, NewToken};
use crate::config::parse_duration;
use crate::guard::Source;
use crate::random;
use crate::store::{Arrival, HostState, NewHost};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    uses: Option<u32>,
    #[serde(default)]
    expires: Option<String>,
    #[serde(default)]
    approve: bool,
    #[serde(default)]
    ephemeral: bool,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    networks: Vec<IpNet>,
}

pub(super) async fn create_token(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Wanted { uses, expires, approve, ephemeral, labels, networks } = call.json().await?;
    let wrong = || Refusal::bad_request("expires takes a duration such as 30m, 1h or 7d");
    let life = match expires {
        None => Duration::from_secs(3600),
        Some(expires) => parse_duration(&expires).ok_or_else(wrong)?,
    };
    let uses = uses.unwrap_or(1);
    let new = NewToken { uses, life, approve, ephemeral, labels, networks };
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let made = app.auth.create_token(tenant, &by, new).await.map_err(auth_refusal)?;
    let install = install::line(&app, &call, &made.token);
    super::json(
        StatusCode::CREATED,
        &json!({ "token": made.token, "expires_at": made.expires_at, "install": install }),
    )
}

pub(super) async fn tokens(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let items = app.store.provisioning_keys(call.person()?.tenant, app.clock.now()).await?;
    super::json(StatusCode::OK, &json!({ "items": items, "next_cursor": null }))
}

pub(super) async fn delete_token(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let token: Uuid = call.param("token_id")?;
    super::done(app.store.delete_provisioning_key(tenant, &by, token).await?)
}

/// What an agent says of its host when it enrols; what else it says comes with its first report.
#[derive(Deserialize)]
struct Device {
    #[serde(default)]
    hostname: FactText,
    #[serde(default)]
    machine_id: FactText,
}

pub(super) async fn register(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Caller::Enrolling(key) = call.caller.clone() else {
        return Err(Refusal::unauthenticated());
    };
    let limit = app.config().limits.registrations_per_minute_per_ip;
    if let Err(wait) = app.registrations.take(&Source::from(call.peer.addr), limit) {
        let message = "too many hosts register from this address";
        return Err(Refusal::too_many(message, wait.as_secs() + 1));
    }
    let Device { hostname, machine_id } = call.json().await?;
    let name = if hostname.is_empty() { "unnamed host" } else { hostname.as_str() };
    let arrival = Arrival {
        source: Some(call.peer.addr),
        host: NewHost { friendly_name: name.to_owned(), ..NewHost::default() },
        machine: (!machine_id.is_empty()).then(|| random::token_hash(machine_id.as_str())),
        proved: proved(&app, &call).await?,
    };
    let admitted = app.auth.enrol(key.expose(), arrival).await;
    let admitted = admitted.map_err(|error| {
        if matches!(error, AuthError::Invalid | AuthError::Network) {
            app.guard.failed(call.peer.addr, "enrol");
        }
        auth_refusal(error)
    })?;
    let (api_id, api_key) = (admitted.credential.api_id, admitted.credential.api_key);
    let device_key = format!("{api_id}.{}", api_key.expose());
    super::json(
        StatusCode::CREATED,
        &json!({
            "device_id": admitted.host,
            "host_id": admitted.host,
            "api_id": api_id,
            "api_key": api_key,
            "device_key": device_key,
            "pending": admitted.state == HostState::Pending,
        }),
    )
}

/// The host whose key the device brought along. A key that is no longer good proves nothing, and that
/// is all: its host may be gone.
async fn proved(app: &App, call: &Call) -> Result<Option<(TenantId, HostId)>, Refusal> {
    let Some(header) = call.headers.get("x-device-key") else { return Ok(None) };
    let parts = header.to_str().ok().and_then(|both| both.rsplit_once('.'));
    let (id, key) = parts.unwrap_or(("", ""));
    match app.auth.agent(id, key, Some(call.peer.addr)).await {
        Ok(agent) => Ok(Some((agent.tenant, agent.host))),
        Err(AuthError::Invalid) => {
            app.guard.failed(call.peer.addr, "enrol");
            Ok(None)
        }
        Err(error) => Err(auth_refusal(error)),
    }
}
