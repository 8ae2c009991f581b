//! What an entry of the route table says. The gate reads it, the OpenAPI document is made from it,
//! and the escape test walks it; a route exists only as an entry.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::response::Response;
use http::Method;

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;
use crate::auth::Permission;

/// Who a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Pages and files that anybody may fetch.
    Public,
    /// The console and programs of people.
    Person,
    /// Agents.
    Agent,
    /// A WebSocket of the console or of programs of people.
    PersonSocket,
    /// The same, or server-sent events for whoever asks for them instead of an upgrade.
    PersonStream,
    /// The WebSocket of an agent.
    AgentSocket,
    /// Internal services.
    Service,
}

impl Kind {
    /// Whether the route is a WebSocket.
    #[must_use]
    pub fn is_socket(self) -> bool {
        matches!(self, Self::PersonSocket | Self::PersonStream | Self::AgentSocket)
    }
}

/// Which `Origin` header a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginRule {
    /// Any or none: nothing hangs on it.
    Any,
    /// Ours when the method is unsafe and the credential a cookie.
    OursWithCookie,
    /// Ours, always.
    Ours,
    /// There must be none: a browser has no business here.
    Absent,
}

/// A way to prove who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// `?ticket=`.
    Ticket,
    /// `?token=`, a JWT made for this socket; a legacy switch.
    QueryToken,
    /// `Authorization: Bearer`.
    Bearer,
    /// The session cookie.
    Cookie,
    /// The same, in the cookie `bull-board-session`.
    BoardCookie,
    /// `X-API-ID` and `X-API-KEY`.
    AgentKey,
    /// `X-Device-Key`: an agent's API id and key, with a dot between.
    DeviceKey,
    /// `X-Provisioning-Key`.
    ProvisioningKey,
    /// `X-Internal-Token`, with the tenant that it is about in `X-Tenant-ID`, where that is asked.
    InternalToken,
    /// `X-Signature` over `X-Timestamp` and the body.
    Signature,
}

/// The credentials of people's programs and pages.
pub const PERSON: &[Credential] = &[Credential::Bearer, Credential::Cookie];

/// What a handler answers.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response, Refusal>> + Send>>;

/// A handler: called by the gate alone, after everything that the entry demands was checked.
pub type Handler = fn(Arc<App>, Call) -> Answer;

/// One entry of the table.
#[derive(Clone)]
pub struct Route {
    /// HTTP method; `GET` for sockets.
    pub method: Method,
    /// Path, with parameters as `{name}`. `{host_id}` is a host of the caller's tenant, which the
    /// gate looks up.
    pub path: &'static str,
    /// Who it is for.
    pub kind: Kind,
    /// Which origin it takes.
    pub origin: OriginRule,
    /// The credentials that it takes; none means that it is public.
    pub credentials: &'static [Credential],
    /// Whether it takes a login that may do nothing yet but enrol a second factor.
    pub enrolling: bool,
    /// The right that it needs.
    pub permission: Option<Permission>,
    /// What it does, for the OpenAPI document.
    pub summary: &'static str,
    /// What is done.
    pub handler: Handler,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}
