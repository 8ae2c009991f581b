//! The task that owns a link's socket: what its agent says goes to where it belongs, and what is said to
//! the agent goes out, terminals and jobs by turns.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gangplank_proto::close::CloseCode;
use gangplank_proto::docker::DockerStatus;
use gangplank_proto::fact::Hello;
use gangplank_proto::id::ChannelId;
use gangplank_proto::job::FromJob;
use gangplank_proto::link::{FromTerminal, ToTerminal};
use gangplank_terminal::queue::{Item, Outlet};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::Message;

use super::jobs::{self, ForAgent};
use super::{AgentLink, LinkEnd, Vocabulary, native, patchmon};
use crate::socket::{self, End, Heartbeat, Received, Socket};
use crate::store::JobReply;

/// How long a PatchMon agent's link waits for a viewer that is behind.
const PATIENCE: Duration = Duration::from_secs(20);

/// An agent has no reason to say who it is more often than this.
const HELLO_PAUSE: Duration = Duration::from_secs(1);

/// For what waits to be said when the link is closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// Messages joined into one flush at most, so that a busy link still looks at its timers.
const BATCH: usize = 64;

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
pub(super) enum Heard {
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
pub(super) enum BadMessage {
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
