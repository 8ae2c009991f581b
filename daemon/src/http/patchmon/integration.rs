//! What PatchMon's agents look into beside packages.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::docker::DockerInventory;
use gangplank_proto::integration::Integrations;
use gangplank_proto::job::Command;
use gangplank_proto::patchmon::{DockerUpload, Hashes, IntegrationStatus, Section};
use serde_json::json;

use super::{crowded, done};
use crate::app::App;
use crate::http::error::Refusal;
use crate::http::gate::Call;
use crate::job;
use crate::patchmon::LARGEST;

pub(in crate::http) async fn status(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let agent = call.agent()?.clone();
    let said: IntegrationStatus = call.json().await?;
    if said.integration.is_empty() {
        return Err(Refusal::bad_request("integration takes a name"));
    }
    let (tenant, host) = (agent.tenant, agent.host);
    let asked = (Command::RefreshIntegrationStatus, &Hashes::default());
    let change = |before: Option<Integrations>| said.over(before.unwrap_or_default());
    let now = app.clock.now();
    let taken = app.store.patchmon_claim(tenant, host, asked, now, change).await?;
    job::settle(&app, taken.ok_or_else(Refusal::not_found)?).await?;
    done(&json!({ "success": true, "message": "Integration status updated" }))
}

pub(in crate::http) async fn docker(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let agent = call.agent()?.clone();
    let turn = app.patchmon.upload().await.ok_or_else(crowded)?;
    let said: DockerUpload = call.json_within(LARGEST).await?;
    let mut hashes = Hashes::default();
    if let Some(hash) = said.docker_hash.clone() {
        hashes.set(Section::Docker, hash);
    }
    let answer = json!({
        "message": "Docker data collected successfully",
        "containers_received": said.containers.len(),
        "images_received": said.images.len(),
        "volumes_received": said.volumes.len(),
        "networks_received": said.networks.len(),
        "updates_found": said.updates.len(),
    });
    let (tenant, host) = (agent.tenant, agent.host);
    let asked = (Command::DockerInventory, &hashes);
    let change = |_: Option<DockerInventory>| said.into();
    let now = app.clock.now();
    let taken = app.store.patchmon_claim(tenant, host, asked, now, change).await?;
    drop(turn);
    job::settle(&app, taken.ok_or_else(Refusal::not_found)?).await?;
    done(&answer)
}
