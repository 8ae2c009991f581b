//! What hosts sent, for people.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;
use crate::clock::Timestamp;
use crate::ingest::{KNOWN, Series, Window};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The longest time that one answer is about.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 3600);

/// Names in one answer.
const NAMES: usize = 16;

pub(super) async fn series(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let host = call.host()?;
    let to = moment(&call, "to")?.unwrap_or_else(|| app.clock.now());
    let from = moment(&call, "from")?.unwrap_or_else(|| to.minus(DAY));
    if from >= to || to.since(from) > LONGEST {
        return Err(Refusal::bad_request("from must be before to, by 400 days at most"));
    }
    let wanted = call.query("metric");
    let names: Vec<&str> = match &wanted {
        Some(names) => names.split(',').collect(),
        None => KNOWN.to_vec(),
    };
    if names.len() > NAMES {
        return Err(Refusal::bad_request(format!("metric takes {NAMES} names at most")));
    }
    let window = Window::new(from, to);
    let rows = app.store.telemetry(host.tenant, host.id, window.from, window.to).await?;
    let items: Vec<_> = names.into_iter().map(|name| Series::of(name, &rows, window)).collect();
    let own = app.store.telemetry_names(host.tenant, host.id).await?;
    super::json(
        StatusCode::OK,
        &json!({
            "items": items,
            "next_cursor": null,
            "from": window.from,
            "to": window.to,
            "step_seconds": window.step.as_secs(),
            "own_metrics": own,
        }),
    )
}

fn moment(call: &Call, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = call.query(name) else { return Ok(None) };
    let read = serde_json::from_value(serde_json::Value::String(text));
    read.map(Some).map_err(|_| Refusal::bad_request(format!("{name} takes RFC 3339")))
}

pub(super) async fn records(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let host = call.host()?;
    let kind = call.query("kind");
    let page = call.page()?;
    let records = app.store.records(host.tenant, host.id, kind.as_deref(), &page).await?;
    super::json(StatusCode::OK, &records)
}
