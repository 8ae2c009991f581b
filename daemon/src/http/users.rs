//! Users.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::id::UserId;
use gangplank_proto::secret::Secret;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Refusal;
use super::gate::{Call, auth_refusal, forbid};
use crate::app::App;
use crate::auth::Username;
use crate::clock::Timestamp;
use crate::store::{Grant, User};

fn view(user: User, now: Timestamp) -> Value {
    let mut grants = user.roles;
    grants.retain(|grant| grant.expires_at.is_none_or(|at| at > now));
    json!({
        "id": user.id,
        "username": user.username,
        "disabled": user.disabled,
        "guest": user.guest,
        "roles": grants.iter().map(|grant| &grant.role).collect::<Vec<_>>(),
        "grants": grants,
        "created_at": user.created_at,
        "last_login_at": user.last_login_at,
    })
}

pub(super) async fn list(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let users = app.store.users(call.person()?.tenant, &call.page()?).await?;
    let now = app.clock.now();
    super::json(StatusCode::OK, &users.map(|user| view(user, now)))
}

async fn answer(
    app: &App,
    call: &Call,
    id: UserId,
    status: StatusCode,
) -> Result<Response, Refusal> {
    let user = app.store.user(call.person()?.tenant, id).await?;
    super::json(status, &view(user.ok_or_else(Refusal::not_found)?, app.clock.now()))
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
    may_give(&app, &call, roles.iter().map(String::as_str)).await?;
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
    roles: Option<Vec<Given>>,
    #[serde(default)]
    password: Option<Secret>,
}

/// A role that is to be given.
#[derive(Deserialize)]
#[serde(untagged)]
enum Given {
    /// For good.
    Name(String),
    /// For a while.
    Grant {
        role: String,
        #[serde(default)]
        expires_at: Option<Timestamp>,
    },
}

impl From<Given> for Grant {
    fn from(given: Given) -> Self {
        match given {
            Given::Name(role) => role.into(),
            Given::Grant { role, expires_at } => Self { role, expires_at },
        }
    }
}

/// Refuses whoever would give, or have power over, what they don't have themselves.
async fn may_give(
    app: &App,
    call: &Call,
    roles: impl Iterator<Item = &str>,
) -> Result<(), Refusal> {
    let who = call.person()?;
    let wanted: Vec<&str> = roles.collect();
    let known = app.store.roles(who.tenant).await?;
    let given = known.iter().filter(|role| wanted.contains(&role.name.as_str()));
    for role in given {
        if !who.has_all(&role.permissions) {
            return Err(forbid(app, call, "role", json!({ "role": role.name })).await);
        }
    }
    Ok(())
}

pub(super) async fn patch(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Patch { disabled, roles, password } = call.json().await?;
    let id: UserId = call.param("user_id")?;
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let user = app.store.user(tenant, id).await?.ok_or_else(Refusal::not_found)?;
    let roles = roles.map(|roles| roles.into_iter().map(Grant::from).collect::<Vec<_>>());
    let concerned = user.roles.iter().chain(roles.iter().flatten());
    may_give(&app, &call, concerned.map(|grant| grant.role.as_str())).await?;
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
