//! Enrolment: provisioning keys, and the hosts that come in by them.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use gangplank_proto::fact::FactText;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::error::Refusal;
use super::gate::{Call, Caller, auth_refusal};
use super::install;
use crate::app::App;
use crate::auth::{AuthError, NewToken};
use crate::config::parse_duration;
use crate::store::{HostState, NewHost};

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
}

pub(super) async fn create_token(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Wanted { uses, expires, approve, ephemeral, labels } = call.json().await?;
    let wrong = || Refusal::bad_request("expires takes a duration such as 30m, 1h or 7d");
    let life = match expires {
        None => Duration::from_secs(3600),
        Some(expires) => parse_duration(&expires).ok_or_else(wrong)?,
    };
    let new = NewToken { uses: uses.unwrap_or(1), life, approve, ephemeral, labels };
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let made = app.auth.create_token(tenant, &by, new).await.map_err(auth_refusal)?;
    let install = install::line(&app, &call, &made.token);
    super::json(
        StatusCode::CREATED,
        &json!({ "token": made.token, "expires_at": made.expires_at, "install": install }),
    )
}

/// What an agent says of its host when it enrols; what else it says comes with its first report.
#[derive(Deserialize)]
struct Device {
    #[serde(default)]
    hostname: FactText,
}

pub(super) async fn register(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Caller::Enrolling(key) = call.caller.clone() else {
        return Err(Refusal::unauthenticated());
    };
    let Device { hostname } = call.json().await?;
    let name = if hostname.is_empty() { "unnamed host" } else { hostname.as_str() };
    let new = NewHost { friendly_name: name.to_owned(), ..NewHost::default() };
    let admitted = app.auth.enrol(key.expose(), Some(call.peer.addr), new).await;
    let admitted = admitted.map_err(|error| {
        if matches!(error, AuthError::Invalid) {
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
