//! Looking into a socket while it is open: which messages go which way, how large, and when. Off, it
//! costs a socket one look at a flag; on, it is bounded in time and in memory.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gangplank_proto::id::{HostId, SessionId, TenantId, UserId};
use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::Message;
use uuid::Uuid;

use crate::clock::{Clock, Timestamp};

/// The longest that a socket is looked into.
pub const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Inspections of one daemon at once.
const AT_ONCE: usize = 16;

/// Frames of one inspection that are kept: the newest.
const FRAMES: usize = 2000;

/// Bytes of one frame that are kept, where contents are wanted.
const CONTENT: usize = 512;

/// Which way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the peer.
    In,
    /// To the peer.
    Out,
}

/// What kind of frame it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Text.
    Text,
    /// Bytes.
    Binary,
    /// A ping.
    Ping,
    /// A pong.
    Pong,
    /// The end.
    Close,
}

/// One frame.
#[derive(Debug, Clone, Serialize)]
pub struct Frame {
    /// Its number, from 1.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Which way.
    pub direction: Direction,
    /// What it is.
    pub kind: Kind,
    /// Its payload in bytes.
    pub size: usize,
    /// The beginning of its payload, where that was asked for; what is no text is shown as such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

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
    id: Uuid,
    about: About,
    since: Timestamp,
    state: Mutex<SlotState>,
}

#[derive(Debug, Default)]
struct SlotState {
    session: Option<SessionId>,
    inspections: Vec<Arc<Inspection>>,
}

impl Slot {
    /// A message goes by.
    pub fn saw(&self, direction: Direction, message: &Message) {
        if self.on.load(Ordering::Relaxed) {
            let (kind, payload): (_, &[u8]) = match message {
                Message::Text(text) => (Kind::Text, text.as_bytes()),
                Message::Binary(data) => (Kind::Binary, data),
                Message::Ping(data) => (Kind::Ping, data),
                Message::Pong(data) => (Kind::Pong, data),
                Message::Close(_) => (Kind::Close, &[]),
                Message::Frame(_) => return,
            };
            self.tell(direction, kind, payload);
        }
    }

    fn tell(&self, direction: Direction, kind: Kind, payload: &[u8]) {
        let mut state = lock(&self.state);
        state.inspections.retain(|inspection| inspection.take(direction, kind, payload));
        self.on.store(!state.inspections.is_empty(), Ordering::Relaxed);
    }

    /// The socket shows this terminal from now on.
    pub fn shows(&self, session: SessionId) {
        lock(&self.state).session = Some(session);
    }

    fn view(&self) -> SocketView {
        SocketView {
            socket_id: self.id,
            path: self.about.path,
            user: self.about.user.as_ref().map(|(_, name)| name.clone()),
            host_id: self.about.host,
            session_id: lock(&self.state).session,
            source: self.about.source,
            since: self.since,
        }
    }
}

/// Somebody looks into a socket.
#[derive(Debug)]
pub struct Inspection {
    /// Its id.
    pub id: Uuid,
    /// The socket's id.
    pub socket: Uuid,
    /// Who looks.
    pub by: UserId,
    /// Whether payloads are kept.
    pub contents: bool,
    /// Until when.
    pub until: Timestamp,
    deadline: Instant,
    tenant: TenantId,
    clock: Clock,
    frames: Mutex<Frames>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Frames {
    kept: VecDeque<Frame>,
    last: u64,
    over: bool,
}

/// A part of what was seen.
#[derive(Debug, Serialize)]
pub struct Seen {
    /// The frames after the asked number.
    pub items: Vec<Frame>,
    /// Frames after that number that were overwritten.
    pub lost: u64,
    /// Whether nothing more comes.
    pub over: bool,
}

impl Inspection {
    /// Keeps a frame, unless it is over.
    fn take(&self, direction: Direction, kind: Kind, payload: &[u8]) -> bool {
        let mut frames = lock(&self.frames);
        frames.over |= Instant::now() >= self.deadline;
        if frames.over {
            drop(frames);
            self.news.notify_waiters();
            return false;
        }
        frames.last += 1;
        if frames.kept.len() >= FRAMES {
            frames.kept.pop_front();
        }
        let head = payload.get(..CONTENT).unwrap_or(payload);
        let content = self.contents.then(|| String::from_utf8_lossy(head).into_owned());
        let (number, at, size) = (frames.last, self.clock.now(), payload.len());
        frames.kept.push_back(Frame { number, at, direction, kind, size, content });
        drop(frames);
        self.news.notify_waiters();
        true
    }

    /// Nothing more is kept.
    pub fn stop(&self) {
        lock(&self.frames).over = true;
        self.news.notify_waiters();
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline || lock(&self.frames).over
    }

    /// What was seen after a number, waiting for more up to `patience` when there is nothing yet.
    pub async fn after(&self, number: u64, patience: Duration) -> Seen {
        let wait = tokio::time::sleep(
            patience.min(self.deadline.saturating_duration_since(Instant::now())),
        );
        tokio::pin!(wait);
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            // Before the look, so that what comes between look and wait is heard.
            news.as_mut().enable();
            let seen = self.now(number);
            if !seen.items.is_empty() || seen.over {
                return seen;
            }
            tokio::select! {
                () = news => {}
                () = &mut wait => return self.now(number),
            }
        }
    }

    fn now(&self, number: u64) -> Seen {
        let over = self.is_over();
        let frames = lock(&self.frames);
        let items: Vec<_> = frames.kept.iter().filter(|f| f.number > number).cloned().collect();
        let first = items.first().map_or(frames.last + 1, |frame| frame.number);
        Seen { lost: first.saturating_sub(number + 1), items, over }
    }
}

/// Why nobody looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// There is no such socket, or it is somebody else's.
    #[error("there is no such socket")]
    NoSocket,
    /// What it carries is not the asker's own.
    #[error("contents are shown of one's own sockets only")]
    NotYours,
    /// Too many look already.
    #[error("too many sockets are being looked into; end another inspection first")]
    Busy,
}

/// The open sockets, and who looks into them.
#[derive(Debug)]
pub struct Inspector {
    clock: Clock,
    slots: Mutex<HashMap<Uuid, Arc<Slot>>>,
    running: Mutex<HashMap<Uuid, Arc<Inspection>>>,
}

/// A socket's place; leaving it ends its inspections.
#[derive(Debug)]
pub struct Place {
    inspector: Arc<Inspector>,
    /// What the socket tells.
    pub slot: Arc<Slot>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The id of a socket, or of the terminal that it shows.
    pub id: Uuid,
    /// For how long.
    pub span: Duration,
    /// Whether payloads are kept.
    pub contents: bool,
}

impl Inspector {
    /// An inspector that looks into nothing yet.
    #[must_use]
    pub fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self { clock, slots: Mutex::default(), running: Mutex::default() })
    }

    /// Puts a socket among the open ones.
    #[must_use]
    pub fn enter(self: &Arc<Self>, about: About) -> Place {
        let slot = Arc::new(Slot {
            on: AtomicBool::new(false),
            id: Uuid::new_v4(),
            about,
            since: self.clock.now(),
            state: Mutex::default(),
        });
        lock(&self.slots).insert(slot.id, Arc::clone(&slot));
        Place { inspector: Arc::clone(self), slot }
    }

    /// The open sockets of a tenant, the newest first.
    #[must_use]
    pub fn sockets(&self, tenant: TenantId, most: usize) -> Vec<SocketView> {
        let slots = lock(&self.slots);
        let own = slots.values().filter(|slot| slot.about.tenant == tenant);
        let mut views: Vec<_> = own.map(|slot| slot.view()).collect();
        drop(slots);
        views.sort_by_key(|view| std::cmp::Reverse((view.since, view.socket_id)));
        views.truncate(most);
        views
    }

    /// Finds out whether a socket may be looked into, and prepares that.
    ///
    /// # Errors
    /// See [`InspectError`].
    pub fn prepare(
        &self,
        tenant: TenantId,
        by: UserId,
        wanted: Wanted,
    ) -> Result<Prepared, InspectError> {
        let slots = lock(&self.slots);
        let shows =
            |slot: &Slot| lock(&slot.state).session.is_some_and(|id| id.uuid() == wanted.id);
        let named = slots
            .values()
            .find(|slot| slot.about.tenant == tenant && (slot.id == wanted.id || shows(slot)));
        let slot = Arc::clone(named.ok_or(InspectError::NoSocket)?);
        drop(slots);
        let own = slot.about.user.as_ref().is_some_and(|(user, _)| *user == by);
        if wanted.contents && !own {
            return Err(InspectError::NotYours);
        }
        let span = wanted.span.min(LONGEST);
        let inspection = Arc::new(Inspection {
            id: Uuid::new_v4(),
            socket: slot.id,
            by,
            contents: wanted.contents,
            until: self.clock.now().plus(span),
            deadline: Instant::now() + span,
            tenant,
            clock: self.clock.clone(),
            frames: Mutex::default(),
            news: Notify::new(),
        });
        let mut running = lock(&self.running);
        running.retain(|_, other| other.deadline + LONGEST > Instant::now());
        if running.values().filter(|other| !other.is_over()).count() >= AT_ONCE {
            return Err(InspectError::Busy);
        }
        if running.len() >= 4 * AT_ONCE {
            running.retain(|_, other| !other.is_over());
        }
        running.insert(inspection.id, Arc::clone(&inspection));
        Ok(Prepared { inspection, slot })
    }

    /// An inspection of a tenant that somebody began.
    #[must_use]
    pub fn find(&self, tenant: TenantId, by: UserId, id: Uuid) -> Option<Arc<Inspection>> {
        let found = lock(&self.running).get(&id).cloned();
        found.filter(|found| found.tenant == tenant && found.by == by)
    }
}

/// An inspection that has not begun, so that it can be audited first.
#[derive(Debug)]
pub struct Prepared {
    /// What will be looked into.
    pub inspection: Arc<Inspection>,
    slot: Arc<Slot>,
}

impl Prepared {
    /// Looks from now on.
    pub fn begin(self) -> Arc<Inspection> {
        lock(&self.slot.state).inspections.push(Arc::clone(&self.inspection));
        self.slot.on.store(true, Ordering::Relaxed);
        self.inspection
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.inspector.slots).remove(&self.slot.id);
        for inspection in lock(&self.slot.state).inspections.drain(..) {
            inspection.stop();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under these locks is whole before anything can panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn about(tenant: TenantId, user: UserId) -> About {
        About {
            tenant,
            user: Some((user, "alice".to_owned())),
            host: None,
            path: "/bullboard",
            source: "192.0.2.1".parse().unwrap(),
        }
    }

    fn wanted(id: Uuid, contents: bool) -> Wanted {
        Wanted { id, span: Duration::from_secs(60), contents }
    }

    #[tokio::test(start_paused = true)]
    async fn frames_are_seen_for_a_while_and_in_bounds() {
        let inspector = Inspector::new(Clock::manual(Timestamp::from_millis(0)));
        let (tenant, user) = (TenantId::new(), UserId::new());
        let place = inspector.enter(about(tenant, user));
        let id = place.slot.id;
        place.slot.saw(Direction::In, &Message::text("before"));
        let inspection = inspector.prepare(tenant, user, wanted(id, true)).unwrap().begin();
        place.slot.saw(Direction::In, &Message::text("hello"));
        place.slot.saw(Direction::Out, &Message::binary(vec![0xff; 2000]));
        let seen = inspection.after(0, Duration::ZERO).await;
        let first = seen.items.first().unwrap();
        assert_eq!((first.number, first.size), (1, 5));
        assert_eq!(first.content.as_deref(), Some("hello"));
        assert!(seen.items.get(1).unwrap().content.as_ref().unwrap().len() <= 3 * CONTENT);
        for _ in 0..3000 {
            place.slot.saw(Direction::Out, &Message::text("x"));
        }
        let seen = inspection.after(2, Duration::ZERO).await;
        assert_eq!((seen.items.len(), seen.lost, seen.over), (FRAMES, 1000, false));
        tokio::time::advance(Duration::from_secs(61)).await;
        place.slot.saw(Direction::In, &Message::text("after"));
        assert!(!place.slot.on.load(Ordering::Relaxed));
        let seen = inspection.after(3002, Duration::from_secs(9)).await;
        assert!(seen.items.is_empty() && seen.over);
    }

    #[tokio::test]
    async fn contents_are_one_s_own_and_sockets_one_s_tenant_s() {
        let inspector = Inspector::new(Clock::system());
        let (tenant, user) = (TenantId::new(), UserId::new());
        let place = inspector.enter(about(tenant, user));
        let id = place.slot.id;
        let ask = |tenant, user, contents| {
            inspector.prepare(tenant, user, wanted(id, contents)).map(|ready| ready.inspection.id)
        };
        assert_eq!(ask(tenant, UserId::new(), true), Err(InspectError::NotYours));
        assert_eq!(ask(TenantId::new(), user, false), Err(InspectError::NoSocket));
        let found = ask(tenant, UserId::new(), false).unwrap();
        assert!(inspector.find(tenant, user, found).is_none(), "another's inspection");
        assert_eq!(inspector.sockets(tenant, 9).len(), 1);
        for _ in 1..AT_ONCE {
            ask(tenant, user, true).unwrap();
        }
        assert_eq!(ask(tenant, user, true), Err(InspectError::Busy));
        drop(place);
        assert!(inspector.sockets(tenant, 9).is_empty());
        assert_eq!(ask(tenant, user, false), Err(InspectError::NoSocket));
    }
}
