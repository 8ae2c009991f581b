//! The words about jobs in an agent's link. Each names its job and the attempt at it: what is said
//! about an attempt that is over changes nothing.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Outcome;
use crate::fact::FactText;
use crate::id::JobId;
use crate::limit;
use crate::link::Base64;

/// A word to an agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ToJob {
    /// Which job.
    pub job_id: JobId,
    /// Which attempt, from 1.
    #[serde(default = "first")]
    pub attempt: u32,
    /// What is asked.
    #[serde(flatten)]
    pub asked: Asked,
}

/// What a daemon asks of an agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Asked {
    /// Run it. It may come more than once.
    #[serde(rename = "job")]
    Run(Run),
    /// Stop it, or do not begin.
    #[serde(rename = "job_cancel")]
    Cancel,
    /// The daemon has the outcome: the agent may forget the attempt.
    #[serde(rename = "job_settled")]
    Settled,
    /// The daemon has the output up to here.
    #[serde(rename = "job_output_ack")]
    OutputAck {
        /// Bytes since the attempt began.
        offset: u64,
    },
}

/// A command with what it needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The command's name. It may be one that this agent does not have.
    pub command: FactText,
    /// What it takes.
    #[serde(default)]
    pub params: Value,
    /// Milliseconds from now in which it must be started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_in_ms: Option<u64>,
    /// Whether it may run again when the agent died while it ran.
    #[serde(default)]
    pub idempotent: bool,
}

/// A word from an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FromJob {
    /// Which job.
    pub job_id: JobId,
    /// Which attempt, from 1.
    #[serde(default = "first")]
    pub attempt: u32,
    /// What is said.
    #[serde(flatten)]
    pub said: Said,
}

/// What an agent says about an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Said {
    /// It is in the journal.
    #[serde(rename = "job_received")]
    Received,
    /// It runs.
    #[serde(rename = "job_started")]
    Started,
    /// It printed something.
    #[serde(rename = "job_output")]
    Output(Output),
    /// It is this far.
    #[serde(rename = "job_progress")]
    Progress(Progress),
    /// It is over. Said until it is settled.
    #[serde(rename = "job_done")]
    Done(Done),
}

/// A piece of what a command printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Number of the piece, from 0.
    pub seq: u64,
    /// Bytes before it since the attempt began. Where it is not the end of the piece before, what
    /// lies between was dropped by an agent that nobody listened to.
    pub offset: u64,
    /// The bytes, [`limit::JOB_OUTPUT_PIECE`] at most.
    pub data: Base64,
}

/// How far a command is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// What it does, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<FactText>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<FactText>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// How.
    pub status: Outcome,
    /// Exit status of its program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<i32>,
    /// Why it did not succeed, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<FactText>,
    /// What it found; [`limit::JOB_RESULT`] bytes of JSON at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Bytes that it printed.
    #[serde(default)]
    pub output_end: u64,
}

impl Done {
    /// An end without a result.
    #[must_use]
    pub fn new(status: Outcome, error: Option<&str>) -> Self {
        let error = error.map(FactText::from);
        Self { status, exit_status: None, error, result: None, output_end: 0 }
    }

    /// With a result; one that is too long is replaced by a failure.
    #[must_use]
    pub fn with_result(mut self, result: Value) -> Self {
        if result.to_string().len() > limit::JOB_RESULT {
            return Self::new(Outcome::Failed, Some("the result is too long to be told"));
        }
        self.result = Some(result);
        self
    }
}

fn first() -> u32 {
    1
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::link::{FromAgent, ToAgent};

    const ID: &str = "018f0000-0000-7000-8000-000000000000";

    #[test]
    fn words_name_their_job() {
        let run = Run {
            command: "run_tool".into(),
            params: serde_json::json!({ "tool": "df" }),
            deadline_in_ms: Some(5),
            idempotent: false,
        };
        let word = ToJob { job_id: ID.parse().unwrap(), attempt: 2, asked: Asked::Run(run) };
        let text = ToAgent::Job(word).to_text().unwrap();
        assert_eq!(
            text,
            format!(
                r#"{{"job_id":"{ID}","attempt":2,"type":"job","command":"run_tool","params":{{"tool":"df"}},"deadline_in_ms":5,"idempotent":false}}"#
            )
        );
        let ToAgent::Job(ToJob { attempt: 2, asked: Asked::Run(run), .. }) =
            ToAgent::parse(&text).unwrap()
        else {
            unreachable!("not a job");
        };
        assert_eq!(run.deadline_in_ms, Some(5));
    }

    #[test]
    fn an_agent_s_words_are_read_and_bounded() {
        let text = format!(r#"{{"type":"job_received","job_id":"{ID}"}}"#);
        let FromAgent::Job(word) = FromAgent::parse(&text, 1).unwrap() else {
            unreachable!("not about a job");
        };
        assert_eq!((word.attempt, word.said), (1, Said::Received));
        let error = "x".repeat(3000);
        let text = format!(
            r#"{{"type":"job_done","job_id":"{ID}","status":"failed","error":"{error}\u001b[2J"}}"#
        );
        let FromAgent::Job(FromJob { said: Said::Done(done), .. }) =
            FromAgent::parse(&text, 1).unwrap()
        else {
            unreachable!("not the end of a job");
        };
        assert_eq!(done.error.unwrap().as_str().len(), 256);
    }
}
