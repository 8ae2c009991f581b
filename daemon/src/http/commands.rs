//! Commands for hosts that can't hold a WebSocket: they ask for them, and post what comes of them.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use gangplank_proto::fact::{FactText, HeldJob};
use gangplank_proto::id::JobId;
use gangplank_proto::job::{Asked, Done, FromJob, JobState, Outcome, Output, Progress, Said};
use gangplank_proto::limit;
use gangplank_proto::link::Base64;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;
use crate::job;
use crate::store::JobReply;

/// The longest wait for a command.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub(super) async fn poll(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let agent = call.agent()?.clone();
    let wait = super::jobs::seconds(&call, LONGEST_WAIT)?;
    let mut items = Vec::new();
    // Only who asks for it understands it.
    let cancels = call.query("cancel").is_some();
    // An agent of our own says first what it holds.
    if let Some(held) = call.query("held") {
        let jobs = held_jobs(&held)?;
        let held = JobReply::Held { jobs, fresh: true };
        let replies = job::take_posted(&app, &agent, vec![held]).await?;
        let stops = replies.iter().filter(|reply| matches!(reply.asked, Asked::Cancel));
        items.extend(stops.map(|reply| cancelled(reply.job, reply.attempt)));
    }
    let mut stopping = app.stopping();
    let wait = if items.is_empty() { wait } else { Duration::ZERO };
    let words = tokio::select! {
        words = job::poll(&app, &agent, wait) => words?,
        _ = stopping.wait() => Vec::new(),
    };
    for word in words {
        let run = match word.asked {
            Asked::Run(run) => run,
            Asked::Cancel if cancels => {
                items.push(cancelled(word.job_id, word.attempt));
                continue;
            }
            _ => continue,
        };
        items.push(json!({
            "id": word.job_id,
            "command": run.command,
            "params": run.params,
            "attempt": word.attempt,
            "deadline_in_ms": run.deadline_in_ms,
            "idempotent": run.idempotent,
        }));
    }
    super::json(StatusCode::OK, &items)
}

/// `ID:ATTEMPT:STATE`, separated by commas.
fn held_jobs(text: &str) -> Result<Vec<HeldJob>, Refusal> {
    let wrong = || Refusal::bad_request("held takes ID:ATTEMPT:STATE, separated by commas");
    let one = |text: &str| {
        let mut parts = text.split(':');
        let job_id: JobId = parts.next()?.parse().ok()?;
        let attempt: u32 = parts.next()?.parse().ok()?;
        let state: JobState = parts.next()?.parse().ok()?;
        Some(HeldJob { job_id, attempt, state })
    };
    let texts = text.split(',').filter(|part| !part.is_empty()).take(limit::JOBS_HELD);
    texts.map(|text| one(text).ok_or_else(wrong)).collect()
}

/// A job that somebody called off.
fn cancelled(job: JobId, attempt: u32) -> Value {
    json!({ "id": job, "attempt": attempt, "cancel": true })
}

/// What a host posts about a command: how far it is, and what it printed meanwhile.
#[derive(Deserialize)]
struct Posted {
    status: JobState,
    #[serde(default)]
    attempt: Option<u32>,
    #[serde(default)]
    exit_status: Option<i32>,
    #[serde(default)]
    error: Option<FactText>,
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    output: Option<Printed>,
    #[serde(default)]
    output_end: Option<u64>,
    #[serde(default)]
    progress: Option<Progress>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Printed {
    /// All of it.
    Whole(String),
    /// The next piece.
    Piece(Output),
}

pub(super) async fn result(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let agent = call.agent()?.clone();
    let id: JobId = call.param("job_id")?;
    let job = app.store.job(agent.tenant, id).await?;
    let job = job.filter(|job| job.host == agent.host).ok_or_else(Refusal::not_found)?;
    let posted: Posted = call.json().await?;
    let attempt = posted.attempt.unwrap_or(job.attempt);
    let words = words(posted)?;
    let words = words.into_iter().map(|said| JobReply::Word(FromJob { job_id: id, attempt, said }));
    let replies = job::take_posted(&app, &agent, words.collect()).await?;
    let job = app.store.job(agent.tenant, id).await?.ok_or_else(Refusal::not_found)?;
    let settled = replies.iter().any(|reply| matches!(reply.asked, Asked::Settled));
    let output = replies.iter().rev().find_map(|reply| match reply.asked {
        Asked::OutputAck { offset } => Some(offset),
        _ => None,
    });
    let cancel = job.cancel_at.is_some() && !job.state.is_over();
    super::json(
        StatusCode::OK,
        &json!({ "state": job.state, "settled": settled, "cancel": cancel, "output": output }),
    )
}

fn words(posted: Posted) -> Result<Vec<Said>, Refusal> {
    let status = match posted.status {
        JobState::Received => None,
        JobState::Running => Some(None),
        JobState::Succeeded => Some(Some(Outcome::Succeeded)),
        JobState::Failed => Some(Some(Outcome::Failed)),
        JobState::Cancelled => Some(Some(Outcome::Cancelled)),
        JobState::Expired => Some(Some(Outcome::Expired)),
        JobState::Unknown => Some(Some(Outcome::Unknown)),
        JobState::Queued | JobState::Leased => {
            return Err(Refusal::bad_request("a host doesn't decide that"));
        }
    };
    if posted.result.as_ref().is_some_and(|result| result.to_string().len() > limit::JOB_RESULT) {
        return Err(Refusal::bad_request("result is longer than is kept; send it as output"));
    }
    let ran = [None, Some(Outcome::Succeeded), Some(Outcome::Failed)];
    let started = status.is_some_and(|status| ran.contains(&status));
    let mut words = vec![if started { Said::Started } else { Said::Received }];
    let mut end = posted.output_end.unwrap_or(0);
    match posted.output {
        None => {}
        Some(Printed::Piece(piece)) => words.push(Said::Output(piece)),
        Some(Printed::Whole(text)) => {
            end = text.len() as u64;
            let pieces = text.as_bytes().chunks(limit::JOB_OUTPUT_PIECE);
            words.extend(pieces.zip(0..).map(|(data, seq)| {
                let offset = seq * limit::JOB_OUTPUT_PIECE as u64;
                Said::Output(Output { seq, offset, data: Base64(data.to_vec()) })
            }));
        }
    }
    words.extend(posted.progress.map(Said::Progress));
    if let Some(Some(status)) = status {
        let (exit_status, error) = (posted.exit_status, posted.error);
        let done = Done { status, exit_status, error, result: posted.result, output_end: end };
        words.push(Said::Done(done));
    }
    Ok(words)
}
