//! What people set a host's agent to.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::job::Command;
use gangplank_proto::settings::Settings;
use http::StatusCode;
use serde_json::json;

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;
use crate::job;

pub(super) async fn get(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let settings = app.store.host_settings(call.person()?.tenant, call.host()?.id).await?;
    super::json(StatusCode::OK, &settings)
}

pub(super) async fn patch(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let said = call.json::<Settings>().await?.checked();
    let said = said.map_err(|error| Refusal::bad_request(error.to_string()))?;
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let host = call.host()?.id;
    let set = app.store.set_host(tenant, &by, host, said).await?;
    let set = set.ok_or_else(Refusal::not_found)?;
    let order = job::plain(&app, Command::SettingsUpdate, json!(set));
    let job = job::order(&app, tenant, &by, host, &order).await?;
    super::json(StatusCode::OK, &json!({ "settings": set, "job_id": job }))
}
