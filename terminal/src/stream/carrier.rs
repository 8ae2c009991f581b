//! The task between a stream and its channel.
//!
//! ```text
//!           Connected              the link is lost
//!   opening ─────────> carrying ─────────────────────> away ──too late, or gone there──> lost
//!                         ^                             │
//!                         └── Attach, offsets agreed ───┘
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::id::SessionId;
use gangplank_proto::limit;
use gangplank_proto::link::{FromTerminal, Keep, Open, ToTerminal};
use gangplank_proto::window::WindowError;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Fate, Gateway, Passage};
use crate::channel::Channel;
use crate::input_log::InputLog;
use crate::queue::Item;

/// An agent that doesn't answer an attach in this time is asked again.
const ANSWER: Duration = Duration::from_secs(10);

/// A link that is just ending is not asked again at once.
const PAUSE: Duration = Duration::from_millis(50);

/// Moves the bytes of one stream.
pub(super) struct Carrier {
    gateway: Gateway,
    session_id: SessionId,
    keep: Keep,
    fate: Arc<Fate>,
    from_user: ReadHalf<DuplexStream>,
    to_user: WriteHalf<DuplexStream>,
    /// Nothing while the link is away.
    channel: Option<Channel>,
    /// What the user wrote.
    log: InputLog,
    /// The user writes no more.
    written: bool,
    /// The far end was told so in this channel.
    told_written: bool,
    /// Bytes that came.
    received: u64,
    /// What came and the user has not read yet.
    pending: Bytes,
    /// End of what was known to follow when the channel was opened.
    replay_to: u64,
    /// Where the far end stopped.
    ends_at: Option<u64>,
    /// The user was told of the end.
    told_end: bool,
}

/// What happened.
enum Event {
    Written(std::io::Result<usize>),
    Writable,
    Came(Result<Option<Item<FromTerminal>>, WindowError>),
    Read(std::io::Result<usize>),
}

/// How carrying ended.
enum Over {
    /// The link is gone; the agent may still hold its end.
    Cut,
    /// The far end closed, for a reason when it was not in order.
    Closed(Option<String>),
}

fn broken() -> Over {
    Over::Closed(Some("the gateway's agent broke the protocol".to_owned()))
}

impl Carrier {
    pub(super) fn new(passage: &Passage, io: DuplexStream, fate: Arc<Fate>) -> Self {
        let (from_user, to_user) = tokio::io::split(io);
        Self {
            gateway: passage.gateway.clone(),
            session_id: passage.session_id,
            keep: passage.keep,
            fate,
            from_user,
            to_user,
            channel: None,
            log: InputLog::default(),
            written: false,
            told_written: false,
            received: 0,
            pending: Bytes::new(),
            replay_to: 0,
            ends_at: None,
            told_end: false,
        }
    }

    /// Opens the stream and carries it until it ends or its user has `dropped` it.
    pub(super) async fn run(
        mut self,
        open: Open,
        opened: oneshot::Sender<Result<(), OpenError>>,
        dropped: CancellationToken,
    ) {
        tokio::select! {
            biased;
            () = dropped.cancelled() => {}
            why = self.carry(open, opened) => {
                if let Some(why) = why {
                    tracing::info!(session = %self.session_id, why, "a stream was lost");
                    // It is lost once.
                    let _ = self.fate.lost.set(why);
                }
            }
        }
        if let Some(channel) = self.channel {
            channel.input.close();
        }
    }

    /// Answers why the stream ended, when that was not in order.
    async fn carry(
        &mut self,
        open: Open,
        opened: oneshot::Sender<Result<(), OpenError>>,
    ) -> Option<String> {
        let connected = self.connect(open).await;
        let failed = connected.is_err();
        // A user that left is noticed by the one who runs this.
        let _ = opened.send(connected);
        if failed {
            return None;
        }
        loop {
            match self.pump().await {
                Over::Closed(why) => return why,
                Over::Cut => {}
            }
            self.channel = None;
            tracing::info!(session = %self.session_id, "a stream waits for its gateway");
            self.fate.away.store(true, Ordering::Relaxed);
            let attached = timeout(self.keep.life(), self.attach()).await;
            self.fate.away.store(false, Ordering::Relaxed);
            match attached {
                Ok(Ok(())) => {}
                Ok(Err(why)) => return Some(why),
                Err(_) => return Some("the gateway did not come back in time".to_owned()),
            }
        }
    }

    async fn connect(&mut self, open: Open) -> Result<(), OpenError> {
        let (session_id, keep) = (self.session_id, self.keep);
        let first = ToTerminal::Connect { session_id, window: limit::TERMINAL_WINDOW, open, keep };
        let channel = self.channel.insert(self.gateway.channel(first).await?);
        match channel.output.recv().await {
            Ok(Some(Item::Word(FromTerminal::Connected {
                offset: 0, input_offset: 0, ..
            }))) => Ok(()),
            Ok(Some(Item::Word(FromTerminal::Error(error)))) => Err(error),
            Ok(None) => {
                Err(OpenError::new(ErrorCode::AgentOffline, "the gateway's agent just left"))
            }
            Ok(Some(_)) | Err(_) => {
                let message = "the gateway's agent broke the protocol";
                Err(OpenError::new(ErrorCode::Internal, message))
            }
        }
    }

    /// Goes on with what the agent still holds, as soon as there is a link to it.
    async fn attach(&mut self) -> Result<(), String> {
        loop {
            let first = ToTerminal::Attach {
                session_id: self.session_id,
                window: limit::TERMINAL_WINDOW,
                offset: self.received,
                unseen: 0,
                size: None,
                keep: self.keep,
            };
            let mut channel = match self.gateway.channel(first).await {
                Ok(channel) => channel,
                Err(error) if error.code == ErrorCode::AgentOffline => {
                    sleep(PAUSE).await;
                    continue;
                }
                Err(error) => return Err(error.message),
            };
            let Ok(answer) = timeout(ANSWER, channel.output.recv()).await else { continue };
            match answer {
                Ok(None) => {}
                Ok(Some(Item::Word(FromTerminal::Connected {
                    offset, end, input_offset, ..
                }))) => {
                    let possible = self.log.resume_at(input_offset);
                    if offset != self.received || end < offset || possible.is_err() {
                        return Err("bytes were lost on the way through the gateway".to_owned());
                    }
                    (self.replay_to, self.told_written) = (end, false);
                    self.channel = Some(channel);
                    return Ok(());
                }
                Ok(Some(Item::Word(FromTerminal::Error(error)))) => match error.code {
                    ErrorCode::AlreadyConnected => {}
                    ErrorCode::NoSuchSession => {
                        return Err("the gateway's agent no longer holds it".to_owned());
                    }
                    _ => return Err(error.message),
                },
                Ok(Some(_)) | Err(_) => {
                    return Err("the gateway's agent broke the protocol".to_owned());
                }
            }
        }
    }

    /// Moves bytes both ways as long as there is a channel.
    async fn pump(&mut self) -> Over {
        let mut piece = BytesMut::new();
        loop {
            self.give();
            self.tell_end().await;
            let Some(Channel { input, output }) = &mut self.channel else { return Over::Cut };
            let waits = self.log.waiting() > 0;
            piece.reserve(limit::PIECE);
            let mut from_user = (&mut self.from_user).take(limit::PIECE as u64);
            let event = tokio::select! {
                written = from_user.read_buf(&mut piece), if !waits && !self.written => {
                    Event::Written(written)
                }
                () = input.writable(), if waits => Event::Writable,
                came = output.recv(), if self.pending.is_empty() => Event::Came(came),
                read = self.to_user.write(&self.pending), if !self.pending.is_empty() => {
                    Event::Read(read)
                }
            };
            match event {
                Event::Written(Ok(len)) if len > 0 => self.log.push(piece.split().freeze()),
                Event::Written(_) => self.written = true,
                Event::Writable => {}
                Event::Came(Ok(Some(Item::Data(data)))) => {
                    self.received += data.len() as u64;
                    self.pending = data;
                }
                Event::Came(Ok(Some(Item::Word(word)))) => {
                    let taken = output.input_taken();
                    if let Some(over) = self.hear(word, taken) {
                        return over;
                    }
                }
                Event::Came(Ok(None)) => return Over::Cut,
                Event::Came(Err(_)) => return broken(),
                Event::Read(Ok(len)) => {
                    self.pending.advance(len);
                    output.consumed(len);
                }
                // Whoever dropped the stream has said so.
                Event::Read(Err(_)) => return Over::Closed(None),
            }
        }
    }

    fn hear(&mut self, word: FromTerminal, taken: u64) -> Option<Over> {
        match word {
            FromTerminal::WindowAdjust { .. } if self.log.confirm(taken).is_ok() => None,
            FromTerminal::Eof => {
                // It may overtake a replay, whose end is known.
                self.ends_at = Some(self.received.max(self.replay_to));
                None
            }
            FromTerminal::Close(exit) => Some(Over::Closed(exit.reason)),
            FromTerminal::Detached => {
                Some(Over::Closed(Some("another daemon took the stream over".to_owned())))
            }
            FromTerminal::Probe { .. } => None,
            _ => Some(broken()),
        }
    }

    /// Sends what the user wrote, as far as there is room, and at last that no more follows.
    fn give(&mut self) {
        let Some(Channel { input, .. }) = &self.channel else { return };
        // A channel that is gone is noticed where it is heard.
        let _ = input.send(&mut self.log);
        if self.written && !self.told_written && self.log.waiting() == 0 {
            self.told_written = true;
            let _ = input.word(ToTerminal::Eof);
        }
    }

    /// The user hears of the end once it has read everything.
    async fn tell_end(&mut self) {
        if !self.told_end && self.pending.is_empty() && self.ends_at == Some(self.received) {
            self.told_end = true;
            // A user that is gone needs no end.
            let _ = self.to_user.shutdown().await;
        }
    }
}
