//! What hosts say of themselves beside their reports.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::docker::DockerInventory;
use gangplank_proto::integration::Integrations;
use http::StatusCode;

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;
use crate::store::Claim;

pub(super) async fn docker(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    answer::<DockerInventory>(&app, &call).await
}

pub(super) async fn integrations(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    answer::<Integrations>(&app, &call).await
}

async fn answer<T: Claim>(app: &App, call: &Call) -> Result<Response, Refusal> {
    let claimed = app.store.claim::<T>(call.person()?.tenant, call.host()?.id).await?;
    super::json(StatusCode::OK, &claimed.ok_or_else(Refusal::not_found)?)
}
