//! `GET /api/v1/ws/events`: topics, with a cursor.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use gangplank_proto::close::CloseCode;
use gangplank_proto::event::{Gap, GapRange};
use gangplank_proto::id::TenantId;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::Message;

use super::error::Refusal;
use super::gate::Call;
use super::upgrade::{self, Stream};
use crate::app::App;
use crate::audit::Entry;
use crate::auth::Principal;
use crate::authority::Authority;
use crate::event::Topic;
use crate::socket::{self, Beat, End, Reader, Received, Socket, Writer};

/// Events read from the store at a time.
const BATCH: u32 = 128;

/// A user's place among the open sockets, given back when dropped.
pub(super) fn place(app: &App, who: &Principal) -> Result<crate::guard::UserSocket, Refusal> {
    let limit = app.config().limits.sockets_per_user;
    let message = "you have too many sockets open; close some of your tabs";
    app.guard.user_socket(who.user, limit).ok_or_else(|| Refusal::too_many(message, 5))
}

pub(super) async fn socket(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let who = call.person()?.clone();
    let topics = call.query("topics").unwrap_or_default();
    let cursor = call.query("cursor").unwrap_or_default();
    let mut subscriptions = Vec::new();
    for name in topics.split(',').filter(|name| !name.is_empty()) {
        let unknown =
            || Refusal::bad_request(format!("there is no topic '{}'", name.escape_debug()));
        let topic = Topic::named(name).ok_or_else(unknown)?;
        if !who.may(topic.permission()) {
            let entry = Entry::refused(Some(who.tenant), "subscribe", topic.as_str());
            app.store.audit(&call.by(&app)?, entry).await?;
            return Err(Refusal::forbidden());
        }
        if subscriptions.iter().all(|(known, _)| *known != topic) {
            // Before the answer: whatever happens from then on is told.
            let after = match position(&cursor, topic)? {
                Some(seq) => seq,
                None => app.store.events_after(who.tenant, topic.as_str(), 0, 0).await?.last_seq,
            };
            subscriptions.push((topic, after));
        }
    }
    let Some((first, _)) = subscriptions.first() else {
        return Err(Refusal::bad_request(
            "topics takes a comma-separated list, such as topics=hosts",
        ));
    };
    let permission = first.permission();
    let place = place(&app, &who)?;
    let served = Arc::clone(&app);
    upgrade::accept(&app, &mut call, None, move |socket| async move {
        let authority = Authority::new(Arc::clone(&served), who, permission, None);
        serve(served, authority, subscriptions, socket).await;
        drop(place);
    })
    .await
}

/// Where a cursor such as `hosts:17,alerts:3` stands in a topic.
fn position(cursor: &str, topic: Topic) -> Result<Option<u64>, Refusal> {
    let wrong = || Refusal::bad_request("cursor takes TOPIC:NUMBER, such as cursor=hosts:17");
    for part in cursor.split(',').filter(|part| !part.is_empty()) {
        let (name, seq) = part.rsplit_once(':').ok_or_else(wrong)?;
        let seq = seq.parse::<u64>().map_err(|_| wrong())?;
        if name == topic.as_str() {
            return Ok(Some(seq));
        }
    }
    Ok(None)
}

/// One topic as one subscriber follows it.
struct Subscription {
    topic: Topic,
    after: u64,
    latest: watch::Receiver<u64>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum FromSubscriber {
    Keepalive,
}

async fn serve(
    app: Arc<App>,
    mut authority: Authority,
    topics: Vec<(Topic, u64)>,
    socket: Socket<Stream>,
) {
    let Socket { mut reader, mut writer, heartbeat } = socket;
    let tenant = authority.who.tenant;
    let mut stopping = app.stopping();
    let end = match subscribe(&app, tenant, topics) {
        Err(end) => end,
        Ok(mut subscriptions) => tokio::select! {
            loss = authority.lost() => loss.end(),
            end = stopping.wait() => end,
            end = listen(&app, &mut reader) => end,
            end = tell(&app, tenant, &mut subscriptions, &mut writer, heartbeat.start()) => end,
        },
    };
    socket::finish(&mut reader, &mut writer, end).await;
}

/// Listens; what came before this is found in the store.
fn subscribe(
    app: &App,
    tenant: TenantId,
    topics: Vec<(Topic, u64)>,
) -> Result<Vec<Subscription>, End> {
    let mut subscriptions = Vec::new();
    for (topic, after) in topics {
        let latest = app.events.subscribe(tenant, topic);
        // Counted with this one, and by what is alive, so that nobody who left is counted.
        if app.events.subscribers(tenant, topic) > app.config().limits.channel_subscribers {
            return Err(End::close(CloseCode::TryAgainLater, "too many subscribers"));
        }
        subscriptions.push(Subscription { topic, after, latest });
    }
    Ok(subscriptions)
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

async fn tell(
    app: &App,
    tenant: TenantId,
    subscriptions: &mut [Subscription],
    writer: &mut Writer<Stream>,
    mut beat: Beat,
) -> End {
    let mut more = true;
    loop {
        let told = async {
            if more {
                more = false;
                for subscription in subscriptions.iter_mut() {
                    more |= catch_up(app, tenant, subscription, writer).await?;
                }
                return writer.flush().await;
            }
            tokio::select! {
                () = changed(subscriptions) => more = true,
                () = beat.due() => {
                    writer.feed(beat.ping()?).await?;
                    writer.flush().await?;
                }
            }
            Ok(())
        };
        if let Err(end) = told.await {
            return end;
        }
    }
}

/// Waits until one of the topics has more.
async fn changed(subscriptions: &mut [Subscription]) {
    let waits = subscriptions.iter_mut().map(|s| Box::pin(s.latest.changed()));
    // The sender lives as long as the daemon, so a wait ends by news only.
    let _ = futures_util::future::select_all(waits).await;
}

/// Sends what the subscriber has not seen yet. True when there may be more.
async fn catch_up(
    app: &App,
    tenant: TenantId,
    subscription: &mut Subscription,
    writer: &mut Writer<Stream>,
) -> Result<bool, End> {
    subscription.latest.mark_unchanged();
    let topic = subscription.topic.as_str();
    let missed = app.store.events_after(tenant, topic, subscription.after, BATCH).await;
    let missed = missed.map_err(fault)?;
    if subscription.after > missed.last_seq {
        // The cursor comes from a database that was since restored: nothing of it counts.
        let gap = GapRange { from: 1, to: missed.last_seq };
        let gap = Gap { topic: topic.to_owned(), gap };
        writer.feed(Message::text(serde_json::to_string(&gap).map_err(fault)?)).await?;
        subscription.after = missed.last_seq;
    }
    if let Some(gap) = missed.gap {
        let gap = Gap { topic: topic.to_owned(), gap };
        writer.feed(Message::text(serde_json::to_string(&gap).map_err(fault)?)).await?;
        subscription.after = gap.gap.to;
    }
    let full = missed.events.len() == BATCH as usize;
    for event in missed.events {
        subscription.after = event.seq;
        writer.feed(Message::text(serde_json::to_string(&event).map_err(fault)?)).await?;
    }
    Ok(full)
}

fn fault(error: impl std::fmt::Display) -> End {
    tracing::error!(%error, "a subscriber could not be served");
    End::close(CloseCode::Internal, "internal error")
}
