//! Agents that know no jobs.

use super::*;

const PATIENCE: Duration = Duration::from_secs(1800);

impl World {
    async fn tell(&self, job: JobId, now: Timestamp) {
        let told = JobReply::Told { job, attempt: 1, patience: PATIENCE };
        self.hear(told, now).await;
    }

    async fn answer(&self, command: Command, now: Timestamp) -> Taken {
        let (tenant, done) = (self.fixture.tenant, Done::new(Outcome::Succeeded, None));
        self.store().answer_jobs(tenant, self.host, command, &done, now).await.unwrap()
    }
}

#[tokio::test]
async fn what_was_told_is_over_when_it_is_answered() {
    let world = World::new().await;
    let report = world.create(&order(Command::ReportNow)).await;
    let other = world.create(&order(Command::DockerInventory)).await;
    assert_eq!(world.lease(START).await, [report, other]);
    world.tell(report, START).await;
    let job = world.job(report).await;
    assert_eq!((job.state, job.started_at), (JobState::Running, Some(START)));
    // What was told is not sent again.
    let later = START.plus(2 * LEASE);
    assert_eq!(world.lease(later).await, [other]);
    let taken = world.answer(Command::ReportNow, later).await;
    assert_eq!(taken.freed, [(world.fixture.tenant, world.host)]);
    assert_eq!(world.job(report).await.state, JobState::Succeeded);
    assert_eq!(world.job(other).await.state, JobState::Leased);
    // Nobody asked for this one.
    assert!(world.answer(Command::ReportNow, later).await.freed.is_empty());
}

#[tokio::test]
async fn what_nobody_answers_is_given_up_in_time_and_not_told_again() {
    let world = World::new().await;
    let job = world.create(&order(Command::ReportNow)).await;
    world.lease(START).await;
    world.tell(job, START).await;
    let due = world.due(START.plus(PATIENCE - LEASE), true).await;
    assert_eq!(due.next, Some(START.plus(PATIENCE)));
    assert_eq!(world.job(job).await.state, JobState::Running);
    world.due(START.plus(PATIENCE), true).await;
    let given_up = world.job(job).await;
    assert_eq!(given_up.state, JobState::Unknown);
    assert!(given_up.error.unwrap().as_str().contains("nothing came of it"));
    assert_eq!(world.lease(START.plus(PATIENCE)).await, []);
}

#[tokio::test]
async fn an_agent_that_comes_is_told_what_it_was_not_told_and_nothing_else() {
    let world = World::new().await;
    let told = world.create(&order(Command::ReportNow)).await;
    let untold = world.create(&order(Command::DockerInventory)).await;
    world.lease(START).await;
    world.tell(told, START).await;
    world.hear(JobReply::Arrived, START).await;
    assert_eq!(world.job(told).await.state, JobState::Running);
    assert_eq!(world.lease(START).await, [untold]);
}

#[tokio::test]
async fn a_scan_that_was_called_off_and_comes_all_the_same_is_cancelled() {
    let world = World::new().await;
    let scan = world.create(&order(Command::ComplianceScan)).await;
    world.lease(START).await;
    world.tell(scan, START).await;
    let progress = Progress { percent: Some(15), phase: Some("evaluating".into()), message: None };
    let command = Command::ComplianceScan;
    world.hear(JobReply::Advanced { command, progress: progress.clone() }, START).await;
    assert_eq!(world.job(scan).await.progress, Some(progress));
    let now = by(START);
    let cancelled = world.store().cancel_job(world.fixture.tenant, &now, scan);
    let _ = cancelled.await.unwrap().unwrap();
    assert_eq!(world.job(scan).await.state, JobState::Running);
    world.answer(command, START).await;
    assert_eq!(world.job(scan).await.state, JobState::Cancelled);
}

#[tokio::test]
async fn another_host_s_words_change_nothing() {
    let world = World::new().await;
    let job = world.create(&order(Command::ReportNow)).await;
    world.lease(START).await;
    let stranger = host(&world.fixture, "two").await;
    let what = JobReply::Told { job, attempt: 1, patience: PATIENCE };
    let heard = Heard { tenant: world.fixture.tenant, host: stranger, what };
    world.store().take_job_words(&[heard], START).await.unwrap();
    assert_eq!(world.job(job).await.state, JobState::Leased);
}
