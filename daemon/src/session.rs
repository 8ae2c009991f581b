//! Terminals as people see them: who opened which host, how, and the pump between a page and a
//! channel.
//!
//! ```text
//!           connect             Connected
//!   idle ────────────> opening ───────────> open ──Close──> over ──shown──> idle (JSON), 4010 (v1)
//!    ^                    │                  ^ │
//!    ├──── Error ─────────┘        Connected │ └─ link lost ─> away
//!    │                                       │                  │ the agent is back
//!    └──── Error ──────────────────────── reaching <────────────┴── connect {resume} ── idle
//! ```
//!
//! A terminal outlives its socket: it is detached then, in its keeper and in the store, until its
//! owner resumes it or its life is over.

mod gateway;
pub mod life;
pub mod open;
pub mod page;
mod resume;
pub mod terminal;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gangplank_proto::id::{HostId, SessionId, TenantId};
use tokio::sync::watch;

/// How long the page that shows a terminal has to leave it to another one.
const HAND_OVER: Duration = Duration::from_secs(5);

/// What a socket is told of the terminal that it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is ended.
    Ended(Ending),
    /// Another page of its owner shows it from now on.
    Replaced,
}

/// Why a terminal is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Somebody wants it, for this reason.
    Wanted(&'static str),
    /// Its owner may no longer have it.
    Withdrawn,
}

impl Ending {
    /// For people.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Wanted(reason) => reason,
            Self::Withdrawn => "its owner may no longer have it",
        }
    }
}

/// Where a socket hears what becomes of its terminal.
pub type Ear = watch::Sender<Option<Told>>;

/// The terminals that somebody looks at, in this process.
#[derive(Debug)]
pub struct Sessions {
    live: Mutex<HashMap<SessionId, Live>>,
    /// Counts those who left.
    left: watch::Sender<u64>,
}

#[derive(Debug)]
struct Live {
    tenant: TenantId,
    host: HostId,
    ear: Ear,
}

/// A terminal's place among those that are looked at; dropping it takes it out.
#[derive(Debug)]
pub struct Place {
    sessions: Arc<Sessions>,
    id: SessionId,
}

/// The page that shows a terminal does not leave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("another page shows this terminal and does not let go of it")]
pub struct Busy;

impl Default for Sessions {
    fn default() -> Self {
        Self { live: Mutex::default(), left: watch::Sender::new(0) }
    }
}

impl Sessions {
    /// Puts a terminal in, whose socket hears by `ear`. Whoever shows it now is told to leave, and
    /// waited for.
    ///
    /// # Errors
    /// [`Busy`] when that takes too long.
    pub async fn enter(
        self: &Arc<Self>,
        tenant: TenantId,
        host: HostId,
        id: SessionId,
        ear: &Ear,
    ) -> Result<Place, Busy> {
        // Listened to before it is looked at, so that nobody leaves unseen.
        let mut left = self.left.subscribe();
        let entered = async {
            loop {
                if let Some(place) = self.try_enter(tenant, host, id, ear) {
                    return Ok(place);
                }
                left.changed().await.map_err(|_| Busy)?;
            }
        };
        tokio::time::timeout(HAND_OVER, entered).await.map_err(|_| Busy)?
    }

    fn try_enter(
        self: &Arc<Self>,
        tenant: TenantId,
        host: HostId,
        id: SessionId,
        ear: &Ear,
    ) -> Option<Place> {
        let mut live = self.lock();
        if let Some(before) = live.get(&id) {
            tell(&before.ear, Told::Replaced);
            return None;
        }
        live.insert(id, Live { tenant, host, ear: ear.clone() });
        Some(Place { sessions: Arc::clone(self), id })
    }

    /// Tells whoever shows a terminal of a tenant that it is ended. False when nobody does.
    #[must_use]
    pub fn end(&self, tenant: TenantId, id: SessionId, ending: Ending) -> bool {
        let live = self.lock();
        let found = live.get(&id).filter(|live| live.tenant == tenant);
        if let Some(found) = found {
            tell(&found.ear, Told::Ended(ending));
        }
        found.is_some()
    }

    /// Returns once nobody shows a terminal of a host.
    pub async fn left(&self, host: HostId) {
        let mut left = self.left.subscribe();
        while self.lock().values().any(|live| live.host == host) {
            // The sender is our own.
            let _ = left.changed().await;
        }
    }

    /// Whether somebody shows a terminal of a host.
    #[must_use]
    pub fn is_shown(&self, host: HostId, id: SessionId) -> bool {
        self.host(id) == Some(host)
    }

    /// The host of a terminal that somebody shows.
    #[must_use]
    pub fn host(&self, id: SessionId) -> Option<HostId> {
        self.lock().get(&id).map(|live| live.host)
    }

    /// How many terminals are shown.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none is shown.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That it ended is the last word about a terminal: a replacement does not undo it.
fn tell(ear: &Ear, told: Told) {
    ear.send_if_modified(|said| {
        let news = said.is_none() || matches!(told, Told::Ended(_));
        if news {
            *said = Some(told);
        }
        news
    });
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.id);
        self.sessions.left.send_modify(|left| *left += 1);
    }
}
