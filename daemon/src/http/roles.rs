//! Roles: what bundles permissions for people.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::error::Refusal;
use super::gate::{Call, auth_refusal, forbid};
use crate::app::App;
use crate::auth::Permission;

pub(super) async fn list(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let roles = app.store.roles(call.person()?.tenant).await?;
    let answer = json!({ "items": roles, "next_cursor": null, "permissions": Permission::ALL });
    super::json(StatusCode::OK, &answer)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    permissions: Vec<Permission>,
}

pub(super) async fn create(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let New { name, permissions } = call.json().await?;
    may_give(&app, &call, &permissions).await?;
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    app.store.create_role(tenant, &by, &name, &permissions).await?;
    answer(&app, &call, &name, StatusCode::CREATED).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    permissions: Vec<Permission>,
}

pub(super) async fn patch(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let name: String = call.param("role")?;
    let tenant = call.person()?.tenant;
    // A role that isn't there is missing whatever is wanted of it.
    let role = app.store.role(tenant, &name).await?.ok_or_else(Refusal::not_found)?;
    let Patch { permissions } = call.json().await?;
    let concerned: Vec<_> = role.permissions.iter().chain(&permissions).copied().collect();
    may_give(&app, &call, &concerned).await?;
    let done = app.auth.set_role(tenant, &call.by(&app)?, &name, &permissions).await;
    if !done.map_err(auth_refusal)? {
        return Err(Refusal::not_found());
    }
    answer(&app, &call, &name, StatusCode::OK).await
}

pub(super) async fn delete(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let name: String = call.param("role")?;
    let tenant = call.person()?.tenant;
    let role = app.store.role(tenant, &name).await?.ok_or_else(Refusal::not_found)?;
    may_give(&app, &call, &role.permissions).await?;
    super::done(app.store.delete_role(tenant, &call.by(&app)?, &name).await?)
}

/// Nobody gives what they don't have, nor takes it.
async fn may_give(app: &App, call: &Call, permissions: &[Permission]) -> Result<(), Refusal> {
    if call.person()?.has_all(permissions) {
        return Ok(());
    }
    Err(forbid(app, call, "role", json!({ "permissions": permissions })).await)
}

async fn answer(
    app: &App,
    call: &Call,
    name: &str,
    status: StatusCode,
) -> Result<Response, Refusal> {
    let role = app.store.role(call.person()?.tenant, name).await?;
    super::json(status, &role.ok_or_else(Refusal::not_found)?)
}
