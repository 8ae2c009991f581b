//! Jobs for PatchMon's agents: told in their own words, or refused where they have none.

use std::time::Duration;

use gangplank_proto::id::JobId;
use gangplank_proto::job::{Asked, Command, Done, FromJob, Outcome, Run, Said, ToJob};
use gangplank_proto::limit;
use gangplank_proto::patchmon::{self, Generation, NotOffered, ToPatchmon};

use super::program::{self, Target};
use crate::app::App;
use crate::link::AgentLink;
use crate::link::jobs::Errand;
use crate::store::{Host, JobReply, StoreError};

/// How long to wait for what comes of an errand.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// The same, of a scan; its agents give one 25 minutes and may have another before it.
const SCAN_PATIENCE: Duration = Duration::from_secs(60 * 60);

/// Why an agent is not sent on an errand.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    NotOffered(#[from] NotOffered),
    #[error("no program of PatchMon's agent is provided here for this host: see patchmon.programs")]
    NoProgram,
    #[error("the host's agent has version {0}, and the program provided here is not newer")]
    NotNewer(String),
    #[error("what it takes is too long for a PatchMon agent")]
    TooLong,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Says a word about a job to an agent that knows none.
pub async fn send(app: &App, link: &AgentLink, word: ToJob) {
    let (job, attempt) = (word.job_id, word.attempt);
    let told = match word.asked {
        Asked::Run(run) => errand(app, link, (job, attempt), &run).await,
        Asked::Cancel => stop(app, link, job).await,
        // It has neither a journal nor output.
        Asked::Settled | Asked::OutputAck { .. } => return,
    };
    match told {
        Ok(Some(errand)) => link.send(errand),
        Ok(None) => {}
        // It is still to be sent, and will be.
        Err(Refused::Store(error)) => {
            tracing::error!(%error, host = %link.peer.host, "an errand could not be looked up");
        }
        Err(refused) => {
            let done = Done::new(Outcome::Failed, Some(&refused.to_string()));
            link.note_job(said(job, attempt, Said::Done(done)));
        }
    }
}

async fn errand(
    app: &App,
    link: &AgentLink,
    (job, attempt): (JobId, u32),
    run: &Run,
) -> Result<Option<Errand>, Refused> {
    let host = app.store.host(link.peer.tenant, link.peer.host).await?;
    let Some(host) = host else { return Ok(None) };
    let version = host.facts.agent_version.as_str();
    let messages = texts(&patchmon::messages(run, Generation::of(version))?)?;
    let command = run.command.as_str().parse::<Command>().ok();
    if command == Some(Command::UpdateAgent) {
        is_provided(app, &host).await?;
    }
    let then = match command {
        // Nothing comes of these.
        Some(Command::SettingsUpdate) => {
            let done = Done::new(Outcome::Succeeded, None);
            vec![said(job, attempt, Said::Started), said(job, attempt, Said::Done(done))]
        }
        Some(Command::ComplianceScan) => {
            vec![JobReply::Told { job, attempt, patience: SCAN_PATIENCE }]
        }
        _ => vec![JobReply::Told { job, attempt, patience: PATIENCE }],
    };
    Ok(Some(Errand { messages, then }))
}

/// A scan can be stopped; nothing else of what its agents do.
async fn stop(app: &App, link: &AgentLink, job: JobId) -> Result<Option<Errand>, Refused> {
    let job = app.store.job(link.peer.tenant, job).await?;
    if !job.is_some_and(|job| job.command == Command::ComplianceScan) {
        return Ok(None);
    }
    let messages = texts(&[ToPatchmon::ComplianceScanCancel])?;
    Ok(Some(Errand { messages, then: Vec::new() }))
}

/// Whether there is a newer program for a host.
async fn is_provided(app: &App, host: &Host) -> Result<(), Refused> {
    let facts = &host.facts;
    let os = os_of(facts.os.as_str());
    let target = Target::new(os, facts.arch.as_str()).map_err(|_| Refused::NoProgram)?;
    let directory = app.config().patchmon_programs.clone();
    let program = app.patchmon.programs.find(directory.as_deref(), target).await;
    let program = program.ok_or(Refused::NoProgram)?;
    let version = facts.agent_version.as_str();
    if program::is_newer(&program.version, version) {
        return Ok(());
    }
    Err(Refused::NotNewer(version.to_owned()))
}

/// The name that Go has for an operating system of this name.
#[must_use]
pub fn os_of(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    if name.contains("windows") {
        "windows"
    } else if name.contains("freebsd") || name.contains("pfsense") {
        "freebsd"
    } else {
        "linux"
    }
}

fn said(job_id: JobId, attempt: u32, said: Said) -> JobReply {
    JobReply::Word(FromJob { job_id, attempt, said })
}

fn texts(messages: &[ToPatchmon]) -> Result<Vec<String>, Refused> {
    // Texts, numbers and switches: there is no value that can't be written.
    let texts: Vec<_> = messages.iter().filter_map(|m| serde_json::to_string(m).ok()).collect();
    if texts.iter().any(|text| text.len() >= limit::PATCHMON_AGENT_MESSAGE) {
        return Err(Refused::TooLong);
    }
    Ok(texts)
}
