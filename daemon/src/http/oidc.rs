//! Single sign-on: away to the provider, and back.

use std::sync::Arc;

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use super::error::Refusal;
use super::gate::{Call, cookie};
use super::login;
use crate::app::App;
use crate::auth::Site;
use crate::config::OidcConfig;
use crate::oidc::{OidcError, Return};

/// The cookie by which a browser is known again that was sent away. Lax, because it comes back from
/// another site.
const COOKIE: &str = "__Host-oidc";

/// How one may log in here, for the login page.
pub(super) async fn methods(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let config = app.config();
    let oidc = config.oidc.as_ref().map(|oidc| json!({ "label": oidc.label }));
    let passkeys = host(&call).is_some_and(|host| Site::of(host).is_some());
    super::json(StatusCode::OK, &json!({ "password": true, "passkeys": passkeys, "oidc": oidc }))
}

pub(super) async fn start(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    login::limit(&app, &call)?;
    let config = app.config();
    let config = configured(config.oidc.as_ref())?;
    let host = host(&call).ok_or_else(Refusal::not_found)?;
    let (origin, next) = (format!("https://{host}"), call.query("next"));
    let (source, now) = (call.peer.addr, app.clock.now());
    match app.oidc.depart(config, &origin, next.as_deref(), source, now).await {
        Ok(departure) => {
            let mut response = redirect(departure.url.as_str())?;
            let cookie = format!(
                "{COOKIE}={}; Path=/; Max-Age=300; Secure; HttpOnly; SameSite=Lax",
                departure.cookie.expose()
            );
            response.headers_mut().append(header::SET_COOKIE, login::cookie_value(&cookie)?);
            Ok(response)
        }
        Err(error) => failed(&app, &call, &error),
    }
}

pub(super) async fn callback(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    login::limit(&app, &call)?;
    let config = app.config();
    let config = configured(config.oidc.as_ref())?;
    let back = Return { state: call.query("state").unwrap_or_default(), code: call.query("code") };
    let flow = cookie(&call.headers, COOKIE);
    match app.oidc.arrive(&app, config, flow.as_deref(), back, call.peer.addr).await {
        Ok((login, next)) => {
            let mut response = redirect(&next)?;
            let session = login::session_cookie(&app, &call, &login)?;
            response.headers_mut().append(header::SET_COOKIE, session);
            response.headers_mut().append(header::SET_COOKIE, gone());
            Ok(response)
        }
        Err(error) => failed(&app, &call, &error),
    }
}

fn configured(config: Option<&OidcConfig>) -> Result<&OidcConfig, Refusal> {
    config.ok_or_else(Refusal::not_found)
}

/// Back to the login page, which says what it was in words of its own.
fn failed(app: &App, call: &Call, error: &OidcError) -> Result<Response, Refusal> {
    tracing::warn!(source = %call.peer.addr, %error, "a single sign-on failed");
    let why = match error {
        OidcError::Provider(_) => "unavailable",
        OidcError::Denied => "denied",
        OidcError::NoAccess => "no_access",
        OidcError::Name => "name",
        OidcError::Foreign | OidcError::Token(_) | OidcError::Auth(_) => {
            app.guard.failed(call.peer.addr, "login");
            "refused"
        }
        OidcError::Store(_) | OidcError::Random(_) => "failed",
    };
    let mut response = redirect(&format!("/login?sso={why}"))?;
    response.headers_mut().append(header::SET_COOKIE, gone());
    Ok(response)
}

fn gone() -> HeaderValue {
    HeaderValue::from_static("__Host-oidc=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax")
}

fn redirect(to: &str) -> Result<Response, Refusal> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SEE_OTHER;
    let to = HeaderValue::from_str(to).map_err(|_| Refusal::internal())?;
    response.headers_mut().insert(header::LOCATION, to);
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    Ok(response)
}

/// The name by which the browser has come, which the gate has checked to be ours.
fn host(call: &Call) -> Option<&str> {
    call.headers.get(header::HOST).and_then(|host| host.to_str().ok())
}
