//! `GET /api/v1/ws/events`: topics, with a cursor, on a WebSocket or as server-sent events.

use std::sync::Arc;

use axum::response::Response;

use super::error::Refusal;
use super::gate::Call;
use super::tell::{self, Wish};
use super::{sse, subscriber, upgrade};
use crate::app::App;
use crate::audit::Entry;
use crate::authority::Authority;
use crate::event::{Form, Topic};

/// Where an `EventSource` says how far it got.
const LAST_EVENT_ID: &str = "last-event-id";

pub(super) async fn socket(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let who = call.person()?.clone();
    let topics = call.query("topics").unwrap_or_default();
    let resumed = call.headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let resumed = resumed.filter(|id| call.streamed && !id.is_empty()).map(str::to_owned);
    let cursor = resumed.or_else(|| call.query("cursor")).unwrap_or_default();
    let mut wanted: Vec<(Topic, u64)> = Vec::new();
    for name in topics.split(',').filter(|name| !name.is_empty()) {
        let unknown =
            || Refusal::bad_request(format!("there is no topic '{}'", name.escape_debug()));
        let topic = Topic::named(name).ok_or_else(unknown)?;
        if !who.may(topic.permission()) {
            let entry = Entry::refused(Some(who.tenant), "subscribe", topic.as_str());
            app.store.audit(&call.by(&app)?, entry).await?;
            return Err(Refusal::forbidden());
        }
        if wanted.iter().all(|(known, _)| *known != topic) {
            // Before the answer: whatever happens from then on is told.
            let after = match position(&cursor, topic)? {
                Some(seq) => seq,
                None => app.store.last_event(who.tenant, topic.as_str()).await?,
            };
            wanted.push((topic, after));
        }
    }
    let Some((first, _)) = wanted.first() else {
        return Err(Refusal::bad_request(
            "topics takes a comma-separated list, such as topics=hosts",
        ));
    };
    let permissions = wanted.iter().map(|(topic, _)| topic.permission()).collect();
    let permission = first.permission();
    let place = subscriber::place(&app, &who)?;
    let positions = call.switch("positions")?;
    let wish = Wish { topics: wanted, form: Form::Enveloped, gaps: true, positions };
    let authority = {
        let app = Arc::clone(&app);
        move || Authority::new(app, who, permission, None).with_all(permissions)
    };
    if call.streamed {
        return sse::stream(app, call, authority(), wish, place).await;
    }
    let served = Arc::clone(&app);
    upgrade::accept_listener(&app, &mut call, move |socket| async move {
        tell::serve(served, authority(), wish, socket).await;
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
