//! API tokens: what people let their programs do.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::error::Refusal;
use super::gate::{Call, auth_refusal, forbid};
use crate::app::App;
use crate::auth::Permission;
use crate::config::parse_duration;

/// Life of a token of which nothing is said.
const LIFE: Duration = Duration::from_secs(90 * 24 * 3600);

/// One's own, or with `?all=true` those of everybody in the tenant.
pub(super) async fn list(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let who = call.person()?;
    let user = match call.query("all").as_deref() {
        Some("true") if who.may(Permission::UsersManage) => None,
        Some("true") => {
            let detail = json!({ "permission": Permission::UsersManage });
            return Err(forbid(&app, &call, "tokens", detail).await);
        }
        _ => Some(who.user),
    };
    super::json(StatusCode::OK, &app.store.api_tokens(who.tenant, user, &call.page()?).await?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    scopes: Vec<Permission>,
    /// Such as `30d`.
    #[serde(default)]
    expires: Option<String>,
}

pub(super) async fn create(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let New { name, mut scopes, expires } = call.json().await?;
    by_person(&app, &call).await?;
    let wrong = || Refusal::bad_request("expires takes a duration such as 12h, 30d or 366d");
    let life = match expires {
        None => LIFE,
        Some(expires) => parse_duration(&expires).ok_or_else(wrong)?,
    };
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() {
        return Err(Refusal::bad_request("scopes takes a list of permissions, one at least"));
    }
    let who = call.person()?;
    if !who.has_all(&scopes) {
        return Err(forbid(&app, &call, "token", json!({ "scopes": scopes })).await);
    }
    let by = call.by(&app)?;
    let made = app.auth.create_api_token(who, &by, name.clone(), scopes.clone(), life).await;
    let made = made.map_err(auth_refusal)?;
    super::json(
        StatusCode::CREATED,
        &json!({
            "id": made.id,
            "name": name,
            "token": made.token,
            "scopes": scopes,
            "expires_at": made.expires_at,
        }),
    )
}

pub(super) async fn revoke(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let id: Uuid = call.param("token_id")?;
    by_person(&app, &call).await?;
    let who = call.person()?;
    let user = (!who.may(Permission::UsersManage)).then_some(who.user);
    let done = app.auth.revoke_api_token(who.tenant, &call.by(&app)?, id, user).await;
    super::done(done.map_err(auth_refusal)?)
}

/// A token makes and revokes tokens only if it was made for that.
async fn by_person(app: &App, call: &Call) -> Result<(), Refusal> {
    let who = call.person()?;
    if who.api_token.is_none() || who.may(Permission::TokensManage) {
        return Ok(());
    }
    let detail = json!({ "permission": Permission::TokensManage });
    Err(forbid(app, call, "token", detail).await)
}
