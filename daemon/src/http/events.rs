//! `GET /api/v1/ws/events`: topics, with a cursor.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::event::{Gap, GapRange};
use gangplank_proto::id::TenantId;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::protocol::Message;

use super::error::Refusal;
use super::gate::Call;
use super::subscriber::{self, fault};
use super::upgrade::{self, Stream};
use crate::app::App;
use crate::audit::Entry;
use crate::authority::Authority;
use crate::event::Topic;
use crate::socket::{self, Beat, End, Socket, Writer};

/// Events read from the store at a time.
const BATCH: u32 = 128;

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
    let place = subscriber::place(&app, &who)?;
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

async fn serve(
    app: Arc<App>,
    mut authority: Authority,
    topics: Vec<(Topic, u64)>,
    socket: Socket<Stream>,
) {
    let Socket { mut reader, mut writer, heartbeat } = socket;
    let tenant = authority.who.tenant;
    let end = match subscribe(&app, tenant, topics) {
        Err(end) => end,
        Ok(mut subscriptions) => tokio::select! {
            end = subscriber::over(&app, &mut authority, &mut reader) => end,
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
        let latest = subscriber::follow(app, tenant, topic)?;
        subscriptions.push(Subscription { topic, after, latest });
    }
    Ok(subscriptions)
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
