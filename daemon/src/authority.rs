//! Whether a person still may hold an open socket: revocation reaches it within seconds, whatever
//! the socket is busy with.

use std::sync::Arc;
use std::time::Duration;

use gangplank_proto::close::CloseCode;
use gangplank_proto::id::HostId;
use tokio::time::Instant;

use crate::app::App;
use crate::auth::{Change, Listener, News, Permission, Principal};
use crate::socket::End;

/// How often rights are looked up even when nothing was heard, so that a missed message heals.
const RECHECK: Duration = Duration::from_secs(60);

/// Why the right is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The login ended.
    LoggedOut,
    /// The login was ended for what it did.
    Expelled,
    /// The user was disabled.
    Disabled,
    /// The permission was withdrawn.
    Withdrawn,
    /// The host was removed.
    HostRemoved,
    /// The daemon ends.
    Ended,
}

impl Loss {
    /// How the socket is closed.
    #[must_use]
    pub fn end(self) -> End {
        match self {
            Self::LoggedOut => End::close(CloseCode::Unauthenticated, "logged out"),
            Self::Expelled => End::close(CloseCode::Policy, "anomaly"),
            Self::Disabled => End::close(CloseCode::Unauthenticated, "the account was disabled"),
            Self::Withdrawn => End::close(CloseCode::Forbidden, "permission withdrawn"),
            Self::HostRemoved => End::close(CloseCode::SessionEnded, "the host was removed"),
            Self::Ended => End::Gone,
        }
    }

    /// Whether what the person opened ends too, rather than waits for the next login.
    #[must_use]
    pub fn ends_terminals(self) -> bool {
        matches!(self, Self::Disabled | Self::Withdrawn | Self::HostRemoved)
    }
}

/// The right by which one socket is open.
#[derive(Debug)]
pub struct Authority {
    app: Arc<App>,
    /// Who holds the socket.
    pub who: Principal,
    /// All of them are needed.
    permissions: Vec<Permission>,
    host: Option<HostId>,
    news: Listener,
    recheck: Instant,
    /// Whether something was heard that has not been looked into yet.
    concerned: bool,
}

impl Authority {
    /// Watches over a right that the gate has just confirmed, and looks once more, because news
    /// in between would have been missed; `host` is the host that the socket is
    /// about.
    #[must_use]
    pub fn new(
        app: Arc<App>,
        who: Principal,
        permission: Permission,
        host: Option<HostId>,
    ) -> Self {
        let news = app.auth.revocations().listen();
        Self {
            app,
            who,
            permissions: vec![permission],
            host,
            news,
            recheck: Instant::now() + RECHECK,
            concerned: true,
        }
    }

    /// The same, where the socket needs all of these permissions.
    #[must_use]
    pub fn with_all(mut self, permissions: Vec<Permission>) -> Self {
        self.permissions = permissions;
        self
    }

    /// Waits until the right is gone, and says why. Cancel safe: news that were heard are
    /// not forgotten when the look into the store is cut short.
    pub async fn lost(&mut self) -> Loss {
        loop {
            while !self.concerned {
                self.concerned = tokio::select! {
                    news = self.news.next() => match news {
                        News::Change(Change::LoginExpelled(login)) if login == self.who.login => {
                            return Loss::Expelled;
                        }
                        News::Change(change) => self.is_concerned(change),
                        // Any of what was missed may have been about this socket.
                        News::Missed => true,
                        News::Ended => return Loss::Ended,
                    },
                    () = tokio::time::sleep_until(self.recheck) => true,
                };
            }
            // In a box, because a socket that is open for days looks for moments only.
            let loss = Box::pin(self.check()).await;
            self.concerned = false;
            if let Some(loss) = loss {
                return loss;
            }
        }
    }

    fn is_concerned(&self, change: Change) -> bool {
        match change {
            Change::LoginEnded(login) => login == self.who.login,
            Change::UserChanged(user) => user == self.who.user,
            // Somebody's account may belong to another tenant than the one that they work in.
            Change::TenantChanged(_) => true,
            Change::HostRemoved(_, host) => Some(host) == self.host,
            _ => false,
        }
    }

    async fn check(&mut self) -> Option<Loss> {
        self.recheck = Instant::now() + RECHECK;
        let found = match self.app.auth.recheck(&self.who).await {
            Ok(found) => found,
            // A store that fails for a moment must not end what was allowed; the next look decides.
            Err(error) => {
                tracing::warn!(%error, "a right could not be looked up");
                return None;
            }
        };
        let Some(who) = found else {
            // A store that fails now is asked again by whoever looks after the terminals.
            let (tenant, user, now) = (self.who.tenant, self.who.user, self.app.clock.now());
            let active = self.app.store.permissions_of_user(tenant, user, now).await;
            let disabled = matches!(active, Ok(None));
            return Some(if disabled { Loss::Disabled } else { Loss::LoggedOut });
        };
        if !self.permissions.iter().all(|permission| who.may(*permission)) {
            return Some(Loss::Withdrawn);
        }
        self.who = who;
        if let Some(host) = self.host
            && let Ok(None) = self.app.store.host(self.who.tenant, host).await
        {
            return Some(Loss::HostRemoved);
        }
        None
    }
}
