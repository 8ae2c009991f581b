//! Tenants, for those who look after them: names, counts and limits, and nothing of what is in them.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::id::TenantId;
use gangplank_proto::secret::Secret;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Refusal;
use super::gate::{Call, auth_refusal};
use crate::app::App;
use crate::auth::Username;
use crate::retention::{InForce, Keeping};
use crate::store::{Grant, Limits, Said, TenantCounts, TenantPatch};

fn view(counts: &TenantCounts) -> Value {
    let tenant = &counts.tenant;
    json!({
        "id": tenant.id,
        "name": tenant.name,
        "active": tenant.active,
        "limits": tenant.limits,
        "hosts": counts.hosts,
        "users": counts.users,
        "created_at": tenant.created_at,
    })
}

pub(super) async fn list(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let tenants = app.store.tenants(&call.page()?).await?;
    super::json(StatusCode::OK, &tenants.map(|counts| view(&counts)))
}

pub(super) async fn get(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    answer(&app, call.param("tenant_id")?, StatusCode::OK).await
}

async fn answer(app: &App, id: TenantId, status: StatusCode) -> Result<Response, Refusal> {
    let counts = app.store.tenant_counts(id).await?;
    let mut view = view(&counts.ok_or_else(Refusal::not_found)?);
    let Said { granted, own } = app.store.retention_said(id).await?;
    let in_force = InForce::configured(&app.config()).granted(&granted).within(&own);
    if let Value::Object(view) = &mut view {
        let retention = json!({ "granted": granted, "in_force": in_force.said() });
        view.insert("retention".to_owned(), retention);
    }
    super::json(status, &view)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    #[serde(default)]
    limits: Option<Limits>,
    #[serde(default)]
    retention: Option<Keeping>,
}

pub(super) async fn create(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let New { name, limits, retention } = call.json().await?;
    let by = call.by(&app)?;
    let tenant = app.store.create_tenant(&by, &name).await?;
    if limits.is_some() || retention.is_some() {
        let patch = TenantPatch { limits, retention, ..TenantPatch::default() };
        app.auth.patch_tenant(&by, tenant.id, patch).await.map_err(auth_refusal)?;
    }
    answer(&app, tenant.id, StatusCode::CREATED).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    active: Option<bool>,
    #[serde(default)]
    limits: Option<Limits>,
    #[serde(default)]
    retention: Option<Keeping>,
}

pub(super) async fn patch(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Patch { name, active, limits, retention } = call.json().await?;
    let id = call.param("tenant_id")?;
    let patch = TenantPatch { name, active, limits, retention };
    let done = app.auth.patch_tenant(&call.by(&app)?, id, patch).await.map_err(auth_refusal)?;
    if !done {
        return Err(Refusal::not_found());
    }
    answer(&app, id, StatusCode::OK).await
}

pub(super) async fn delete(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let id = call.param("tenant_id")?;
    super::done(app.auth.delete_tenant(&call.by(&app)?, id).await.map_err(auth_refusal)?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    username: Username,
    /// Of a new user; somebody who is in another tenant already keeps theirs.
    #[serde(default)]
    password: Option<Secret>,
    #[serde(default)]
    roles: Option<Vec<String>>,
}

/// Lets somebody into a tenant, as its administrator unless something else is said.
pub(super) async fn add_member(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let id: TenantId = call.param("tenant_id")?;
    app.store.tenant_counts(id).await?.ok_or_else(Refusal::not_found)?;
    let Member { username, password, roles } = call.json().await?;
    let roles = roles.unwrap_or_else(|| vec!["admin".to_owned()]);
    let by = call.by(&app)?;
    let user = match password {
        Some(password) => {
            let made = app.auth.create_user(id, &by, username.clone(), &password, roles).await;
            Some(made.map_err(auth_refusal)?)
        }
        None => {
            let roles: Vec<_> = roles.into_iter().map(Grant::from).collect();
            app.store.add_member(id, &by, &username, &roles).await?
        }
    };
    let user = user.ok_or_else(|| Refusal::bad_request("there is no user of that name"))?;
    super::json(StatusCode::CREATED, &json!({ "id": user, "username": username }))
}
