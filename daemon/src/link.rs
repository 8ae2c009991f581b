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

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gangplank_proto::close::CloseCode;
use gangplank_proto::docker::DockerStatus;
use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::fact::Hello;
use gangplank_proto::id::{ApiId, ChannelId, ConnectionId, HostId, SessionId, TenantId};
use gangplank_proto::job::{FromJob, ToJob};
use gangplank_proto::limit;
use gangplank_proto::link::{FromTerminal, ToTerminal};
use gangplank_proto::secret::Secret;
use gangplank_proto::settings::Settings;
use gangplank_terminal::channel::Channel;
use gangplank_terminal::queue::{Item, Outlet};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::Message;

use channels::{ChannelError, Channels, Undelivered};
use jobs::{Errand, ForAgent, JobLane, JobWords};

use crate::clock::Timestamp;
use crate::socket::{self, End, Heartbeat, Received, Socket};
use crate::store::JobReply;

/// How long a PatchMon agent's link waits for a viewer that is behind.
const PATIENCE: Duration = Duration::from_secs(20);

/// An agent has no reason to say who it is more often than this.
const HELLO_PAUSE: Duration = Duration::from_secs(1);

/// For what waits to be said when the link is closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// Changes of containers that wait to be taken.
const CHANGES: usize = 64;

/// Messages joined into one flush at most, so that a busy link still looks at its timers.
const BATCH: usize = 64;

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

/// Runs the link until it ends and says why.
pub async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    link: &Arc<AgentLink>,
    end: LinkEnd,
    socket: Socket<S>,
) -> End {
    let Socket { mut reader, mut writer, heartbeat } = socket;
    let LinkEnd { outlet, mut jobs, mut close } = end;
    let codec = match link.peer.vocabulary {
        Vocabulary::Native => None,
        Vocabulary::PatchMon => Some(Mutex::new(patchmon::Codec::default())),
    };
    let codec = codec.as_ref();
    if codec.is_some() {
        link.note_job(JobReply::Arrived);
    }
    let closed = async {
        match close.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or(End::Gone),
            Err(_) => End::Gone,
        }
    };
    let mut outlet = outlet;
    let reason = tokio::select! {
        biased;
        end = closed => end,
        end = read(link, &mut reader, codec) => end,
        end = write(link, &mut writer, (&mut outlet, &mut jobs), codec, &heartbeat) => end,
    };
    link.ended.store(true, Ordering::Release);
    // Channels end now, before the goodbye, which may take its time.
    link.channels.clear();
    if matches!(reason, End::Close(..)) {
        // What was said before, such as the end of a terminal, still goes.
        let rest = async {
            while let Some((channel, item)) = outlet.try_recv() {
                say(link, &mut writer, codec, channel, item).await?;
            }
            writer.flush().await
        };
        // A peer that takes nothing is left.
        let _ = tokio::time::timeout(FAREWELL, rest).await;
    }
    socket::finish(&mut reader, &mut writer, reason.clone()).await;
    reason
}

/// The translation for a PatchMon agent; our own need none.
type PatchMonCodec<'a> = Option<&'a Mutex<patchmon::Codec>>;

/// What a message of the agent comes to.
enum Heard {
    Nothing,
    Hello(Box<Hello>),
    /// A word about a job, and its length.
    Job(FromJob, usize),
    /// A container changed.
    Container(Box<DockerStatus>),
    /// Something about a job of an agent that knows none.
    Note(JobReply),
    Item(ChannelId, Item<FromTerminal>),
}

/// A message that the vocabulary does not have.
#[derive(Debug, thiserror::Error)]
enum BadMessage {
    #[error(transparent)]
    Word(#[from] gangplank_proto::link::WordError),
    #[error(transparent)]
    Message(#[from] crate::message::MessageError),
    #[error("a word of {0} bytes is over the limit")]
    TooLong(usize),
    #[error(transparent)]
    Frame(#[from] gangplank_proto::frame::FrameError),
}

async fn read<S: AsyncRead + AsyncWrite + Unpin>(
    link: &AgentLink,
    reader: &mut socket::Reader<S>,
    codec: PatchMonCodec<'_>,
) -> End {
    let mut bad = 0;
    let mut last_hello: Option<Instant> = None;
    loop {
        let received = match reader.next().await {
            Ok(received) => received,
            Err(end) => return end,
        };
        let heard = match (codec, received) {
            (None, received) => native::hear(received),
            (Some(_), Received::Binary(_)) => {
                return End::close(CloseCode::Unsupported, "text messages only");
            }
            (Some(codec), Received::Text(text)) => Ok(lock(codec).hear(&text)),
        };
        match heard {
            Ok(Heard::Nothing) => {}
            Ok(Heard::Hello(said)) => {
                if last_hello.is_some_and(|last| last.elapsed() < HELLO_PAUSE) {
                    bad += 1;
                }
                let fresh = last_hello.is_none();
                last_hello = Some(Instant::now());
                // In its place among the words: what was said before it is taken before it.
                if !link.jobs.held(said.jobs.clone(), fresh) {
                    link.broken(jobs::TOO_MUCH);
                }
                link.hello.send_replace(Some(Arc::new(*said)));
            }
            Ok(Heard::Job(word, len)) => {
                if !link.jobs.heard(word, len) {
                    link.broken(jobs::TOO_MUCH);
                }
            }
            Ok(Heard::Container(change)) => {
                // What finds no room is in the next inventory.
                let _ = link.containers.try_send(*change);
            }
            // How far a scan is, is lost on whoever has no time for it.
            Ok(Heard::Note(reply)) => drop(link.jobs.note(reply)),
            Ok(Heard::Item(channel, item)) => {
                if codec.is_some() {
                    wait_for_room(link, channel, &item).await;
                }
                link.deliver(channel, item);
            }
            Err(error) => {
                tracing::info!(host = %link.peer.host, %error, "a message of an agent can't be used");
                bad += 1;
            }
        }
        if bad >= 3 {
            return End::close(CloseCode::Policy, "third bad message");
        }
    }
}

/// A PatchMon agent sends without windows: its link waits for the viewer, but not for ever.
async fn wait_for_room(link: &AgentLink, channel: ChannelId, item: &Item<FromTerminal>) {
    let Item::Data(data) = item else { return };
    let Some(inlet) = link.channels.inlet(channel) else { return };
    if tokio::time::timeout(PATIENCE, inlet.room(data.len())).await.is_err() {
        tracing::info!(host = %link.peer.host, "a viewer fell too far behind and was left");
    }
}

async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    link: &AgentLink,
    writer: &mut socket::Writer<S>,
    (outlet, jobs): (&mut Outlet<ToTerminal>, &mut Outlet<ForAgent>),
    codec: PatchMonCodec<'_>,
    heartbeat: &Heartbeat,
) -> End {
    let mut beat = heartbeat.start();
    let greeting = match link.peer.vocabulary {
        Vocabulary::Native => native::welcome(link.peer.settings),
        Vocabulary::PatchMon => patchmon::greeting(),
    };
    if let Some(greeting) = greeting
        && let Err(end) = writer.text(greeting).await
    {
        return end;
    }
    loop {
        let mut next = tokio::select! {
            item = outlet.recv() => item,
            // One at a time, so that terminals have their turns between them.
            Some((_, Item::Word(said))) = jobs.recv() => {
                let sent = match said {
                    ForAgent::Word(word) => match native::say_job(word) {
                        Ok(message) => writer.feed(message).await,
                        Err(end) => Err(end),
                    },
                    ForAgent::Errand(errand) => errand.tell(link, writer).await,
                };
                if let Err(end) = sent {
                    return end;
                }
                outlet.try_recv()
            }
            () = beat.due() => {
                let sent = match beat.ping() {
                    Ok(ping) => writer.feed(ping).await,
                    Err(end) => Err(end),
                };
                if let Err(end) = sent {
                    return end;
                }
                None
            }
        };
        let mut batch = 0;
        while let Some((channel, item)) = next {
            if let Err(end) = say(link, writer, codec, channel, item).await {
                return end;
            }
            batch += 1;
            next = if batch < BATCH { outlet.try_recv() } else { None };
        }
        if let Err(end) = writer.flush().await {
            return end;
        }
    }
}

/// Puts one item for the agent into the socket's buffer.
async fn say<S: AsyncRead + AsyncWrite + Unpin>(
    link: &AgentLink,
    writer: &mut socket::Writer<S>,
    codec: PatchMonCodec<'_>,
    channel: ChannelId,
    item: Item<ToTerminal>,
) -> Result<(), End> {
    let Some(codec) = codec else { return writer.feed(native::say(channel, item)?).await };
    let said = lock(codec).say(channel, item, || link.take_legacy_key(channel));
    for message in said.messages {
        writer.feed(Message::text(message)).await?;
    }
    for word in said.back {
        link.deliver(channel, Item::Word(word));
    }
    Ok(())
}

fn lock(codec: &Mutex<patchmon::Codec>) -> MutexGuard<'_, patchmon::Codec> {
    codec.lock().unwrap_or_else(PoisonError::into_inner)
}
