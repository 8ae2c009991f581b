//! Commands to hosts, from order to outcome: [`Jobs`] is the handle that everybody holds, [`run`] the
//! one task that hands jobs out and takes what agents say of them.
//!
//! ```text
//!   order ── store ──> look ──> lease ── store ──> link ──> agent
//!                       ▲                                     │
//!        time, arrivals ┘       events <── store <── words ───┘
//! ```
//!
//! Whatever is told to anybody was committed before. What is lost on the way is told again: a job
//! when its lease ends unheard of, an outcome until the agent hears that it is settled.

mod consent;
mod hand;
mod order;
mod presence;
pub mod routine;
mod scheduler;

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gangplank_proto::id::{ConnectionId, HostId, TenantId};
use tokio::sync::{Notify, mpsc, watch};

use crate::clock::Timestamp;
use crate::store::Heard;

pub use consent::{Ordered, consented, order_as, order_many_as, retry_as};
pub use hand::{poll, settle, take_posted};
pub use order::{PRIORITY, cancel, end_host, order, order_many, order_scheduled, plain, steer};
pub use scheduler::run;

/// Words of agents that wait to be taken; a link whose words find no room waits with them.
const WORDS: usize = 256;

/// A word and the connection that it came by.
#[derive(Debug)]
struct Said {
    connection: ConnectionId,
    heard: Heard,
}

/// What the parts of the daemon know about jobs in memory; all else is in the store.
#[derive(Debug)]
pub struct Jobs {
    words: mpsc::Sender<Said>,
    /// Taken by the one task.
    inbox: Mutex<Option<mpsc::Receiver<Said>>>,
    looks: Mutex<Looks>,
    wake: Notify,
    here: presence::Here,
    /// Counts what is printed, for those who follow it.
    printed: watch::Sender<u64>,
}

/// What the task is to look at.
#[derive(Debug, Default)]
struct Looks {
    hosts: HashSet<(TenantId, HostId)>,
    /// The moment at which something is due; none when that is to be found out.
    due: Option<Timestamp>,
    /// Starts since this moment are to be looked at once more.
    since: Option<Timestamp>,
}

impl Default for Jobs {
    fn default() -> Self {
        let (words, inbox) = mpsc::channel(WORDS);
        Self {
            words,
            inbox: Mutex::new(Some(inbox)),
            looks: Mutex::default(),
            wake: Notify::new(),
            here: presence::Here::default(),
            printed: watch::Sender::new(0),
        }
    }
}

impl Jobs {
    /// Takes what an agent says by its link; waits while others are being listened to.
    pub async fn heard(&self, connection: ConnectionId, heard: Heard) {
        // Without the task the daemon is stopping; the agent says it again.
        let _ = self.words.send(Said { connection, heard }).await;
    }

    /// An agent's link is gone.
    pub fn left(&self, host: HostId, connection: ConnectionId) {
        self.here.left(host, connection);
    }

    /// Tells whenever a job has printed something.
    #[must_use]
    pub fn printed(&self) -> watch::Receiver<u64> {
        self.printed.subscribe()
    }

    /// Has hosts looked at soon: something may be due for them.
    fn look(&self, hosts: impl IntoIterator<Item = (TenantId, HostId)>) {
        self.looks().hosts.extend(hosts);
        self.wake.notify_one();
    }

    /// Something is due at this moment, which may be sooner than all else.
    fn due_at(&self, moment: Timestamp) {
        let mut looks = self.looks();
        let sooner = looks.due.is_some_and(|due| moment < due);
        if sooner {
            looks.due = Some(moment);
        }
        drop(looks);
        if sooner {
            self.wake.notify_one();
        }
    }

    fn looks(&self) -> MutexGuard<'_, Looks> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
