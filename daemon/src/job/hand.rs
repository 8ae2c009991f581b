//! Between store and hosts: what is handed out, by link or by request, and what comes of what agents
//! say.

use std::time::Duration;

use gangplank_proto::id::{BatchId, HostId, TenantId};
use gangplank_proto::job::{Asked, Run, ToJob};

use super::scheduler::bounds;
use crate::app::App;
use crate::auth::AgentIdentity;
use crate::clock::Timestamp;
use crate::link::Vocabulary;
use crate::patchmon::errand;
use crate::store::{Announced, Heard, Job, JobReply, Reply, StoreError, Taken};

/// What is handed to a host that asks is sent again after so long at the earliest: such a host may
/// say nothing until it is done.
const ASKED_LEASE: Duration = Duration::from_secs(120);

/// Takes what is due of hosts with a link and sends it. Answers the hosts whose tenant has too many
/// jobs out.
pub(super) async fn lease(
    app: &App,
    hosts: &[(TenantId, HostId)],
) -> Result<Vec<(TenantId, HostId)>, StoreError> {
    let (lease, now) = (app.config().jobs.lease, app.clock.now());
    let leased = app.store.lease_jobs(hosts, bounds(app), lease, now).await?;
    tell(app, &leased.announced);
    if !leased.jobs.is_empty() {
        app.jobs.due_at(now.plus(lease));
    }
    for job in leased.jobs {
        let host = job.host;
        say(app, host, word(job, now)).await;
    }
    Ok(leased.short)
}

/// What is said to a host that asks, waiting for something up to `wait`.
///
/// # Errors
/// When the store fails.
pub async fn poll(
    app: &App,
    agent: &AgentIdentity,
    wait: Duration,
) -> Result<Vec<ToJob>, StoreError> {
    let until = tokio::time::Instant::now() + wait;
    let host = (agent.tenant, agent.host);
    let lease = app.config().jobs.lease.max(ASKED_LEASE);
    let wake = app.jobs.here.asks(agent.host, app.clock.now());
    loop {
        let now = app.clock.now();
        let leased = app.store.lease_jobs(&[host], bounds(app), lease, now).await?;
        tell(app, &leased.announced);
        if !leased.jobs.is_empty() {
            app.jobs.due_at(now.plus(lease));
        }
        let stops = app.jobs.here.stops(agent.host).into_iter();
        let stops = stops.map(|(job_id, attempt)| ToJob { job_id, attempt, asked: Asked::Cancel });
        let words: Vec<_> =
            stops.chain(leased.jobs.into_iter().map(|job| word(job, now))).collect();
        if !words.is_empty() {
            return Ok(words);
        }
        let woken = tokio::time::timeout_at(until, wake.notified()).await.is_ok();
        if !woken || !app.jobs.here.still_asks(agent.host, &wake) {
            return Ok(Vec::new());
        }
    }
}

/// Takes what a host posts, and answers what is replied to it.
///
/// # Errors
/// When the store fails; then nothing was taken.
pub async fn take_posted(
    app: &App,
    agent: &AgentIdentity,
    said: Vec<JobReply>,
) -> Result<Vec<Reply>, StoreError> {
    let (tenant, host) = (agent.tenant, agent.host);
    let heard: Vec<_> = said.into_iter().map(|what| Heard { tenant, host, what }).collect();
    let mut taken = app.store.take_job_words(&heard, app.clock.now()).await?;
    let replies = std::mem::take(&mut taken.replies);
    settle(app, taken).await?;
    Ok(replies)
}

/// Tells and moves on what follows from committed words.
///
/// # Errors
/// When the store fails.
pub async fn settle(app: &App, taken: Taken) -> Result<(), StoreError> {
    tell(app, &taken.announced);
    // Whoever follows what a job prints learns of its end, too.
    if taken.printed || !taken.freed.is_empty() {
        app.jobs.printed.send_modify(|count| *count += 1);
    }
    if !taken.freed.is_empty() {
        // Another attempt may wait for a moment that nobody has looked up.
        app.jobs.looks().due = None;
        app.jobs.look(taken.freed);
    }
    let mut batches = taken.batches;
    batches.sort();
    batches.dedup();
    for (tenant, batch) in batches {
        advance(app, tenant, batch).await?;
    }
    Ok(())
}

/// Opens the next ring of a batch, if it is its turn.
pub(super) async fn advance(app: &App, tenant: TenantId, batch: BatchId) -> Result<(), StoreError> {
    let now = app.clock.now();
    let here = |host| app.jobs.here.is_here(host, now);
    let (hosts, announced) = app.store.advance_batch(tenant, batch, now, here).await?;
    tell(app, &announced);
    if !hosts.is_empty() {
        app.jobs.looks().due = None;
        app.jobs.look(hosts.into_iter().map(|host| (tenant, host)));
    }
    Ok(())
}

/// Tells subscribers of what was committed.
pub(super) fn tell(app: &App, announced: &Announced) {
    for ((tenant, topic), seq) in &announced.0 {
        app.events.tell(*tenant, *topic, *seq);
    }
}

/// Answers an agent.
pub(super) async fn reply(app: &App, reply: &Reply) {
    let Reply { host, job, attempt, asked } = reply;
    let word = ToJob { job_id: *job, attempt: *attempt, asked: asked.clone() };
    say(app, *host, word).await;
}

/// Asks an agent to stop a job.
pub(super) async fn stop(app: &App, job: &Job) {
    if app.jobs.here.link(job.host).is_none() {
        return app.jobs.here.stop(job.host, job.id, job.attempt);
    }
    let word = ToJob { job_id: job.id, attempt: job.attempt, asked: Asked::Cancel };
    say(app, job.host, word).await;
}

/// Says a word by the link of a host, if that is still the one that takes jobs.
async fn say(app: &App, host: HostId, word: ToJob) {
    let ready = app.jobs.here.link(host);
    if let Some(link) = app.registry.of_host(host)
        && ready == Some(link.id)
    {
        match link.peer.vocabulary {
            Vocabulary::Native => link.say_job(word),
            Vocabulary::PatchMon => errand::send(app, &link, word).await,
        }
    }
}

fn word(job: Job, now: Timestamp) -> ToJob {
    let left = job.deadline.since(now).as_millis();
    let run = Run {
        command: job.command.as_str().into(),
        params: job.params,
        deadline_in_ms: Some(u64::try_from(left).unwrap_or(u64::MAX)),
        idempotent: job.idempotent,
    };
    ToJob { job_id: job.id, attempt: job.attempt, asked: Asked::Run(run) }
}
