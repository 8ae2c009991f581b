//! `GET /api/v1/channels/{channel}/events`: what was told, for pages that begin to follow.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;
use crate::audit::Entry;
use crate::event::Topic;

pub(super) async fn list(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let who = call.person()?;
    let name = call.param::<String>("channel")?;
    let topic = Topic::named(&name).ok_or_else(Refusal::not_found)?;
    // Each topic needs a right of its own, which the table can't know.
    if !who.may(topic.permission()) {
        let entry = Entry::refused(Some(who.tenant), "subscribe", topic.as_str());
        app.store.audit(&call.by(&app)?, entry).await?;
        return Err(Refusal::forbidden());
    }
    let events = app.store.events_before(who.tenant, topic.as_str(), &call.page()?).await?;
    super::json(StatusCode::OK, &events)
}
