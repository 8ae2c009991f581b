//! A WebSocket (RFC 6455) as every part of the daemon uses it: bounded buffers, faults mapped to
//! close codes, pings, and a close whose code arrives.

mod fragments;

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use gangplank_proto::close::CloseCode;
use gangplank_proto::id::SessionId;
use gangplank_terminal::gathering::{GATHERED, Gathering};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error as WsError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode as WireCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};

use self::fragments::Counted;
use crate::guard::{Guard, Misdeed, Pace};
use crate::inspect::{Direction, Slot};

/// How long input is discarded after our close frame, so that the code arrives before any reset.
const LINGER: Duration = Duration::from_secs(1);

/// Bytes read at a time from a peer that may have much to say, and from one that hardly says anything.
const READ: (usize, usize) = (4096, 512);

/// Pings of a peer in a minute.
const PINGS: u64 = 600;

/// How soon a missed ping is followed by the one that decides.
const SECOND_CHANCE: Duration = Duration::from_secs(5);

/// A message from the peer.
#[derive(Debug)]
pub enum Received {
    /// Text.
    Text(Utf8Bytes),
    /// Bytes.
    Binary(Bytes),
}

impl Received {
    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(data) => data.len(),
        }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why nothing more comes from the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The peer closed, or the connection is gone.
    Gone,
    /// We have to close, with this code.
    Close(CloseCode, String),
}

impl End {
    /// Our close with a code and a reason for people.
    pub fn close(code: CloseCode, reason: impl Into<String>) -> Self {
        Self::Close(code, reason.into())
    }
}

/// An established WebSocket, in its two halves.
#[derive(Debug)]
pub struct Socket<S> {
    /// What the peer says.
    pub reader: Reader<S>,
    /// What we say.
    pub writer: Writer<S>,
    /// Whether the peer lives.
    pub heartbeat: Heartbeat,
}

/// The reading half.
#[derive(Debug)]
pub struct Reader<S> {
    stream: SplitStream<WebSocketStream<Counted<S>>>,
    life: Arc<Life>,
    /// Who is told when the peer breaks the protocol.
    blame: Option<(Guard, IpAddr)>,
    /// Who may look at what goes by.
    slot: Option<Arc<Slot>>,
    pings: Pace,
}

/// The writing half.
#[derive(Debug)]
pub struct Writer<S> {
    sink: SplitSink<WebSocketStream<Counted<S>>, Message>,
    gathering: Gathering,
    /// Who may look at what goes by.
    slot: Option<Arc<Slot>>,
}

/// When the peer was heard last and how long a ping takes, both in microseconds since the start.
#[derive(Debug)]
struct Life {
    start: Instant,
    heard: AtomicU64,
    round_trip: AtomicU64,
}

impl Life {
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Pings and what comes of them.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    life: Arc<Life>,
    every: Duration,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Takes over the server's side of a connection after the opening handshake. `message` bounds
    /// a message in bytes, `heartbeat` is the time between two pings.
    pub async fn new(stream: S, message: usize, heartbeat: Duration) -> Self {
        Self::reading(stream, message, heartbeat, READ.0).await
    }

    /// The same for a peer that listens: there are many of them, and each costs what it may need.
    pub async fn listening(stream: S, message: usize, heartbeat: Duration) -> Self {
        Self::reading(stream, message, heartbeat, READ.1).await
    }

    async fn reading(stream: S, message: usize, heartbeat: Duration, read: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(read)
            .write_buffer_size(GATHERED)
            .max_write_buffer_size(4 * message.max(1 << 16))
            .max_message_size(Some(message))
            .max_frame_size(Some(message));
        let stream = Counted::new(stream);
        let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        let (sink, stream) = socket.split();
        let life = Arc::new(Life {
            start: Instant::now(),
            heard: AtomicU64::new(0),
            round_trip: AtomicU64::new(0),
        });
        Self {
            reader: Reader {
                stream,
                life: Arc::clone(&life),
                blame: None,
                slot: None,
                pings: Pace::new(PINGS, Duration::from_secs(60)),
            },
            writer: Writer { sink, gathering: Gathering::default(), slot: None },
            heartbeat: Heartbeat { life, every: heartbeat },
        }
    }
}

impl<S> Socket<S> {
    /// Lets what goes by be looked at.
    pub fn shown(&mut self, slot: &Arc<Slot>) {
        self.reader.slot = Some(Arc::clone(slot));
        self.writer.slot = Some(Arc::clone(slot));
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Reader<S> {
    /// Tells the guard whose fault it is when the protocol is broken.
    pub fn blame(&mut self, guard: Guard, source: IpAddr) {
        self.blame = Some((guard, source));
    }

    /// The next message. Cancel safe.
    ///
    /// # Errors
    /// [`End`] when the peer is gone or broke the protocol.
    pub async fn next(&mut self) -> Result<Received, End> {
        loop {
            let message = match self.stream.next().await {
                None => return Err(End::Gone),
                Some(Err(error)) => {
                    let end = fault(&error);
                    if let (End::Close(..), Some((guard, source))) = (&end, &self.blame) {
                        guard.misdeed(*source, Misdeed::BadFrames);
                    }
                    return Err(end);
                }
                Some(Ok(message)) => message,
            };
            if let Some(slot) = &self.slot {
                slot.saw(Direction::In, &message);
            }
            let now = self.life.now();
            self.life.heard.store(now, Ordering::Relaxed);
            match message {
                Message::Text(text) => return Ok(Received::Text(text)),
                Message::Binary(data) => return Ok(Received::Binary(data)),
                Message::Pong(payload) => {
                    if let Ok(sent) = <[u8; 8]>::try_from(&payload[..]) {
                        let taken = now.saturating_sub(u64::from_be_bytes(sent));
                        self.life.round_trip.store(taken.max(1), Ordering::Relaxed);
                    }
                }
                Message::Close(_) => return Err(End::Gone),
                // The library answers the latest only, so they fill no memory; but they cost time.
                Message::Ping(_) if !self.pings.take(1) => {
                    return Err(End::close(CloseCode::Policy, "too many pings"));
                }
                Message::Ping(_) | Message::Frame(_) => {}
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Writer<S> {
    /// Sends text and flushes.
    ///
    /// # Errors
    /// [`End::Gone`] when the connection is.
    pub async fn text(&mut self, text: String) -> Result<(), End> {
        let message = Message::text(text);
        self.goes(&message);
        self.sink.send(message).await.map_err(|_| End::Gone)
    }

    /// The socket shows this terminal from now on.
    pub fn shows(&self, session: SessionId) {
        if let Some(slot) = &self.slot {
            slot.shows(session);
        }
    }

    fn goes(&self, message: &Message) {
        if let Some(slot) = &self.slot {
            slot.saw(Direction::Out, message);
        }
    }

    /// Puts a message into the buffer; [`Self::flush`] sends it at the latest.
    ///
    /// # Errors
    /// [`End::Gone`] when the connection is.
    pub async fn feed(&mut self, message: Message) -> Result<(), End> {
        self.gathering.other();
        self.goes(&message);
        self.sink.feed(message).await.map_err(|_| End::Gone)
    }

    /// Puts terminal output into the buffer; [`Self::settle`] sends it soon.
    ///
    /// # Errors
    /// [`End::Gone`] when the connection is.
    pub async fn output(&mut self, data: Bytes) -> Result<(), End> {
        self.gathering.output(data.len());
        let message = Message::Binary(data);
        self.goes(&message);
        self.sink.feed(message).await.map_err(|_| End::Gone)
    }

    /// Sends what is in the buffer, unless it waits for more, [`Self::gathers_until`] some moment.
    ///
    /// # Errors
    /// [`End::Gone`] when the connection is.
    pub async fn settle(&mut self) -> Result<(), End> {
        if self.gathering.waits() { Ok(()) } else { self.flush().await }
    }

    /// When [`Self::settle`] has to be called again.
    #[must_use]
    pub fn gathers_until(&self) -> Option<Instant> {
        self.gathering.until()
    }

    /// Sends what is in the buffer.
    ///
    /// # Errors
    /// [`End::Gone`] when the connection is.
    pub async fn flush(&mut self) -> Result<(), End> {
        self.gathering.flushed();
        self.sink.flush().await.map_err(|_| End::Gone)
    }
}

impl Heartbeat {
    /// Starts the pings.
    #[must_use]
    pub fn start(&self) -> Beat {
        let due = Box::pin(tokio::time::sleep(self.every));
        Beat { heartbeat: self.clone(), due, sent: None, missed: 0 }
    }

    /// How long the peer has been silent.
    #[must_use]
    pub fn silence(&self) -> Duration {
        let heard = self.life.heard.load(Ordering::Relaxed);
        Duration::from_micros(self.life.now().saturating_sub(heard))
    }

    /// Whether a ping was missed.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.silence() > self.every + self.every / 2
    }

    /// The last measured round trip.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        match self.life.round_trip.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(micros)),
        }
    }
}

/// The pings of one socket: one each interval, and a second one soon after the first was missed.
#[derive(Debug)]
pub struct Beat {
    heartbeat: Heartbeat,
    /// One timer for all of them: who waits again for each message would make and drop one each time.
    due: Pin<Box<Sleep>>,
    /// When the last ping went, in the heartbeat's own time.
    sent: Option<u64>,
    missed: u32,
}

impl Beat {
    /// When the next ping is due.
    #[must_use]
    pub fn at(&self) -> Instant {
        self.due.deadline()
    }

    /// Waits until a ping is due. Cancel safe.
    pub async fn due(&mut self) {
        self.due.as_mut().await;
    }

    /// The ping to send now.
    ///
    /// # Errors
    /// [`End`] with 4008 when the last two were not answered by any sign of life.
    pub fn ping(&mut self) -> Result<Message, End> {
        let life = &self.heartbeat.life;
        let unanswered = self.sent.is_some_and(|sent| life.heard.load(Ordering::Relaxed) < sent);
        self.missed = if unanswered { self.missed + 1 } else { 0 };
        if self.missed >= 2 {
            return Err(End::close(CloseCode::HeartbeatMissed, "no sign of life"));
        }
        let every = self.heartbeat.every;
        let wait = if unanswered { every.min(SECOND_CHANCE) } else { every };
        self.due.as_mut().reset(Instant::now() + wait);
        let now = life.now();
        self.sent = Some(now);
        Ok(Message::Ping(Bytes::copy_from_slice(&now.to_be_bytes())))
    }
}

/// Ends the socket: our close frame where a code is due, then a moment in which input is discarded.
/// Answers whether the peer heard it: it answered, or hung up by itself, in time.
pub async fn finish<S: AsyncRead + AsyncWrite + Unpin>(
    reader: &mut Reader<S>,
    writer: &mut Writer<S>,
    end: End,
) -> bool {
    let End::Close(code, reason) = end else {
        // The peer's close is answered by the library; this only pushes the answer out.
        let _ = tokio::time::timeout(LINGER, writer.sink.close()).await;
        return false;
    };
    let reason: String = reason.chars().take(40).collect();
    let frame = CloseFrame { code: WireCode::from(code.number()), reason: reason.into() };
    let goodbye = async {
        writer.sink.send(Message::Close(Some(frame))).await.ok()?;
        loop {
            match reader.stream.next().await {
                Some(Ok(_)) => {}
                None => return Some(()),
                Some(Err(error)) => return hung_up(&error).then_some(()),
            }
        }
    };
    // Whether the peer answers in time or not, nothing more is owed to it.
    matches!(tokio::time::timeout(LINGER, goodbye).await, Ok(Some(())))
}

/// Whether the peer ended its connection, which it could do only after all that had arrived there
/// was read, and didn't merely break it off.
fn hung_up(error: &WsError) -> bool {
    match error {
        WsError::ConnectionClosed
        | WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => true,
        WsError::Io(error) => error.kind() == std::io::ErrorKind::UnexpectedEof,
        _ => false,
    }
}

/// The close code that a fault of the peer asks for.
fn fault(error: &WsError) -> End {
    match error {
        WsError::Capacity(CapacityError::MessageTooLong { .. }) => {
            End::close(CloseCode::TooBig, "message too big")
        }
        WsError::Utf8(_) => End::close(CloseCode::InvalidData, "text is not UTF-8"),
        WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => End::Gone,
        WsError::Protocol(_) | WsError::Capacity(_) => {
            End::close(CloseCode::Protocol, "protocol error")
        }
        WsError::Io(error) if fragments::is_cause(error) => {
            End::close(CloseCode::Policy, "too many fragments")
        }
        _ => End::Gone,
    }
}
