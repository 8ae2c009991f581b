//! Who is calling: the credentials in a request's head, and whose they are.

use gangplank_proto::id::HostId;
use gangplank_proto::secret::Secret;
use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::refusal::{auth_refusal, ticket_refusal};
use super::{Call, Caller};
use crate::app::App;
use crate::auth::API_AUDIENCE;
use crate::http::error::Refusal;
use crate::http::route::{Credential, Route};
use crate::http::{channels, login, signed};
use crate::ticket::Target;

/// The cookie by which dashboards of job queues know a session.
pub(in crate::http) const BOARD_COOKIE: &str = "bull-board-session";

/// The header by which internal services prove themselves.
pub(super) const INTERNAL_TOKEN: &str = "x-internal-token";

/// The header by which an internal service names the tenant that its request is about.
const TENANT_ID: &str = "x-tenant-id";

type Identified = (Caller, Option<(Secret, Target)>);

/// Finds out who is calling. The first credential that is present decides.
pub(super) async fn identify(app: &App, route: &Route, call: &Call) -> Result<Identified, Refusal> {
    for credential in route.credentials {
        match credential {
            Credential::Ticket => {
                let Some(ticket) = call.query("ticket") else { continue };
                let target = target(call);
                let looked = app.tickets.look(&ticket, Some(call.peer.addr), &target).await;
                let who = looked.map_err(ticket_refusal)?;
                return Ok((Caller::Person(who), Some((Secret::new(ticket), target))));
            }
            Credential::QueryToken => {
                if !app.config().auth.legacy_query_token {
                    continue;
                }
                let Some(token) = call.query("token") else { continue };
                let who = app.auth.bearer(&token, call.uri.path()).await;
                return Ok((Caller::Person(who.map_err(auth_refusal)?), None));
            }
            Credential::Bearer => {
                let Some(value) = call.headers.get(header::AUTHORIZATION) else { continue };
                let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
                let Some(token) = token else { return Err(Refusal::unauthenticated()) };
                let who = app.auth.bearer(token.trim(), API_AUDIENCE).await;
                return Ok((Caller::Person(who.map_err(auth_refusal)?), None));
            }
            Credential::Cookie => {
                let Some(cookie) = session_cookie(app, &call.headers) else { continue };
                let who = app.auth.cookie(&cookie).await.map_err(auth_refusal)?;
                return Ok((Caller::Person(who), None));
            }
            Credential::BoardCookie => {
                let Some(value) = cookie(&call.headers, BOARD_COOKIE) else { continue };
                let who = app.auth.cookie(&value).await.map_err(auth_refusal)?;
                return Ok((Caller::Person(who), None));
            }
            Credential::AgentKey => {
                let header = |name| call.headers.get(name).and_then(|v| v.to_str().ok());
                let (id, key) = (header("x-api-id"), header("x-api-key"));
                // Missing headers cost what wrong ones cost.
                let source = Some(call.peer.addr);
                let agent = app.auth.agent(id.unwrap_or(""), key.unwrap_or(""), source).await;
                return Ok((Caller::Agent(agent.map_err(auth_refusal)?), None));
            }
            Credential::DeviceKey => {
                let header = call.headers.get("x-device-key").and_then(|v| v.to_str().ok());
                // Ids may have dots, keys have none. What is missing costs what is wrong costs.
                let (id, key) = header.and_then(|both| both.rsplit_once('.')).unwrap_or(("", ""));
                let agent = app.auth.agent(id, key, Some(call.peer.addr)).await;
                return Ok((Caller::Agent(agent.map_err(auth_refusal)?), None));
            }
            Credential::ProvisioningKey => {
                let header = call.headers.get("x-provisioning-key");
                let Some(key) = header.and_then(|v| v.to_str().ok()) else { continue };
                return Ok((Caller::Enrolling(Secret::new(key.to_owned())), None));
            }
            Credential::Signature => {
                if !call.headers.contains_key(signed::SIGNATURE) {
                    continue;
                }
                return Ok((Caller::Signing, None));
            }
            Credential::InternalToken => {
                let Some(token) = call.headers.get(INTERNAL_TOKEN) else { continue };
                return Ok((service(app, call, token.as_bytes()).await?, None));
            }
        }
    }
    Err(Refusal::unauthenticated())
}

/// An internal service, by the token that is configured for all of them.
async fn service(app: &App, call: &Call, token: &[u8]) -> Result<Caller, Refusal> {
    let right = app.config().internal.token.as_ref().is_some_and(|right| {
        // Digests are of one length, so that not even the token's can be felt.
        Sha256::digest(right.expose()).ct_eq(&Sha256::digest(token)).into()
    });
    if !right {
        return Err(Refusal::unauthenticated());
    }
    let mut named = call.headers.get_all(TENANT_ID).iter();
    let tenant = match (named.next(), named.next()) {
        (None, _) => None,
        (Some(name), None) => {
            let name = name.to_str().map_err(|_| Refusal::not_found())?;
            let tenant = app.store.tenant_called(name).await?.ok_or_else(Refusal::not_found)?;
            Some(tenant.id)
        }
        (Some(_), Some(_)) => return Err(Refusal::bad_request("X-Tenant-ID is there twice")),
    };
    Ok(Caller::Service(tenant))
}

/// What a ticket has to be for, to open this socket.
fn target(call: &Call) -> Target {
    match call.param::<String>("host_id") {
        // What isn't an id names a host that nobody has.
        Ok(id) => Target::Terminal(id.parse().unwrap_or_else(|_| HostId::from(uuid::Uuid::nil()))),
        Err(_) => {
            let path = call.uri.path();
            let name = match channels::at(path) {
                Some(channel) => channel.as_str(),
                None => path.rsplit('/').next().unwrap_or_default(),
            };
            Target::Channel(name.to_owned())
        }
    }
}

/// The session cookie, under its own name or, while that switch is on, the legacy one.
pub(super) fn session_cookie(app: &App, headers: &HeaderMap) -> Option<String> {
    let legacy = || app.config().auth.legacy_cookie.then(|| cookie(headers, "access_token"));
    cookie(headers, login::COOKIE).or_else(|| legacy().flatten())
}

/// The value of a cookie.
pub(in crate::http) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
    let mut pairs = fields.flat_map(|field| field.split(';'));
    pairs.find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then(|| value.to_owned())
    })
}

/// The numbers of the credentials in a request's head, by which the guard knows them again.
pub(super) fn credentials(app: &App, call: &Call) -> Vec<u64> {
    let header = |name| call.headers.get(name).map(HeaderValue::as_bytes);
    let mut numbers = Vec::new();
    let mut add = |parts: &[&[u8]]| numbers.push(app.guard.number(parts));
    if let Some(bearer) = header("authorization") {
        add(&[bearer]);
    }
    if let Some(key) = header("x-device-key") {
        add(&[key]);
    }
    if let (Some(id), Some(key)) = (header("x-api-id"), header("x-api-key")) {
        add(&[id, key]);
    }
    if let Some(cookie) = session_cookie(app, &call.headers) {
        add(&[cookie.as_bytes()]);
    }
    numbers
}
