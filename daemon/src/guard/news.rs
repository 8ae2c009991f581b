//! What the guard tells of: sources that are treated worse, logins that stand otherwise.

use std::net::IpAddr;

use gangplank_proto::id::{LoginId, TenantId, UserId};
use tokio::sync::mpsc;

use super::penalty::Step;
use super::standing::{Change, Reason};

/// News that wait to be written down. Those of sources get at most half of the room, so that a flood
/// from many can't keep what is told of logins from being heard.
const WAITING: usize = 1024;

/// Something that is worth a security event.
#[derive(Debug, Clone)]
pub enum News {
    /// A source is treated worse.
    Source(Step),
    /// A login stands otherwise.
    Login(Box<Verdict>),
}

/// A login whose standing changed, with the evidence.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Whose data it may see.
    pub tenant: TenantId,
    /// Whose login it is.
    pub user: UserId,
    /// That user's name.
    pub username: String,
    /// The login.
    pub login: LoginId,
    /// Where it was seen last.
    pub source: Option<IpAddr>,
    /// Its program.
    pub user_agent: Option<String>,
    /// What changed.
    pub change: Change,
    /// What was held against it, and how often.
    pub reasons: Vec<(Reason, u16)>,
}

/// Where news go, and where they are fetched once.
#[derive(Debug)]
pub(super) struct Post {
    sender: mpsc::Sender<News>,
    receiver: Option<mpsc::Receiver<News>>,
    lost: u64,
}

impl Default for Post {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Self { sender, receiver: Some(receiver), lost: 0 }
    }
}

impl Post {
    pub(super) fn tell(&mut self, news: News) {
        let reserved = matches!(news, News::Source(_)) && self.sender.capacity() < WAITING / 2;
        if reserved || self.sender.try_send(news).is_err() {
            self.lost += 1;
        }
    }

    pub(super) fn take(&mut self) -> Option<mpsc::Receiver<News>> {
        self.receiver.take()
    }

    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}
