//! What the store promises about jobs, moved through time by hand.

use std::time::Duration;

use gangplank_proto::fact::HeldJob;
use gangplank_proto::job::{Asked, Done, FromJob, Outcome, Output, Said};
use gangplank_proto::limit;
use gangplank_proto::link::Base64;
use serde_json::json;

use super::*;

mod mute;

use crate::store::Whose;
use crate::store::tests::{Fixture, START, by, fixture, host};

const LEASE: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3600);
const BOUNDS: Concurrency = Concurrency { heavy: 1, light: 4, tenant: 100 };

fn order(command: Command) -> NewJob {
    NewJob {
        command,
        params: json!({}),
        priority: 5,
        retries: 0,
        not_before: START,
        deadline: START.plus(HOUR),
        idempotency_key: None,
    }
}

struct World {
    fixture: Fixture,
    host: HostId,
}

impl World {
    async fn new() -> Self {
        let fixture = fixture().await;
        let host = host(&fixture, "one").await;
        Self { fixture, host }
    }

    fn store(&self) -> &Store {
        &self.fixture.store
    }

    async fn create(&self, new: &NewJob) -> JobId {
        let now = by(START);
        let created = self.store().create_job(self.fixture.tenant, &now, self.host, new);
        created.await.unwrap().unwrap().job
    }

    async fn job(&self, id: JobId) -> Job {
        self.store().job(self.fixture.tenant, id).await.unwrap().unwrap()
    }

    async fn lease(&self, now: Timestamp) -> Vec<JobId> {
        let hosts = [(self.fixture.tenant, self.host)];
        let leased = self.store().lease_jobs(&hosts, BOUNDS, LEASE, now).await.unwrap();
        leased.jobs.iter().map(|job| job.id).collect()
    }

    async fn say(&self, job_id: JobId, attempt: u32, said: Said, now: Timestamp) -> Vec<Asked> {
        let what = JobReply::Word(FromJob { job_id, attempt, said });
        self.hear(what, now).await
    }

    async fn hear(&self, what: JobReply, now: Timestamp) -> Vec<Asked> {
        let heard = Heard { tenant: self.fixture.tenant, host: self.host, what };
        let taken = self.store().take_job_words(&[heard], now).await.unwrap();
        taken.replies.into_iter().map(|reply| reply.asked).collect()
    }

    async fn due(&self, now: Timestamp, here: bool) -> Due {
        self.store().due_jobs(START, now, |_| here).await.unwrap()
    }
}

fn done(status: Outcome) -> Said {
    Said::Done(Done::new(status, None))
}

fn output(offset: u64, data: Vec<u8>) -> Said {
    Said::Output(Output { seq: 0, offset, data: Base64(data) })
}

#[tokio::test]
async fn a_host_gets_one_heavy_job_at_a_time_and_the_urgent_one_first() {
    let world = World::new().await;
    let slow = world.create(&order(Command::RunTool)).await;
    let urgent = world.create(&NewJob { priority: 9, ..order(Command::RunTool) }).await;
    let light = world.create(&order(Command::ReportNow)).await;
    assert_eq!(world.lease(START).await, [urgent, light]);
    assert_eq!(world.lease(START).await, []);
    world.say(urgent, 1, Said::Started, START).await;
    assert!(matches!(
        world.say(urgent, 1, done(Outcome::Succeeded), START).await[..],
        [Asked::Settled]
    ));
    assert_eq!(world.lease(START).await, [slow]);
    let short = Concurrency { tenant: 1, ..BOUNDS };
    let more = world.create(&order(Command::SettingsUpdate)).await;
    let hosts = [(world.fixture.tenant, world.host)];
    let leased = world.store().lease_jobs(&hosts, short, LEASE, START).await.unwrap();
    assert!(leased.jobs.is_empty() && leased.short == hosts);
    assert_eq!(world.lease(START).await, [more]);
}

#[tokio::test]
async fn what_is_unheard_of_is_sent_again_and_what_was_heard_of_is_not() {
    let world = World::new().await;
    let id = world.create(&order(Command::RunTool)).await;
    assert_eq!(world.lease(START).await, [id]);
    let later = START.plus(LEASE);
    assert_eq!(world.due(later, true).await.hosts, [(world.fixture.tenant, world.host)]);
    assert_eq!(world.lease(later).await, [id]);
    world.say(id, 1, Said::Received, later).await;
    assert_eq!(world.lease(later.plus(LEASE)).await, []);
    assert_eq!(world.job(id).await.attempt, 1);
}

#[tokio::test]
async fn a_failure_is_tried_again_later_and_later() {
    let world = World::new().await;
    let id = world.create(&NewJob { retries: 2, ..order(Command::RunTool) }).await;
    let mut now = START;
    for attempt in 1..=3 {
        assert_eq!(world.lease(now).await, [id], "attempt {attempt}");
        world.say(id, attempt, output(0, b"part".to_vec()), now).await;
        world.say(id, attempt, done(Outcome::Failed), now).await;
        // What an earlier attempt says late changes nothing.
        let late = world.say(id, attempt - 1, done(Outcome::Succeeded), now).await;
        assert!(matches!(late[..], [Asked::Settled]));
        let job = world.job(id).await;
        if attempt == 3 {
            assert_eq!((job.state, job.output_end), (JobState::Failed, 4));
            break;
        }
        assert_eq!((job.state, job.attempt, job.output_end), (JobState::Queued, attempt + 1, 0));
        assert_eq!(world.lease(now).await, []);
        assert!(job.not_before > now);
        assert_eq!(world.due(now, true).await.next, Some(job.not_before));
        now = job.not_before;
    }
}

#[tokio::test]
async fn what_its_agent_lost_is_unknown_or_runs_again() {
    let world = World::new().await;
    let tool = world.create(&order(Command::RunTool)).await;
    let report = world.create(&order(Command::ReportNow)).await;
    let sent = world.create(&order(Command::SettingsUpdate)).await;
    world.lease(START).await;
    world.say(tool, 1, Said::Started, START).await;
    world.say(report, 1, Said::Started, START).await;
    // Another hello on the same connection says nothing of what is still on its way.
    let held = |jobs: Vec<HeldJob>, fresh| JobReply::Held { jobs, fresh };
    let running = |job_id| HeldJob { job_id, attempt: 1, state: JobState::Running };
    world.hear(held(vec![running(tool), running(report)], false), START).await;
    assert_eq!(world.job(sent).await.state, JobState::Leased);
    world.hear(held(Vec::new(), true), START).await;
    assert_eq!(world.job(tool).await.state, JobState::Unknown);
    assert_eq!(world.job(report).await.attempt, 2);
    assert_eq!(world.job(sent).await.state, JobState::Queued);
    assert_eq!(world.lease(START).await, [report, sent]);
    // The truth may still come.
    world.say(tool, 1, done(Outcome::Succeeded), START).await;
    assert_eq!(world.job(tool).await.state, JobState::Succeeded);
    // An agent that died over it says so itself.
    world.say(report, 2, Said::Started, START).await;
    world.say(report, 2, done(Outcome::Unknown), START).await;
    assert_eq!(world.job(report).await.attempt, 3);
}

#[tokio::test]
async fn a_cancel_is_at_once_or_waits_for_the_agent() {
    let world = World::new().await;
    let (tenant, now) = (world.fixture.tenant, by(START));
    let first = world.create(&order(Command::RunTool)).await;
    let second = world.create(&order(Command::RunTool)).await;
    world.lease(START).await;
    let (job, _) = world.store().cancel_job(tenant, &now, second).await.unwrap().unwrap();
    assert_eq!(job.state, JobState::Cancelled);
    let (job, _) = world.store().cancel_job(tenant, &now, first).await.unwrap().unwrap();
    assert_eq!(job.state, JobState::Leased);
    assert_eq!(world.lease(START.plus(LEASE)).await, [], "it is not sent again");
    assert!(matches!(world.say(first, 1, Said::Received, START).await[..], [Asked::Cancel]));
    world.say(first, 1, done(Outcome::Cancelled), START).await;
    assert_eq!(world.job(first).await.state, JobState::Cancelled);
    let other = world.fixture.other;
    assert!(world.store().cancel_job(other, &now, first).await.unwrap().is_none());
    assert!(world.store().job(other, first).await.unwrap().is_none());
    let done = order(Command::ReportNow);
    let id = world.create(&done).await;
    world.lease(START).await;
    world.say(id, 1, super::tests::done(Outcome::Succeeded), START).await;
    let refused = world.store().cancel_job(tenant, &now, id).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))));
}

#[tokio::test]
async fn nothing_that_may_have_run_expires() {
    let world = World::new().await;
    let sent = world.create(&order(Command::RunTool)).await;
    let waiting = world.create(&order(Command::RunTool)).await;
    world.lease(START).await;
    let late = START.plus(HOUR);
    let due = world.due(late, true).await;
    assert_eq!(world.job(waiting).await.state, JobState::Expired);
    assert_eq!(world.job(sent).await.state, JobState::Leased, "its agent decides");
    assert!(!due.taken.announced.0.is_empty());
    world.due(late, false).await;
    assert_eq!(world.job(sent).await.state, JobState::Unknown);
}

#[tokio::test]
async fn of_long_output_the_first_and_the_newest_are_kept_and_the_gap_is_told() {
    let world = World::new().await;
    let id = world.create(&order(Command::RunTool)).await;
    world.lease(START).await;
    let piece = limit::JOB_OUTPUT_PIECE;
    let pieces = 3 * limit::JOB_OUTPUT_KEPT / piece;
    for n in 0..pieces {
        let data = vec![u8::try_from(n % 251).unwrap(); piece];
        world.say(id, 1, output((n * piece) as u64, data), START).await;
        // Once more is once.
        if n % 50 == 0 {
            world.say(id, 1, output((n * piece) as u64, vec![255; piece]), START).await;
        }
    }
    let (mut offset, mut kept, mut gaps) = (0, 0, Vec::new());
    loop {
        let part = world.store().job_output(world.fixture.tenant, id, offset).await.unwrap();
        let part = part.unwrap();
        for piece in &part.pieces {
            gaps.extend(piece.gap);
            let whole = usize::try_from(piece.offset).unwrap() / limit::JOB_OUTPUT_PIECE;
            assert_eq!(usize::from(piece.data[0]), whole % 251);
            kept += piece.data.len();
        }
        offset = part.next;
        if offset == part.end {
            break;
        }
    }
    assert_eq!(offset, (pieces * piece) as u64);
    assert!(kept <= limit::JOB_OUTPUT_KEPT + 2 * piece, "{kept}");
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!(gaps[0].to - gaps[0].from, offset - kept as u64);
}

#[tokio::test]
async fn many_tiny_prints_are_few_rows() {
    let world = World::new().await;
    let id = world.create(&order(Command::RunTool)).await;
    world.lease(START).await;
    let words = (0..1000).map(|n| Heard {
        tenant: world.fixture.tenant,
        host: world.host,
        what: JobReply::Word(FromJob { job_id: id, attempt: 1, said: output(n, vec![b'x']) }),
    });
    let words: Vec<_> = words.collect();
    world.store().take_job_words(&words, START).await.unwrap();
    let output = world.store().job_output(world.fixture.tenant, id, 500).await.unwrap().unwrap();
    assert_eq!(output.pieces.len(), 1);
    assert_eq!((output.pieces[0].offset, output.pieces[0].data.len()), (500, 500));
}

#[tokio::test]
async fn a_batch_opens_its_rings_one_by_one_and_stops_at_failures() {
    let world = World::new().await;
    let tenant = world.fixture.tenant;
    for n in 0..19 {
        host(&world.fixture, &format!("host-{n}")).await;
    }
    let new = NewBatch {
        job: order(Command::SettingsUpdate),
        selector: Selector::Labels(Vec::new()),
        rings: true,
        max_failures: 40,
    };
    let made = world.store().create_batch(tenant, &by(START), &new, |_| true, || START).await;
    let CreatedBatch { batch, jobs, .. } = made.unwrap();
    assert_eq!(jobs, 20);
    let run = async |outcomes: &[Outcome]| {
        let page = PageRequest { limit: Some(500), cursor: None };
        let filter = JobFilter { state: Some(JobState::Queued), ..JobFilter::default() };
        let queued = world.store().jobs(tenant, &filter, &page).await.unwrap().items;
        let open: Vec<_> = queued.into_iter().filter(|job| !job.held).collect();
        assert_eq!(open.len(), outcomes.len());
        for (job, outcome) in open.iter().zip(outcomes) {
            let hosts = [(tenant, job.host)];
            let _ = world.store().lease_jobs(&hosts, BOUNDS, LEASE, START).await.unwrap();
            let said = done(*outcome);
            let what = JobReply::Word(FromJob { job_id: job.id, attempt: 1, said });
            let heard = Heard { tenant, host: job.host, what };
            let _ = world.store().take_job_words(&[heard], START).await.unwrap();
        }
        let advanced = world.store().advance_batch(tenant, batch, START, |_| true).await.unwrap();
        advanced.0.len()
    };
    assert_eq!(run(&[Outcome::Succeeded]).await, 1);
    // One of two: over the bound, so the last ring stays shut until somebody resumes.
    assert_eq!(run(&[Outcome::Failed]).await, 0);
    let now = world.store().batch(tenant, batch).await.unwrap().unwrap();
    assert_eq!((now.state, now.ring), (BatchState::Paused, 1));
    assert!(now.reason.is_some());
    let halted = world.store().steer_batch(tenant, &by(START), batch, BatchState::Halted).await;
    assert!(halted.unwrap().unwrap().1.is_empty());
    let now = world.store().batch(tenant, batch).await.unwrap().unwrap();
    assert_eq!(now.jobs["cancelled"], 18);
    let refused = world.store().steer_batch(tenant, &by(START), batch, BatchState::Running).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))));
    let other = world.fixture.other;
    assert!(world.store().batch(other, batch).await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_over_for_long_is_forgotten_with_its_output() {
    let world = World::new().await;
    let id = world.create(&order(Command::RunTool)).await;
    let waiting = world.create(&order(Command::RunTool)).await;
    world.lease(START).await;
    world.say(id, 1, output(0, vec![b'x']), START).await;
    world.say(id, 1, done(Outcome::Succeeded), START).await;
    world.store().remove_old_jobs(Whose::Others, START).await.unwrap();
    assert!(world.store().job(world.fixture.tenant, id).await.unwrap().is_none());
    assert_eq!(world.job(waiting).await.state, JobState::Queued);
    let rows = sqlx::query("SELECT * FROM job_output").fetch_all(&world.store().reader).await;
    assert!(rows.unwrap().is_empty());
}
