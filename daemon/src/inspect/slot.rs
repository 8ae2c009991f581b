//! An open socket among the others, as far as it can be looked into.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use gangplank_proto::id::{HostId, SessionId, TenantId, UserId};
use serde::Serialize;
use tokio_tungstenite::tungstenite::protocol::Message;
use uuid::Uuid;

use super::frame::{Direction, Kind};
use super::inspection::{Ending, Inspection};
use super::lock;
use crate::clock::Timestamp;

/// An open socket, as those who may look into it see it.
#[derive(Debug, Clone, Serialize)]
pub struct SocketView {
    /// Its id.
    pub socket_id: Uuid,
    /// Its route.
    pub path: &'static str,
    /// The user, on a person's socket.
    pub user: Option<String>,
    /// The host, on an agent's or a terminal's.
    pub host_id: Option<HostId>,
    /// The terminal that it shows, if it shows one.
    pub session_id: Option<SessionId>,
    /// From where.
    pub source: IpAddr,
    /// Since when.
    pub since: Timestamp,
    /// Whether it is of the person who looks, who may see its contents then.
    pub own: bool,
}

/// Whose a socket is, and what it is about.
#[derive(Debug, Clone)]
pub struct About {
    /// Whose data it carries.
    pub tenant: TenantId,
    /// The user, on a person's socket, with their name.
    pub user: Option<(UserId, String)>,
    /// The host, on an agent's or a terminal's.
    pub host: Option<HostId>,
    /// Its route.
    pub path: &'static str,
    /// From where.
    pub source: IpAddr,
}

/// One socket's place among the open ones. Its two halves tell it what they carry.
#[derive(Debug)]
pub struct Slot {
    on: AtomicBool,
    /// Its id.
    pub(super) id: Uuid,
    /// Whose it is.
    pub(super) about: About,
    since: Timestamp,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    session: Option<SessionId>,
    inspections: Vec<Arc<Inspection>>,
    closed: bool,
}

impl Slot {
    pub(super) fn new(about: About, since: Timestamp) -> Self {
        let (on, id, state) = (AtomicBool::new(false), Uuid::new_v4(), Mutex::default());
        Self { on, id, about, since, state }
    }

    /// A message goes by.
    pub fn saw(&self, direction: Direction, message: &Message) {
        if self.on.load(Ordering::Relaxed) {
            let frame: (_, &[u8]) = match message {
                Message::Text(text) => (Kind::Text, text.as_bytes()),
                Message::Binary(data) => (Kind::Binary, data),
                Message::Ping(data) => (Kind::Ping, data),
                Message::Pong(data) => (Kind::Pong, data),
                Message::Close(_) => (Kind::Close, &[]),
                Message::Frame(_) => return,
            };
            let mut state = lock(&self.state);
            state.inspections.retain(|inspection| inspection.take(direction, frame));
            self.look(&state);
        }
    }

    /// The socket shows this terminal from now on.
    pub fn shows(&self, session: SessionId) {
        lock(&self.state).session = Some(session);
    }

    /// Whether an id is the socket's, or the one of the terminal that it shows.
    pub(super) fn is(&self, id: Uuid) -> bool {
        self.id == id || lock(&self.state).session.is_some_and(|session| session.uuid() == id)
    }

    pub(super) fn is_of(&self, user: UserId) -> bool {
        self.about.user.as_ref().is_some_and(|(owner, _)| *owner == user)
    }

    pub(super) fn view(&self, user: UserId) -> SocketView {
        SocketView {
            socket_id: self.id,
            path: self.about.path,
            user: self.about.user.as_ref().map(|(_, name)| name.clone()),
            host_id: self.about.host,
            session_id: lock(&self.state).session,
            source: self.about.source,
            since: self.since,
            own: self.is_of(user),
        }
    }

    /// Takes an inspection that may begin later; false when the socket is closed.
    pub(super) fn enrol(&self, inspection: &Arc<Inspection>) -> bool {
        let mut state = lock(&self.state);
        state.inspections.retain(|other| !other.is_over());
        if !state.closed {
            state.inspections.push(Arc::clone(inspection));
        }
        !state.closed
    }

    pub(super) fn begin(&self, inspection: &Inspection) {
        let state = lock(&self.state);
        inspection.begin();
        self.look(&state);
    }

    /// Nothing is told any more.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        for inspection in state.inspections.drain(..) {
            inspection.end(Ending::SocketClosed, None);
        }
    }

    #[cfg(test)]
    pub(super) fn is_looked_into(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    fn look(&self, state: &State) {
        let on = state.inspections.iter().any(|inspection| inspection.is_running());
        self.on.store(on, Ordering::Relaxed);
    }
}
