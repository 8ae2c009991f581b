//! Logging in and out.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::secret::Secret;
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Refusal;
use super::gate::{Call, auth_refusal, banned};
use crate::app::App;
use crate::auth::{API_AUDIENCE, AccessToken, AuthError, CookieLogin, Principal, Proof, Switched};
use crate::guard::Visitor;

/// Name of the session cookie. The prefix makes browsers insist on `Secure` and `Path=/`.
pub(super) const COOKIE: &str = "__Host-session";

#[derive(Deserialize)]
struct Login {
    username: String,
    password: Secret,
    /// A code by time or a recovery code, from those who have them.
    #[serde(default)]
    totp: Option<Secret>,
    /// The tenant to enter, by its id or name; the account's own when none is named.
    #[serde(default)]
    tenant: Option<String>,
}

impl Login {
    fn proof(&self) -> Proof<'_> {
        Proof { password: &self.password, code: self.totp.as_ref(), tenant: self.tenant.as_deref() }
    }
}

pub(super) async fn login(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    limit(&app, &call)?;
    let asked: Login = call.json().await?;
    let login = app.auth.login(&asked.username, asked.proof(), call.peer.addr).await;
    let login = login.map_err(|error| refusal(&app, &call, &asked.username, error))?;
    welcome(&app, &call, &login)
}

/// The answer that logs a browser in.
pub(super) fn welcome(app: &App, call: &Call, login: &CookieLogin) -> Result<Response, Refusal> {
    let cookie = session_cookie(app, call, login)?;
    let mut response = super::json(StatusCode::OK, &json!({ "user": user(&login.principal) }))?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

/// The cookie of a login that has just been made, for those who are let in from where they are.
pub(super) fn session_cookie(
    app: &App,
    call: &Call,
    login: &CookieLogin,
) -> Result<HeaderValue, Refusal> {
    succeeded(app, call, &login.principal)?;
    let cookie = format!(
        "{COOKIE}={}; Path=/; Max-Age={}; Secure; HttpOnly; SameSite=Strict",
        login.cookie.expose(),
        login.life.as_secs()
    );
    cookie_value(&cookie)
}

#[derive(Deserialize)]
struct TokenFor {
    #[serde(flatten)]
    login: Login,
    /// The path of the one socket that the token is to open by `?token=`; the API when absent.
    #[serde(default)]
    audience: Option<String>,
}

pub(super) async fn token(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    limit(&app, &call)?;
    let TokenFor { login: asked, audience } = call.json().await?;
    let token = app.auth.token(&asked.username, asked.proof(), call.peer.addr).await;
    let mut token = token.map_err(|error| refusal(&app, &call, &asked.username, error))?;
    let who = app.auth.bearer(token.token.expose(), API_AUDIENCE).await.map_err(auth_refusal)?;
    succeeded(&app, &call, &who)?;
    if let Some(socket) = audience {
        token = app.auth.token_for(&who, &socket).map_err(auth_refusal)?;
    }
    token_answer(&token)
}

fn token_answer(token: &AccessToken) -> Result<Response, Refusal> {
    super::json(
        StatusCode::OK,
        &json!({
            "access_token": token.token,
            "token_type": "Bearer",
            "expires_in": token.life.as_secs(),
        }),
    )
}

pub(super) async fn logout(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let ended = app.auth.logout(call.person()?, Some(call.peer.addr)).await;
    ended.map_err(auth_refusal)?;
    let mut response = super::no_content()?;
    let gone = format!("{COOKIE}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict");
    response.headers_mut().insert(header::SET_COOKIE, cookie_value(&gone)?);
    Ok(response)
}

pub(super) async fn me(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let who = call.person()?;
    let mut tenants = app.store.memberships(who).await?;
    // A program stays where it is.
    tenants.retain(|tenant| who.api_token.is_none() || tenant.id == who.tenant);
    super::json(StatusCode::OK, &json!({ "user": user(who), "tenants": tenants }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Switch {
    /// Its id or its name.
    tenant: String,
}

/// Goes on in another tenant of the person's, with what they came with: a cookie or a token.
pub(super) async fn switch(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Switch { tenant } = call.json().await?;
    let with_cookie = !call.headers.contains_key(header::AUTHORIZATION);
    let who = call.person()?;
    let switched = app.auth.switch(who, &tenant, with_cookie, call.peer.addr).await;
    match switched.map_err(auth_refusal)?.ok_or_else(Refusal::not_found)? {
        Switched::Cookie(login) => welcome(&app, &call, &login),
        Switched::Token(token) => token_answer(&token),
    }
}

/// A person as the API answers them.
fn user(who: &Principal) -> Value {
    json!({
        "id": who.user,
        "username": who.username,
        "tenant": { "id": who.tenant, "name": who.tenant_name },
        "roles": who.roles,
        "permissions": who.permissions,
        "must_enrol": who.must_enrol,
    })
}

pub(super) fn limit(app: &App, call: &Call) -> Result<(), Refusal> {
    match banned(app, call) {
        None => Ok(()),
        Some(wait) => {
            let message = "too many failed attempts from this address";
            Err(Refusal::too_many(message, wait.as_secs()))
        }
    }
}

/// Remembers a good login, with what went before it.
fn succeeded(app: &App, call: &Call, who: &Principal) -> Result<(), Refusal> {
    let (source, now) = (call.peer.addr, app.clock.now());
    if let Some(left) = app.guard.user_blocked(who.user, source, now) {
        return Err(Refusal::too_many("you are not let in from here for a while", left.as_secs()));
    }
    let user_agent = call.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    app.guard.login_succeeded(Visitor { who, source, user_agent, cookie: false }, now);
    Ok(())
}

fn refusal(app: &App, call: &Call, username: &str, error: AuthError) -> Refusal {
    if matches!(error, AuthError::Invalid | AuthError::CodeWrong) {
        app.guard.login_failed(call.peer.addr, username, app.clock.now());
        app.guard.failed(call.peer.addr, "login");
    }
    if matches!(error, AuthError::Invalid) {
        let message = "wrong username or password";
        return Refusal::new(StatusCode::UNAUTHORIZED, "invalid_credentials", message);
    }
    auth_refusal(error)
}

pub(super) fn cookie_value(cookie: &str) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_str(cookie).map_err(|_| Refusal::internal())
}
