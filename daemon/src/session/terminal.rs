//! The terminal socket: one task that pumps between a page and a channel.
//!
//! The page is read even while the terminal takes no input, because its acknowledgements come the
//! same way; what it sends meanwhile waits here, up to a bound. Output is granted to the
//! terminal again when the page has shown it (v1) or when the socket has taken it (JSON), so at most
//! one window is ever on its way.

pub(super) mod away;
mod gateway;
mod news;
mod pump;
mod record;
mod shown;
mod waiting;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use gangplank_proto::close::CloseCode;
use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::id::HostId;
use gangplank_proto::link::{Base64, Exit, FromTerminal, ToTerminal};
use gangplank_proto::terminal::{Connect, FromPage, ToPage};
use gangplank_terminal::channel::Channel;
use gangplank_terminal::queue::Item;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::open::{self, Opening};
use super::page::{self, FromViewer, Page, Vocabulary};
use super::{Ear, Place, Told};
use crate::app::App;
use crate::auth::{Permission, Principal};
use crate::authority::Authority;
use crate::guard::{Caution, Pace, Reason};
use crate::message::BAD_MESSAGES;
use crate::socket::{self, End, Socket};
use crate::store::SessionNews;
use away::Reaching;
use gateway::Watched;
use shown::Shown;
use waiting::{Granted, Waiting};

/// Output messages joined into one flush at most.
const BATCH: usize = 64;

/// A terminal that is neither open nor refused after this long is given up: more than a dial and a
/// person's answers take.
const OPENING: Duration = Duration::from_secs(180);

/// The same for one that is kept already.
const REACHING: Duration = Duration::from_secs(10);

/// How long a page has to acknowledge the last output of a terminal that ended.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// Signatures that one login may need: a key is offered once, and once more for another hash.
const SIGNATURES: u32 = 8;

/// What a terminal socket is about.
#[derive(Debug)]
pub struct Visit {
    /// Who came.
    pub who: Principal,
    /// The host.
    pub host: HostId,
    /// Where the person is.
    pub source: IpAddr,
    /// How the page speaks.
    pub vocabulary: Vocabulary,
}

/// The right that a terminal needs.
pub const PERMISSION: Permission = Permission::CanManageHosts;

/// States of a socket; see [`super`].
enum State {
    Idle,
    /// Somebody else is to agree first; the host hears of nothing until then.
    Waiting(Box<Waiting>),
    Opening(Box<Opening>, Place),
    Open(Box<Shown>, Channel),
    /// The link to its keeper is gone; the terminal is kept there.
    Away(Box<Reaching>),
    /// A kept terminal was asked for.
    Reaching(Box<Reaching>, Channel),
    /// It ended, and the page has not shown all of it yet.
    Over(Box<Shown>, Channel, Exit),
    /// The page was told so, and has not shown that it heard it.
    Told(Box<Shown>, Channel, Exit),
}

struct Terminal<S> {
    app: Arc<App>,
    visit: Visit,
    page: Page<S>,
    state: State,
    ear: Ear,
    /// When the present state is given up.
    give_up_at: Option<Instant>,
    /// Signatures given since the terminal was asked for.
    signatures: u32,
    bad: u32,
    /// How fast its page may send, and until when it has to wait.
    pace: Pace,
    quiet_until: Option<Instant>,
    caution: Caution,
    spoke: bool,
    heard_at: Instant,
    idle_at: Instant,
    asked: bool,
    /// The page's question for the latency that is under way.
    probe: Option<(u64, Instant)>,
    gateway: Option<Watched>,
    /// What was announced of a terminal that is neither open nor refused.
    opening: Option<SessionNews>,
    /// What somebody agreed to, until a terminal is open by it.
    granted: Option<Granted>,
}

/// Serves a terminal socket until it ends.
pub async fn serve<S>(app: Arc<App>, visit: Visit, mut authority: Authority, socket: Socket<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Socket { mut reader, writer, heartbeat } = socket;
    let now = Instant::now();
    let mut terminal = Terminal {
        page: Page::new(writer, visit.vocabulary),
        state: State::Idle,
        ear: Ear::new(None),
        give_up_at: None,
        signatures: 0,
        bad: 0,
        pace: Pace::new(app.config().limits.terminal_bytes_per_second, Duration::from_secs(1)),
        quiet_until: None,
        caution: app.guard.caution(visit.who.login),
        spoke: false,
        heard_at: now,
        idle_at: now + app.config().limits.first_message,
        asked: true,
        probe: None,
        gateway: None,
        opening: None,
        granted: None,
        app,
        visit,
    };
    let end = terminal.pump(&mut reader, heartbeat.start(), &mut authority).await;
    let told = matches!(end, End::Close(CloseCode::SessionEnded, _));
    let heard = socket::finish(&mut reader, terminal.page.writer(), end).await;
    terminal.conclude(told && heard).await;
}

impl<S: AsyncRead + AsyncWrite + Unpin> Terminal<S> {
    async fn heard(&mut self, received: socket::Received) -> Result<(), End> {
        let wait = self.pace.owe(received.len() as u64);
        let wait = self.caution.pause().map_or(wait, |pause| wait.max(pause));
        if !wait.is_zero() {
            self.quiet_until = Some(Instant::now() + wait);
        }
        let heard = page::hear(self.page.vocabulary(), received)?;
        // A page acknowledges output and asks for latencies by itself; that is no sign of a person.
        let by_itself =
            matches!(heard, Ok(FromViewer::Word(FromPage::Ack { .. } | FromPage::Latency { .. })));
        if !by_itself {
            self.is_there();
        }
        match heard {
            Ok(FromViewer::Input(data)) => self.typed(data).await,
            Ok(FromViewer::Word(word)) => self.word(word).await,
            Err(message) => {
                self.bad += 1;
                if self.bad >= BAD_MESSAGES {
                    let now = self.app.clock.now();
                    self.app.guard.odd(self.visit.who.login, Reason::BadMessages, 1, now);
                    return Err(End::close(CloseCode::Policy, "third bad message"));
                }
                self.page.bad_request(&message).await
            }
        }
    }

    async fn word(&mut self, word: FromPage) -> Result<(), End> {
        match word {
            FromPage::Connect(connect) => self.connect(*connect).await,
            FromPage::Resize(size) => {
                self.resize(size);
                Ok(())
            }
            FromPage::Ack { offset } => self.show(offset).await,
            FromPage::Answers { answers } => {
                self.tell(ToTerminal::Answers { answers });
                Ok(())
            }
            FromPage::Latency { id } => self.probe(id).await,
            FromPage::Disconnect if matches!(self.state, State::Idle) => Ok(()),
            FromPage::Disconnect => self.closed(Exit::because("disconnected")).await,
            FromPage::Keepalive | FromPage::Input { .. } => Ok(()),
        }
    }

    async fn connect(&mut self, connect: Connect) -> Result<(), End> {
        if !matches!(self.state, State::Idle) {
            let message = "this socket has a terminal; disconnect it first";
            let error = OpenError::new(ErrorCode::AlreadyConnected, message);
            return self.page.error(error).await;
        }
        if connect.resume.is_some() {
            return self.resume(&connect).await;
        }
        match self.consent(connect).await? {
            Some(connect) => self.open(connect).await,
            None => Ok(()),
        }
    }

    /// Opens what needs nobody's consent, or has it.
    async fn open(&mut self, connect: Connect) -> Result<(), End> {
        let interactive = self.page.vocabulary() == Vocabulary::V1;
        let (app, who, host) = (Arc::clone(&self.app), &self.visit.who, self.visit.host);
        match open::open(&app, who, host, connect, interactive).await {
            Ok(opening) => {
                let id = opening.session_id;
                let entered = app.sessions.enter(who.tenant, host, id, &self.ear).await;
                let Ok(place) = entered else { return self.page.error(away::busy()).await };
                self.page.writer().shows(id);
                self.give_up_at = Some(Instant::now() + OPENING);
                self.signatures = 0;
                self.announce_opening(&opening).await;
                self.state = State::Opening(Box::new(opening), place);
                Ok(())
            }
            Err(error) => self.refused(error).await,
        }
    }

    /// What a terminal says, and whatever else waits, in one flush.
    async fn said(&mut self, first: Option<Item<FromTerminal>>) -> Result<(), End> {
        let mut next = Some(first);
        let mut batch = 0;
        let mut taken = false;
        while let Some(item) = next.take() {
            match item {
                Some(Item::Data(data)) => {
                    if let State::Open(shown, _) = &mut self.state {
                        shown.output += data.len() as u64;
                        taken = true;
                        self.page.output(data).await?;
                    }
                }
                Some(Item::Word(word)) => self.hear_word(word).await?,
                None => return self.lost().await,
            }
            batch += 1;
            if batch < BATCH
                && let State::Open(_, channel) = &mut self.state
            {
                match channel.output.try_recv() {
                    Ok(item) => next = item.map(Some),
                    Err(error) => self.broken(&error.to_string()),
                }
            }
        }
        if taken && let State::Open(shown, _) = &mut self.state {
            shown.last_output_at = Some(self.app.clock.now());
            if self.page.vocabulary() == Vocabulary::Json {
                let offset = shown.output;
                self.page.flush().await?;
                self.show(offset).await?;
            }
        }
        Ok(())
    }

    async fn hear_word(&mut self, word: FromTerminal) -> Result<(), End> {
        match word {
            FromTerminal::Connected { offset, end, input_offset, host_key, .. } => {
                if matches!(self.state, State::Reaching(..)) {
                    self.reached(offset, end, input_offset).await
                } else {
                    self.connected(offset, input_offset, host_key).await
                }
            }
            FromTerminal::Error(error) if matches!(self.state, State::Reaching(..)) => {
                self.not_reached(error).await
            }
            FromTerminal::Error(error) => {
                let error = self.keep_accepted(error).await;
                self.state = State::Idle;
                self.give_up_at = None;
                self.refused(error).await
            }
            FromTerminal::Prompt { name, instructions, prompts } => {
                self.page.word(&ToPage::Prompt { name, instructions, prompts }).await
            }
            FromTerminal::SignRequest { data, .. } => {
                self.sign(data.0);
                Ok(())
            }
            FromTerminal::WindowAdjust { .. } => self.acknowledge().await,
            FromTerminal::Probe { id, host_us } => self.probed(id, host_us).await,
            FromTerminal::Close(exit) => self.over(exit).await,
            FromTerminal::Detached => {
                // Two daemons, or two links, want the same terminal; the newer has it.
                self.ear.send_replace(Some(Told::Replaced));
                Ok(())
            }
            FromTerminal::Eof => Ok(()),
        }
    }

    /// Signs what the SSH client needs signed, if it is this person's login and nothing else.
    fn sign(&mut self, data: Vec<u8>) {
        let State::Opening(opening, _) = &self.state else { return };
        self.signatures += 1;
        if self.signatures > SIGNATURES {
            return;
        }
        let (key, username) = (opening.key.clone(), opening.username.clone());
        let (answer, host) = (opening.channel.input.answer(), self.visit.host);
        // RSA takes milliseconds: not on an async thread.
        self.app.tracker.spawn_blocking(move || {
            let signature = key.and_then(|key| match key.sign_login(&data, &username) {
                Ok(signature) => Some(Base64(signature)),
                Err(error) => {
                    tracing::warn!(%host, %error, "a signature was refused");
                    None
                }
            });
            // A terminal that is gone needs no signature.
            let _ = answer.word(ToTerminal::Signature { signature });
        });
    }

    /// The agent, or our own keeper, said what can't be: its link is closed, and the terminal is
    /// away until there is another.
    fn broken(&self, how: &str) {
        let link = match &self.state {
            State::Opening(opening, _) => opening.link,
            State::Open(shown, _) => shown.link,
            State::Reaching(reaching, _) => reaching.link,
            _ => None,
        };
        let Some(link) = link else { return };
        match self.app.registry.of_host(self.visit.host).filter(|live| live.id == link) {
            Some(live) => live.broken(how),
            None => self.app.keeper.broken(link, how),
        }
    }

    fn tell(&self, word: ToTerminal) {
        let channel = match &self.state {
            State::Opening(opening, _) => &opening.channel,
            State::Open(_, channel) => channel,
            _ => return,
        };
        // A terminal that is gone says so on its own way.
        let _ = channel.input.word(word);
    }
}
