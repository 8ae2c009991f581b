//! The sockets of dashboards, one for each channel: a message is the event's payload alone, unless
//! `enveloped=1` asks for its number, id and time, too. `positions=1` asks for the number at which it
//! begins.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::channel::Channel;

use super::error::Refusal;
use super::gate::Call;
use super::tell::{self, Wish};
use super::{subscriber, upgrade};
use crate::app::App;
use crate::authority::Authority;
use crate::event::{Form, Topic};

/// The channel whose socket lies there.
pub(super) fn at(path: &str) -> Option<Channel> {
    Channel::ALL.into_iter().find(|channel| channel.path() == path)
}

pub(super) async fn socket(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let who = call.person()?.clone();
    let channel = at(call.uri.path()).ok_or_else(Refusal::not_found)?;
    let topic = Topic::of(channel);
    let form = if call.switch("enveloped")? { Form::Enveloped } else { Form::Bare };
    let positions = call.switch("positions")?;
    let cursor = call.query("cursor").filter(|cursor| !cursor.is_empty());
    let cursor = cursor.map(|cursor| position(&cursor, channel)).transpose()?;
    // Before the answer: whatever happens from then on is told.
    let after = match cursor {
        Some(seq) => seq,
        None => app.store.last_event(who.tenant, topic.as_str()).await?,
    };
    let gaps = cursor.is_some() || form == Form::Enveloped;
    let wish = Wish { topics: vec![(topic, after)], form, gaps, positions };
    let place = subscriber::place(&app, &who)?;
    let served = Arc::clone(&app);
    upgrade::accept_listener(&app, &mut call, move |socket| async move {
        let authority = Authority::new(Arc::clone(&served), who, topic.permission(), None);
        tell::serve(served, authority, wish, socket).await;
        drop(place);
    })
    .await
}

/// A number, or that of this channel in a cursor such as `alerts:17`.
fn position(cursor: &str, channel: Channel) -> Result<u64, Refusal> {
    let wrong = || {
        let message = format!("cursor takes a number, such as cursor=17 or cursor={channel}:17");
        Refusal::bad_request(message)
    };
    let number = match cursor.rsplit_once(':') {
        Some((name, number)) if name == channel.as_str() => number,
        Some(_) => return Err(wrong()),
        None => cursor,
    };
    number.parse().map_err(|_| wrong())
}
