//! What tools print that were run for a case, as frames of the topic `security`: those who look
//! into it see it as it comes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gangplank_proto::fact::FactText;
use gangplank_proto::id::{HostId, JobId};
use gangplank_proto::job::{Command, JobState, Output};
use serde::Serialize;

use super::{Job, JobWrite};
use crate::event::Topic;
use crate::store::StoreError;

/// A message of the channel `security`.
#[derive(Serialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    data: Frame<'a>,
}

#[derive(Serialize)]
struct Frame<'a> {
    case_id: FactText,
    job_id: JobId,
    host_id: HostId,
    host_name: &'a str,
    tool: FactText,
    attempt: u32,
    /// Number within the attempt, from 0; none for the last one, which says how it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<u64>,
    /// Bytes before it.
    offset: u64,
    /// Base64.
    data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<JobState>,
}

impl JobWrite {
    /// Announces new output of a tool that was run for a case; the first `known` bytes are not new.
    pub(super) fn announce_output(
        &mut self,
        job: &Job,
        output: &Output,
        known: usize,
    ) -> Result<(), StoreError> {
        let new = output.data.0.get(known..).unwrap_or_default();
        let Some(frame) = frame(job).filter(|_| !new.is_empty()) else { return Ok(()) };
        let offset = output.offset.saturating_add(known as u64);
        let frame = Frame { frame: Some(output.seq), offset, data: STANDARD.encode(new), ..frame };
        self.announce(job.tenant, Topic::Security, &message(frame))
    }

    /// Announces the end of a tool that was run for a case.
    pub(super) fn announce_end(&mut self, job: &Job) -> Result<(), StoreError> {
        let Some(frame) = frame(job) else { return Ok(()) };
        let frame = Frame { state: Some(job.state), ..frame };
        self.announce(job.tenant, Topic::Security, &message(frame))
    }
}

fn message(data: Frame<'_>) -> Message<'_> {
    Message { kind: "tool_output", data }
}

/// An empty frame at the end of a job's output; none for what wasn't run for a case.
fn frame(job: &Job) -> Option<Frame<'_>> {
    if job.command != Command::RunTool {
        return None;
    }
    let text = |name| job.params.get(name).and_then(|value| value.as_str());
    Some(Frame {
        case_id: text("case_id")?.into(),
        job_id: job.id,
        host_id: job.host,
        host_name: &job.host_name,
        tool: text("tool").unwrap_or_default().into(),
        attempt: job.attempt,
        frame: None,
        offset: job.output_end,
        data: String::new(),
        state: None,
    })
}
