//! Which hosts can be given jobs now: by a link whose agent has said what it holds, or by a request
//! that waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gangplank_proto::id::{ConnectionId, HostId, JobId};
use gangplank_proto::limit;
use tokio::sync::Notify;

use crate::clock::Timestamp;

/// A host that asks for jobs counts as here for so long after it asked.
const ASKED: Duration = Duration::from_secs(90);

/// Who is here.
#[derive(Debug, Default)]
pub(super) struct Here(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Connections whose agents have said what they hold.
    links: HashMap<HostId, ConnectionId>,
    asking: HashMap<HostId, Asking>,
}

#[derive(Debug)]
struct Asking {
    at: Timestamp,
    /// Ends the wait of the one request that waits.
    wake: Arc<Notify>,
    /// What it is to stop.
    stops: Vec<(JobId, u32)>,
}

impl Here {
    pub(super) fn ready(&self, host: HostId, connection: ConnectionId) {
        self.lock().links.insert(host, connection);
    }

    pub(super) fn left(&self, host: HostId, connection: ConnectionId) {
        let mut state = self.lock();
        if state.links.get(&host) == Some(&connection) {
            state.links.remove(&host);
        }
    }

    /// The connection by which a host can be given jobs.
    pub(super) fn link(&self, host: HostId) -> Option<ConnectionId> {
        self.lock().links.get(&host).copied()
    }

    /// Whether a host takes jobs now, or asked for some just now.
    pub(super) fn is_here(&self, host: HostId, now: Timestamp) -> bool {
        let state = self.lock();
        let asked = |asking: &Asking| now.since(asking.at) < ASKED;
        state.links.contains_key(&host) || state.asking.get(&host).is_some_and(asked)
    }

    /// A host asks; what it waits on is told when there is something. An older request of the same
    /// host is told too, and ends.
    pub(super) fn asks(&self, host: HostId, now: Timestamp) -> Arc<Notify> {
        let wake = Arc::new(Notify::new());
        let mut state = self.lock();
        state.asking.retain(|_, asking| now.since(asking.at) < ASKED);
        let mut asking = Asking { at: now, wake: Arc::clone(&wake), stops: Vec::new() };
        if let Some(old) = state.asking.remove(&host) {
            old.wake.notify_one();
            asking.stops = old.stops;
        }
        state.asking.insert(host, asking);
        wake
    }

    /// Whether no newer request of the host took this one's place.
    pub(super) fn still_asks(&self, host: HostId, wake: &Arc<Notify>) -> bool {
        self.lock().asking.get(&host).is_some_and(|asking| Arc::ptr_eq(&asking.wake, wake))
    }

    /// Has a host that asks told to stop a job. One that is forgotten here is told with the next
    /// answer to what it says of the job.
    pub(super) fn stop(&self, host: HostId, job: JobId, attempt: u32) {
        if let Some(asking) = self.lock().asking.get_mut(&host)
            && asking.stops.len() < limit::JOBS_HELD
        {
            asking.stops.push((job, attempt));
            asking.wake.notify_one();
        }
    }

    /// What a host that asks is to stop.
    pub(super) fn stops(&self, host: HostId) -> Vec<(JobId, u32)> {
        let mut state = self.lock();
        state
            .asking
            .get_mut(&host)
            .map(|asking| std::mem::take(&mut asking.stops))
            .unwrap_or_default()
    }

    /// Ends the wait of a host's request.
    pub(super) fn wake(&self, host: HostId) {
        if let Some(asking) = self.lock().asking.get(&host) {
            asking.wake.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
