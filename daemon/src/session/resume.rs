//! From a terminal that its owner lost to a channel to it: the row in the store says whose it is
//! and where it lives, the keeper there whether it still does.

use std::sync::Arc;

use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::id::{HostId, SessionId};
use gangplank_proto::link::{Keep, Size, ToTerminal};
use gangplank_proto::terminal::{ConnectionMode, HostKeyState};

use super::open::{self, window};
use crate::app::App;
use crate::auth::Principal;
use crate::keeper::Carried;
use crate::link::Vocabulary;
use crate::store::Session;

/// Where a terminal is to be found again.
#[derive(Debug, Clone)]
pub(super) struct Whereabouts {
    pub(super) session_id: SessionId,
    pub(super) mode: ConnectionMode,
    pub(super) host_key: HostKeyState,
    pub(super) size: Size,
}

impl Whereabouts {
    fn of(session: &Session) -> Option<Self> {
        let (cols, rows) = session.size.unwrap_or((80, 24));
        Some(Self {
            session_id: session.id,
            mode: ConnectionMode::parse(&session.mode)?,
            host_key: HostKeyState::parse(&session.host_key)?,
            size: Size::new(cols.into(), rows.into()).ok()?,
        })
    }
}

/// The terminal of that id, if it is this person's, on this host, and has not ended.
///
/// # Errors
/// `no_such_session` for every other one, alike; `internal` when the store fails.
pub(super) async fn find(
    app: &App,
    who: &Principal,
    host: HostId,
    session_id: SessionId,
) -> Result<Whereabouts, OpenError> {
    let session = app.store.session(who.tenant, session_id).await.map_err(|error| {
        tracing::error!(%error, "the store failed");
        OpenError::new(ErrorCode::Internal, "the store can't be reached right now")
    })?;
    session
        .filter(|session| {
            session.host == host && session.user == who.user && session.ended_at.is_none()
        })
        .and_then(|session| Whereabouts::of(&session))
        .ok_or_else(ended)
}

/// What is said of a terminal that can't be resumed.
pub(super) fn ended() -> OpenError {
    OpenError::new(ErrorCode::NoSuchSession, "this terminal has ended")
}

/// Asks the keeper of a terminal for it; `offset` is what the viewer has, of which it has not shown
/// `unseen` bytes yet. Answers the channel and the link that carries it out of this process.
///
/// # Errors
/// `agent_offline` while the agent, or our own keeper, is away.
pub(super) fn attach(
    app: &Arc<App>,
    host: HostId,
    to: &Whereabouts,
    offset: u64,
    unseen: u32,
    keep: Keep,
) -> Result<Carried, OpenError> {
    let (session_id, size, whole) = (to.session_id, Some(to.size), window(app));
    if to.mode == ConnectionMode::Direct {
        return app.keeper.attach(session_id, offset, unseen, size, keep, whole);
    }
    let link = open::agent(app, host)?;
    if link.peer.vocabulary == Vocabulary::PatchMon {
        return Err(ended());
    }
    let window = whole.saturating_sub(unseen);
    let first = ToTerminal::Attach { session_id, window, offset, unseen, size, keep };
    let channel = link.channel(first, whole, None)?;
    Ok((channel.with_outstanding(whole, unseen as usize), Some(link.id)))
}
