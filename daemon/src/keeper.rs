//! The terminals that the daemon dials itself, and who keeps them: the daemon, or a process of its
//! own (`gangplankd keeper`) at the other end of a Unix socket, where they outlive it.
//!
//! ```text
//!   gangplankd                              gangplankd keeper
//!   link: channels ── hello, words, bytes ── serve: channels ──> terminals ── ssh ──> hosts
//! ```
//!
//! The words are those of an agent's link. The keeper says hello, with the terminals that it holds;
//! the daemon that answers has the link, and whoever had it before loses it. Both look at who is at
//! the other end: the keeper takes nobody but its own user, the daemon also root.

pub mod link;
pub mod serve;
pub mod socket;
mod stream;

use gangplank_proto::error::OpenError;
use gangplank_proto::id::{ConnectionId, SessionId};
use gangplank_proto::limit;
use gangplank_proto::link::{Keep, Open, Size, ToTerminal};
use gangplank_terminal::channel::Channel;
use gangplank_terminal::keeper::{Keeper, KeeperConfig};
use gangplank_terminal::stream::Gateway;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::Limits;
use link::External;

/// Who keeps the terminals that the daemon opens itself.
#[derive(Debug)]
pub struct DirectKeeper {
    /// In the daemon's own process: what goes through a gateway's agent, whose link is here, and
    /// everything when there is no other keeper.
    own: Keeper,
    external: Option<External>,
}

/// A channel, and the link that carries it when it leaves this process.
pub type Carried = (Channel, Option<ConnectionId>);

impl DirectKeeper {
    /// Joins the daemon's own keeper and the one that is a process, if there is one.
    #[must_use]
    pub fn new(own: Keeper, external: Option<External>) -> Self {
        Self { own, external }
    }

    /// Opens a terminal; `window` is for its output.
    ///
    /// # Errors
    /// `internal` while the keeper can't be reached.
    pub fn open(
        &self,
        session_id: SessionId,
        open: Open,
        keep: Keep,
        window: u32,
    ) -> Result<Carried, OpenError> {
        if let Some(external) = &self.external {
            let first = ToTerminal::Connect { session_id, window, open, keep };
            return external.open(first, window);
        }
        let (channel, end) = Channel::pair(window);
        self.own.open(session_id, open, keep, end);
        Ok((channel, None))
    }

    /// As [`Self::open`], through a gateway. It lives in this process.
    pub fn open_through(
        &self,
        gateway: Gateway,
        session_id: SessionId,
        open: Open,
        keep: Keep,
        window: u32,
    ) -> Channel {
        let (channel, end) = Channel::pair(window);
        self.own.open_through(gateway, session_id, open, keep, end);
        channel
    }

    /// Shows a terminal that is kept to a viewer that has `offset` bytes of its output, of which it
    /// has not shown `unseen` yet.
    ///
    /// # Errors
    /// `agent_offline` while the keeper can't be reached.
    pub fn attach(
        &self,
        session_id: SessionId,
        offset: u64,
        unseen: u32,
        size: Option<Size>,
        keep: Keep,
        whole: u32,
    ) -> Result<Carried, OpenError> {
        if let Some(external) = &self.external
            && !self.own.holds(session_id)
        {
            let window = whole.saturating_sub(unseen);
            let first = ToTerminal::Attach { session_id, window, offset, unseen, size, keep };
            let (channel, link) = external.attach(first, whole)?;
            return Ok((channel.with_outstanding(whole, unseen as usize), link));
        }
        // Within one process nothing is lost on the way: whoever comes has shown what it has.
        let (channel, end) = Channel::pair(whole);
        self.own.attach(session_id, offset, 0, size, keep, end);
        Ok((channel, None))
    }

    /// Ends a terminal that nobody shows. A keeper that is away hears of it when it is back.
    pub fn end(&self, session_id: SessionId) {
        if !self.own.end(session_id)
            && let Some(external) = &self.external
        {
            external.end(session_id);
        }
    }

    /// Whether a terminal is in this process, or about to be.
    #[must_use]
    pub fn holds(&self, session_id: SessionId) -> bool {
        self.own.holds(session_id)
    }

    /// Keeps a link to the keeper that is a process, until `stop`.
    pub async fn follow(&self, app: &App, stop: CancellationToken) {
        if let Some(external) = &self.external {
            external.follow(app, stop).await;
        }
    }

    /// Waits until the keeper is there by another link than `old`. Cancel safe.
    pub async fn back(&self, old: Option<ConnectionId>) {
        if let Some(external) = &self.external {
            external.back(old).await;
        }
    }

    /// Ends a link to the keeper over which came what no keeper says.
    pub fn broken(&self, link: ConnectionId, how: &str) {
        if let Some(external) = &self.external {
            external.broken(link, how);
        }
    }

    /// The daemon stops: terminals in its own process end.
    pub fn shutdown(&self) {
        self.own.shutdown();
    }
}

/// What a keeper of direct terminals is bound to.
#[must_use]
pub fn config(limits: &Limits) -> KeeperConfig {
    KeeperConfig {
        terminals: limits.terminals(),
        replay_ring: usize::try_from(limits.replay_ring).unwrap_or(usize::MAX),
        ..KeeperConfig::default()
    }
}

/// Channels in a link to a keeper of so many terminals: one for each, and as many more as may just
/// be ending.
fn channels(terminals: usize) -> usize {
    terminals.saturating_add(limit::CHANNELS_PER_LINK)
}
