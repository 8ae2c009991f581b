//! What is written down of a terminal: its start and end, refusals, accepted host keys. Each is
//! committed before the page hears of it, save an end: when the page has heard of that, or is gone.

use std::sync::Arc;

use gangplank_proto::close::CloseCode;
use gangplank_proto::error::{ErrorCode, HostKey, OpenError};
use gangplank_proto::id::SessionId;
use gangplank_proto::link::Exit;
use gangplank_proto::terminal::ToPage;
use gangplank_terminal::channel::Channel;
use tokio::io::{AsyncRead, AsyncWrite};

use super::super::page::Vocabulary;
use super::super::{Place, Told, life};
use super::gateway::Watched;
use super::pump::Leave;
use super::{Opening, Shown, State, Terminal};
use crate::audit::{By, Entry};
use crate::socket::End;
use crate::store::{Left, NewSession, StoreError};

impl<S: AsyncRead + AsyncWrite + Unpin> Terminal<S> {
    /// The terminal is open: that is written down before the page hears of it.
    pub(super) async fn connected(
        &mut self,
        offset: u64,
        input_offset: u64,
        shown: Option<HostKey>,
    ) -> Result<(), End> {
        // Said a second time it means nothing.
        let State::Opening(opening, _) = &self.state else { return Ok(()) };
        if offset != 0 || input_offset != 0 {
            self.broken("a new terminal that is not new");
            return Ok(());
        }
        let (host_key, pin) = match opening.host_key(shown.as_ref()) {
            Ok(known) => known,
            Err(error) => {
                // It is told of as refused, not as ended.
                let announced = self.opening.take();
                self.end("its key is not the host's").await;
                self.opening = announced;
                return self.refused(error).await;
            }
        };
        if let Err(error) = self.record(opening, host_key.as_str(), pin, &self.by()).await {
            let announced = self.opening.take();
            self.end("it could not be written down").await;
            self.opening = announced;
            if let StoreError::Refused(message) = error {
                return self.refused(OpenError::new(ErrorCode::NotAllowed, message)).await;
            }
            tracing::error!(%error, "a terminal could not be written down");
            let message = "the store can't be reached right now; nothing was opened";
            let error = OpenError::new(ErrorCode::Internal, message);
            self.announce_refusal(&error).await;
            return self.page.error(error).await;
        }
        // Taken only now: until here the socket may end at any await, and then ends the terminal.
        let State::Opening(opening, place) = std::mem::replace(&mut self.state, State::Idle) else {
            return Ok(());
        };
        self.give_up_at = None;
        self.opening = None;
        // It was for one terminal, and here that is.
        self.granted = None;
        let Opening { session_id, mode, link, gateway, size, channel, typed, .. } = *opening;
        self.gateway = Watched::new(gateway, self.page.vocabulary());
        let open = Shown {
            session_id,
            mode,
            host_key,
            size,
            link,
            place,
            log: typed,
            output: 0,
            seen: 0,
            last_output_at: None,
        };
        self.state = State::Open(Box::new(open), channel);
        let word = ToPage::Connected {
            session_id,
            offset,
            input_offset,
            resumed: false,
            host_key,
            replay_to: None,
        };
        self.page.word(&word).await?;
        self.give();
        Ok(())
    }

    /// A key that was accepted stays accepted when only the login failed after it.
    pub(super) async fn keep_accepted(&self, mut error: OpenError) -> OpenError {
        let about_key = matches!(error.code, ErrorCode::HostKeyUnknown | ErrorCode::HostKeyChanged);
        let (State::Opening(opening, _), false) = (&self.state, about_key) else { return error };
        let taken = error.host_key.take();
        if let Ok((_, Some((key, target)))) = opening.host_key(taken.as_ref()) {
            let (tenant, key) = (self.visit.who.tenant, crate::app::stored_key(key));
            let by = self.by();
            let pinned = self.app.store.pin_host_key(tenant, &by, self.visit.host, &target, &key);
            if let Err(error) = pinned.await {
                tracing::error!(%error, "an accepted host key could not be kept");
            }
        }
        error
    }

    async fn record(
        &self,
        opening: &Opening,
        host_key: &'static str,
        pin: Option<(HostKey, String)>,
        by: &By,
    ) -> Result<(), StoreError> {
        let who = &self.visit.who;
        if let Some((key, target)) = pin {
            let key = crate::app::stored_key(key);
            self.app.store.pin_host_key(who.tenant, by, self.visit.host, &target, &key).await?;
        }
        let new = NewSession {
            id: opening.session_id,
            host: self.visit.host,
            host_name: opening.host_name.clone(),
            mode: opening.mode.as_str(),
            gateway: opening.gateway,
            username: opening.username.clone(),
            host_key,
            size: opening.size,
        };
        self.app.store.start_session(who, by, &new).await
    }

    /// A terminal that was asked for is not to be had.
    pub(super) async fn refused(&mut self, error: OpenError) -> Result<(), End> {
        let tenant = self.visit.who.tenant;
        let code = serde_json::to_value(error.code).unwrap_or_default();
        if error.code == ErrorCode::HostKeyChanged {
            tracing::warn!(host = %self.visit.host, "a host shows another key than before");
        }
        let detail = serde_json::json!({
            "code": code,
            "fingerprint": error.host_key.as_ref().map(|key| &key.fingerprint),
        });
        let object = format!("host:{}", self.visit.host);
        let entry = Entry::refused(Some(tenant), "terminal.start", object).with(detail);
        if let Err(error) = self.app.store.audit(&self.by(), entry).await {
            tracing::error!(%error, "a refusal could not be audited");
        }
        self.announce_refusal(&error).await;
        self.page.error(error).await
    }

    /// Ends the terminal because a person wants it, and tells the page.
    pub(super) async fn closed(&mut self, exit: Exit) -> Result<(), End> {
        let reason = exit.reason.clone().unwrap_or_default();
        self.end(&reason).await;
        self.say_closed(exit).await
    }

    /// The terminal ended by itself, and the page has shown all of it, or had the time to. One that
    /// can come back is asked whether it heard so: by the closing handshake.
    pub(super) async fn finish(
        &mut self,
        shown: Box<Shown>,
        channel: Channel,
        exit: Exit,
    ) -> Result<(), End> {
        self.give_up_at = None;
        self.state = State::Told(shown, channel, exit.clone());
        if self.page.vocabulary() == Vocabulary::Json {
            self.conclude(true).await;
        }
        self.say_closed(exit).await
    }

    /// A page that heard of its terminal's end lets go of it. For one that may not have, because
    /// its network was gone unnoticed, the terminal is kept, with its last output and its end.
    pub(super) async fn conclude(&mut self, heard: bool) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Told(shown, channel, exit) if heard || !shown.is_kept() => {
                let reason = exit.reason.unwrap_or_else(|| "ended on the host".to_owned());
                channel.input.close();
                self.record_end(shown.session_id, &reason, shown.place).await;
            }
            State::Told(shown, channel, exit) => {
                self.state = State::Over(shown, channel, exit);
                self.detach().await;
            }
            other => self.state = other,
        }
    }

    /// The page hears of the end. In v1 that is all that the socket was for.
    pub(super) async fn say_closed(&mut self, exit: Exit) -> Result<(), End> {
        self.page.end_of_output().await?;
        let Exit { exit_status, signal, reason } = exit;
        self.page.word(&ToPage::Closed { exit_status, signal, reason }).await?;
        if self.page.vocabulary() == Vocabulary::V1 {
            return Err(End::close(CloseCode::SessionEnded, "the terminal ended"));
        }
        Ok(())
    }

    /// The socket ends: its terminal is kept for its owner, or ends with it.
    pub(super) async fn leave(&mut self, leave: Leave) -> End {
        let (end, finish) = match leave {
            // A page without offsets can't come back, nor to a keeper that keeps nothing.
            Leave::Detach(end) => {
                let kept = !matches!(&self.state, State::Open(shown, _) if !shown.is_kept());
                (end, self.page.vocabulary() == Vocabulary::Json || !kept)
            }
            Leave::Finish(end) => (end, true),
        };
        if finish {
            let reason = match &end {
                End::Gone => "the page left".to_owned(),
                End::Close(_, reason) => reason.clone(),
            };
            self.end(&reason).await;
        } else {
            self.detach().await;
        }
        end
    }

    /// Ends the terminal, wherever it is.
    pub(super) async fn end(&mut self, reason: &str) {
        self.give_up_at = None;
        let (session_id, place) = match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => return,
            State::Waiting(waiting) => return self.no_longer_wanted(waiting.approval()).await,
            State::Opening(opening, place) => {
                opening.channel.input.close();
                self.announce_given_up(reason).await;
                (opening.session_id, place)
            }
            State::Open(shown, channel)
            | State::Over(shown, channel, _)
            | State::Told(shown, channel, _) => {
                channel.input.close();
                (shown.session_id, shown.place)
            }
            State::Reaching(reaching, channel) => {
                channel.input.close();
                (reaching.at.session_id, reaching.place)
            }
            // Its agent hears of it when it is back.
            State::Away(reaching) => (reaching.at.session_id, reaching.place),
        };
        self.record_end(session_id, reason, place).await;
    }

    /// Leaves the terminal to its keeper.
    async fn detach(&mut self) {
        // The channel goes first: the keeper's clock runs from then on.
        let (session_id, size, last_output_at, place) =
            match std::mem::replace(&mut self.state, State::Idle) {
                State::Idle => return,
                // Decided by whether the page heard of it.
                told @ State::Told(..) => return self.state = told,
                unopened @ (State::Opening(..) | State::Waiting(_)) => {
                    self.state = unopened;
                    return self.end("the page left before it was open").await;
                }
                State::Open(shown, _) | State::Over(shown, ..) => {
                    (shown.session_id, shown.size, shown.last_output_at, shown.place)
                }
                State::Reaching(reaching, _) | State::Away(reaching) => {
                    (reaching.at.session_id, reaching.at.size, None, reaching.place)
                }
            };
        let (app, tenant, by) = (Arc::clone(&self.app), self.visit.who.tenant, self.by());
        let told = self.ear.subscribe();
        self.write_down(async move {
            let life = life::keep(&app, tenant).await?.life();
            let expires_at = app.clock.now().plus(life);
            let left = Left { size, last_output_at, expires_at };
            app.store.detach_session(tenant, session_id, &left).await?;
            drop(place);
            // Whoever ended it while it was being left has told this socket only.
            let Some(Told::Ended(ending)) = *told.borrow() else { return Ok(()) };
            match app.store.session(tenant, session_id).await? {
                Some(session) => life::end(&app, tenant, &by, &session, ending).await,
                None => Ok(()),
            }
        })
        .await;
    }

    pub(super) async fn record_end(&self, session_id: SessionId, reason: &str, place: Place) {
        let (app, tenant, by) = (Arc::clone(&self.app), self.visit.who.tenant, self.by());
        let reason = reason.to_owned();
        self.write_down(async move {
            let _place = place;
            app.store.end_session(tenant, &by, session_id, &reason).await.map(|_| ())
        })
        .await;
    }

    /// Writes something down though the socket may end while it is being written.
    pub(super) async fn write_down<F>(&self, written: F)
    where
        F: Future<Output = Result<(), StoreError>> + Send + 'static,
    {
        let task = self.app.tracker.spawn(async move {
            if let Err(error) = written.await {
                tracing::error!(%error, "what became of a terminal could not be written down");
            }
        });
        // A panic in there shows in the log by itself.
        let _ = task.await;
    }

    pub(super) fn by(&self) -> By {
        self.visit.who.by(Some(self.visit.source), self.app.clock.now())
    }
}
