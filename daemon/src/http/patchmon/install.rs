//! PatchMon's agent set up for this server by a script, and taken away by another.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::secret::Secret;
use serde::Deserialize;
use serde_json::json;

use super::done;
use crate::app::App;
use crate::http::error::Refusal;
use crate::http::gate::Call;
use crate::http::install;
use crate::patchmon::program::Target;

/// The script, with a one-time token in place of the credential.
pub(in crate::http) async fn script(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let agent = call.agent()?;
    let os = call.query("os").unwrap_or_else(|| "linux".to_owned());
    let arch = call.query("arch").unwrap_or_else(|| "amd64".to_owned());
    let target = Target::new(&os, &arch);
    let target = target.map_err(|error| Refusal::bad_request(error.to_string()))?;
    if target.os() != "linux" {
        let message = "this script is for Linux; elsewhere set server and credential by hand";
        return Err(Refusal::bad_request(message));
    }
    let force = matches!(call.query("force").as_deref(), Some("true" | "1"));
    // The gate has just compared it.
    let key = call.headers.get("x-api-key").and_then(|key| key.to_str().ok());
    let key = Secret::new(key.unwrap_or_default().to_owned());
    let token = app.patchmon.bootstraps.issue(agent.api_id.clone(), key).map_err(|error| {
        tracing::error!(%error, "no randomness");
        Refusal::internal()
    })?;
    let ca = app.trust.as_ref().map_or("", |trust| trust.ca_pem.trim_end());
    let script = include_str!("install.sh")
        .replace("@URL@", &install::own_url(&call))
        .replace("@ARCH@", target.arch())
        .replace("@FORCE@", if force { "yes" } else { "no" })
        .replace("@TOKEN@", token.expose())
        .replace("@CA@", ca);
    Ok(install::shell(script))
}

#[derive(Deserialize)]
struct Exchange {
    token: Secret,
}

pub(in crate::http) async fn exchange(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Exchange { token } = call.json().await?;
    let Some((api_id, api_key)) = app.patchmon.bootstraps.take(token.expose()) else {
        app.guard.failed(call.peer.addr, "bootstrap");
        return Err(Refusal::unauthenticated());
    };
    done(&json!({ "apiId": api_id, "apiKey": api_key }))
}

pub(in crate::http) async fn remove(_: Arc<App>, _: Call) -> Result<Response, Refusal> {
    Ok(install::shell(include_str!("remove.sh").to_owned()))
}
