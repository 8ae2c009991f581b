//! A person's own account: second factors, password, logins.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::id::{LoginId, UserId};
use gangplank_proto::secret::Secret;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::error::Refusal;
use super::gate::{Call, auth_refusal};
use super::qr;
use crate::app::App;
use crate::auth::{AuthError, Proof};

pub(super) async fn get(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let who = call.person()?;
    let factors = app.auth.second_factors(who).await.map_err(auth_refusal)?;
    let config = app.config();
    let sign_on = match &config.oidc {
        Some(oidc) => {
            let linked = app.store.is_linked(who.account, &oidc.issuer).await?;
            json!({ "label": oidc.label, "linked": linked })
        }
        None => json!(null),
    };
    super::json(
        StatusCode::OK,
        &json!({
            "username": who.username,
            "totp": factors.active().is_some(),
            "recovery_codes": factors.recovery_codes,
            "passkeys": factors.passkeys,
            "second_factor_required": factors.required,
            "must_enrol": who.must_enrol,
            "sign_on": sign_on,
        }),
    )
}

/// A password, where it is asked for again.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Again {
    #[serde(default)]
    password: Option<Secret>,
}

pub(super) async fn offer_totp(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Again { password } = call.json().await?;
    again(&app, &call, password.as_ref()).await?;
    let by = call.by(&app)?;
    let offer = app.auth.offer_totp(call.person()?, &by).await.map_err(auth_refusal)?;
    let drawing = qr::draw(offer.uri.expose());
    let answer = json!({ "secret": offer.secret, "uri": offer.uri, "qr": drawing });
    super::json(StatusCode::CREATED, &answer)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    code: Secret,
}

pub(super) async fn confirm_totp(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Code { code } = call.json().await?;
    let by = call.by(&app)?;
    let codes = app.auth.confirm_totp(call.person()?, &by, &code).await;
    super::json(StatusCode::OK, &json!({ "recovery_codes": codes.map_err(refusal)? }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Disable {
    password: Secret,
    code: Secret,
}

pub(super) async fn disable_totp(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Disable { password, code } = call.json().await?;
    again(&app, &call, Some(&password)).await?;
    let by = call.by(&app)?;
    app.auth.disable_totp(call.person()?, &by, &code).await.map_err(refusal)?;
    super::no_content()
}

pub(super) async fn recovery_codes(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Code { code } = call.json().await?;
    let by = call.by(&app)?;
    let codes = app.auth.replace_recovery_codes(call.person()?, &by, &code).await;
    super::json(StatusCode::OK, &json!({ "recovery_codes": codes.map_err(refusal)? }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Password {
    current: Secret,
    new: Secret,
}

pub(super) async fn change_password(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Password { current, new } = call.json().await?;
    again(&app, &call, Some(&current)).await?;
    let by = call.by(&app)?;
    let changed = app.auth.change_own_password(call.person()?, &by, &new).await;
    changed.map_err(auth_refusal)?;
    super::no_content()
}

pub(super) async fn logins(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let who = call.person()?;
    let logins = app.store.logins_of(who.tenant, who.user, app.clock.now()).await?;
    let view = |login: crate::store::OwnLogin| {
        json!({
            "id": login.id,
            "current": login.id == who.login,
            "source": login.source,
            "browser": login.browser,
            "created_at": login.created_at,
            "used_at": login.used_at,
        })
    };
    let items: Vec<_> = logins.into_iter().map(view).collect();
    super::json(StatusCode::OK, &json!({ "items": items, "next_cursor": null }))
}

pub(super) async fn end_login(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let login: LoginId = call.param("login_id")?;
    let by = call.by(&app)?;
    super::done(app.auth.end_own_login(call.person()?, &by, login).await.map_err(auth_refusal)?)
}

pub(super) async fn reset(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let user: UserId = call.param("user_id")?;
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let done = app.auth.reset_second_factors(tenant, &by, user).await;
    super::done(done.map_err(auth_refusal)?)
}

pub(super) async fn policy(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let required = app.store.second_factor_required(call.person()?.tenant).await?;
    super::json(StatusCode::OK, &json!({ "second_factor_required": required }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    second_factor_required: bool,
}

pub(super) async fn set_policy(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Policy { second_factor_required } = call.json().await?;
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    app.store.require_second_factor(tenant, &by, second_factor_required).await?;
    policy(app, call).await
}

/// Checks the password again; a wrong one is told as such, not as the end of the login.
pub(super) async fn again(
    app: &App,
    call: &Call,
    password: Option<&Secret>,
) -> Result<(), Refusal> {
    super::login::limit(app, call)?;
    let checked = app.auth.again(call.person()?, password, call.peer.addr).await;
    checked.map_err(|error| not_again(app, call, error))
}

/// Checks the password again, and a code where there are codes.
pub(super) async fn wholly_again(app: &App, call: &Call, proof: Proof<'_>) -> Result<(), Refusal> {
    super::login::limit(app, call)?;
    let checked = app.auth.wholly_again(call.person()?, proof, call.peer.addr).await;
    checked.map_err(|error| not_again(app, call, error))
}

fn not_again(app: &App, call: &Call, error: AuthError) -> Refusal {
    match error {
        AuthError::Invalid => {
            app.guard.failed(call.peer.addr, "account");
            Refusal::new(StatusCode::BAD_REQUEST, "wrong_password", "that is not your password")
        }
        error => refusal(error),
    }
}

/// A wrong or missing code does not say that the caller isn't logged in.
fn refusal(error: AuthError) -> Refusal {
    match error {
        AuthError::CodeNeeded => {
            Refusal::new(StatusCode::BAD_REQUEST, "totp_required", error.to_string())
        }
        AuthError::CodeWrong => {
            Refusal::new(StatusCode::BAD_REQUEST, "totp_invalid", error.to_string())
        }
        error => auth_refusal(error),
    }
}
