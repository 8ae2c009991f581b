//! The link to one agent: its WebSocket, and the channels in it.
//!
//! [`AgentLink`] is the handle that everybody holds; [`run`] is the one task that owns the socket.
//! Its reader never waits for a channel of an agent of our own, because such an agent keeps to the
//! windows. A PatchMon agent knows none: its link is simply not read while a viewer is behind, for
//! a bounded time.

pub mod channels;
pub mod jobs;
pub mod native;
pub mod patchmon;
mod pump;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gangplank_proto::close::CloseCode;
use gangplank_proto::docker::DockerStatus;
use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::fact::Hello;
use gangplank_proto::id::{ApiId, ChannelId, ConnectionId, HostId, SessionId, TenantId};
use gangplank_proto::job::ToJob;
use gangplank_proto::limit;
use gangplank_proto::link::{FromTerminal, ToTerminal};
use gangplank_proto::secret::Secret;
use gangplank_proto::settings::Settings;
use gangplank_terminal::channel::Channel;
use gangplank_terminal::queue::{Item, Outlet};
use tokio::sync::{mpsc, watch};

use channels::{ChannelError, Channels, Undelivered};
use jobs::{Errand, ForAgent, JobLane, JobWords};

use crate::clock::Timestamp;
use crate::socket::{End, Heartbeat};
use crate::store::JobReply;

pub use pump::run;

/// Changes of containers that wait to be taken.
const CHANGES: usize = 64;

/// Which vocabulary an agent speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vocabulary {
    /// `gangplank.agent.v1`.
    Native,
    /// PatchMon's JSON.
    PatchMon,
}

/// Who the agent is, known from its connection and nothing that it says.
#[derive(Debug, Clone)]
pub struct AgentPeer {
    /// The tenant that its host belongs to.
    pub tenant: TenantId,
    /// Its host.
    pub host: HostId,
    /// Its API id.
    pub api_id: ApiId,
    /// Whether the way to it is encrypted.
    pub secure: bool,
    /// How it speaks.
    pub vocabulary: Vocabulary,
    /// When it came.
    pub since: Timestamp,
    /// What people set it to, as it was then.
    pub settings: Settings,
}

/// A private key for an agent that can't ask for signatures.
#[derive(Debug, Clone)]
pub struct LegacyKey {
    /// PEM or OpenSSH text.
    pub private_key: Secret,
    /// Its passphrase.
    pub passphrase: Option<Secret>,
}

/// The handle of a live link.
pub struct AgentLink {
    /// Which connection of this process.
    pub id: ConnectionId,
    /// Whose link it is.
    pub peer: AgentPeer,
    heartbeat: Heartbeat,
    channels: Channels,
    jobs: JobLane,
    containers: mpsc::Sender<DockerStatus>,
    legacy_keys: Mutex<HashMap<ChannelId, LegacyKey>>,
    hello: watch::Sender<Option<Arc<Hello>>>,
    ended: AtomicBool,
    close: watch::Sender<Option<End>>,
}

impl fmt::Debug for AgentLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentLink").field("id", &self.id).field("peer", &self.peer).finish()
    }
}

/// What only the link's task holds.
#[derive(Debug)]
pub struct LinkEnd {
    outlet: Outlet<ToTerminal>,
    jobs: Outlet<ForAgent>,
    close: watch::Receiver<Option<End>>,
}

impl AgentLink {
    /// A link that is not run yet, and what its agent will say about jobs and about containers.
    #[must_use]
    pub fn new(
        id: ConnectionId,
        peer: AgentPeer,
        heartbeat: Heartbeat,
    ) -> (Arc<Self>, LinkEnd, (JobWords, mpsc::Receiver<DockerStatus>)) {
        let (channels, outlet) = Channels::new(limit::CHANNELS_PER_LINK);
        let (jobs, to_agent, words) = JobLane::new();
        let (containers, changes) = mpsc::channel(CHANGES);
        let (close, closing) = watch::channel(None);
        let link = Self {
            id,
            peer,
            heartbeat,
            channels,
            jobs,
            containers,
            legacy_keys: Mutex::default(),
            hello: watch::Sender::new(None),
            ended: AtomicBool::new(false),
            close,
        };
        let end = LinkEnd { outlet, jobs: to_agent, close: closing };
        (Arc::new(link), end, (words, changes))
    }

    /// Opens a channel to a terminal by its first word, which says the output window too, `window`
    /// at most. What becomes of it is said by the terminal's first words. `legacy_key` goes to PatchMon agents
    /// only.
    ///
    /// # Errors
    /// [`OpenError`] when the link has too many channels or is just ending.
    pub fn channel(
        &self,
        first: ToTerminal,
        window: u32,
        legacy_key: Option<LegacyKey>,
    ) -> Result<Channel, OpenError> {
        let known = |id| {
            if let Some(key) = legacy_key {
                self.legacy_keys().insert(id, key);
            }
        };
        self.channels.open(first, window, known).map_err(|error| match error {
            ChannelError::TooMany => {
                let message = "this host has as many terminals open as one agent may have";
                OpenError::new(ErrorCode::NotAllowed, message)
            }
            ChannelError::Ended => {
                OpenError::new(ErrorCode::AgentOffline, "the host's agent just left")
            }
        })
    }

    /// Ends a terminal that the agent keeps and nobody shows.
    pub fn end_session(&self, session_id: SessionId) {
        self.channels.end_session(session_id);
    }

    /// Says a word about a job to an agent of our own, if it takes it. One that is lost is said
    /// again when nothing is heard of the job.
    pub fn say_job(&self, word: ToJob) {
        if self.peer.vocabulary == Vocabulary::Native {
            self.say_about_jobs(ForAgent::Word(word));
        }
    }

    /// Tells an agent that knows no jobs what to do.
    pub fn send(&self, errand: Errand) {
        if self.peer.vocabulary == Vocabulary::PatchMon {
            self.say_about_jobs(ForAgent::Errand(errand));
        }
    }

    fn say_about_jobs(&self, said: ForAgent) {
        if !self.jobs.say(said) {
            tracing::info!(host = %self.peer.host, "an agent is too slow for what it is told to do");
        }
    }

    /// Notes something about jobs in the place of an agent that knows none.
    pub fn note_job(&self, reply: JobReply) {
        if !self.jobs.note(reply) {
            self.broken(jobs::TOO_MUCH);
        }
    }

    /// Ends the link because the agent said what no agent says.
    pub fn broken(&self, how: &str) {
        tracing::warn!(host = %self.peer.host, how, "an agent broke the protocol");
        self.close(End::close(CloseCode::Protocol, how));
    }

    /// Ends the link with a close code. The first reason stays.
    pub fn close(&self, end: End) {
        self.close.send_if_modified(|close| {
            let first = close.is_none();
            if first {
                *close = Some(end);
            }
            first
        });
    }

    /// What the agent says of its host, the latest only.
    #[must_use]
    pub fn hellos(&self) -> watch::Receiver<Option<Arc<Hello>>> {
        self.hello.subscribe()
    }

    /// Whether the link has ended, though its place may not be given up yet.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// The link's pings.
    #[must_use]
    pub fn heartbeat(&self) -> &Heartbeat {
        &self.heartbeat
    }

    fn legacy_keys(&self) -> MutexGuard<'_, HashMap<ChannelId, LegacyKey>> {
        self.legacy_keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_legacy_key(&self, channel: ChannelId) -> Option<LegacyKey> {
        self.legacy_keys().remove(&channel)
    }

    /// Hands an item to its channel without waiting.
    fn deliver(&self, channel: ChannelId, item: Item<FromTerminal>) {
        match self.channels.deliver(channel, item) {
            Ok(false) => {}
            Ok(true) => drop(self.take_legacy_key(channel)),
            // It knows no windows; without its inlet the channel ended for its viewer.
            Err(Undelivered::Overrun) if self.peer.vocabulary == Vocabulary::PatchMon => {
                self.channels.say(channel, ToTerminal::Close);
                drop(self.take_legacy_key(channel));
            }
            Err(error) => self.broken(&error.to_string()),
        }
    }
}
