//! Looking into a socket while it is open: which messages go which way, how large, and when. Off, it
//! costs a socket one look at a flag; on, it is bounded in time and in memory. What somebody else's
//! socket carries is seen with the consent of a second person only.

mod asked;
mod frame;
mod inspection;
mod slot;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gangplank_proto::id::{HostId, TenantId, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::{Clock, Timestamp};

pub use asked::{Asked, STANDS, ask};
pub use frame::{Direction, Frame, Kind};
pub use inspection::{Ending, Inspection, Seen, Standing};
pub use slot::{About, Slot, SocketView};

/// The longest that a socket is looked into.
pub const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Inspections of one daemon at once, those that wait included.
const AT_ONCE: usize = 16;

/// Why nobody looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// There is no such socket, or it is another tenant's.
    #[error("there is no such socket")]
    NoSocket,
    /// Too many look already.
    #[error("too many sockets are being looked into; end another inspection first")]
    Busy,
}

/// The open sockets, and who looks into them.
#[derive(Debug)]
pub struct Inspector {
    clock: Clock,
    slots: Mutex<HashMap<Uuid, Arc<Slot>>>,
    known: Mutex<HashMap<Uuid, Arc<Inspection>>>,
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
        Arc::new(Self { clock, slots: Mutex::default(), known: Mutex::default() })
    }

    /// Puts a socket among the open ones.
    #[must_use]
    pub fn enter(self: &Arc<Self>, about: About) -> Place {
        let slot = Arc::new(Slot::new(about, self.clock.now()));
        lock(&self.slots).insert(slot.id, Arc::clone(&slot));
        Place { inspector: Arc::clone(self), slot }
    }

    /// The open sockets of a tenant as a person sees them, the newest first.
    #[must_use]
    pub fn sockets(&self, tenant: TenantId, user: UserId, most: usize) -> Vec<SocketView> {
        let slots = lock(&self.slots);
        let own = slots.values().filter(|slot| slot.about.tenant == tenant);
        let mut views: Vec<_> = own.map(|slot| slot.view(user)).collect();
        drop(slots);
        views.sort_by_key(|view| std::cmp::Reverse((view.since, view.socket_id)));
        views.truncate(most);
        views
    }

    /// Finds the socket, and prepares to look into it.
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
        let named =
            slots.values().find(|slot| slot.about.tenant == tenant && slot.is(wanted.id)).cloned();
        drop(slots);
        let slot = named.ok_or(InspectError::NoSocket)?;
        let wanted = Wanted { span: wanted.span.min(LONGEST), ..wanted };
        let inspection = Inspection::new(tenant, by, slot.id, wanted, self.clock.clone());
        let inspection = Arc::new(inspection);
        let mut known = lock(&self.known);
        known.retain(|_, other| !other.is_stale(LONGEST));
        if known.values().filter(|other| !other.is_over()).count() >= AT_ONCE {
            return Err(InspectError::Busy);
        }
        if known.len() >= 4 * AT_ONCE {
            known.retain(|_, other| !other.is_over());
        }
        if !slot.enrol(&inspection) {
            return Err(InspectError::NoSocket);
        }
        known.insert(inspection.id, Arc::clone(&inspection));
        let consent = wanted.contents && !slot.is_of(by);
        Ok(Prepared { inspection, slot, consent })
    }

    /// An inspection of a tenant that somebody began.
    #[must_use]
    pub fn find(&self, tenant: TenantId, by: UserId, id: Uuid) -> Option<Arc<Inspection>> {
        let found = lock(&self.known).get(&id).cloned();
        found.filter(|found| found.tenant == tenant && found.by == by)
    }
}

/// An inspection that has not begun, so that it can be audited first.
#[derive(Debug)]
pub struct Prepared {
    /// What will be looked into.
    pub inspection: Arc<Inspection>,
    /// Whether somebody else has to agree first.
    pub consent: bool,
    slot: Arc<Slot>,
}

impl Prepared {
    /// The socket, for the audit.
    #[must_use]
    pub fn object(&self) -> String {
        format!("socket:{}", self.slot.id)
    }

    /// Whose socket it is, what is wanted of it, and why, for the audit and for whoever decides.
    #[must_use]
    pub fn detail(&self, why: Option<&str>) -> Value {
        let socket = self.slot.view(self.inspection.by);
        json!({
            "whose": socket.user,
            "host": socket.host_id,
            "session": socket.session_id,
            "path": socket.path,
            "source": socket.source,
            "minutes": self.inspection.span.as_secs() / 60,
            "contents": self.inspection.contents,
            "why": why,
        })
    }

    /// The host that the socket is about.
    fn host(&self) -> Option<HostId> {
        self.slot.about.host
    }

    /// Until when it would run if it began now.
    #[must_use]
    pub fn until(&self, now: Timestamp) -> Timestamp {
        now.plus(self.inspection.span)
    }

    /// Looks from now on, unless the socket was closed meanwhile.
    pub fn begin(&self) {
        self.slot.begin(&self.inspection);
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if self.inspection.is_unbegun() {
            self.inspection.end(Ending::Failed, None);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.inspector.slots).remove(&self.slot.id);
        self.slot.close();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under these locks is whole before anything can panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
