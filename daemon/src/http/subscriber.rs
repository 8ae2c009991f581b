//! What the sockets of subscribers have in common: their places, and what ends them.

use std::time::Duration;

use gangplank_proto::close::CloseCode;
use gangplank_proto::id::{LoginId, TenantId};
use serde::Deserialize;

use super::error::Refusal;
use super::tell::Wish;
use super::upgrade::Stream;
use crate::app::App;
use crate::auth::Principal;
use crate::authority::Authority;
use crate::config::Limits;
use crate::event::{Follower, Listener, Topic};
use crate::guard::{Pace, Reason};
use crate::message::{self, BAD_MESSAGES};
use crate::socket::{End, Reader, Received};
use crate::store;

/// A user's place among the open sockets, given back when dropped.
pub(super) fn place(app: &App, who: &Principal) -> Result<crate::guard::UserSocket, Refusal> {
    let limit = app.config().limits.sockets_per_user;
    let message = "you have too many sockets open; close some of your tabs";
    app.guard.user_socket(who.user, limit).ok_or_else(|| Refusal::too_many(message, 5))
}

/// Hears of a topic's news from now on.
///
/// # Errors
/// [`End`] with 1013 when too many do.
pub(super) async fn follow(app: &App, tenant: TenantId, topic: Topic) -> Result<Listener, End> {
    let own = app.store.limits_of(tenant).await.map_err(fault)?.max_subscribers;
    let most = store::Limits::within(app.config().limits.channel_subscribers, own);
    let full = || End::close(CloseCode::TryAgainLater, "too many subscribers");
    app.events.listen(tenant, topic, most).ok_or_else(full)
}

/// Follows all that was asked for. What came before this is found in the store.
///
/// # Errors
/// [`End`] with 1013 when too many follow one of the topics.
pub(super) async fn follow_all(
    app: &App,
    tenant: TenantId,
    wish: &Wish,
) -> Result<Vec<Follower>, End> {
    let mut followers = Vec::with_capacity(wish.topics.len());
    for (topic, after) in &wish.topics {
        let listener = follow(app, tenant, *topic).await?;
        followers.push(app.events.follow(listener, *after, wish.form));
    }
    Ok(followers)
}

/// Waits for what ends a subscriber's socket from outside of what it is told: the loss of its right,
/// the end of the daemon, or the subscriber itself.
pub(super) async fn over(app: &App, authority: &mut Authority, reader: &mut Reader<Stream>) -> End {
    let mut stopping = app.stopping();
    let login = authority.who.login;
    tokio::select! {
        loss = authority.lost() => loss.end(),
        end = stopping.wait() => end,
        end = listen(app, login, reader) => end,
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum FromSubscriber {
    Keepalive,
}

/// A subscriber sends more than it may: what is above the rate is read and not looked at, and what is
/// far above it ends the socket.
struct Rate {
    messages: Pace,
    bytes: Pace,
    /// The same again, for those who go on.
    patience: [Pace; 2],
    told: bool,
}

enum Judged {
    Fine,
    Throttled,
    TooMuch,
}

impl Rate {
    fn new(limits: &Limits) -> Self {
        let minute = Duration::from_secs(60);
        let messages = Pace::new(limits.channel_messages_per_minute, minute);
        let bytes = Pace::new(limits.channel_bytes_per_minute, minute);
        Self { messages, bytes, patience: [messages, bytes], told: false }
    }

    fn judge(&mut self, length: u64) -> Judged {
        if self.messages.take(1) & self.bytes.take(length) {
            return Judged::Fine;
        }
        let [messages, bytes] = &mut self.patience;
        if messages.take(1) & bytes.take(length) { Judged::Throttled } else { Judged::TooMuch }
    }
}

/// Takes the subscriber's messages, no more than so many a minute, and ends when it is silent.
async fn listen(app: &App, login: LoginId, reader: &mut Reader<Stream>) -> End {
    let limits = app.config().limits.clone();
    let caution = app.guard.caution(login);
    let odd = |reason| app.guard.odd(login, reason, 1, app.clock.now());
    let mut bad = 0;
    let mut rate = Rate::new(&limits);
    loop {
        caution.wait().await;
        let received = tokio::time::timeout(limits.channel_idle, reader.next()).await;
        let text = match received {
            Err(_) => return End::close(CloseCode::Idle, "no message for too long"),
            Ok(Err(end)) => return end,
            Ok(Ok(Received::Binary(_))) => {
                return End::close(CloseCode::Unsupported, "text messages only");
            }
            Ok(Ok(Received::Text(text))) => text,
        };
        match rate.judge(text.len() as u64) {
            Judged::Fine => {}
            Judged::Throttled => {
                if !std::mem::replace(&mut rate.told, true) {
                    odd(Reason::MessageRate);
                }
                continue;
            }
            Judged::TooMuch => {
                odd(Reason::MessageRate);
                return End::close(CloseCode::Policy, "too many messages");
            }
        }
        if message::parse::<FromSubscriber>(text.as_bytes()).is_err() {
            bad += 1;
            if bad >= BAD_MESSAGES {
                odd(Reason::BadMessages);
                return End::close(CloseCode::Policy, "third bad message");
            }
        }
    }
}

/// What goes wrong on our side ends the socket.
pub(super) fn fault(error: impl std::fmt::Display) -> End {
    tracing::error!(%error, "a subscriber could not be served");
    End::close(CloseCode::Internal, "internal error")
}
