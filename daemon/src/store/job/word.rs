//! What agents say about their jobs, and what that comes to. Many words are taken in one
//! transaction, because a whole fleet may speak at once.

use std::collections::BTreeMap;
use std::time::Duration;

use gangplank_proto::docker::DockerInventory;
use gangplank_proto::fact::HeldJob;
use gangplank_proto::id::{BatchId, HostId, JobId, TenantId};
use gangplank_proto::integration::Integrations;
use gangplank_proto::job::{
    Asked, Command, Done, FromJob, JobEvent, JobState, Outcome, Progress, Said,
};

use super::{Announced, Job, JobWrite};
use crate::clock::Timestamp;
use crate::store::{Store, StoreError};

/// Wait before the second attempt; it doubles with each, up to [`LONGEST_BACKOFF`].
const BACKOFF: Duration = Duration::from_secs(10);

/// Longest wait between two attempts.
const LONGEST_BACKOFF: Duration = Duration::from_secs(3600);

/// Attempts that an idempotent job is worth because its agent died over it.
const RECOVERIES: u32 = 5;

/// A word with who said it, known from the connection.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The tenant of its host.
    pub tenant: TenantId,
    /// The host.
    pub host: HostId,
    /// What was said.
    pub what: JobReply,
}

/// What an agent says.
#[derive(Debug, Clone)]
pub enum JobReply {
    /// A word about one job.
    Word(FromJob),
    /// Everything that its journal holds. `fresh` when it comes first on its connection: nothing was
    /// sent on it yet.
    Held {
        /// The jobs.
        jobs: Vec<HeldJob>,
        /// Whether nothing that was sent is still on its way.
        fresh: bool,
    },
    /// An agent that knows no jobs has just come.
    Arrived,
    /// Such an agent was told of an attempt.
    Told {
        /// Which job.
        job: JobId,
        /// Which attempt.
        attempt: u32,
        /// How long to wait for what comes of it.
        patience: Duration,
    },
    /// How far such an agent is with a command.
    Advanced {
        /// Which command.
        command: Command,
        /// How far.
        progress: Progress,
    },
}

/// What is answered to the agent.
#[derive(Debug, Clone)]
pub struct Reply {
    /// To which host.
    pub host: HostId,
    /// About which job.
    pub job: JobId,
    /// About which attempt.
    pub attempt: u32,
    /// What.
    pub asked: Asked,
}

/// What came of words.
#[derive(Debug, Default)]
pub struct Taken {
    /// What is answered.
    pub replies: Vec<Reply>,
    /// Hosts of which a job is over, or is to be sent once more.
    pub freed: Vec<(TenantId, HostId)>,
    /// Batches of which a job is over.
    pub batches: Vec<(TenantId, BatchId)>,
    /// Whether somebody printed something.
    pub printed: bool,
    /// To whom to tell of it.
    pub announced: Announced,
}

impl Store {
    /// Takes what agents say, in its order.
    ///
    /// # Errors
    /// When the database fails; then nothing was taken, and nothing must be answered.
    pub async fn take_job_words(
        &self,
        heard: &[Heard],
        now: Timestamp,
    ) -> Result<Taken, StoreError> {
        let mut write = self.job_write(now).await?;
        let mut taken = Taken::default();
        let mut meant: BTreeMap<TenantId, Vec<JobId>> = BTreeMap::new();
        for Heard { tenant, what, .. } in heard {
            if let JobReply::Word(word) = what {
                meant.entry(*tenant).or_default().push(word.job_id);
            }
        }
        for (tenant, mut jobs) in meant {
            jobs.sort();
            jobs.dedup();
            write.foresee(tenant, &jobs).await?;
        }
        for Heard { tenant, host, what } in heard {
            match what {
                JobReply::Word(word) => write.take(*tenant, *host, word, &mut taken).await?,
                JobReply::Held { jobs, fresh } => {
                    write.reconcile(*tenant, *host, jobs, *fresh, &mut taken).await?;
                }
                JobReply::Arrived => write.arrived(*tenant, *host, &mut taken).await?,
                JobReply::Told { job, attempt, patience } => {
                    write.told((*tenant, *host), (*job, *attempt), *patience).await?;
                }
                JobReply::Advanced { command, progress } => {
                    write.advanced(*tenant, *host, *command, progress).await?;
                }
            }
        }
        taken.announced = write.commit().await?;
        Ok(taken)
    }
}

impl JobWrite {
    async fn take(
        &mut self,
        tenant: TenantId,
        host: HostId,
        word: &FromJob,
        taken: &mut Taken,
    ) -> Result<(), StoreError> {
        let (id, attempt) = (word.job_id, word.attempt);
        let reply = |asked| Reply { host, job: id, attempt, asked };
        let is_done = matches!(word.said, Said::Done(_));
        // Another host's job is one that doesn't exist.
        let job = self.find(tenant, id).await?.filter(|job| job.host == host);
        let Some(mut job) = job.filter(|job| job.attempt == attempt) else {
            // Nobody waits for it: whoever still has it may forget it.
            match &word.said {
                Said::Done(_) => taken.replies.push(reply(Asked::Settled)),
                Said::Output(output) => {
                    let offset = output.offset.saturating_add(output.data.0.len() as u64);
                    taken.replies.push(reply(Asked::OutputAck { offset }));
                }
                _ => {}
            }
            return Ok(());
        };
        let called_off = job.cancel_at.is_some() && job.state == JobState::Leased;
        match &word.said {
            Said::Received => {
                job.received_at = job.received_at.or(Some(self.now));
                job.lease_until = None;
                self.step(&mut job, JobEvent::Receive)?;
            }
            Said::Started => {
                job.received_at = job.received_at.or(Some(self.now));
                job.started_at = Some(self.now);
                job.lease_until = None;
                self.step(&mut job, JobEvent::Start)?;
            }
            Said::Output(output) => {
                let end = output.offset.saturating_add(output.data.0.len() as u64);
                if !job.state.is_over() || job.state == JobState::Unknown {
                    let known = self.append_output(&mut job, output.offset, &output.data.0).await?;
                    self.announce_output(&job, output, known)?;
                    taken.printed = true;
                }
                taken.replies.push(reply(Asked::OutputAck { offset: end }));
            }
            Said::Progress(progress) => {
                let mut progress = progress.clone();
                progress.percent = progress.percent.map(|percent| percent.min(100));
                if !job.state.is_over() && job.progress.as_ref() != Some(&progress) {
                    job.progress = Some(progress);
                    self.save(&job, (job.state, job.attempt))?;
                }
            }
            Said::Done(done) => self.finish(job, done, taken).await?,
        }
        if is_done {
            taken.replies.push(reply(Asked::Settled));
        } else if called_off {
            taken.replies.push(reply(Asked::Cancel));
        }
        Ok(())
    }

    async fn finish(
        &mut self,
        mut job: Job,
        done: &Done,
        taken: &mut Taken,
    ) -> Result<(), StoreError> {
        let was_over = job.state.is_over();
        if job.state.after(JobEvent::Finish(done.status)).is_none() {
            return Ok(());
        }
        job.exit_status = done.exit_status;
        job.error.clone_from(&done.error);
        job.result.clone_from(&done.result);
        job.lease_until = None;
        if done.status == Outcome::Succeeded {
            self.keep_what_it_says(&mut job).await?;
        }
        // What it printed and nobody has is a gap.
        let end = i64::try_from(done.output_end).map_or(job.output_end, |_| done.output_end);
        job.output_end = job.output_end.max(end);
        let again = match done.status {
            Outcome::Failed => job.attempt <= job.retries,
            // The agent died while it ran.
            Outcome::Unknown => job.idempotent && job.attempt <= job.retries + RECOVERIES,
            _ => false,
        };
        if again && !was_over && job.cancel_at.is_none() && job.deadline > self.now {
            let wait = backoff(job.attempt);
            self.again(&mut job, wait).await?;
        } else {
            if job.command == Command::ComplianceScan {
                self.keep_scan(&mut job, done.status).await?;
            }
            self.step(&mut job, JobEvent::Finish(done.status))?;
            taken.batches.extend(job.batch.map(|batch| (job.tenant, batch)));
        }
        taken.freed.push((job.tenant, job.host));
        Ok(())
    }

    /// Keeps what the output of some commands is: what the host says of itself.
    async fn keep_what_it_says(&mut self, job: &mut Job) -> Result<(), StoreError> {
        match job.command {
            Command::ReportNow => self.keep_report(job).await,
            Command::DockerInventory => self.keep_claim::<DockerInventory>(job).await,
            Command::RefreshIntegrationStatus => self.keep_claim::<Integrations>(job).await,
            _ => Ok(()),
        }
    }

    /// Makes a job wait for another attempt.
    async fn again(&mut self, job: &mut Job, wait: Duration) -> Result<(), StoreError> {
        let before = (job.state, job.attempt);
        let Some(after) = job.state.after(JobEvent::Again) else { return Ok(()) };
        self.clear_output(job).await?;
        job.state = after;
        job.attempt += 1;
        job.not_before = self.now.plus(wait);
        (job.sent_at, job.received_at, job.started_at) = (None, None, None);
        (job.lease_until, job.progress, job.result) = (None, None, None);
        self.save(job, before)
    }

    /// Compares what is out at a host with what its agent has.
    async fn reconcile(
        &mut self,
        tenant: TenantId,
        host: HostId,
        held: &[HeldJob],
        fresh: bool,
        taken: &mut Taken,
    ) -> Result<(), StoreError> {
        for mut job in self.unfinished(tenant, host).await? {
            let here = held.iter().find(|h| h.job_id == job.id && h.attempt == job.attempt);
            match (job.state, here) {
                (JobState::Queued, _) => {}
                (_, Some(_)) => {
                    if job.cancel_at.is_some() {
                        let (job, attempt) = (job.id, job.attempt);
                        taken.replies.push(Reply { host, job, attempt, asked: Asked::Cancel });
                    }
                }
                (JobState::Leased, None) if fresh => self.release(&mut job, taken).await?,
                (JobState::Leased, None) => {}
                // It said that it has it, and hasn't: the journal was lost.
                (_, None) => self.lost(job, taken).await?,
            }
        }
        taken.freed.push((tenant, host));
        Ok(())
    }

    /// Takes back what was sent and did not arrive.
    pub(super) async fn release(
        &mut self,
        job: &mut Job,
        taken: &mut Taken,
    ) -> Result<(), StoreError> {
        job.lease_until = None;
        self.step(job, JobEvent::Release)?;
        if job.cancel_at.is_some() {
            self.step(job, JobEvent::Cancel)?;
            taken.batches.extend(job.batch.map(|batch| (job.tenant, batch)));
        }
        Ok(())
    }

    /// Nobody knows what became of a job that was out.
    pub(super) async fn lost(&mut self, mut job: Job, taken: &mut Taken) -> Result<(), StoreError> {
        if job.idempotent && job.cancel_at.is_none() && job.deadline > self.now {
            return self.again(&mut job, Duration::ZERO).await;
        }
        job.error = Some("its host lost track of it".into());
        if self.step(&mut job, JobEvent::Lose)? {
            taken.batches.extend(job.batch.map(|batch| (job.tenant, batch)));
        }
        Ok(())
    }
}

/// The wait before the attempt after this one.
fn backoff(attempt: u32) -> Duration {
    BACKOFF.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(LONGEST_BACKOFF)
}
