//! What the sockets of subscribers have in common: their places, and what ends them.

use std::collections::VecDeque;
use std::time::Duration;

use gangplank_proto::close::CloseCode;
use gangplank_proto::id::TenantId;
use serde::Deserialize;
use tokio::time::Instant;

use super::error::Refusal;
use super::tell::Wish;
use super::upgrade::Stream;
use crate::app::App;
use crate::auth::Principal;
use crate::authority::Authority;
use crate::event::{Follower, Listener, Topic};
use crate::socket::{End, Reader, Received};

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
pub(super) fn follow(app: &App, tenant: TenantId, topic: Topic) -> Result<Listener, End> {
    let most = app.config().limits.channel_subscribers;
    let full = || End::close(CloseCode::TryAgainLater, "too many subscribers");
    app.events.listen(tenant, topic, most).ok_or_else(full)
}

/// Follows all that was asked for. What came before this is found in the store.
///
/// # Errors
/// [`End`] with 1013 when too many follow one of the topics.
pub(super) fn follow_all(app: &App, tenant: TenantId, wish: &Wish) -> Result<Vec<Follower>, End> {
    let follow = |(topic, after): &(Topic, u64)| {
        let listener = follow(app, tenant, *topic)?;
        Ok(app.events.follow(listener, *after, wish.form))
    };
    wish.topics.iter().map(follow).collect()
}

/// Waits for what ends a subscriber's socket from outside of what it is told: the loss of its right,
/// the end of the daemon, or the subscriber itself.
pub(super) async fn over(app: &App, authority: &mut Authority, reader: &mut Reader<Stream>) -> End {
    let mut stopping = app.stopping();
    tokio::select! {
        loss = authority.lost() => loss.end(),
        end = stopping.wait() => end,
        end = listen(app, reader) => end,
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum FromSubscriber {
    Keepalive,
}

/// Takes the subscriber's messages, no more than so many a minute, and ends when it is silent.
async fn listen(app: &App, reader: &mut Reader<Stream>) -> End {
    let limits = app.config().limits.clone();
    let mut bad = 0;
    let mut recent = VecDeque::new();
    loop {
        let received = tokio::time::timeout(limits.channel_idle, reader.next()).await;
        let text = match received {
            Err(_) => return End::close(CloseCode::Idle, "no message for too long"),
            Ok(Err(end)) => return end,
            Ok(Ok(Received::Binary(_))) => {
                return End::close(CloseCode::Unsupported, "text messages only");
            }
            Ok(Ok(Received::Text(text))) => text,
        };
        let now = Instant::now();
        recent.push_back(now);
        while recent.front().is_some_and(|at| now.duration_since(*at) > Duration::from_secs(60)) {
            recent.pop_front();
        }
        let allowed = limits.channel_messages_per_minute;
        let recently = recent.len() as u64;
        if recently > allowed * 2 {
            return End::close(CloseCode::Policy, "too many messages");
        }
        // Throttled: what is above the rate is read and not looked at.
        if recently <= allowed && serde_json::from_str::<FromSubscriber>(&text).is_err() {
            bad += 1;
            if bad >= 3 {
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
