//! The keeper's side: a process that has terminals and a Unix socket, and nothing else.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gangplank_proto::fact::{Hello, HostFacts};
use gangplank_proto::link::{FromAgent, FromTerminal, Open, ToAgent, WordError};
use gangplank_proto::stream::Message;
use gangplank_terminal::keeper::{Keeper, KeeperConfig};
use gangplank_terminal::link::Channels;
use gangplank_terminal::queue::{Item, Outlet};
use nix::unistd::Uid;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::channels;
use super::stream::{self, Ended, Reader, Said, Writer};

/// For a daemon to answer the hello.
const GREETING: Duration = Duration::from_secs(10);

/// Connections that have not answered it yet.
const GUESTS: usize = 16;

/// For terminals to end when the keeper stops.
const DRAIN: Duration = Duration::from_secs(5);

/// For what waits to be said then.
const FAREWELL: Duration = Duration::from_secs(1);

/// Words that make no sense until the link is closed; a newer daemon may know more than we do.
const STRIKES: u8 = 3;

/// Keeps terminals for the daemon that connects to `listener`, until `stop`; those that are left end
/// then.
pub async fn serve(listener: UnixListener, config: KeeperConfig, stop: CancellationToken) {
    let most = channels(config.terminals);
    let terminals = TaskTracker::new();
    let keeper = Keeper::new(config, terminals.clone(), CancellationToken::new());
    let mut guests = JoinSet::new();
    let mut link: Option<Link> = None;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(guest) = guests.join_next() => match guest {
                Ok(Ok((reader, writer))) => {
                    if let Some(old) = link.take() {
                        old.replaced().await;
                    }
                    link = Some(Link::start(keeper.clone(), most, reader, writer));
                }
                Ok(Err(error @ Ended::Foreign(_))) => tracing::warn!(%error, "refused"),
                // Somebody who only looked, such as `gangplankd doctor`.
                Ok(Err(ended)) => tracing::debug!(%ended, "a guest left"),
                Err(error) => tracing::error!(%error, "a greeting broke"),
            },
            accepted = listener.accept(), if guests.len() < GUESTS => match accepted {
                Ok((stream, _)) => drop(guests.spawn(greet(stream, keeper.clone()))),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    // Out of descriptors, most likely; the next turn tries again.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    tracing::info!(terminals = keeper.len(), "stopping");
    // The link goes on meanwhile, so that last words reach the daemon.
    keeper.shutdown();
    terminals.close();
    if timeout(DRAIN, terminals.wait()).await.is_err() {
        tracing::warn!(left = keeper.len(), "terminals did not end in time");
    }
    if let Some(link) = link {
        link.farewell().await;
    }
}

/// Says hello to whoever came, and waits for the answer that only a daemon gives.
async fn greet(stream: UnixStream, keeper: Keeper) -> Result<(Reader, Writer), Ended> {
    let own = Uid::effective().as_raw();
    let (mut reader, mut writer) = stream::split(stream, |uid| uid == own)?;
    let version = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
    let host = HostFacts { agent_version: version.into(), ..HostFacts::default() };
    let hello = Hello { host, sessions: keeper.list(), ..Hello::default() };
    writer.feed(&FromAgent::Hello(Box::new(hello)).to_text()?)?;
    let greeting = async {
        writer.flush().await?;
        match reader.next().await? {
            Message::Word(text) if matches!(ToAgent::parse(&text), Ok(ToAgent::Welcome(_))) => {
                Ok(())
            }
            _ => Err(Ended::Protocol("not an answer to the hello".to_owned())),
        }
    };
    timeout(GREETING, greeting).await.map_err(|_| Ended::Silent)??;
    Ok((reader, writer))
}

/// The link to the one daemon.
struct Link {
    over: CancellationToken,
    task: JoinHandle<()>,
}

impl Link {
    fn start(keeper: Keeper, most: usize, reader: Reader, writer: Writer) -> Self {
        tracing::info!(terminals = keeper.len(), "a daemon came");
        let over = CancellationToken::new();
        let task = tokio::spawn(run(keeper, most, reader, writer, over.clone()));
        Self { over, task }
    }

    /// Another daemon has it: everything that was shown here is detached at once.
    async fn replaced(self) {
        self.task.abort();
        // It was aborted, or had ended before.
        let _ = self.task.await;
    }

    /// Sends what waits and ends.
    async fn farewell(self) {
        self.over.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the link broke");
        }
    }
}

async fn run(
    keeper: Keeper,
    most: usize,
    mut reader: Reader,
    mut writer: Writer,
    over: CancellationToken,
) {
    let (channels, mut outlet): (_, Outlet<FromTerminal>) =
        Channels::new(keeper, Box::new(check), most);
    let channels = Mutex::new(channels);
    let mut say = |channel, item| {
        let leaves = lock(&channels).leaves(channel, &item);
        Ok::<_, WordError>(match item {
            _ if !leaves => None,
            Item::Data(data) => Some(Said::Data(data)),
            Item::Word(word) => Some(Said::Word(FromAgent::Channel(channel, word).to_text()?)),
        })
    };
    let ended = tokio::select! {
        biased;
        ended = read(&channels, &mut reader) => ended,
        ended = writer.carry(&mut outlet, &mut say) => ended,
        () = over.cancelled() => Ended::Stopped,
    };
    if matches!(ended, Ended::Stopped) {
        // A daemon that takes nothing is left.
        let _ = timeout(FAREWELL, writer.carry_rest(&mut outlet, &mut say)).await;
    }
    match ended {
        Ended::Closed | Ended::Stopped => tracing::info!(%ended, "the daemon is gone"),
        ended => tracing::warn!(%ended, "the daemon is gone"),
    }
}

/// Hands what comes to its terminal, and never waits for one.
async fn read(channels: &Mutex<Channels>, reader: &mut Reader) -> Ended {
    let mut strikes = 0;
    loop {
        let taken = match reader.next().await {
            Ok(Message::Data(channel, data)) => lock(channels).data(channel, data),
            Ok(Message::Word(text)) => match ToAgent::parse(&text) {
                Ok(ToAgent::Welcome(_)) => Ok(()),
                Ok(ToAgent::Channel(channel, word)) => lock(channels).word(channel, word),
                // A keeper does no jobs; and the parser's own text may quote a secret.
                Ok(ToAgent::Job(_)) | Err(_) => {
                    strikes += 1;
                    tracing::warn!(strikes, "the daemon said a word that isn't known");
                    if strikes < STRIKES {
                        continue;
                    }
                    return Ended::Protocol("words that aren't known".to_owned());
                }
            },
            Err(ended) => return ended,
        };
        if let Err(broken) = taken {
            return Ended::Protocol(broken.to_string());
        }
    }
}

/// A keeper has no shells of its own, and looks nothing up: the daemon says where terminals may go.
fn check(open: &Open) -> Result<(), String> {
    match open {
        Open::Ssh { addresses: Some(_), .. } => Ok(()),
        Open::Ssh { .. } => Err("the addresses that may be dialled were not said".to_owned()),
        Open::Pty { .. } | Open::DirectTcpip { .. } => {
            Err("this keeper opens terminals by SSH only".to_owned())
        }
    }
}

fn lock(channels: &Mutex<Channels>) -> MutexGuard<'_, Channels> {
    channels.lock().unwrap_or_else(PoisonError::into_inner)
}
