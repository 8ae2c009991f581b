//! Tickets for sockets.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::channel::Channel;
use gangplank_proto::id::HostId;
use gangplank_proto::limit::TICKET_LIFE;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::error::Refusal;
use super::gate::{Call, ticket_refusal};
use crate::app::App;
use crate::event::Topic;
use crate::ticket::Target;

#[derive(Deserialize)]
struct ForTerminal {
    #[serde(rename = "hostId", alias = "host_id")]
    host_id: Option<String>,
}

pub(super) async fn terminal(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let wanted: ForTerminal = call.json().await?;
    let host = wanted.host_id.ok_or_else(|| Refusal::bad_request("Host ID is required"))?;
    let host = host.parse::<HostId>().map_err(|_| Refusal::not_found())?;
    let found = app.store.host(call.person()?.tenant, host).await?;
    let found = found.ok_or_else(Refusal::not_found)?;
    issue(&app, &call, &Target::Terminal(found.id)).await
}

#[derive(Deserialize)]
struct ForChannel {
    channel: Option<String>,
}

pub(super) async fn channel(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let wanted: ForChannel = call.json().await?;
    let channel = wanted.channel.ok_or_else(|| Refusal::bad_request("channel is required"))?;
    // The one socket of topics checks each topic's permission when it is opened.
    if channel != "events" && Topic::named(&channel).is_none() {
        return Err(Refusal::bad_request("there is no such channel"));
    }
    // A ticket is for one socket: that of the channel, if it has one of its own.
    let socket = match channel.parse::<Channel>() {
        Ok(channel) => channel.as_str(),
        Err(_) if channel == Topic::Jobs.as_str() => "bullboard",
        Err(_) => "events",
    };
    issue(&app, &call, &Target::Channel(socket.to_owned())).await
}

async fn issue(app: &App, call: &Call, target: &Target) -> Result<Response, Refusal> {
    let per_minute = app.config().limits.tickets_per_minute;
    if !app.guard.ticket(call.person()?.user, per_minute) {
        return Err(Refusal::too_many("you ask for too many tickets", 1));
    }
    let ticket = app.tickets.issue(call.person()?, Some(call.peer.addr), target).await;
    let ticket = ticket.map_err(ticket_refusal)?;
    let expires_in = TICKET_LIFE.as_secs();
    super::json(StatusCode::OK, &json!({ "ticket": ticket, "expiresIn": expires_in }))
}
