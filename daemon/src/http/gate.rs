//! The one gate: every request to every route passes here, in the order of the contract, and a
//! handler runs only after all that its entry in the table demands was checked.
//!
//! route → draining → handshake → `Origin` → limits → credential → permission → object → ticket

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use gangplank_proto::id::{HostId, TenantId};
use gangplank_proto::secret::Secret;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;
use hyper::upgrade::OnUpgrade;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::error::Refusal;
use super::route::{Credential, Kind, OriginRule, Route};
use super::{channels, sse, upgrade};
use crate::app::App;
use crate::audit::{Actor, By, Entry};
use crate::auth::{API_AUDIENCE, AgentIdentity, AuthError, Principal};
use crate::guard::{Misdeed, Treatment, Visitor};
use crate::inspect::About;
use crate::listener::{Admission, Cut, Peer};
use crate::message;
use crate::store::{Host, PageRequest};
use crate::ticket::{Target, TicketError};

/// The cookie by which dashboards of job queues know a session.
pub(super) const BOARD_COOKIE: &str = "bull-board-session";

/// The header by which internal services prove themselves.
const INTERNAL_TOKEN: &str = "x-internal-token";

/// The header by which an internal service names the tenant that its request is about.
const TENANT_ID: &str = "x-tenant-id";

/// What an API token may do without any scope for it; the handlers of tokens look at theirs.
const FOR_API_TOKENS: [&str; 3] =
    ["/api/v1/auth/ws-ticket", "/api/v1/tokens", "/api/v1/tokens/{token_id}"];

/// Who is calling, proved.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Nobody in particular.
    Nobody,
    /// A person.
    Person(Principal),
    /// An agent.
    Agent(AgentIdentity),
    /// Whoever holds this provisioning key, which is checked where it is used up.
    Enrolling(Secret),
    /// An internal service, and the tenant that it names in `X-Tenant-ID`.
    Service(Option<TenantId>),
    /// Whoever signed the body, which is checked when it has been read.
    Signing,
}

/// A request that was let in.
#[derive(Debug)]
pub struct Call {
    /// Who is calling.
    pub caller: Caller,
    /// From where.
    pub peer: Peer,
    /// Its head's fields.
    pub headers: HeaderMap,
    /// Its target.
    pub uri: Uri,
    /// The host that the path names, if it names one.
    pub host: Option<Host>,
    /// The connection, for a WebSocket.
    pub upgrade: Option<OnUpgrade>,
    /// Whether server-sent events are asked for, where that is another form of a socket.
    pub streamed: bool,
    /// Breaks the connection.
    pub cut: Option<Cut>,
    /// The ticket that opened the gate, not used up yet.
    ticket: Option<(Secret, Target)>,
    /// The route's own path.
    path: &'static str,
    params: Vec<(String, String)>,
    /// A body may be sent between threads but not looked at from two, which the lock stands for.
    body: Mutex<Body>,
    body_limit: usize,
}

impl Call {
    /// The person who is calling.
    ///
    /// # Errors
    /// 401 for anybody else; the gate sees to it that this doesn't happen on a person's route.
    pub fn person(&self) -> Result<&Principal, Refusal> {
        match &self.caller {
            Caller::Person(who) => Ok(who),
            _ => Err(Refusal::unauthenticated()),
        }
    }

    /// The agent that is calling.
    ///
    /// # Errors
    /// 401 for anybody else; the gate sees to it that this doesn't happen on an agent's route.
    pub fn agent(&self) -> Result<&AgentIdentity, Refusal> {
        match &self.caller {
            Caller::Agent(agent) => Ok(agent),
            _ => Err(Refusal::unauthenticated()),
        }
    }

    /// The tenant that this is about: the caller's own, or the one that an internal service names.
    ///
    /// # Errors
    /// 400 for a service that names none, 401 for whoever has none.
    pub fn tenant(&self) -> Result<TenantId, Refusal> {
        match &self.caller {
            Caller::Person(who) => Ok(who.tenant),
            Caller::Agent(agent) => Ok(agent.tenant),
            Caller::Service(Some(tenant)) => Ok(*tenant),
            Caller::Service(None) => Err(Refusal::bad_request("X-Tenant-ID is missing")),
            Caller::Nobody | Caller::Enrolling(_) | Caller::Signing => {
                Err(Refusal::unauthenticated())
            }
        }
    }

    /// The host that the path names.
    ///
    /// # Errors
    /// 404 when it names none.
    pub fn host(&self) -> Result<&Host, Refusal> {
        self.host.as_ref().ok_or_else(Refusal::not_found)
    }

    /// Who does what follows, for the audit.
    ///
    /// # Errors
    /// 401 when it is neither a person nor an internal service.
    pub fn by(&self, app: &App) -> Result<By, Refusal> {
        let (source, at) = (Some(self.peer.addr), app.clock.now());
        match &self.caller {
            Caller::Service(_) | Caller::Signing => Ok(By { actor: Actor::Service, source, at }),
            _ => Ok(self.person()?.by(source, at)),
        }
    }

    /// What its socket is about, for whoever may look into it.
    pub(super) fn about(&self) -> Option<About> {
        let (path, source) = (self.path, self.peer.addr);
        match &self.caller {
            Caller::Person(who) => Some(About {
                tenant: who.tenant,
                user: Some((who.user, who.username.clone())),
                host: self.host.as_ref().map(|host| host.id),
                path,
                source,
            }),
            Caller::Agent(agent) => Some(About {
                tenant: agent.tenant,
                user: None,
                host: Some(agent.host),
                path,
                source,
            }),
            _ => None,
        }
    }

    /// Uses the ticket up, if that is what the caller came with: the last step before 101, so that a
    /// refusal of any other kind leaves it usable.
    ///
    /// # Errors
    /// 401 when somebody else was faster.
    pub async fn use_ticket(&mut self, app: &App) -> Result<(), Refusal> {
        let Some((ticket, target)) = self.ticket.take() else { return Ok(()) };
        let taken = app.tickets.take(ticket.expose(), Some(self.peer.addr), &target).await;
        self.caller = Caller::Person(taken.map_err(ticket_refusal)?);
        Ok(())
    }

    /// A parameter of the path, parsed; what can't be parsed can't exist.
    ///
    /// # Errors
    /// 404.
    pub fn param<T: std::str::FromStr>(&self, name: &str) -> Result<T, Refusal> {
        let value = self.params.iter().find(|(key, _)| key == name);
        value.and_then(|(_, value)| value.parse().ok()).ok_or_else(Refusal::not_found)
    }

    /// A parameter of the query.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<String> {
        query(&self.uri, name)
    }

    /// `limit` and `cursor` of a list.
    ///
    /// # Errors
    /// 400 when `limit` is not a number from 1 to 500.
    pub fn page(&self) -> Result<PageRequest, Refusal> {
        let wrong = || Refusal::bad_request("limit takes a number from 1 to 500");
        let limit = match self.query("limit") {
            None => 100,
            Some(limit) => limit.parse::<u32>().map_err(|_| wrong())?,
        };
        if !(1..=500).contains(&limit) {
            return Err(wrong());
        }
        Ok(PageRequest { limit: Some(limit), cursor: self.query("cursor") })
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// 413 when it is too large, 400 when it is not what is expected.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Refusal> {
        self.json_within(self.body_limit).await
    }

    /// The body as JSON of so many bytes at most, where that is more than most routes take or less.
    ///
    /// # Errors
    /// 413 when it is too large, 400 when it is not what is expected.
    pub async fn json_within<T: DeserializeOwned>(&mut self, limit: usize) -> Result<T, Refusal> {
        let bytes = self.bytes_within(limit).await?;
        let bytes = if bytes.is_empty() { Bytes::from_static(b"{}") } else { bytes };
        message::parse(&bytes).map_err(|error| Refusal::bad_request(error.to_string()))
    }

    /// The body as it came, of as many bytes as most routes take.
    ///
    /// # Errors
    /// 413 when it is too large, 400 when it ends early.
    pub async fn bytes(&mut self) -> Result<Bytes, Refusal> {
        self.bytes_within(self.body_limit).await
    }

    /// How many bytes most routes take.
    #[must_use]
    pub fn body_limit(&self) -> usize {
        self.body_limit
    }

    /// The body's bytes, of which there may be so many.
    ///
    /// # Errors
    /// 413 when there are more, 400 when they end early.
    pub async fn bytes_within(&mut self, limit: usize) -> Result<Bytes, Refusal> {
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        let body = std::mem::take(body);
        // What is announced to be too large need not come first.
        if body.size_hint().lower() > limit as u64 {
            return Err(Refusal::too_large());
        }
        match Limited::new(body, limit).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(Refusal::too_large()),
            Err(_) => Err(Refusal::bad_request("the body ended early")),
        }
    }
}

/// The value of a query parameter, percent-decoded.
fn query(uri: &Uri, name: &str) -> Option<String> {
    let query = uri.query()?;
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Lets a request in, or not, and answers it.
pub(super) async fn pass(
    app: Arc<App>,
    route: &'static Route,
    params: RawPathParams,
    request: Request,
) -> Response {
    let socket = route.kind.is_socket();
    let source = request.extensions().get::<Peer>().map(|peer| peer.addr);
    let admitted = admit(&app, route, params, request).await;
    let answer = match admitted {
        Ok(call) => (route.handler)(Arc::clone(&app), call).await,
        Err(refusal) => Err(refusal),
    };
    if let (Err(refusal), Some(source)) = (&answer, source)
        && refusal.is_anonymous()
    {
        tokio::time::sleep(app.guard.hold_back(source)).await;
    }
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    let status = response.status();
    if socket && status != http::StatusCode::SWITCHING_PROTOCOLS && !status.is_success() {
        response
            .headers_mut()
            .insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    }
    response
}

async fn admit(
    app: &Arc<App>,
    route: &Route,
    params: RawPathParams,
    request: Request,
) -> Result<Call, Refusal> {
    let (mut parts, body) = request.into_parts();
    let Some(peer) = parts.extensions.get::<Peer>().copied() else {
        tracing::error!("a request without a peer");
        return Err(Refusal::internal());
    };
    let params: Vec<_> = params.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    if app.is_stopping() && route.kind != Kind::Public {
        return Err(Refusal::unavailable("the daemon is stopping; come back in a moment"));
    }
    let streamed = route.kind == Kind::PersonStream && sse::asked(&parts.headers);
    if route.kind.is_socket() && !streamed {
        upgrade::check(&parts.method, parts.version, &parts.headers)?;
    }
    let mut call = Call {
        caller: Caller::Nobody,
        peer,
        headers: parts.headers,
        uri: parts.uri,
        host: None,
        upgrade: parts.extensions.remove::<OnUpgrade>(),
        streamed,
        cut: parts.extensions.remove::<Cut>(),
        ticket: None,
        path: route.path,
        params,
        body: Mutex::new(body),
        body_limit: usize::try_from(app.config().limits.message).unwrap_or(usize::MAX),
    };
    check_origin(app, route, &parts.method, &call)?;
    if route.credentials.is_empty() {
        return Ok(call);
    }
    let _anonymous = limit(app, route, &call)?;
    let (caller, ticket) = match identify(app, route, &call).await {
        Ok(found) => found,
        Err(refusal) => {
            if refusal.status == http::StatusCode::UNAUTHORIZED {
                app.guard.failed(call.peer.addr, route.path);
            }
            return Err(refusal);
        }
    };
    call.caller = caller;
    // A provisioning key is not looked at before it is used, nor a signature before the body is
    // there, so they prove nothing yet.
    if !matches!(call.caller, Caller::Enrolling(_) | Caller::Signing)
        && let Some(admission) = parts.extensions.get::<Arc<Admission>>()
    {
        admission.release();
    }
    known(app, &call).await?;
    authorise(app, route, &call).await?;
    call.host = object(app, &call).await?;
    call.ticket = ticket;
    Ok(call)
}

fn check_origin(app: &App, route: &Route, method: &Method, call: &Call) -> Result<(), Refusal> {
    let mut origins = call.headers.get_all(header::ORIGIN).iter();
    let origin = origins.next();
    if origins.next().is_some() {
        return Err(Refusal::origin());
    }
    let ours = || origin.and_then(|o| o.to_str().ok()).is_some_and(|o| app.is_own_origin(o));
    let fine = match route.origin {
        OriginRule::Any => true,
        OriginRule::Absent => origin.is_none(),
        // A page of ours says nothing of its origin when it only reads.
        OriginRule::Ours if call.streamed => origin.is_none() || ours(),
        OriginRule::Ours => ours(),
        OriginRule::OursWithCookie => {
            let unsafe_method = !method.is_safe();
            let bearer = call.headers.contains_key(header::AUTHORIZATION);
            let service = route.credentials.contains(&Credential::InternalToken)
                && call.headers.contains_key(INTERNAL_TOKEN);
            !unsafe_method || bearer || service || ours()
        }
    };
    if fine {
        return Ok(());
    }
    app.guard.refused(call.peer.addr, route.path);
    app.guard.misdeed(call.peer.addr, Misdeed::BadOrigin);
    for credential in credentials(app, call) {
        app.guard.odd_origin(credential, app.clock.now());
    }
    Err(Refusal::origin())
}

/// The numbers of the credentials in a request's head, by which the guard knows them again.
fn credentials(app: &App, call: &Call) -> Vec<u64> {
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

/// Remembers who was let in, and how they behave.
async fn known(app: &App, call: &Call) -> Result<(), Refusal> {
    let login = match &call.caller {
        Caller::Person(who) => Some(who.login),
        Caller::Agent(_) => None,
        _ => return Ok(()),
    };
    let source = call.peer.addr;
    // A ticket is good once; its cookie or token was good when it was asked for.
    for credential in credentials(app, call) {
        app.guard.good(source, credential, login);
    }
    let Caller::Person(who) = &call.caller else { return Ok(()) };
    let now = app.clock.now();
    if let Some(left) = app.guard.user_blocked(who.user, source, now) {
        return Err(Refusal::too_many("you are not let in from here for a while", left.as_secs()));
    }
    let user_agent = call.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let cookie = session_cookie(app, &call.headers).is_some();
    app.guard.seen(Visitor { who, source, user_agent, cookie }, now).wait().await;
    Ok(())
}

/// Keeps one source from trying too much before it has proved who it is.
fn limit(
    app: &App,
    route: &Route,
    call: &Call,
) -> Result<Option<crate::guard::Anonymous>, Refusal> {
    let limits = &app.config().limits;
    // Others at the same address may go on with what was good before.
    if let Some(wait) = banned(app, call)
        && !credentials(app, call).into_iter().any(|credential| app.guard.is_known(credential))
    {
        let message = "too many failed attempts from this address";
        return Err(Refusal::too_many(message, wait.as_secs()));
    }
    if !matches!(route.kind, Kind::PersonSocket | Kind::PersonStream) {
        return Ok(None);
    }
    match app.guard.anonymous(call.peer.addr, limits.anonymous_sockets_per_ip) {
        Some(place) => Ok(Some(place)),
        None => {
            app.guard.misdeed(call.peer.addr, Misdeed::Flooding);
            Err(Refusal::too_many("too many sockets are being opened from this address", 1))
        }
    }
}

/// How long nobody unknown is let in from the caller's address, if that is so.
pub(super) fn banned(app: &App, call: &Call) -> Option<Duration> {
    let source = call.peer.addr;
    let blocked = match app.guard.treatment(source) {
        Treatment::Blocked(left) | Treatment::Closed(left) => {
            app.guard.misdeed(source, Misdeed::Flooding);
            Some(left)
        }
        Treatment::Free | Treatment::Slowed(_) => None,
    };
    let limit = app.config().limits.auth_failures_per_minute_per_ip;
    blocked.max(app.guard.failures(source, limit))
}

type Identified = (Caller, Option<(Secret, Target)>);

/// Finds out who is calling. The first credential that is present decides.
async fn identify(app: &App, route: &Route, call: &Call) -> Result<Identified, Refusal> {
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
                if !call.headers.contains_key(super::signed::SIGNATURE) {
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
    cookie(headers, super::login::COOKIE).or_else(|| legacy().flatten())
}

/// The value of a cookie.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
    let mut pairs = fields.flat_map(|field| field.split(';'));
    pairs.find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then(|| value.to_owned())
    })
}

async fn authorise(app: &App, route: &Route, call: &Call) -> Result<(), Refusal> {
    let Caller::Person(who) = &call.caller else { return Ok(()) };
    if who.must_enrol && !route.enrolling {
        return Err(Refusal::enrolment());
    }
    // What a person does with their own account is not for their programs.
    let own = route.permission.is_none() && !route.method.is_safe();
    let allowed = match route.permission {
        Some(permission) => who.may(permission),
        None => who.api_token.is_none() || !own || FOR_API_TOKENS.contains(&route.path),
    };
    if allowed {
        return Ok(());
    }
    Err(forbid(app, call, route.path, serde_json::json!({ "permission": route.permission })).await)
}

/// Writes down that a person may not do this, and refuses it.
pub(super) async fn forbid(app: &App, call: &Call, object: &str, detail: Value) -> Refusal {
    let audited = async {
        let who = call.person()?;
        let entry = Entry::refused(Some(who.tenant), "request", object).with(detail);
        app.store.audit(&call.by(app)?, entry).await?;
        Ok(Refusal::forbidden())
    };
    audited.await.unwrap_or_else(|refusal: Refusal| refusal)
}

/// Looks up the host that the path names, within the caller's tenant.
async fn object(app: &App, call: &Call) -> Result<Option<Host>, Refusal> {
    if call.params.iter().all(|(name, _)| name != "host_id") {
        return Ok(None);
    }
    let id = call.param::<HostId>("host_id")?;
    let host = app.store.host(call.person()?.tenant, id).await?;
    host.map(Some).ok_or_else(Refusal::not_found)
}

pub(super) fn ticket_refusal(error: TicketError) -> Refusal {
    match error {
        TicketError::Unusable | TicketError::WrongTarget => Refusal::unauthenticated(),
        TicketError::Store(error) => error.into(),
        TicketError::Random(error) => {
            tracing::error!(%error, "no randomness");
            Refusal::internal()
        }
    }
}

/// What a failed proof of identity is answered with.
pub(super) fn auth_refusal(error: AuthError) -> Refusal {
    match error {
        AuthError::Invalid => Refusal::unauthenticated(),
        AuthError::Network => Refusal::new(
            http::StatusCode::FORBIDDEN,
            "network_not_allowed",
            "this key may not be used from this address",
        ),
        AuthError::Throttled { retry_after } => {
            Refusal::too_many("too many attempts", retry_after.as_secs())
        }
        AuthError::CodeNeeded => {
            Refusal::new(StatusCode::UNAUTHORIZED, "totp_required", error.to_string())
        }
        AuthError::CodeWrong => {
            Refusal::new(StatusCode::UNAUTHORIZED, "totp_invalid", error.to_string())
        }
        AuthError::PasskeyNeeded => {
            Refusal::new(StatusCode::UNAUTHORIZED, "passkey_required", error.to_string())
        }
        AuthError::PasskeyRefused => {
            Refusal::new(StatusCode::BAD_REQUEST, "passkey_refused", error.to_string())
        }
        AuthError::EnrolmentNeeded => Refusal::enrolment(),
        AuthError::Password(error) => Refusal::bad_request(error.to_string()),
        AuthError::Store(error) => error.into(),
        AuthError::Random(_) | AuthError::Vault(_) => {
            tracing::error!(%error, "a credential can't be made or read");
            Refusal::internal()
        }
    }
}
