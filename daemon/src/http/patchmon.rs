//! What PatchMon's agents ask and post beside their socket. They take 200 and nothing else for done.

pub(super) mod compliance;
pub(super) mod install;
pub(super) mod integration;
pub(super) mod report;
pub(super) mod setting;
pub(super) mod version;

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;
use crate::store::Host;

fn done(body: &impl Serialize) -> Result<Response, Refusal> {
    super::json(StatusCode::OK, body)
}

/// The host of the agent that is calling.
async fn own_host(app: &App, call: &Call) -> Result<Host, Refusal> {
    let agent = call.agent()?;
    app.store.host(agent.tenant, agent.host).await?.ok_or_else(Refusal::not_found)
}

fn crowded() -> Refusal {
    Refusal::unavailable("too many reports come at once; send it again in a moment")
}
