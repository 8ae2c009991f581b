//! A terminal that somebody else has to agree to. It is asked for here and opened here, when the answer
//! has come, with the rights of that moment; until then no byte goes to the host.

use std::sync::Arc;

use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::id::ApprovalId;
use gangplank_proto::link::Size;
use gangplank_proto::terminal::{Connect, ToPage};
use tokio::io::{AsyncRead, AsyncWrite};

use super::super::page::Vocabulary;
use super::{PERMISSION, State, Terminal};
use crate::app::App;
use crate::approval::{Asker, Status, Wait, no_longer_wanted, why_not};
use crate::auth::Principal;
use crate::clock::Timestamp;
use crate::job;
use crate::socket::End;
use crate::store::{Approval, Released, Spending, StoreError};

/// A terminal that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    wait: Wait,
    /// The binding of what is waited for.
    hash: String,
    expires_at: Timestamp,
    connect: Connect,
}

/// Consent that was given on a socket. What can still go wrong with an opening, such as a password or
/// a host key that is asked for, needs no second one.
#[derive(Debug)]
pub(super) struct Granted {
    hash: String,
    until: Timestamp,
}

impl Waiting {
    pub(super) fn resize(&mut self, size: Size) {
        self.connect.cols = Some(size.cols().into());
        self.connect.rows = Some(size.rows().into());
    }

    pub(super) fn approval(&self) -> ApprovalId {
        self.wait.approval()
    }

    /// Waits until the request is decided on, or over. Cancel safe.
    pub(super) async fn decided(&mut self, app: &App) -> Status {
        self.wait.decided(app).await
    }
}

fn store(error: &StoreError) -> OpenError {
    tracing::error!(%error, "the store failed");
    OpenError::new(ErrorCode::Internal, "the store can't be reached right now")
}

impl<S: AsyncRead + AsyncWrite + Unpin> Terminal<S> {
    /// Finds out whether somebody has to agree first. Answers what may be opened now; else the page
    /// was told what is waited for, or why that can't be.
    pub(super) async fn consent(&mut self, connect: Connect) -> Result<Option<Connect>, End> {
        match self.wanted(&connect).await {
            Ok(None) => Ok(Some(connect)),
            Ok(Some(asked)) => {
                let word = ToPage::Approval {
                    approval_id: asked.id,
                    state: asked.status.to_string(),
                    expires_at: asked.expires_at.to_string(),
                };
                self.state = State::Waiting(Box::new(Waiting {
                    wait: Wait::new(&self.app, asked.tenant, asked.id),
                    hash: asked.hash,
                    expires_at: asked.expires_at,
                    connect,
                }));
                if self.page.vocabulary() == Vocabulary::V1 {
                    self.page.word(&word).await?;
                } else {
                    let message =
                        "this terminal waits until somebody approves it; it opens by itself";
                    let error = OpenError::new(ErrorCode::NotAllowed, message);
                    self.page.error(error).await?;
                }
                Ok(None)
            }
            Err(error) => {
                self.refused(error).await?;
                Ok(None)
            }
        }
    }

    /// The request that is needed, made; none when none is.
    async fn wanted(&mut self, connect: &Connect) -> Result<Option<Approval>, OpenError> {
        let app = Arc::clone(&self.app);
        let who = self.who_now().await?;
        let host = app.store.host(who.tenant, self.visit.host).await;
        // One that is gone is told so where it would be opened.
        let Some(host) = host.map_err(|error| store(&error))? else { return Ok(None) };
        let asker = Asker::of(&app, &who).await.map_err(|error| store(&error))?;
        let Some(wanted) = asker.terminal(connect, &host) else { return Ok(None) };
        let by = self.by();
        let hash = wanted.subject.binding(who.tenant, who.user);
        let granted = |granted: &Granted| granted.hash == hash && granted.until > by.at;
        if self.granted.as_ref().is_some_and(granted) {
            return Ok(None);
        }
        match app.store.request_approval(who.tenant, &by, &wanted).await {
            Ok((asked, announced)) => {
                let released = Released { announced, ..Released::default() };
                job::consented(&app, released).await.map_err(|error| store(&error))?;
                Ok(Some(asked))
            }
            Err(StoreError::Refused(why) | StoreError::Invalid(why)) => {
                Err(OpenError::new(ErrorCode::NotAllowed, why))
            }
            Err(error) => Err(store(&error)),
        }
    }

    /// The person with the rights of this moment.
    async fn who_now(&self) -> Result<Principal, OpenError> {
        let found = self.app.auth.recheck(&self.visit.who).await;
        let found = found.map_err(|error| store(&error))?.filter(|who| who.may(PERMISSION));
        let gone = || OpenError::new(ErrorCode::NotAllowed, "you may not open terminals any more");
        found.ok_or_else(gone)
    }

    /// The request was decided on, or is over.
    pub(super) async fn decided(&mut self, status: Status) -> Result<(), End> {
        let State::Waiting(waiting) = &self.state else { return Ok(()) };
        let (id, hash, until) = (waiting.approval(), waiting.hash.clone(), waiting.expires_at);
        let allowed = if status == Status::Approved {
            self.spend(id, hash.clone()).await
        } else {
            let tenant = self.visit.who.tenant;
            let why = why_not(&self.app, tenant, id, status, "this terminal").await;
            Err(OpenError::new(ErrorCode::NotAllowed, why))
        };
        // Taken only now: until here the socket may end at any await, and then takes the request back.
        let State::Waiting(waiting) = std::mem::replace(&mut self.state, State::Idle) else {
            return Ok(());
        };
        if let Err(error) = allowed {
            return self.refused(error).await;
        }
        self.granted = Some(Granted { hash, until });
        if self.page.vocabulary() == Vocabulary::V1 {
            let word = ToPage::Approval {
                approval_id: id,
                state: status.to_string(),
                expires_at: until.to_string(),
            };
            self.page.word(&word).await?;
        }
        self.open(waiting.connect).await
    }

    /// Uses the request up, if the person still may what they asked for.
    async fn spend(&self, approval: ApprovalId, hash: String) -> Result<(), OpenError> {
        let who = self.who_now().await?;
        let spending = Spending { approval, requester: who.user, hash };
        match self.app.store.spend_approval(who.tenant, &self.by(), &spending).await {
            Ok((_, announced)) => {
                let released = Released { announced, ..Released::default() };
                job::consented(&self.app, released).await.map_err(|error| store(&error))
            }
            Err(StoreError::NotConsented(why)) => Err(OpenError::new(ErrorCode::NotAllowed, why)),
            Err(error) => Err(store(&error)),
        }
    }

    /// Nobody waits for a request any more.
    pub(super) async fn no_longer_wanted(&self, id: ApprovalId) {
        let (app, by) = (Arc::clone(&self.app), self.by());
        let (tenant, user) = (self.visit.who.tenant, self.visit.who.user);
        self.write_down(async move { no_longer_wanted(&app, tenant, &by, user, id).await }).await;
    }
}
