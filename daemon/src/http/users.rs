//! Users.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::id::UserId;
use gangplank_proto::secret::Secret;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Refusal;
use super::gate::{Call, auth_refusal};
use crate::app::App;
use crate::auth::Username;
use crate::store::User;

fn view(user: User) -> Value {
    json!({
        "id": user.id,
        "username": user.username,
        "disabled": user.disabled,
        "roles": user.roles,
        "created_at": user.created_at,
        "last_login_at": user.last_login_at,
    })
}

pub(super) async fn list(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let users = app.store.users(call.person()?.tenant, &call.page()?).await?;
    super::json(StatusCode::OK, &users.map(view))
}

async fn answer(
    app: &App,
    call: &Call,
    id: UserId,
    status: StatusCode,
) -> Result<Response, Refusal> {
    let user = app.store.user(call.person()?.tenant, id).await?;
    super::json(status, &view(user.ok_or_else(Refusal::not_found)?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    username: String,
    password: Secret,
    #[serde(default)]
    roles: Vec<String>,
}

pub(super) async fn create(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let New { username, password, roles } = call.json().await?;
    let username: Username = username
        .parse()
        .map_err(|error: crate::auth::UsernameError| Refusal::bad_request(error.to_string()))?;
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let id = app.auth.create_user(tenant, &by, username, &password, roles).await;
    answer(&app, &call, id.map_err(auth_refusal)?, StatusCode::CREATED).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    #[serde(default)]
    disabled: Option<bool>,
    #[serde(default)]
    roles: Option<Vec<String>>,
    #[serde(default)]
    password: Option<Secret>,
}

pub(super) async fn patch(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Patch { disabled, roles, password } = call.json().await?;
    let id: UserId = call.param("user_id")?;
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    if app.store.user(tenant, id).await?.is_none() {
        return Err(Refusal::not_found());
    }
    if let Some(password) = password {
        app.auth.set_password(tenant, &by, id, &password).await.map_err(auth_refusal)?;
    }
    if let Some(roles) = roles {
        app.auth.set_roles(tenant, &by, id, &roles).await.map_err(auth_refusal)?;
    }
    if let Some(disabled) = disabled {
        app.auth.set_disabled(tenant, &by, id, disabled).await.map_err(auth_refusal)?;
    }
    answer(&app, &call, id, StatusCode::OK).await
}
