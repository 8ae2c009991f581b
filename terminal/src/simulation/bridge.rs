//! The daemon's pump between a page and a terminal: the states, offsets and windows of
//! `daemon/src/session/terminal`, without its store, rights and timers of idleness.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use gangplank_proto::link::{Exit, FromTerminal};
use gangplank_proto::terminal::{HostKeyState, ToPage};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::daemon::{Daemon, Link, Place};
use super::line::{End, Gone, Message};
use crate::channel::{Channel, ChannelInput, ChannelOutput};
use crate::input_log::InputLog;
use crate::queue::Item;

/// As in the daemon.
const PENDING: usize = 2 << 20;
const REACHING: Duration = Duration::from_secs(10);
const LAST_LOOK: Duration = Duration::from_secs(2);
const LINGER: Duration = Duration::from_secs(1);

/// Close codes of the contract.
pub(super) const REPLACED: u16 = 4009;
pub(super) const ENDED: u16 = 4010;

struct Shown {
    place: Place,
    link: Option<Arc<Link>>,
    log: InputLog,
    output: u64,
    seen: u64,
}

struct Reaching {
    place: Place,
    link: Option<Arc<Link>>,
    log: Option<InputLog>,
    output: u64,
    seen: u64,
}

enum State {
    Idle,
    Opening(Place, Channel, Option<Arc<Link>>),
    Open(Shown, Channel),
    Away(Reaching),
    Reaching(Reaching, Channel),
    Over(Shown, Channel, Exit),
    Told(Shown, Channel),
}

enum Event {
    Heard(Option<Message>),
    Said(Option<Item<FromTerminal>>),
    Writable,
    AgentBack,
    Due,
}

/// Why the socket ends.
enum Leave {
    Gone,
    Close(u16),
}

impl From<Gone> for Leave {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

struct Bridge {
    daemon: Arc<Daemon>,
    socket: End,
    state: State,
    ear: watch::Sender<bool>,
    give_up_at: Option<Instant>,
}

/// Serves one socket of a page until it ends.
pub(super) async fn serve(daemon: Arc<Daemon>, socket: End) {
    let ear = watch::Sender::new(false);
    let mut told = ear.subscribe();
    let mut bridge = Bridge { daemon, socket, state: State::Idle, ear, give_up_at: None };
    let leave = tokio::select! {
        biased;
        leave = bridge.pump() => leave,
        _ = told.wait_for(|told| *told) => Leave::Close(REPLACED),
    };
    // The terminal is left to its keeper, unless the page hears that it ended.
    let told = match std::mem::replace(&mut bridge.state, State::Idle) {
        State::Told(shown, channel) => Some((shown, channel)),
        _ => None,
    };
    let Leave::Close(code) = leave else { return };
    let goodbye = async {
        bridge.socket.writable().await.ok()?;
        bridge.socket.put(Message::Close(code));
        loop {
            match bridge.socket.recv().await? {
                Message::Close(_) => return Some(()),
                Message::Text(_) | Message::Binary(_) => {}
            }
        }
    };
    let heard = timeout(LINGER, goodbye).await;
    if let (Ok(Some(())), Some((_, channel))) = (heard, &told) {
        bridge.daemon.setting.store.ended.store(true, Ordering::Relaxed);
        channel.input.close();
    }
}

impl Bridge {
    async fn pump(&mut self) -> Leave {
        loop {
            let event = self.next().await;
            if let Err(leave) = self.step(event).await {
                return leave;
            }
        }
    }

    async fn next(&mut self) -> Event {
        let (mut output, mut input, mut away, mut waiting) = (None, None, None, 0);
        match &mut self.state {
            State::Idle | State::Over(..) | State::Told(..) => {}
            State::Opening(_, channel, _) => output = Some(&mut channel.output),
            State::Reaching(reaching, channel) => {
                waiting = reaching.log.as_ref().map_or(0, InputLog::waiting);
                output = Some(&mut channel.output);
            }
            State::Open(shown, channel) => {
                waiting = shown.log.waiting();
                input = Some(&channel.input).filter(|_| waiting > 0);
                output = Some(&mut channel.output);
            }
            State::Away(reaching) => {
                waiting = reaching.log.as_ref().map_or(0, InputLog::waiting);
                away = Some(self.daemon.back(reaching.link.as_ref()));
            }
        }
        let world = &self.daemon.setting.world;
        tokio::select! {
            biased;
            message = self.socket.recv(), if waiting < PENDING => Event::Heard(message),
            said = or_never(output.map(ChannelOutput::recv)) => Event::Said(match said {
                Ok(item) => item,
                Err(error) => {
                    world.fault(error.to_string());
                    None
                }
            }),
            () = or_never(input.map(ChannelInput::writable)) => Event::Writable,
            () = or_never(away) => Event::AgentBack,
            () = or_never(self.give_up_at.map(sleep_until)) => Event::Due,
        }
    }

    async fn step(&mut self, event: Event) -> Result<(), Leave> {
        match event {
            Event::Heard(None | Some(Message::Close(_))) => Err(Leave::Gone),
            Event::Heard(Some(Message::Binary(data))) => {
                self.typed(data);
                Ok(())
            }
            Event::Heard(Some(Message::Text(text))) => {
                let word: Value = serde_json::from_str(&text).unwrap();
                match word["type"].as_str() {
                    Some("connect") => self.connect(word["resume"]["offset"].as_u64()).await,
                    Some("ack") => self.show(word["offset"].as_u64().unwrap()).await,
                    other => {
                        self.fault(format!("a page said {other:?}"));
                        Ok(())
                    }
                }
            }
            Event::Said(item) => self.said(item).await,
            Event::Writable => {
                self.give();
                Ok(())
            }
            Event::AgentBack => match std::mem::replace(&mut self.state, State::Idle) {
                State::Away(reaching) => self.ask(reaching).await,
                other => {
                    self.state = other;
                    Ok(())
                }
            },
            Event::Due => {
                self.give_up_at = None;
                match std::mem::replace(&mut self.state, State::Idle) {
                    State::Over(shown, channel, exit) => self.finish(shown, channel, exit).await,
                    State::Reaching(mut reaching, channel) => {
                        drop(channel);
                        reaching.link = None;
                        self.away(reaching).await
                    }
                    other => {
                        self.state = other;
                        Ok(())
                    }
                }
            }
        }
    }

    async fn connect(&mut self, resume: Option<u64>) -> Result<(), Leave> {
        if resume.is_some() && self.daemon.setting.store.ended.load(Ordering::Relaxed) {
            return self.error("no_such_session").await;
        }
        let place = self.daemon.enter(&self.ear).await;
        match resume {
            Some(output) => {
                self.ask(Reaching { place, link: None, log: None, output, seen: output }).await
            }
            None => match self.daemon.channel(None) {
                Some((channel, link)) => {
                    self.state = State::Opening(place, channel, link);
                    Ok(())
                }
                None => self.error("agent_offline").await,
            },
        }
    }

    async fn ask(&mut self, mut reaching: Reaching) -> Result<(), Leave> {
        match self.daemon.channel(Some((reaching.output, reaching.output - reaching.seen))) {
            Some((channel, link)) => {
                reaching.link = link;
                self.give_up_at = Some(Instant::now() + REACHING);
                self.state = State::Reaching(reaching, channel);
                Ok(())
            }
            None => self.away(reaching).await,
        }
    }

    async fn away(&mut self, reaching: Reaching) -> Result<(), Leave> {
        self.give_up_at = None;
        self.error("agent_offline").await?;
        self.state = State::Away(reaching);
        Ok(())
    }

    fn typed(&mut self, data: Bytes) {
        let log = match &mut self.state {
            State::Open(shown, _) => Some(&mut shown.log),
            State::Away(reaching) | State::Reaching(reaching, _) => reaching.log.as_mut(),
            State::Over(..) | State::Told(..) => return,
            State::Idle | State::Opening(..) => None,
        };
        match log {
            Some(log) => log.push(data),
            None => self.fault("a page typed into nothing".to_owned()),
        }
        self.give();
    }

    fn give(&mut self) {
        if let State::Open(shown, channel) = &mut self.state {
            let _ = channel.input.send(&mut shown.log);
        }
    }

    async fn said(&mut self, item: Option<Item<FromTerminal>>) -> Result<(), Leave> {
        match item {
            Some(Item::Data(data)) => {
                if let State::Open(shown, _) = &mut self.state {
                    shown.output += data.len() as u64;
                    self.socket.writable().await?;
                    self.socket.put(Message::Binary(data));
                }
                Ok(())
            }
            Some(Item::Word(word)) => self.word(word).await,
            None => self.lost().await,
        }
    }

    async fn word(&mut self, word: FromTerminal) -> Result<(), Leave> {
        match word {
            FromTerminal::Connected { offset, end, input_offset, .. } => {
                match std::mem::replace(&mut self.state, State::Idle) {
                    State::Opening(place, channel, link) => {
                        let log = InputLog::default();
                        let shown = Shown { place, link, log, output: 0, seen: 0 };
                        self.state = State::Open(shown, channel);
                        self.connected(0, 0, None).await
                    }
                    State::Reaching(reaching, channel) => {
                        self.reached(reaching, channel, offset, end, input_offset).await
                    }
                    other => {
                        self.state = other;
                        Ok(())
                    }
                }
            }
            FromTerminal::Error(error) => {
                self.give_up_at = None;
                let State::Reaching(reaching, _) = std::mem::replace(&mut self.state, State::Idle)
                else {
                    self.fault(format!("it did not open: {error:?}"));
                    return Ok(());
                };
                let code = serde_json::to_value(error.code).unwrap();
                if code == "no_such_session" {
                    self.daemon.setting.store.ended.store(true, Ordering::Relaxed);
                    if reaching.log.is_some() {
                        let exit = Exit::because("the agent no longer holds it");
                        return self.say_closed(exit).await;
                    }
                }
                self.error(code.as_str().unwrap()).await
            }
            FromTerminal::WindowAdjust { .. } => {
                let State::Open(shown, channel) = &mut self.state else { return Ok(()) };
                match shown.log.confirm(channel.output.input_taken()) {
                    Ok(true) => {
                        let input_offset = shown.log.confirmed();
                        self.say(&ToPage::Ack { input_offset }).await
                    }
                    Ok(false) => Ok(()),
                    Err(error) => {
                        self.fault(error.to_string());
                        Ok(())
                    }
                }
            }
            FromTerminal::Close(exit) => {
                match std::mem::replace(&mut self.state, State::Idle) {
                    State::Open(shown, channel) => {
                        self.give_up_at = Some(Instant::now() + LAST_LOOK);
                        self.state = State::Over(shown, channel, exit);
                    }
                    other => self.state = other,
                }
                self.finish_when_seen().await
            }
            FromTerminal::Detached => Err(Leave::Close(REPLACED)),
            other => {
                self.fault(format!("a terminal said {other:?}"));
                Ok(())
            }
        }
    }

    async fn reached(
        &mut self,
        reaching: Reaching,
        channel: Channel,
        offset: u64,
        end: u64,
        input_offset: u64,
    ) -> Result<(), Leave> {
        self.give_up_at = None;
        let Reaching { place, link, log, output: asked, seen } = reaching;
        let same_socket = log.is_some();
        let mut log = log.unwrap_or_else(|| InputLog::starting_at(input_offset));
        if log.resume_at(input_offset).is_err() || offset < asked || offset > end {
            self.fault(format!("offsets that can't be: {offset} to {end}, {input_offset}"));
        }
        let (input_offset, confirmed) = (log.end(), log.confirmed());
        let seen = offset - (asked - seen);
        self.state = State::Open(Shown { place, link, log, output: offset, seen }, channel);
        self.connected(offset, input_offset, Some(end)).await?;
        if same_socket {
            self.say(&ToPage::Ack { input_offset: confirmed }).await?;
        }
        if offset > asked {
            self.say(&ToPage::Gap { from: asked, to: offset }).await?;
        }
        self.give();
        Ok(())
    }

    async fn connected(
        &mut self,
        offset: u64,
        input_offset: u64,
        replay_to: Option<u64>,
    ) -> Result<(), Leave> {
        let session_id = self.daemon.setting.session_id;
        let (resumed, host_key) = (replay_to.is_some(), HostKeyState::None);
        let word =
            ToPage::Connected { session_id, offset, input_offset, resumed, host_key, replay_to };
        self.say(&word).await
    }

    async fn lost(&mut self) -> Result<(), Leave> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Open(shown, channel) => {
                drop(channel);
                let Shown { place, link, log, output, seen } = shown;
                self.away(Reaching { place, link, log: Some(log), output, seen }).await
            }
            State::Reaching(reaching, channel) => {
                drop(channel);
                self.away(reaching).await
            }
            other => {
                self.state = other;
                Ok(())
            }
        }
    }

    async fn show(&mut self, offset: u64) -> Result<(), Leave> {
        let (output, seen, channel) = match &mut self.state {
            State::Open(shown, channel) | State::Over(shown, channel, _) => {
                (shown.output, &mut shown.seen, Some(channel))
            }
            State::Reaching(reaching, channel) => {
                (reaching.output, &mut reaching.seen, Some(channel))
            }
            State::Away(reaching) => (reaching.output, &mut reaching.seen, None),
            State::Idle | State::Opening(..) | State::Told(..) => return Ok(()),
        };
        let newly = offset.min(output).saturating_sub(*seen);
        *seen += newly;
        if let Some(channel) = channel {
            channel.output.consumed(newly as usize);
        }
        self.finish_when_seen().await
    }

    async fn finish_when_seen(&mut self) -> Result<(), Leave> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Over(shown, channel, exit) if shown.seen == shown.output => {
                self.finish(shown, channel, exit).await
            }
            other => {
                self.state = other;
                Ok(())
            }
        }
    }

    async fn finish(&mut self, shown: Shown, channel: Channel, exit: Exit) -> Result<(), Leave> {
        self.give_up_at = None;
        self.state = State::Told(shown, channel);
        self.say_closed(exit).await
    }

    async fn say_closed(&mut self, exit: Exit) -> Result<(), Leave> {
        let Exit { exit_status, signal, reason } = exit;
        self.say(&ToPage::Closed { exit_status, signal, reason }).await?;
        Err(Leave::Close(ENDED))
    }

    async fn error(&self, code: &str) -> Result<(), Leave> {
        self.put(serde_json::json!({ "type": "error", "code": code, "message": "" })).await
    }

    async fn say(&self, word: &ToPage) -> Result<(), Leave> {
        self.put(serde_json::to_value(word).unwrap()).await
    }

    async fn put(&self, word: Value) -> Result<(), Leave> {
        self.socket.writable().await?;
        self.socket.put(Message::Text(word.to_string()));
        Ok(())
    }

    fn fault(&self, what: String) {
        self.daemon.setting.world.fault(what);
    }
}

async fn or_never<F: Future>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}
