//! Single sign-on: away to the provider, and back.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::secret::Secret;
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use super::error::Refusal;
use super::gate::{Call, cookie};
use super::{account, login};
use crate::app::App;
use crate::auth::{Proof, Site};
use crate::config::OidcConfig;
use crate::oidc::{Arrival, Departure, OidcError, Purpose, Return};

/// The cookie by which a browser is known again that was sent away. Lax, because it comes back from
/// another site.
const COOKIE: &str = "__Host-oidc";

/// Where a login is begun.
const LOGIN: &str = "/login";

/// Where an account is linked.
const ACCOUNT: &str = "/account";

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
    let purpose = Purpose::Login { next: call.query("next"), tenant: call.query("tenant") };
    match depart(&app, &call, config, purpose).await? {
        Ok(departure) => {
            let mut response = redirect(departure.url.as_str())?;
            response.headers_mut().append(header::SET_COOKIE, flow_cookie(&departure)?);
            Ok(response)
        }
        Err(error) => failed(&app, &call, &error, LOGIN),
    }
}

async fn depart(
    app: &App,
    call: &Call,
    config: &OidcConfig,
    purpose: Purpose,
) -> Result<Result<Departure, OidcError>, Refusal> {
    let origin = format!("https://{}", host(call).ok_or_else(Refusal::not_found)?);
    let (source, now) = (call.peer.addr, app.clock.now());
    Ok(app.oidc.depart(config, &origin, purpose, source, now).await)
}

fn flow_cookie(departure: &Departure) -> Result<HeaderValue, Refusal> {
    let cookie = departure.cookie.expose();
    login::cookie_value(&format!(
        "{COOKIE}={cookie}; Path=/; Max-Age=300; Secure; HttpOnly; SameSite=Lax"
    ))
}

/// What proves once more who is asking.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Again {
    password: Secret,
    #[serde(default)]
    code: Option<Secret>,
}

impl Again {
    async fn check(&self, app: &App, call: &Call) -> Result<(), Refusal> {
        let proof = Proof { password: &self.password, code: self.code.as_ref(), tenant: None };
        account::wholly_again(app, call, proof).await
    }
}

/// Sends a person away to link their account, who has proved again that it is theirs.
pub(super) async fn link(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let config = app.config();
    let config = configured(config.oidc.as_ref())?;
    call.json::<Again>().await?.check(&app, &call).await?;
    let purpose = Purpose::Link(Box::new(call.person()?.clone()));
    let departure = depart(&app, &call, config, purpose).await?.map_err(|error| {
        tracing::warn!(source = %call.peer.addr, %error, "an account could not be linked");
        Refusal::unavailable("the provider of single sign-on can't be reached right now")
    })?;
    let mut response = super::json(StatusCode::OK, &json!({ "url": departure.url.as_str() }))?;
    response.headers_mut().append(header::SET_COOKIE, flow_cookie(&departure)?);
    Ok(response)
}

pub(super) async fn unlink(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let config = app.config();
    let config = configured(config.oidc.as_ref())?;
    call.json::<Again>().await?.check(&app, &call).await?;
    let by = call.by(&app)?;
    let account = call.person()?.account;
    super::done(app.store.unlink_identity(account, &by, &config.issuer).await?)
}

pub(super) async fn callback(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    login::limit(&app, &call)?;
    let config = app.config();
    let config = configured(config.oidc.as_ref())?;
    let back = Return { state: call.query("state").unwrap_or_default(), code: call.query("code") };
    let flow = cookie(&call.headers, COOKIE);
    let Some(flow) = app.oidc.returned(flow.as_deref(), app.clock.now()) else {
        return failed(&app, &call, &OidcError::Foreign, LOGIN);
    };
    let page = if flow.links() { ACCOUNT } else { LOGIN };
    match app.oidc.arrive(&app, config, flow, back, call.peer.addr).await {
        Ok(Arrival::In(login, next)) => {
            let mut response = redirect(&next)?;
            let session = login::session_cookie(&app, &call, &login)?;
            response.headers_mut().append(header::SET_COOKIE, session);
            response.headers_mut().append(header::SET_COOKIE, gone());
            Ok(response)
        }
        Ok(Arrival::Linked) => {
            let mut response = redirect(&format!("{ACCOUNT}?sso=linked"))?;
            response.headers_mut().append(header::SET_COOKIE, gone());
            Ok(response)
        }
        Err(error) => failed(&app, &call, &error, page),
    }
}

fn configured(config: Option<&OidcConfig>) -> Result<&OidcConfig, Refusal> {
    config.ok_or_else(Refusal::not_found)
}

/// Back to a page, which says what it was in words of its own.
fn failed(app: &App, call: &Call, error: &OidcError, page: &str) -> Result<Response, Refusal> {
    tracing::warn!(source = %call.peer.addr, %error, "a single sign-on failed");
    let why = match error {
        OidcError::Provider(_) => "unavailable",
        OidcError::Denied => "denied",
        OidcError::NoAccess => "no_access",
        OidcError::Name => "name",
        OidcError::Linked => "taken",
        OidcError::Foreign | OidcError::Token(_) | OidcError::Auth(_) => {
            app.guard.failed(call.peer.addr, "login");
            "refused"
        }
        OidcError::Store(_) | OidcError::Random(_) => "failed",
    };
    let mut response = redirect(&format!("{page}?sso={why}"))?;
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
