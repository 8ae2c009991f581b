//! One command to many hosts.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use gangplank_proto::id::{ApprovalId, BatchId, HostId};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::Refusal;
use super::gate::Call;
use super::jobs::Order;
use crate::app::App;
use crate::config::parse_duration;
use crate::job;
use crate::store::{BatchState, NewBatch, Selector, StoreError};

/// Percent of failures beyond which no further ring opens, where an order says nothing else.
const MAX_FAILURES: u8 = 20;

#[derive(Deserialize)]
struct New {
    #[serde(flatten)]
    order: Order,
    #[serde(default)]
    hosts: Option<Vec<HostId>>,
    #[serde(default)]
    labels: Option<Vec<String>>,
    #[serde(default = "yes")]
    rings: bool,
    #[serde(default)]
    max_failures: Option<u8>,
    #[serde(default)]
    spread: Option<String>,
    /// The consent that it comes with.
    #[serde(default)]
    approval_id: Option<ApprovalId>,
}

/// The fields that say what is done to whom: an approval that is asked for in advance is for these.
const MEANT: [&str; 6] = ["command", "params", "hosts", "labels", "rings", "max_failures"];

fn yes() -> bool {
    true
}

impl New {
    fn parse(self, app: &App) -> Result<NewBatch, Refusal> {
        let selector = match (self.hosts, self.labels) {
            (Some(hosts), None) => Selector::Hosts(hosts),
            (None, Some(labels)) if !labels.is_empty() => Selector::Labels(labels),
            _ => return Err(Refusal::bad_request("name hosts or labels, and not both")),
        };
        let max_failures = self.max_failures.unwrap_or(MAX_FAILURES);
        if max_failures > 100 {
            return Err(Refusal::bad_request("max_failures takes percent, 0 to 100"));
        }
        Ok(NewBatch { job: self.order.parse(app)?, selector, rings: self.rings, max_failures })
    }
}

/// The order that somebody asks for in advance.
pub(super) fn meant(app: &App, payload: Map<String, Value>) -> Result<NewBatch, Refusal> {
    if payload.keys().any(|key| !MEANT.contains(&key.as_str())) {
        return Err(Refusal::bad_request(format!("payload takes {}", MEANT.join(", "))));
    }
    let new: Result<New, _> = serde_json::from_value(Value::Object(payload));
    new.map_err(|error| Refusal::bad_request(error.to_string()))?.parse(app)
}

pub(super) async fn create(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let mut new: New = call.json().await?;
    let (spread, given) = (new.spread.take(), new.approval_id);
    let wrong = || Refusal::bad_request("spread takes a duration such as 10m");
    let spread =
        spread.map_or(Ok(Duration::ZERO), |text| parse_duration(&text).ok_or_else(wrong))?;
    let new = new.parse(&app)?;
    if new.job.not_before.plus(spread) >= new.job.deadline {
        return Err(Refusal::bad_request("the starts are spread beyond the deadline"));
    }
    let (who, by) = (call.person()?, call.by(&app)?);
    let made = job::order_many_as(&app, who, &by, &new, spread, given).await;
    if let Err(StoreError::NotConsented(why)) = &made {
        super::approvals::refused(&app, who.tenant, &by, given, why).await?;
    }
    let made = made?;
    let answer = Accepted { batch_id: made.batch, jobs: made.jobs, approval_id: made.approval };
    super::json(StatusCode::ACCEPTED, &answer)
}

#[derive(Serialize)]
struct Accepted {
    batch_id: BatchId,
    jobs: u64,
    /// Only where it waits for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    approval_id: Option<ApprovalId>,
}

pub(super) async fn list(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let batches = app.store.batches(call.person()?.tenant, &call.page()?).await?;
    super::json(StatusCode::OK, &batches)
}

pub(super) async fn get(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let batch = app.store.batch(call.person()?.tenant, call.param("batch_id")?).await?;
    super::json(StatusCode::OK, &batch.ok_or_else(Refusal::not_found)?)
}

pub(super) async fn pause(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    steer(&app, call, BatchState::Paused).await
}

pub(super) async fn resume(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    steer(&app, call, BatchState::Running).await
}

pub(super) async fn halt(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    steer(&app, call, BatchState::Halted).await
}

async fn steer(app: &Arc<App>, call: Call, to: BatchState) -> Result<Response, Refusal> {
    let (tenant, by) = (call.person()?.tenant, call.by(app)?);
    if !job::steer(app, tenant, &by, call.param("batch_id")?, to).await? {
        return Err(Refusal::not_found());
    }
    app.approvals.changed();
    get(Arc::clone(app), call).await
}
