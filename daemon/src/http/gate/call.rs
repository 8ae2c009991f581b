//! A request that was let in, as the handlers see it: who calls, from where, and about what.

use std::sync::Mutex;

use axum::body::Body;
use gangplank_proto::id::TenantId;
use gangplank_proto::secret::Secret;
use http::{HeaderMap, Uri};
use hyper::upgrade::OnUpgrade;

use super::refusal::ticket_refusal;
use crate::app::App;
use crate::audit::{Actor, By};
use crate::auth::{AgentIdentity, Principal};
use crate::http::error::Refusal;
use crate::inspect::About;
use crate::listener::{Cut, Peer};
use crate::store::{Host, PageRequest};
use crate::ticket::Target;

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
    pub(super) ticket: Option<(Secret, Target)>,
    /// The route's own path.
    pub(super) path: &'static str,
    pub(super) params: Vec<(String, String)>,
    /// A body may be sent between threads but not looked at from two, which the lock stands for.
    pub(super) body: Mutex<Body>,
    pub(super) body_limit: usize,
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
    pub(in crate::http) fn about(&self) -> Option<About> {
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

    /// Whether a parameter of the query asks for something: `name`, `name=1`; not `name=0`.
    ///
    /// # Errors
    /// 400 for any other value.
    pub fn switch(&self, name: &str) -> Result<bool, Refusal> {
        match self.query(name).as_deref() {
            None | Some("0" | "false") => Ok(false),
            Some("" | "1" | "true") => Ok(true),
            Some(_) => Err(Refusal::bad_request(format!("{name} takes 1 or 0"))),
        }
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
}

/// The value of a query parameter, percent-decoded.
fn query(uri: &Uri, name: &str) -> Option<String> {
    let query = uri.query()?;
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}
