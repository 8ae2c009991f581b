//! What internal services know and decide about tenants.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;
use crate::store::Tenant;

pub(super) async fn get(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let name: String = call.param("tenant")?;
    let tenant = app.store.tenant_called(&name).await?.ok_or_else(Refusal::not_found)?;
    super::json(StatusCode::OK, &view(&tenant))
}

fn view(tenant: &Tenant) -> Value {
    json!({ "tenant": tenant.id, "name": tenant.name, "active": tenant.active })
}
