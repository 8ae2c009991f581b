//! The task that owns an open link's socket.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Sink as _, SinkExt as _, Stream as _};
use gangplank_proto::close::CloseCode;
use gangplank_proto::fact::{FactText, Hello};
use gangplank_proto::frame;
use gangplank_proto::id::ChannelId;
use gangplank_proto::link::{FromAgent, FromTerminal, ToAgent};
use gangplank_proto::settings::Settings;
use gangplank_terminal::gathering::Gathering;
use gangplank_terminal::link::Channels;
use gangplank_terminal::queue::{Item, Outlet};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Bytes, Message};
use tokio_util::sync::CancellationToken;

use super::{Connected, Ended};
use crate::docker::Heard;
use crate::job::JobLine;

/// Bytes written before a flush at most, so that words that come in don't wait long.
const BATCH: usize = 64 << 10;

/// Malformed messages until the link is closed.
const STRIKES: u8 = 3;

/// For the closing handshake.
const GOODBYE: Duration = Duration::from_secs(1);

/// An open link.
#[derive(Debug)]
pub struct Link {
    socket: Connected,
    channels: Channels,
    output: Outlet<FromTerminal>,
    jobs: JobLine,
    host: OfHost,
    heartbeat: Duration,
    /// Since when written bytes wait for the socket.
    flushing: Option<Instant>,
    gathering: Gathering,
    heard: Instant,
    strikes: u8,
}

/// What a link carries about its host, beside channels and jobs.
#[derive(Debug)]
pub struct OfHost {
    /// What the agent is set to, as the daemon says.
    pub settings: watch::Sender<Settings>,
    /// Changes of containers.
    pub containers: Heard,
}

/// What the socket has to say.
enum Event {
    Message(Message),
    Flushed,
    HungUp,
}

impl Link {
    /// A link over an upgraded socket, with a ping every `heartbeat`.
    #[must_use]
    pub fn new(
        socket: Connected,
        (channels, output): (Channels, Outlet<FromTerminal>),
        jobs: JobLine,
        host: OfHost,
        heartbeat: Duration,
    ) -> Self {
        let heard = Instant::now();
        Self {
            socket,
            channels,
            output,
            jobs,
            host,
            heartbeat,
            flushing: None,
            gathering: Gathering::default(),
            heard,
            strikes: 0,
        }
    }

    /// Says hello and serves the link until it is over; says it again when there is another. Once
    /// `stop` is cancelled what waits is sent, then goodbye.
    pub async fn run(mut self, hello: watch::Receiver<Hello>, stop: CancellationToken) -> Ended {
        let ended = match self.serve(hello, stop).await {
            Ok(ended) | Err(ended) => ended,
        };
        let code = match &ended {
            Ended::Stopped => Some(CloseCode::GoingAway),
            Ended::Protocol(_) => Some(CloseCode::Policy),
            Ended::Silent => Some(CloseCode::HeartbeatMissed),
            _ => None,
        };
        // A peer that is in no state to hear goodbye gets none.
        let _ = tokio::time::timeout(GOODBYE, self.goodbye(code, &ended)).await;
        ended
    }

    async fn serve(
        &mut self,
        mut hello: watch::Receiver<Hello>,
        stop: CancellationToken,
    ) -> Result<Ended, Ended> {
        self.say_hello(&mut hello)?;
        let mut ping = interval_at(Instant::now() + self.heartbeat, self.heartbeat);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silence = pin!(sleep_until(self.deadline()));
        let mut gathered = pin!(sleep(Duration::ZERO));
        loop {
            let waits = self.gathering.waits();
            if let Some(until) = self.gathering.until()
                && gathered.is_elapsed()
            {
                gathered.as_mut().reset(until);
            }
            let idle = waits || self.flushing.is_none();
            tokio::select! {
                () = stop.cancelled() => return Ok(Ended::Stopped),
                event = poll_fn(|cx| poll_socket(&mut self.socket, &mut self.flushing, &mut self.gathering, cx)) => {
                    match event? {
                        Event::Flushed => {}
                        Event::HungUp => return Ok(Ended::HungUp),
                        Event::Message(message) => {
                            self.heard = Instant::now();
                            if let Some(ended) = self.take(message)? {
                                return Ok(ended);
                            }
                        }
                    }
                }
                Some((channel, item)) = self.output.recv(), if idle => {
                    self.write(channel, item).await?;
                }
                // One at a time, so that terminals have their turns between them.
                word = self.jobs.next(), if idle => self.say(&FromAgent::Job(word))?,
                change = self.host.containers.next(), if idle => {
                    self.say(&FromAgent::Docker(Box::new(change)))?;
                }
                Ok(()) = hello.changed(), if idle => self.say_hello(&mut hello)?,
                _ = ping.tick() => {
                    // While a write is stuck a ping would only wait behind it.
                    if idle {
                        self.gathering.other();
                        self.start_send(Message::Ping(Bytes::new()))?;
                    }
                }
                () = gathered.as_mut(), if waits => {}
                () = silence.as_mut() => {
                    if Instant::now() >= self.deadline() {
                        return Ok(Ended::Silent);
                    }
                    silence.as_mut().reset(self.deadline());
                }
            }
        }
    }

    fn say_hello(&mut self, hello: &mut watch::Receiver<Hello>) -> Result<(), Ended> {
        let mut hello = Box::new(hello.borrow_and_update().clone());
        // As the journal is at this very place among the words about jobs.
        hello.jobs = self.jobs.held();
        self.say(&FromAgent::Hello(hello))
    }

    fn say(&mut self, word: &FromAgent) -> Result<(), Ended> {
        let text = word.to_text().map_err(|_| Ended::Protocol("a word can't be written"))?;
        self.gathering.other();
        self.start_send(Message::text(text))
    }

    /// When the peer counts as dead: nothing heard, or nothing taken, for two heartbeats and a
    /// sixth, by which an answer may be late.
    fn deadline(&self) -> Instant {
        let since = self.heard.min(self.flushing.unwrap_or(self.heard));
        since + 2 * self.heartbeat + self.heartbeat / 6
    }

    /// Takes one message; never waits for a channel.
    fn take(&mut self, message: Message) -> Result<Option<Ended>, Ended> {
        match message {
            Message::Text(text) => match ToAgent::parse(&text) {
                Ok(ToAgent::Welcome(settings)) => {
                    tracing::debug!("the server took the hello");
                    self.host.settings.send_replace(settings);
                }
                Ok(ToAgent::Job(word)) => self.jobs.take(word),
                Ok(ToAgent::Channel(channel, word)) => self.channels.word(channel, word)?,
                // The parser's own text may quote a secret.
                Err(_) => self.strike("a word that isn't known")?,
            },
            Message::Binary(data) => match frame::decode(data) {
                Ok((channel, data)) => self.channels.data(channel, data)?,
                Err(_) => self.strike("a piece that isn't one")?,
            },
            Message::Close(frame) => {
                // 1005: a close frame without a code (RFC 6455 §7.4.1).
                let (code, reason) = frame.map_or((1005, FactText::default()), |frame| {
                    (frame.code.into(), frame.reason.as_str().into())
                });
                return Ok(Some(Ended::Closed { code, reason }));
            }
            // Pings are answered below us.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
        Ok(None)
    }

    fn strike(&mut self, what: &'static str) -> Result<(), Ended> {
        self.strikes += 1;
        tracing::warn!(what, strikes = self.strikes, "the server sent");
        if self.strikes >= STRIKES { Err(Ended::Protocol(what)) } else { Ok(()) }
    }

    /// Writes what waits, up to a batch or until the socket takes no more; it is flushed afterwards.
    async fn write(&mut self, channel: ChannelId, item: Item<FromTerminal>) -> Result<(), Ended> {
        let mut next = Some((channel, item));
        let mut written = 0;
        while let Some((channel, item)) = next {
            if self.channels.leaves(channel, &item) {
                match &item {
                    Item::Data(data) => self.gathering.output(data.len()),
                    Item::Word(_) => self.gathering.other(),
                }
                let message = message(channel, item)?;
                written += message.len();
                self.start_send(message)?;
            }
            if !self.ready().await? {
                self.gathering.other();
                break;
            }
            if written >= BATCH {
                break;
            }
            next = self.output.try_recv();
        }
        Ok(())
    }

    fn start_send(&mut self, message: Message) -> Result<(), Ended> {
        Pin::new(&mut self.socket).start_send(message)?;
        self.flushing.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Whether the socket took everything so far. Never waits.
    async fn ready(&mut self) -> Result<bool, Ended> {
        poll_fn(|cx| match Pin::new(&mut self.socket).poll_ready(cx) {
            Poll::Pending => Poll::Ready(Ok(false)),
            Poll::Ready(ready) => Poll::Ready(ready.map(|()| true)),
        })
        .await
        .map_err(Ended::from)
    }

    async fn goodbye(&mut self, code: Option<CloseCode>, ended: &Ended) -> Result<(), Ended> {
        if matches!(ended, Ended::Stopped) {
            while let Some((channel, item)) = self.output.try_recv() {
                if self.channels.leaves(channel, &item) {
                    self.socket.feed(message(channel, item)?).await?;
                }
            }
        }
        if let Some(code) = code {
            let reason = ended.to_string().into();
            self.socket.close(Some(CloseFrame { code: code.number().into(), reason })).await?;
        }
        self.socket.flush().await?;
        // The peer's half of the closing handshake.
        while let Some(message) = poll_fn(|cx| Pin::new(&mut self.socket).poll_next(cx)).await {
            message?;
        }
        Ok(())
    }
}

fn message(channel: ChannelId, item: Item<FromTerminal>) -> Result<Message, Ended> {
    match item {
        Item::Data(data) => Ok(Message::Binary(frame::encode(channel, &data))),
        Item::Word(word) => {
            let text = FromAgent::Channel(channel, word).to_text();
            text.map(Message::text).map_err(|_| Ended::Protocol("a word can't be written"))
        }
    }
}

/// Writes on where it stopped, then reads: neither keeps the other from its turn.
fn poll_socket(
    socket: &mut Connected,
    flushing: &mut Option<Instant>,
    gathering: &mut Gathering,
    cx: &mut Context<'_>,
) -> Poll<Result<Event, tungstenite::Error>> {
    let mut flushed = false;
    if flushing.is_some()
        && !gathering.waits()
        && let Poll::Ready(result) = Pin::new(&mut *socket).poll_flush(cx)
    {
        result?;
        *flushing = None;
        gathering.flushed();
        flushed = true;
    }
    match Pin::new(socket).poll_next(cx) {
        Poll::Ready(Some(message)) => Poll::Ready(message.map(Event::Message)),
        Poll::Ready(None) => Poll::Ready(Ok(Event::HungUp)),
        Poll::Pending if flushed => Poll::Ready(Ok(Event::Flushed)),
        Poll::Pending => Poll::Pending,
    }
}
