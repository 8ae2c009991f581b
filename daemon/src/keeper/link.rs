//! The daemon's side of the link to a keeper in a process of its own: one task connects, reads and
//! writes, and connects again when the link is lost.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::fact::Hello;
use gangplank_proto::id::{ChannelId, ConnectionId, SessionId};
use gangplank_proto::limit;
use gangplank_proto::link::{FromAgent, ToAgent, ToTerminal, WordError};
use gangplank_proto::settings::Settings;
use gangplank_proto::stream::Message;
use gangplank_terminal::queue::Item;
use nix::unistd::Uid;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::stream::{self, Ended, Reader, Said, Writer};
use super::{Carried, channels};
use crate::app::App;
use crate::clock::Timestamp;
use crate::link::channels::{ChannelError, Channels};
use crate::session::life;

/// For a keeper to say hello.
const GREETING: Duration = Duration::from_secs(10);

/// For what waits to be said when the daemon stops.
const FAREWELL: Duration = Duration::from_secs(1);

/// Between two attempts to connect: the shortest wait, doubled up to the longest.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// A link that lived so long was a good one.
const SETTLED: Duration = Duration::from_secs(10);

/// A keeper in a process of its own, whether it is there or not.
#[derive(Debug)]
pub struct External {
    socket: PathBuf,
    terminals: usize,
    link: watch::Sender<Option<Arc<KeeperLink>>>,
}

/// A live link to the keeper.
#[derive(Debug)]
pub struct KeeperLink {
    id: ConnectionId,
    channels: Channels,
    /// When it came.
    pub since: Timestamp,
    broken: CancellationToken,
}

impl KeeperLink {
    /// Ends a terminal that the keeper keeps and nobody shows.
    pub fn end_session(&self, session_id: SessionId) {
        self.channels.end_session(session_id);
    }

    fn broken(&self, how: &str) {
        tracing::error!(how, "the keeper broke the protocol");
        self.broken.cancel();
    }
}

impl External {
    /// A keeper of so many terminals behind a socket; nothing is connected yet.
    #[must_use]
    pub fn new(socket: PathBuf, terminals: usize) -> Self {
        Self { socket, terminals, link: watch::Sender::new(None) }
    }

    pub(super) fn open(&self, first: ToTerminal, window: u32) -> Result<Carried, OpenError> {
        self.channel(first, window, ErrorCode::Internal)
    }

    pub(super) fn attach(&self, first: ToTerminal, window: u32) -> Result<Carried, OpenError> {
        self.channel(first, window, ErrorCode::AgentOffline)
    }

    fn channel(
        &self,
        first: ToTerminal,
        window: u32,
        away: ErrorCode,
    ) -> Result<Carried, OpenError> {
        let link = self.live().ok_or_else(|| lost(away))?;
        match link.channels.open(first, window, |_| {}) {
            Ok(channel) => Ok((channel, Some(link.id))),
            Err(ChannelError::Ended) => Err(lost(away)),
            Err(ChannelError::TooMany) => {
                let message = "there are as many terminals as limits.terminals allows";
                Err(OpenError::new(ErrorCode::NotAllowed, message))
            }
        }
    }

    pub(super) fn end(&self, session_id: SessionId) {
        if let Some(link) = self.live() {
            link.end_session(session_id);
        }
    }

    pub(super) async fn back(&self, old: Option<ConnectionId>) {
        let mut link = self.link.subscribe();
        let another =
            |link: &Option<Arc<KeeperLink>>| link.as_ref().is_some_and(|link| Some(link.id) != old);
        if link.wait_for(another).await.is_err() {
            // The other end of the watch is in here.
            std::future::pending().await
        }
    }

    pub(super) fn broken(&self, id: ConnectionId, how: &str) {
        if let Some(link) = self.live().filter(|link| link.id == id) {
            link.broken(how);
        }
    }

    fn live(&self) -> Option<Arc<KeeperLink>> {
        self.link.borrow().clone()
    }

    /// Keeps a link to the keeper until `stop`.
    pub async fn follow(&self, app: &App, stop: CancellationToken) {
        let mut wait = SHORTEST;
        let mut said = String::new();
        while !stop.is_cancelled() {
            let since = Instant::now();
            let ended = self.serve(app, &stop, &mut said).await;
            self.link.send_replace(None);
            if matches!(ended, Ended::Stopped) {
                return;
            }
            wait = if since.elapsed() > SETTLED { SHORTEST } else { (2 * wait).min(LONGEST) };
            let why = ended.to_string();
            // Once loudly, and again only when the reason is another.
            if said != why {
                let socket = self.socket.display();
                tracing::error!(%socket, why, "no link to the keeper of direct terminals");
                said = why;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Serves one link until it is over.
    async fn serve(&self, app: &App, stop: &CancellationToken, said: &mut String) -> Ended {
        let most = channels(self.terminals);
        let connected = tokio::select! {
            () = stop.cancelled() => return Ended::Stopped,
            connected = connect(&self.socket, most) => connected,
        };
        let (mut reader, mut writer, hello) = match connected {
            Ok(connected) => connected,
            Err(ended) => return ended,
        };
        let answered = ToAgent::Welcome(Settings::default()).to_text().map_err(Ended::from);
        if let Err(ended) = answered.and_then(|text| writer.feed(&text)) {
            return ended;
        }
        said.clear();
        let (channels, mut outlet) = Channels::new(most);
        let (id, since) = (app.registry.connection_id(), app.clock.now());
        let broken = CancellationToken::new();
        let link = Arc::new(KeeperLink { id, channels, since, broken });
        self.link.send_replace(Some(Arc::clone(&link)));
        let version = hello.host.agent_version.as_str();
        tracing::info!(terminals = hello.sessions.len(), version, "linked to the keeper");
        let reconcile = async {
            if let Err(error) = life::reconcile_direct(app, &link, &hello.sessions).await {
                tracing::error!(%error, "what the keeper holds could not be compared");
            }
            std::future::pending().await
        };
        let write = async {
            match writer.flush().await {
                Ok(()) => writer.carry(&mut outlet, say).await,
                Err(ended) => ended,
            }
        };
        let ended = tokio::select! {
            biased;
            () = link.broken.cancelled() => Ended::Protocol("it broke the protocol".to_owned()),
            ended = read(&link, &mut reader, most) => ended,
            ended = write => ended,
            ended = reconcile => ended,
            () = stop.cancelled() => Ended::Stopped,
        };
        self.link.send_replace(None);
        link.channels.clear();
        if matches!(ended, Ended::Stopped) {
            // A keeper that takes nothing is left; whoever was to end is ended at the next hello.
            let _ = timeout(FAREWELL, writer.carry_rest(&mut outlet, say)).await;
        }
        ended
    }
}

/// What is said while the keeper is away.
fn lost(code: ErrorCode) -> OpenError {
    let message = "the process that keeps the daemon's terminals is not there; \
                   on the daemon's machine: systemctl status gangplankd-keeper";
    OpenError::new(code, message)
}

/// Connects to a keeper and hears its hello, with at most `most` terminals.
pub(super) async fn connect(socket: &Path, most: usize) -> Result<(Reader, Writer, Hello), Ended> {
    let stream = UnixStream::connect(socket).await?;
    let own = Uid::effective().as_raw();
    // Whoever listens: the keeper, or the service manager for it.
    let (mut reader, writer) = stream::split(stream, |uid| uid == own || uid == 0)?;
    let first = timeout(GREETING, reader.next()).await.map_err(|_| Ended::Silent)??;
    match first {
        Message::Word(text) => match FromAgent::parse(&text, most)? {
            FromAgent::Hello(hello) => Ok((reader, writer, *hello)),
            FromAgent::Channel(..) | FromAgent::Job(_) | FromAgent::Docker(_) => {
                Err(Ended::Protocol("a word before the hello".to_owned()))
            }
        },
        Message::Data(..) => Err(Ended::Protocol("bytes before the hello".to_owned())),
    }
}

/// Hands what comes to its channel, and never waits for one.
async fn read(link: &KeeperLink, reader: &mut Reader, most: usize) -> Ended {
    loop {
        let (channel, item) = match reader.next().await {
            Ok(Message::Data(channel, data)) => (channel, Item::Data(data)),
            Ok(Message::Word(text)) if text.len() > limit::PIECE => {
                return Ended::Protocol(format!("a word of {} bytes", text.len()));
            }
            Ok(Message::Word(text)) => match FromAgent::parse(&text, most) {
                Ok(FromAgent::Channel(channel, word)) => (channel, Item::Word(word)),
                Ok(FromAgent::Job(_) | FromAgent::Docker(_)) => {
                    return Ended::Protocol("a word of an agent by a keeper".to_owned());
                }
                Ok(FromAgent::Hello(_)) => return Ended::Protocol("a second hello".to_owned()),
                Err(error) => return error.into(),
            },
            Err(ended) => return ended,
        };
        if let Err(error) = link.channels.deliver(channel, item) {
            return Ended::Protocol(error.to_string());
        }
    }
}

fn say(channel: ChannelId, item: Item<ToTerminal>) -> Result<Option<Said>, WordError> {
    Ok(Some(match item {
        Item::Data(data) => Said::Data(data),
        Item::Word(word) => Said::Word(ToAgent::Channel(channel, word).to_text()?),
    }))
}
