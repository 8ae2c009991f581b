//! What internal services know and decide about tenants.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Refusal;
use super::gate::{Call, auth_refusal};
use super::signed;
use crate::app::App;
use crate::store::{License, Licensed, Limits, Tenant};

/// Largest license, in bytes.
const LARGEST: usize = 64 * 1024;

pub(super) async fn get(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let name: String = call.param("tenant")?;
    let tenant = app.store.tenant_called(&name).await?.ok_or_else(Refusal::not_found)?;
    super::json(StatusCode::OK, &view(&tenant))
}

/// Fields that we don't know are the sender's own.
#[derive(Deserialize)]
struct Told {
    /// Its id or its name.
    tenant: String,
    active: bool,
    #[serde(default)]
    limits: Option<Limits>,
}

pub(super) async fn refresh(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let signed = signed::read(&app, &mut call, LARGEST).await?;
    let told: Told = serde_json::from_slice(&signed.body)
        .map_err(|error| Refusal::bad_request(error.to_string()))?;
    let license = License { active: told.active, limits: told.limits };
    let by = call.by(&app)?;
    let licensed = app.auth.license(&by, &signed.delivery, &told.tenant, license).await;
    match licensed.map_err(auth_refusal)? {
        Licensed::Done(tenant) => super::json(StatusCode::OK, &view(&tenant)),
        Licensed::Again => Err(Refusal::conflict("this delivery was taken before")),
        Licensed::NoTenant => Err(Refusal::not_found()),
    }
}

fn view(tenant: &Tenant) -> Value {
    json!({
        "tenant": tenant.id,
        "name": tenant.name,
        "active": tenant.active,
        "limits": tenant.limits,
    })
}
