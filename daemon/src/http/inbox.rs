//! The inbox of alerts.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::channel::Line;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::error::Refusal;
use super::gate::Call;
use super::jobs::filter;
use crate::app::App;
use crate::event::Topic;
use crate::inbox::AlertState;
use crate::store::{ALERTS_TOGETHER, Settled};

pub(super) async fn list(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (tenant, state) = (call.person()?.tenant, filter(&call, "state")?);
    let page = app.store.alerts(tenant, state, &call.page()?).await?;
    let counts = app.store.alert_counts(tenant).await?;
    let answer = json!({ "items": page.items, "next_cursor": page.next_cursor, "counts": counts });
    super::json(StatusCode::OK, &answer)
}

pub(super) async fn get(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let id = call.param::<String>("alert_id")?;
    let alert = app.store.alert(call.person()?.tenant, &id).await?;
    super::json(StatusCode::OK, &alert.ok_or_else(Refusal::not_found)?)
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Said {
    #[serde(default)]
    note: Option<Line>,
}

pub(super) async fn acknowledge(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    settle_one(&app, call, AlertState::Acknowledged).await
}

pub(super) async fn close(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    settle_one(&app, call, AlertState::Closed).await
}

pub(super) async fn reopen(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    settle_one(&app, call, AlertState::New).await
}

async fn settle_one(app: &App, mut call: Call, state: AlertState) -> Result<Response, Refusal> {
    let Said { note } = call.json().await?;
    let ids = [call.param::<String>("alert_id")?];
    let settled = settle(app, &call, &ids, state, note.as_ref()).await?;
    super::json(StatusCode::OK, &settled.alerts.first().ok_or_else(Refusal::not_found)?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Many {
    ids: Vec<String>,
    status: AlertState,
    #[serde(default)]
    note: Option<Line>,
}

pub(super) async fn settle_many(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Many { ids, status, note } = call.json().await?;
    if ids.is_empty() || ids.len() > ALERTS_TOGETHER {
        let words = format!("ids takes a list of 1 to {ALERTS_TOGETHER} alerts");
        return Err(Refusal::bad_request(words));
    }
    let settled = settle(&app, &call, &ids, status, note.as_ref()).await?;
    super::json(StatusCode::OK, &json!({ "items": settled.alerts, "next_cursor": null }))
}

async fn settle(
    app: &App,
    call: &Call,
    ids: &[String],
    state: AlertState,
    note: Option<&Line>,
) -> Result<Settled, Refusal> {
    let (tenant, by) = (call.person()?.tenant, call.by(app)?);
    let settled = app.store.settle_alerts(tenant, &by, ids, state, note).await?;
    let settled = settled.ok_or_else(Refusal::not_found)?;
    if let Some(seq) = settled.seq {
        app.events.tell(tenant, Topic::Alerts, seq);
    }
    Ok(settled)
}
