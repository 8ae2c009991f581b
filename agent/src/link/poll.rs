//! Jobs without a WebSocket: where something on the way refuses the upgrade, the daemon is asked for
//! them by plain requests, and told of them by others. There are no terminals then.

use std::time::Duration;

use gangplank_proto::fact::{FactText, HeldJob};
use gangplank_proto::id::JobId;
use gangplank_proto::job::{Asked, FromJob, JobState, Run, Said, ToJob};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::request::{RequestError, request};
use crate::config::Credentials;
use crate::dial::Dialer;
use crate::job::{JobLine, Jobs};

/// How long the daemon waits for a command before it answers that there is none.
const WAIT: Duration = Duration::from_secs(25);

/// After a request that came to nothing.
const AGAIN: Duration = Duration::from_secs(2);

/// Requests that come to nothing, one after the other, until this way counts as closed, too.
const FAILURES: u32 = 5;

/// First and longest time until the upgrade is tried again.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(300);

/// When to try the upgrade again: seldom, the longer it was refused.
#[derive(Debug, Clone, Copy)]
pub struct Retry(Duration);

impl Default for Retry {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Retry {
    /// The next wait; `random` is uniform in 0..1.
    pub fn next(&mut self, random: f64) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(LONGEST);
        wait.mul_f64(1.0 + random / 5.0)
    }
}

/// What the daemon answers to a request for commands.
#[derive(Debug, Deserialize)]
struct Item {
    id: JobId,
    #[serde(default = "first")]
    attempt: u32,
    #[serde(default)]
    command: FactText,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    deadline_in_ms: Option<u64>,
    #[serde(default)]
    idempotent: bool,
    #[serde(default)]
    cancel: bool,
}

fn first() -> u32 {
    1
}

/// What the daemon answers to what it is told.
#[derive(Debug, Deserialize)]
struct Told {
    #[serde(default)]
    settled: bool,
    #[serde(default)]
    cancel: bool,
    #[serde(default)]
    output: Option<u64>,
}

/// Jobs by requests.
#[derive(Debug)]
pub struct Polling<'a> {
    dialer: &'a Dialer,
    credentials: &'a Credentials,
    line: JobLine,
}

impl<'a> Polling<'a> {
    /// Asks for the first time, and says what the journal holds.
    ///
    /// # Errors
    /// When this way is closed, too.
    pub async fn open(
        dialer: &'a Dialer,
        credentials: &'a Credentials,
        jobs: &Jobs,
    ) -> Result<Self, RequestError> {
        // Whether there is an answer at all, before a line takes the place of none.
        let held = jobs.held().await;
        let polling = |line| Self { dialer, credentials, line };
        let items = ask(dialer, credentials, Duration::ZERO, Some(&held)).await?;
        let polling = polling(jobs.line().await);
        polling.take(items);
        Ok(polling)
    }

    /// Asks and tells until `until`.
    ///
    /// # Errors
    /// When too many requests came to nothing.
    pub async fn run(mut self, until: Instant) -> Result<(), RequestError> {
        let (dialer, credentials) = (self.dialer, self.credentials);
        let over = tokio::time::sleep_until(until);
        tokio::pin!(over);
        let mut asking = Box::pin(ask(dialer, credentials, WAIT, None));
        let mut failures = 0;
        loop {
            tokio::select! {
                () = &mut over => return Ok(()),
                answer = &mut asking => {
                    match answer {
                        Ok(items) => {
                            failures = 0;
                            self.take(items);
                        }
                        Err(error) => failed(error, &mut failures).await?,
                    }
                    asking = Box::pin(ask(dialer, credentials, WAIT, None));
                }
                word = self.line.next() => loop {
                    match tell(dialer, credentials, &word).await {
                        Ok(told) => {
                            failures = 0;
                            self.answer(&word, told);
                            break;
                        }
                        Err(error) => failed(error, &mut failures).await?,
                    }
                },
            }
        }
    }

    fn take(&self, items: Vec<Item>) {
        for item in items {
            let Item { id, attempt, command, params, deadline_in_ms, idempotent, cancel } = item;
            let run = Run { command, params, deadline_in_ms, idempotent };
            let asked = if cancel { Asked::Cancel } else { Asked::Run(run) };
            self.line.take(ToJob { job_id: id, attempt, asked });
        }
    }

    fn answer(&self, word: &FromJob, told: Told) {
        let (job_id, attempt) = (word.job_id, word.attempt);
        let settled = told.settled.then_some(Asked::Settled);
        let output = told.output.map(|offset| Asked::OutputAck { offset });
        let cancel = told.cancel.then_some(Asked::Cancel);
        for asked in [output, cancel, settled].into_iter().flatten() {
            self.line.take(ToJob { job_id, attempt, asked });
        }
    }
}

async fn failed(error: RequestError, failures: &mut u32) -> Result<(), RequestError> {
    *failures += 1;
    if *failures >= FAILURES {
        return Err(error);
    }
    tracing::debug!(%error, failures, "a request came to nothing");
    tokio::time::sleep(AGAIN).await;
    Ok(())
}

async fn ask(
    dialer: &Dialer,
    credentials: &Credentials,
    wait: Duration,
    held: Option<&[HeldJob]>,
) -> Result<Vec<Item>, RequestError> {
    let mut path = format!("/api/v1/commands?cancel=1&wait={}", wait.as_secs());
    if let Some(held) = held {
        let held = held.iter().map(|job| format!("{}:{}:{}", job.job_id, job.attempt, job.state));
        path.push_str(&format!("&held={}", held.collect::<Vec<_>>().join(",")));
    }
    let answer = request(dialer, credentials, Method::GET, &path, Vec::new(), wait).await?;
    serde_json::from_slice(&answer).map_err(|_| RequestError::Answer)
}

async fn tell(
    dialer: &Dialer,
    credentials: &Credentials,
    word: &FromJob,
) -> Result<Told, RequestError> {
    let mut body = match &word.said {
        Said::Received => json!({ "status": JobState::Received }),
        Said::Started => json!({ "status": JobState::Running }),
        Said::Output(output) => json!({ "status": JobState::Running, "output": output }),
        Said::Progress(progress) => json!({ "status": JobState::Running, "progress": progress }),
        Said::Done(done) => json!(done),
    };
    if let Value::Object(body) = &mut body {
        body.insert("attempt".to_owned(), word.attempt.into());
    }
    let path = format!("/api/v1/commands/{}/result", word.job_id);
    let body = body.to_string().into_bytes();
    match request(dialer, credentials, Method::POST, &path, body, Duration::ZERO).await {
        Ok(answer) => serde_json::from_slice(&answer).map_err(|_| RequestError::Answer),
        // Nobody waits for it any more: the host was removed and enrolled anew.
        Err(RequestError::Status(http::StatusCode::NOT_FOUND)) => {
            Ok(Told { settled: true, cancel: false, output: Some(u64::MAX) })
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upgrade_is_tried_soon_and_then_seldom() {
        let mut retry = Retry::default();
        assert_eq!(retry.next(0.0), FIRST);
        let waits: Vec<_> = (0..10).map(|_| retry.next(1.0)).collect();
        assert!(waits.windows(2).all(|two| two.first() <= two.last()));
        assert_eq!(waits.last(), Some(&LONGEST.mul_f64(1.2)));
    }
}
