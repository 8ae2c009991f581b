//! A terminal whose way is lost: waiting for its agent, asking its keeper for it, going on.

use std::sync::Arc;

use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::id::{ConnectionId, HostId};
use gangplank_proto::limit;
use gangplank_proto::link::{Exit, Size};
use gangplank_proto::terminal::{Connect, ConnectionMode, ToPage};
use gangplank_terminal::input_log::InputLog;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::super::page::Vocabulary;
use super::super::resume::{self, Whereabouts};
use super::super::{Place, life};
use super::gateway::Watched;
use super::shown::Shown;
use super::{REACHING, State, Terminal};
use crate::app::App;
use crate::socket::End;

/// A terminal that is kept somewhere and to be shown again.
#[derive(Debug)]
pub(super) struct Reaching {
    pub(super) at: Whereabouts,
    pub(super) place: Place,
    /// What this page typed; nothing while the page comes with a socket of its own.
    pub(super) log: Option<InputLog>,
    /// Output that the page has, and what of it the page has shown.
    pub(super) output: u64,
    pub(super) seen: u64,
    /// The link that is lost, or that is asked.
    pub(super) link: Option<ConnectionId>,
    /// Whether the page waits for it on this socket, rather than has just asked for it.
    pub(super) awaited: bool,
}

impl Reaching {
    /// Bytes of input that wait for the terminal.
    pub(super) fn waiting(&self) -> usize {
        self.log.as_ref().map_or(0, InputLog::waiting)
    }
}

/// Why a terminal is not shown here: an older page does not let go of it.
pub(super) fn busy() -> OpenError {
    let message = "another page shows this terminal and does not let go of it; try again";
    OpenError::new(ErrorCode::Internal, message)
}

/// What is said of a terminal whose keeper is lost.
fn lost(mode: ConnectionMode) -> OpenError {
    let message = if mode == ConnectionMode::Direct {
        "the connection to the process that keeps this terminal is lost"
    } else {
        "the connection to the host's agent is lost"
    };
    OpenError::new(ErrorCode::AgentOffline, message)
}

/// Waits until the terminal's keeper is here by another link than the one that was lost.
pub(super) async fn keeper_back(app: &App, host: HostId, reaching: &Reaching) {
    match reaching.at.mode {
        ConnectionMode::Direct => app.keeper.back(reaching.link).await,
        ConnectionMode::Proxy | ConnectionMode::Pty => back(app, host, reaching.link).await,
    }
}

/// Waits until an agent of the host is here by another link than `old`.
pub(in crate::session) async fn back(app: &App, host: HostId, old: Option<ConnectionId>) {
    // Watched before it is looked at, so that nothing falls in between.
    let mut changes = app.registry.watch();
    loop {
        let link = app.registry.of_host(host);
        if link.is_some_and(|link| Some(link.id) != old && !link.has_ended()) {
            return;
        }
        if changes.changed().await.is_err() {
            // The registry lives as long as the daemon.
            return std::future::pending().await;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Terminal<S> {
    /// The page comes back to a terminal that it had.
    pub(super) async fn resume(&mut self, connect: &Connect) -> Result<(), End> {
        let Some(resume) = connect.resume else { return Ok(()) };
        let (app, tenant, host) = (Arc::clone(&self.app), self.visit.who.tenant, self.visit.host);
        let mut at = match resume::find(&app, &self.visit.who, host, resume.session_id).await {
            Ok(at) => at,
            Err(error) => return self.page.error(error).await,
        };
        if let (Some(cols), Some(rows)) = (connect.cols, connect.rows) {
            match Size::new(cols, rows) {
                Ok(size) => at.size = size,
                Err(error) => return self.page.bad_request(&error.to_string()).await,
            }
        }
        let Ok(place) = app.sessions.enter(tenant, host, at.session_id, &self.ear).await else {
            return self.page.error(busy()).await;
        };
        self.page.writer().shows(at.session_id);
        let gateway = super::super::gateway::of(&app, tenant, host, at.session_id).await;
        self.gateway = Watched::new(gateway, self.page.vocabulary());
        let output = resume.offset;
        let reaching = Box::new(Reaching {
            at,
            place,
            log: None,
            output,
            seen: output,
            link: None,
            awaited: false,
        });
        self.ask(reaching).await
    }

    /// The keeper is back.
    pub(super) async fn reach(&mut self) -> Result<(), End> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Away(reaching) => self.ask(reaching).await,
            other => {
                self.state = other;
                Ok(())
            }
        }
    }

    /// Asks the keeper of a terminal for it.
    async fn ask(&mut self, mut reaching: Box<Reaching>) -> Result<(), End> {
        let keep = match life::keep(&self.app, self.visit.who.tenant).await {
            Ok(keep) => keep,
            Err(error) => {
                tracing::error!(%error, "the store failed");
                return Err(End::close(
                    gangplank_proto::close::CloseCode::Internal,
                    "the store can't be reached right now",
                ));
            }
        };
        let output = reaching.output;
        let unseen = u32::try_from(output.saturating_sub(reaching.seen)).unwrap_or(u32::MAX);
        match resume::attach(&self.app, self.visit.host, &reaching.at, output, unseen, keep) {
            Ok((channel, link)) => {
                reaching.link = link;
                self.give_up_at = Some(Instant::now() + REACHING);
                self.state = State::Reaching(reaching, channel);
                Ok(())
            }
            Err(error) if error.code == ErrorCode::AgentOffline => self.away(reaching).await,
            Err(error) => self.no_more(reaching, error).await,
        }
    }

    /// The way to the terminal is lost, or not there yet.
    pub(super) async fn away(&mut self, mut reaching: Box<Reaching>) -> Result<(), End> {
        self.give_up_at = None;
        reaching.awaited = true;
        self.page.error(lost(reaching.at.mode)).await?;
        self.state = State::Away(reaching);
        Ok(())
    }

    /// Whether the link that carried a terminal is still there.
    fn is_linked(&self, link: Option<ConnectionId>) -> bool {
        let live = self.app.registry.of_host(self.visit.host);
        live.is_some_and(|live| Some(live.id) == link && !live.has_ended())
    }

    /// The link to the keeper went, or the keeper lost the terminal, without a word.
    pub(super) async fn lost(&mut self) -> Result<(), End> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Opening(opening, _) => {
                self.give_up_at = None;
                let mut error = lost(opening.mode);
                if opening.mode == ConnectionMode::Direct {
                    // No agent has to come back, and what was not open yet is gone.
                    error.code = ErrorCode::Internal;
                }
                self.refused(error).await
            }
            State::Open(shown, channel) => {
                drop(channel);
                if !shown.is_kept() && self.is_linked(shown.link) {
                    let reason = "the terminal said more than its viewer could take";
                    self.record_end(shown.session_id, reason, shown.place).await;
                    return self.say_closed(Exit::because(reason)).await;
                }
                if self.page.vocabulary() == Vocabulary::Json {
                    self.page.error(lost(shown.mode)).await?;
                    self.record_end(shown.session_id, "agent_offline", shown.place).await;
                    return self.say_closed(Exit::default()).await;
                }
                self.away(Box::new(shown.into())).await
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

    /// The keeper has it, and goes on from `offset`.
    pub(super) async fn reached(
        &mut self,
        offset: u64,
        end: u64,
        input_offset: u64,
    ) -> Result<(), End> {
        let State::Reaching(reaching, _) = &mut self.state else { return Ok(()) };
        let goes_on = reaching.log.is_some();
        let log = reaching.log.get_or_insert_with(|| InputLog::starting_at(input_offset));
        let possible = log.resume_at(input_offset);
        let in_order = reaching.output <= offset && offset <= end && end <= limit::OFFSET;
        if possible.is_err() || !in_order {
            self.broken("offsets that can't be");
            return Ok(());
        }
        let (tenant, session_id) = (self.visit.who.tenant, reaching.at.session_id);
        let attached = self.app.store.attach_session(tenant, session_id).await;
        // Taken only now: until here the socket may end at any await, and then leaves the terminal.
        let State::Reaching(reaching, channel) = std::mem::replace(&mut self.state, State::Idle)
        else {
            return Ok(());
        };
        self.give_up_at = None;
        let Reaching { at, place, log, output: asked, seen, link, .. } = *reaching;
        match attached {
            Ok(true) => {}
            // It was ended while its keeper was asked.
            Ok(false) => {
                channel.input.close();
                return self.page.error(resume::ended()).await;
            }
            Err(error) => tracing::error!(%error, "that a terminal is shown was not written down"),
        }
        let log = log.unwrap_or_default();
        let (input_offset, confirmed) = (log.end(), log.confirmed());
        let word = ToPage::Connected {
            session_id: at.session_id,
            offset,
            input_offset,
            resumed: true,
            host_key: at.host_key,
            replay_to: Some(end),
        };
        let shown = Shown {
            session_id: at.session_id,
            mode: at.mode,
            host_key: at.host_key,
            size: at.size,
            link,
            place,
            log,
            output: offset,
            // A gap counts as shown: it takes up nothing of the window.
            seen: offset - asked.saturating_sub(seen),
            last_output_at: None,
        };
        self.state = State::Open(Box::new(shown), channel);
        self.page.word(&word).await?;
        if goes_on {
            // What of it is safe is known only now, and may be the last that is to be known.
            self.page.word(&ToPage::Ack { input_offset: confirmed }).await?;
        }
        if offset > asked {
            self.page.word(&ToPage::Gap { from: asked, to: offset }).await?;
        }
        self.give();
        Ok(())
    }

    /// The keeper does not have it, or not for this page.
    pub(super) async fn not_reached(&mut self, error: OpenError) -> Result<(), End> {
        self.give_up_at = None;
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Reaching(reaching, channel) => {
                drop(channel);
                self.no_more(reaching, error).await
            }
            other => {
                self.state = other;
                Ok(())
            }
        }
    }

    async fn no_more(&mut self, reaching: Box<Reaching>, error: OpenError) -> Result<(), End> {
        if error.code == ErrorCode::NoSuchSession {
            let Reaching { at, place, awaited, .. } = *reaching;
            self.record_end(at.session_id, "the keeper no longer holds it", place).await;
            if awaited {
                return self.say_closed(Exit::because("its keeper no longer holds it")).await;
            }
        }
        self.page.error(error).await
    }
}

impl From<Box<Shown>> for Reaching {
    fn from(shown: Box<Shown>) -> Self {
        let Shown { session_id, mode, host_key, size, link, place, log, output, seen, .. } = *shown;
        let at = Whereabouts { session_id, mode, host_key, size };
        Self { at, place, log: Some(log), output, seen, link, awaited: true }
    }
}
