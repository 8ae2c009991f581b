//! Streams over links that are cut with bytes under way. The two ends are real: a keeper with the
//! channels of an agent there, a stream here.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use futures_util::FutureExt as _;
use gangplank_proto::id::ChannelId;
use gangplank_proto::link::FromTerminal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::*;
use crate::channel::LANE_BYTES;
use crate::keeper::{Keeper, KeeperConfig};
use crate::link::Channels;
use crate::queue::{Inlet, Item, Outlet, queue};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Messages under way each way: what a cut loses beside the queues.
const CABLE: usize = 8;

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("too late: {what}"))
}

/// The daemon's end of a link.
struct Link {
    outbox: Inlet<ToTerminal>,
    channels: Mutex<HashMap<ChannelId, Inlet<FromTerminal>>>,
    next: AtomicU32,
    cut: CancellationToken,
}

impl Link {
    fn new() -> (Arc<Self>, Outlet<ToTerminal>) {
        let (outbox, outlet) = queue(ChannelId(0), LANE_BYTES);
        let (channels, next, cut) = (Mutex::default(), AtomicU32::new(1), CancellationToken::new());
        (Arc::new(Self { outbox, channels, next, cut }), outlet)
    }
}

/// An agent, and the link that it has at the moment.
struct Agent {
    keeper: Keeper,
    link: watch::Sender<Option<Arc<Link>>>,
    allows: bool,
}

impl Agent {
    fn new() -> Self {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let keeper = Keeper::new(KeeperConfig::default(), tracker, stop);
        Self { keeper, link: watch::Sender::new(None), allows: true }
    }

    fn joined(self) -> Self {
        self.join();
        self
    }

    fn join(&self) {
        let (link, outlet) = Link::new();
        let (keeper, allows) = (self.keeper.clone(), self.allows);
        tokio::spawn(serve(Arc::clone(&link), outlet, keeper, allows));
        self.link.send_replace(Some(link));
    }

    fn cut(&self) {
        if let Some(link) = self.link.send_replace(None) {
            link.cut.cancel();
        }
    }

    fn gateway(&self) -> Gateway {
        let link = self.link.subscribe();
        Gateway::new(move |first| {
            let mut link = link.clone();
            let opening = async move {
                if matches!(first, ToTerminal::Attach { .. }) {
                    link.wait_for(Option::is_some).await.unwrap();
                }
                let offline = || OpenError::new(ErrorCode::AgentOffline, "offline");
                let link = link.borrow().clone().ok_or_else(offline)?;
                let id = ChannelId(link.next.fetch_add(1, Ordering::Relaxed));
                let (inlet, outlet) = queue(id, LANE_BYTES);
                link.channels.lock().unwrap().insert(id, inlet);
                let lane = link.outbox.lane(id);
                lane.word(first).map_err(|_| offline())?;
                Ok(Channel::new(lane, outlet, limit::TERMINAL_WINDOW))
            };
            opening.boxed()
        })
    }

    async fn open(&self, port: u16, keep: Keep) -> Result<Stream, OpenError> {
        let passage = Passage {
            gateway: self.gateway(),
            session_id: SessionId::new(),
            keep,
            tracker: TaskTracker::new(),
        };
        passage.open("127.0.0.1".to_owned(), port, Instant::now() + PATIENCE).await
    }

    /// A stream, and what it leads to.
    async fn pair(&self, keep: Keep) -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = soon("a stream", self.open(port, keep)).await.unwrap();
        (stream, soon("a connection", listener.accept()).await.unwrap().0)
    }
}

/// Carries a link's messages until it is cut; those under way are lost then.
async fn serve(link: Arc<Link>, mut outbox: Outlet<ToTerminal>, keeper: Keeper, allows: bool) {
    let check = Box::new(move |_: &Open| if allows { Ok(()) } else { Err("no".to_owned()) });
    let (mut channels, mut output) = Channels::new(keeper, check, limit::CHANNELS_PER_LINK);
    let (mut up, mut down) = (VecDeque::new(), VecDeque::new());
    loop {
        tokio::select! {
            biased;
            () = link.cut.cancelled() => break,
            Some(item) = outbox.recv(), if up.len() < CABLE => up.push_back(item),
            Some(item) = output.recv(), if down.len() < CABLE => down.push_back(item),
            () = std::future::ready(()), if !up.is_empty() || !down.is_empty() => {
                match up.pop_front() {
                    Some((channel, Item::Word(word))) => channels.word(channel, word).unwrap(),
                    Some((channel, Item::Data(data))) => channels.data(channel, data).unwrap(),
                    None => {}
                }
                if let Some((channel, item)) = down.pop_front()
                    && channels.leaves(channel, &item)
                    && let Some(inlet) = link.channels.lock().unwrap().get(&channel)
                {
                    // A stream that left needs nothing more.
                    let _ = match item {
                        Item::Word(word) => inlet.word(word),
                        Item::Data(data) => inlet.data(data),
                    };
                }
                tokio::task::yield_now().await;
            }
        }
    }
    link.channels.lock().unwrap().clear();
}

/// Bytes that tell where they are and whose they are.
fn bytes(whose: u64, len: usize) -> Vec<u8> {
    let mut state = whose;
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..len).map(step).collect()
}

#[tokio::test]
async fn every_byte_arrives_once_and_in_order_wherever_the_link_is_cut() {
    const LEN: usize = 1 << 20;
    for seed in 1..7u64 {
        let agent = Agent::new().joined();
        let (stream, peer) = agent.pair(Keep::default()).await;
        let (mut read, mut write) = tokio::io::split(stream);
        let (mut peer_read, mut peer_write) = peer.into_split();
        let (to, from) = (bytes(seed, LEN), bytes(seed + 100, LEN));
        let (wrote, said) = (to.clone(), from.clone());
        let writer = tokio::spawn(async move {
            write.write_all(&wrote).await.unwrap();
            write.shutdown().await.unwrap();
            write
        });
        tokio::spawn(async move {
            peer_write.write_all(&said).await.unwrap();
            peer_write.shutdown().await.unwrap();
            // Dropped sooner, the peer would close before it has read all.
            std::future::pending::<()>().await;
        });
        let arrived = tokio::spawn(async move {
            let mut arrived = Vec::new();
            peer_read.read_to_end(&mut arrived).await.unwrap();
            arrived
        });
        let mut came = Vec::new();
        let mut cut_at = 0;
        loop {
            let mut piece = vec![0; 1 + (seed as usize * 7919) % 30_000];
            let len = soon("more", read.read(&mut piece)).await.unwrap();
            came.extend_from_slice(&piece[..len]);
            if len == 0 {
                break;
            }
            if came.len() >= cut_at {
                agent.cut();
                agent.join();
                cut_at += 20_000 * seed as usize;
            }
        }
        assert!(came == from, "seed {seed}: other bytes came than were said");
        agent.cut();
        agent.join();
        let arrived = soon("all that was written", arrived).await.unwrap();
        assert!(arrived == to, "seed {seed}: other bytes arrived than were written");
        drop((read, soon("the writer", writer).await.unwrap()));
    }
}

#[tokio::test]
async fn an_end_that_was_said_while_the_link_was_away_comes_after_the_last_byte() {
    let agent = Agent::new().joined();
    let (mut stream, mut peer) = agent.pair(Keep::default()).await;
    agent.cut();
    peer.write_all(b"last words").await.unwrap();
    peer.shutdown().await.unwrap();
    stream.write_all(b"an answer").await.unwrap();
    stream.shutdown().await.unwrap();
    agent.join();
    let mut came = String::new();
    soon("the end", stream.read_to_string(&mut came)).await.unwrap();
    assert_eq!(came, "last words");
    let mut answer = String::new();
    soon("the answer", peer.read_to_string(&mut answer)).await.unwrap();
    assert_eq!(answer, "an answer");
}

#[tokio::test]
async fn a_stream_waits_no_longer_than_its_life() {
    let agent = Agent::new().joined();
    let keep = Keep::new(Duration::from_secs(1), Duration::from_secs(1));
    let (mut stream, mut peer) = agent.pair(keep).await;
    agent.cut();
    let error = soon("the end", stream.read_u8()).await.unwrap_err();
    assert!(error.to_string().contains("did not come back in time"), "{error}");
    assert_eq!(soon("the far end", peer.read(&mut [0])).await.unwrap(), 0);
}

#[tokio::test]
async fn what_the_agent_lost_is_lost() {
    let agent = Agent::new().joined();
    let (mut stream, _peer) = agent.pair(Keep::default()).await;
    agent.cut();
    agent.keeper.shutdown();
    while !agent.keeper.is_empty() {
        tokio::task::yield_now().await;
    }
    agent.join();
    let error = soon("the end", stream.read_u8()).await.unwrap_err();
    assert!(error.to_string().contains("no longer holds it"), "{error}");
}

#[tokio::test]
async fn dropping_a_stream_closes_the_connection_behind_the_gateway() {
    let agent = Agent::new().joined();
    let (stream, mut peer) = agent.pair(Keep::default()).await;
    drop(stream);
    assert_eq!(soon("the end", peer.read(&mut [0])).await.unwrap(), 0);
    while !agent.keeper.is_empty() {
        soon("an empty table", tokio::task::yield_now()).await;
    }
}

#[tokio::test]
async fn a_stream_that_can_not_be_opened_says_why() {
    let agent = Agent::new();
    let refused = async |agent: &Agent, port| {
        soon("an answer", agent.open(port, Keep::default())).await.unwrap_err().code
    };
    assert_eq!(refused(&agent, 22).await, ErrorCode::AgentOffline);
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    assert_eq!(refused(&Agent::new().joined(), port).await, ErrorCode::Unreachable);
    let strict = Agent { allows: false, ..Agent::new() }.joined();
    assert_eq!(refused(&strict, port).await, ErrorCode::NotAllowed);
    // A link that is lost before anybody answers.
    let leaving = Agent::new();
    let (link, _outlet) = Link::new();
    leaving.link.send_replace(Some(Arc::clone(&link)));
    let (code, ()) = tokio::join!(refused(&leaving, port), async {
        while link.channels.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        link.channels.lock().unwrap().clear();
    });
    assert_eq!(code, ErrorCode::AgentOffline);
}
