//! Commands to single hosts, and what comes of them.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use base64::Engine as _;
use gangplank_proto::id::{ApprovalId, JobId};
use gangplank_proto::job::Command;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::error::Refusal;
use super::gate::Call;
use super::{host_settings, release};
use crate::app::App;
use crate::clock::Timestamp;
use crate::config::parse_duration;
use crate::job::{self, Ordered};
use crate::store::{JobFilter, JobOutput, NewJob, StoreError};

/// The longest wait for output.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What an order says, to one host or to many.
#[derive(Deserialize)]
pub(super) struct Order {
    command: String,
    #[serde(default)]
    params: Option<Value>,
    #[serde(default)]
    priority: Option<u8>,
    #[serde(default)]
    retries: u32,
    #[serde(default)]
    not_before: Option<Timestamp>,
    /// A duration: how long it may wait for its start.
    #[serde(default)]
    deadline: Option<String>,
    #[serde(default)]
    idempotency_key: Option<String>,
}

/// An order to one host.
#[derive(Deserialize)]
struct New {
    #[serde(flatten)]
    order: Order,
    /// The consent that it comes with.
    #[serde(default)]
    approval_id: Option<ApprovalId>,
}

impl Order {
    pub(super) fn parse(self, app: &App) -> Result<NewJob, Refusal> {
        let unknown = |_| {
            let known = Command::ALL.map(Command::as_str).join(", ");
            Refusal::bad_request(format!("there is no such command; there are {known}"))
        };
        let command = self.command.parse::<Command>().map_err(unknown)?;
        let params = self.params.unwrap_or_else(|| Value::Object(Map::new()));
        check_params(command, &params)?;
        let now = app.clock.now();
        let not_before = self.not_before.map_or(now, |moment| moment.max(now));
        let wrong = || Refusal::bad_request("deadline takes a duration such as 30m, 1h or 7d");
        let life = match self.deadline {
            None => app.config().jobs.deadline,
            Some(life) => parse_duration(&life).ok_or_else(wrong)?,
        };
        Ok(NewJob {
            command,
            params,
            priority: self.priority.unwrap_or(job::PRIORITY),
            retries: self.retries,
            not_before,
            deadline: not_before.plus(life),
            idempotency_key: self.idempotency_key,
        })
    }
}

/// Refuses what no agent would take; what only the host can know is left to it.
fn check_params(command: Command, params: &Value) -> Result<(), Refusal> {
    match command {
        Command::SettingsUpdate => {
            let said = host_settings::Said::deserialize(params).map_err(|error| error.to_string());
            said.and_then(host_settings::Said::settings).map(|_| ())
        }
        Command::UpdateAgent => release::params::check(params),
        _ => Ok(()),
    }
    .map_err(|error| Refusal::bad_request(format!("{command} takes no such params: {error}")))
}

pub(super) async fn create(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let New { order, approval_id } = call.json().await?;
    let new = order.parse(&app)?;
    let (who, by, host) = (call.person()?, call.by(&app)?, call.host()?);
    let made = job::order_as(&app, who, &by, host, &new, approval_id).await;
    if let Err(StoreError::NotConsented(why)) = &made {
        super::approvals::refused(&app, who.tenant, &by, approval_id, why).await?;
    }
    accepted(made?)
}

pub(super) async fn retry(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let by = call.by(&app)?;
    accepted(job::retry_as(&app, call.person()?, &by, call.param("job_id")?).await?)
}

#[derive(Serialize)]
struct Accepted {
    job_id: JobId,
    /// Only where it waits for one it says more than the contract.
    #[serde(skip_serializing_if = "Option::is_none")]
    approval_id: Option<ApprovalId>,
}

fn accepted(made: Option<Ordered>) -> Result<Response, Refusal> {
    let Ordered { job, approval } = made.ok_or_else(Refusal::not_found)?;
    super::json(StatusCode::ACCEPTED, &Accepted { job_id: job, approval_id: approval })
}

pub(super) async fn list(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let filter = JobFilter {
        host: filter(&call, "host_id")?,
        state: filter(&call, "state")?,
        batch: filter(&call, "batch_id")?,
        command: filter(&call, "command")?,
    };
    let jobs = app.store.jobs(call.person()?.tenant, &filter, &call.page()?).await?;
    super::json(StatusCode::OK, &jobs)
}

/// What a list is limited to by a parameter of the query.
pub(super) fn filter<T: std::str::FromStr>(call: &Call, name: &str) -> Result<Option<T>, Refusal> {
    let Some(text) = call.query(name) else { return Ok(None) };
    let wrong = |_| Refusal::bad_request(format!("{name} takes no such value"));
    text.parse().map(Some).map_err(wrong)
}

pub(super) async fn get(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let job = app.store.job(call.person()?.tenant, call.param("job_id")?).await?;
    super::json(StatusCode::OK, &job.ok_or_else(Refusal::not_found)?)
}

pub(super) async fn cancel(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let job = job::cancel(&app, tenant, &by, call.param("job_id")?).await?;
    super::json(StatusCode::ACCEPTED, &job.ok_or_else(Refusal::not_found)?)
}

pub(super) async fn output(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (tenant, id) = (call.person()?.tenant, call.param::<JobId>("job_id")?);
    let offset = call.query("offset").map_or(Ok(0), |text| text.parse::<u64>());
    let offset = offset.map_err(|_| Refusal::bad_request("offset takes a number"))?;
    let wait = seconds(&call, LONGEST_WAIT)?;
    let until = tokio::time::Instant::now() + wait;
    let mut printed = app.jobs.printed();
    let mut stopping = app.stopping();
    loop {
        printed.mark_unchanged();
        let over = app.store.job(tenant, id).await?.map(|job| job.state.is_over());
        let output = app.store.job_output(tenant, id, offset).await?;
        let (Some(over), Some(output)) = (over, output) else { return Err(Refusal::not_found()) };
        if over || !output.pieces.is_empty() {
            return answer(output, over);
        }
        tokio::select! {
            changed = printed.changed() => if changed.is_ok() { continue },
            () = tokio::time::sleep_until(until) => {}
            _ = stopping.wait() => {}
        }
        return answer(output, over);
    }
}

/// `wait` in whole seconds, up to the longest; none means at once.
pub(super) fn seconds(call: &Call, longest: Duration) -> Result<Duration, Refusal> {
    let Some(wait) = call.query("wait") else { return Ok(Duration::ZERO) };
    let wrong = |_| Refusal::bad_request("wait takes a number of seconds");
    Ok(Duration::from_secs(wait.parse().map_err(wrong)?).min(longest))
}

fn answer(output: JobOutput, over: bool) -> Result<Response, Refusal> {
    let complete = over && output.next >= output.end;
    let pieces: Vec<_> = output.pieces.into_iter().map(piece).collect();
    let (next, end) = (output.next, output.end);
    super::json(
        StatusCode::OK,
        &json!({ "pieces": pieces, "next": next, "end": end, "complete": complete }),
    )
}

fn piece(piece: crate::store::JobPiece) -> Value {
    let gap = piece.gap.map(|gap| json!({ "from": gap.from, "to": gap.to }));
    let data = base64::engine::general_purpose::STANDARD.encode(&piece.data);
    json!({ "offset": piece.offset, "gap": gap, "data": data })
}

pub(super) async fn report(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let report: Result<_, StoreError> =
        app.store.host_report(call.person()?.tenant, call.host()?.id).await;
    super::json(StatusCode::OK, &report?.ok_or_else(Refusal::not_found)?)
}
