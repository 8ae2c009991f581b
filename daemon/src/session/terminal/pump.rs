//! The loop of a terminal socket: what it waits for, and what may end it at any moment.

use std::pin::pin;
use std::time::Duration;

use gangplank_proto::close::CloseCode;
use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::link::{Exit, FromTerminal};
use gangplank_proto::terminal::ToPage;
use gangplank_proto::window::WindowError;
use gangplank_terminal::channel::{ChannelInput, ChannelOutput};
use gangplank_terminal::queue::Item;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::super::page::Vocabulary;
use super::super::{Ending, Told};
use super::shown::PENDING;
use super::{State, Terminal, away};
use crate::approval::Status;
use crate::authority::{Authority, Loss};
use crate::socket::{self, End, Reader};

/// How long before the end an idle person is asked.
const IDLE_NOTICE: Duration = Duration::from_secs(60);

/// For a look at why a terminal's owner may no longer have it.
const LOOK: Duration = Duration::from_secs(1);

/// What happened.
enum Event {
    Heard(Result<socket::Received, End>),
    Said(Result<Option<Item<FromTerminal>>, WindowError>),
    Writable,
    KeeperBack,
    Gateway,
    Consent(Status),
    Told(Told),
    Due,
}

/// How a socket ends, and what becomes of its terminal.
pub(super) enum Leave {
    /// It is kept for its owner.
    Detach(End),
    /// It ends too.
    Finish(End),
}

impl From<End> for Leave {
    fn from(end: End) -> Self {
        Self::Detach(end)
    }
}

impl From<Loss> for Leave {
    fn from(loss: Loss) -> Self {
        if loss.ends_terminals() { Self::Finish(loss.end()) } else { Self::Detach(loss.end()) }
    }
}

impl From<Told> for Leave {
    fn from(told: Told) -> Self {
        match told {
            Told::Ended(Ending::Withdrawn) => Self::Finish(Loss::Withdrawn.end()),
            Told::Ended(Ending::Wanted(reason)) => {
                Self::Finish(End::close(CloseCode::SessionEnded, reason))
            }
            Told::Replaced => {
                Self::Detach(End::close(CloseCode::Replaced, "another page shows this terminal"))
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Terminal<S> {
    pub(super) async fn pump(
        &mut self,
        reader: &mut Reader<S>,
        mut beat: socket::Beat,
        authority: &mut Authority,
    ) -> End {
        // What may end the socket at any moment is waited for once, not once for each event.
        let mut stopping = self.app.stopping();
        let mut stopping = pin!(stopping.wait());
        let mut lost = pin!(authority.lost());
        let mut told = pin!(hear(self.ear.subscribe()));
        let mut timer = pin!(tokio::time::sleep(Duration::ZERO));
        let leave = loop {
            let due = self.due(&beat);
            // One that is early does no harm; setting it anew for each record of a stream would.
            if timer.is_elapsed() || due < timer.deadline() {
                timer.as_mut().reset(due);
            }
            let event = tokio::select! {
                end = &mut stopping => break end.into(),
                loss = &mut lost => break loss.into(),
                told = &mut told => Event::Told(told),
                event = self.next(reader) => event,
                () = &mut timer => Event::Due,
            };
            if let Event::Told(told @ Told::Ended(Ending::Withdrawn)) = event {
                // Why is known to whoever watches over the page's right, who may hear of it later.
                break match tokio::time::timeout(LOOK, &mut lost).await {
                    Ok(loss) => Leave::Finish(loss.end()),
                    Err(_) => told.into(),
                };
            }
            if let Event::Told(_) = event {
                self.ear.send_replace(None);
                told.set(hear(self.ear.subscribe()));
            }
            // A page that takes nothing must not hold what it may no longer hold.
            let step = tokio::select! {
                biased;
                step = self.step(event, &mut beat) => step,
                end = &mut stopping => Err(end.into()),
                loss = &mut lost => Err(loss.into()),
                told = &mut told => Err(told.into()),
            };
            if let Err(leave) = step {
                break leave;
            }
        };
        let end = self.leave(leave).await;
        // What was said before the end is worth hearing; the end itself follows.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.page.flush()).await;
        end
    }

    /// Waits for the next thing to happen.
    async fn next(&mut self, reader: &mut Reader<S>) -> Event {
        let (mut output, mut input, mut away, mut waiting) = (None, None, None, 0);
        let (mut gateway, mut consent) = (None, None);
        let quiet = self.quiet_until.is_some();
        match &mut self.state {
            State::Idle | State::Over(..) | State::Told(..) => {}
            State::Waiting(wanted) => {
                consent = Some(wanted.decided(&self.app));
            }
            State::Opening(opening, _) => {
                waiting = opening.typed.waiting();
                output = Some(&mut opening.channel.output);
            }
            State::Reaching(reaching, channel) => {
                waiting = reaching.waiting();
                output = Some(&mut channel.output);
            }
            State::Open(shown, channel) => {
                waiting = shown.log.waiting();
                input = Some(&channel.input).filter(|_| waiting > 0);
                output = Some(&mut channel.output);
                gateway = self.gateway.map(|gateway| gateway.news(&self.app));
            }
            State::Away(reaching) => {
                waiting = reaching.waiting();
                away = Some(away::keeper_back(&self.app, self.visit.host, reaching));
            }
        }
        tokio::select! {
            received = reader.next(), if waiting < PENDING && !quiet => Event::Heard(received),
            said = or_never(output.map(ChannelOutput::recv)) => Event::Said(said),
            () = or_never(input.map(ChannelInput::writable)) => Event::Writable,
            () = or_never(away) => Event::KeeperBack,
            () = or_never(gateway) => Event::Gateway,
            status = or_never(consent) => Event::Consent(status),
        }
    }

    async fn step(&mut self, event: Event, beat: &mut socket::Beat) -> Result<(), Leave> {
        match event {
            Event::Heard(received) => self.heard(received?).await?,
            Event::Said(Ok(item)) => self.said(item).await?,
            Event::Said(Err(error)) => self.broken(&error.to_string()),
            Event::Writable => self.give(),
            Event::KeeperBack => self.reach().await?,
            Event::Gateway => self.gateway_news().await?,
            Event::Consent(status) => self.decided(status).await?,
            Event::Told(Told::Ended(ending)) => {
                self.closed(Exit::because(ending.reason())).await?;
            }
            Event::Told(told @ Told::Replaced) => return Err(told.into()),
            Event::Due => self.overdue(beat).await?,
        }
        Ok(self.page.settle().await?)
    }

    fn due(&self, beat: &socket::Beat) -> Instant {
        let also = [self.give_up_at, self.page.gathers_until(), self.quiet_until];
        also.into_iter().flatten().fold(beat.at().min(self.idle_at), Instant::min)
    }

    async fn overdue(&mut self, beat: &mut socket::Beat) -> Result<(), End> {
        let now = Instant::now();
        self.quiet_until = self.quiet_until.filter(|until| *until > now);
        if now >= beat.at() {
            self.page.ping(beat.ping()?).await?;
        }
        if self.give_up_at.is_some_and(|at| now >= at) {
            self.give_up_at = None;
            self.give_up().await?;
        }
        if now >= self.idle_at { self.idle(now).await } else { Ok(()) }
    }

    /// The present state lasts too long.
    async fn give_up(&mut self) -> Result<(), End> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Opening(..) => {
                let message = "the terminal did not open in time";
                self.refused(OpenError::new(ErrorCode::Timeout, message)).await
            }
            State::Over(shown, channel, exit) => self.finish(shown, channel, exit).await,
            State::Reaching(mut reaching, channel) => {
                drop(channel);
                // Whoever did not answer is asked again, by the same link if it is still there.
                reaching.link = None;
                self.away(reaching).await
            }
            other => {
                self.state = other;
                Ok(())
            }
        }
    }

    /// The person is there.
    pub(super) fn is_there(&mut self) {
        self.spoke = true;
        self.asked = false;
        self.heard_at = Instant::now();
    }

    async fn idle(&mut self, now: Instant) -> Result<(), End> {
        if self.asked {
            let reason = if self.spoke { "idle for too long" } else { "no first message" };
            return Err(End::close(CloseCode::Idle, reason));
        }
        let limit = self.app.config().limits.terminal_idle;
        let notice = notice(limit);
        let quiet_until = self.heard_at + limit.saturating_sub(notice);
        if quiet_until > now {
            self.idle_at = quiet_until;
            return Ok(());
        }
        self.asked = true;
        self.idle_at = now + notice;
        if self.page.vocabulary() == Vocabulary::V1 {
            self.page.word(&ToPage::Idle { closes_in: notice.as_secs() }).await?;
        }
        Ok(())
    }
}

/// Waits until the socket is told something about its terminal.
async fn hear(mut ear: tokio::sync::watch::Receiver<Option<Told>>) -> Told {
    let told = ear.wait_for(Option::is_some).await.ok().and_then(|told| *told);
    match told {
        Some(told) => told,
        // The socket itself holds the other end.
        None => std::future::pending().await,
    }
}

/// Waits for what there is, or for ever when there is nothing.
async fn or_never<F: Future>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// How long before the end a person is asked: a minute, or half of a short limit.
fn notice(limit: Duration) -> Duration {
    IDLE_NOTICE.min(limit / 2)
}
