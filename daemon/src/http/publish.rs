//! `POST /api/v1/channels/{channel}/events`: messages of others into the channels.

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use gangplank_proto::channel::{self, Channel, Rejected};
use gangplank_proto::id::{ApprovalId, TenantId};
use gangplank_proto::strict::{self, Bounds, StrictError};
use http::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;
use crate::audit::Entry;
use crate::event::{Publication, Topic};
use crate::store::{Once, Published};

/// Messages that are published together at most.
const TOGETHER: usize = 1000;

/// Bytes of an `Idempotency-Key` at most.
const KEY: usize = 255;

pub(super) async fn publish(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let tenant = call.tenant()?;
    let channel: Channel = call.param("channel")?;
    let body = call.bytes().await?;
    let (messages, one) = read(channel, &body)?;
    if channel == Channel::Approvals {
        refuse_ours(&app, &call, tenant, &messages).await?;
    }
    let once = key(&call)?.map(|key| {
        let digest = hex::encode(Sha256::digest(&body));
        Once { key, digest }
    });
    let topic = Topic::of(channel);
    let published = app.events.publish_all(Publication { tenant, topic, messages, once }).await?;
    let said = |event: &Published| json!({ "id": event.id, "seq": event.seq });
    match published.as_slice() {
        [only] if one => super::json(StatusCode::ACCEPTED, &said(only)),
        all => {
            let items: Vec<_> = all.iter().map(said).collect();
            super::json(StatusCode::ACCEPTED, &json!({ "items": items }))
        }
    }
}

/// Refuses messages about requests of our own, also those that say what the store says: by the time
/// that somebody reads them they may not be true any more.
async fn refuse_ours(
    app: &App,
    call: &Call,
    tenant: TenantId,
    messages: &[Value],
) -> Result<(), Refusal> {
    for message in messages {
        // However the id is written, a reader may take it for ours.
        let id = message.get("id").and_then(Value::as_str).map(str::trim);
        let Some(id) = id.and_then(|id| Uuid::try_parse(id).ok()) else { continue };
        let Ok(id) = id.to_string().parse::<ApprovalId>() else { continue };
        if app.store.approval(tenant, id).await?.is_none() {
            continue;
        }
        let detail = json!({ "status": message.get("status") });
        let entry = Entry::refused(Some(tenant), "approval.publish", format!("approval:{id}"));
        app.store.audit(&call.by(app)?, entry.with(detail)).await?;
        let message = format!("{id} is a request for approval of this daemon, which tells of it");
        return Err(Refusal::new(StatusCode::CONFLICT, "approval_is_ours", message));
    }
    Ok(())
}

/// One message, or a list of them, each checked; and whether it was one.
fn read(channel: Channel, body: &Bytes) -> Result<(Vec<Value>, bool), Refusal> {
    let bounds = Bounds { bytes: usize::MAX, depth: channel::BOUNDS.depth + 1 };
    let structure = |error: StrictError| Refusal::bad_request(error.to_string());
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[') {
        let message = channel.parse(body).map_err(rejected)?;
        return Ok((vec![message], true));
    }
    let Value::Array(messages) = strict::parse(body, bounds).map_err(structure)? else {
        return Err(Refusal::bad_request("a message or a list of messages is expected"));
    };
    if messages.is_empty() || messages.len() > TOGETHER {
        return Err(Refusal::bad_request(format!("a list takes 1 to {TOGETHER} messages")));
    }
    for (index, message) in messages.iter().enumerate() {
        let checked = channel.check(message).map_err(|error| error.to_string()).and_then(|()| {
            let fits = message.to_string().len() <= channel::BOUNDS.bytes;
            if fits {
                Ok(())
            } else {
                Err(format!("it has more than {} bytes", channel::BOUNDS.bytes))
            }
        });
        checked.map_err(|error| Refusal::bad_request(format!("message {index}: {error}")))?;
    }
    Ok((messages, false))
}

fn rejected(error: Rejected) -> Refusal {
    let message = error.to_string();
    match error {
        Rejected::Structure(StrictError::TooLarge(_)) => {
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
        }
        _ => Refusal::bad_request(message),
    }
}

fn key(call: &Call) -> Result<Option<String>, Refusal> {
    let mut keys = call.headers.get_all("idempotency-key").iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let fine = |key: &&str| !key.is_empty() && key.len() <= KEY;
    let key = key.to_str().ok().filter(fine).filter(|_| keys.next().is_none());
    let wrong = || Refusal::bad_request("Idempotency-Key takes 1 to 255 visible characters, once");
    key.map(|key| Some(key.to_owned())).ok_or_else(wrong)
}
