//! What a schedule promises, moved through time by hand.

use std::collections::{BTreeMap, BTreeSet};

use gangplank_proto::id::{HostId, JobId};
use gangplank_proto::job::{Done, FromJob, JobState, Outcome, Said};

use super::*;
use crate::store::tests::{Fixture, START, by, fixture, host};
use crate::store::{Concurrency, Heard, HostPatch, JobFilter, JobReply};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn hourly(jitter: Duration) -> NewSchedule {
    NewSchedule {
        name: "hourly".to_owned(),
        labels: Vec::new(),
        scanner: Scanner::Openscap,
        profile: Some("basic".into()),
        timing: Timing { starts_at: START, every: HOUR, jitter },
        max_concurrent: 5,
        enabled: true,
    }
}

/// A fleet whose time is moved by hand.
struct World {
    f: Fixture,
    hosts: Vec<HostId>,
    schedule: ScheduleId,
    now: Timestamp,
}

impl World {
    async fn new(hosts: usize, new: NewSchedule) -> Self {
        let f = fixture().await;
        let mut ids = Vec::new();
        for n in 0..hosts {
            ids.push(host(&f, &format!("host-{n}")).await);
        }
        let schedule = f.store.create_schedule(f.tenant, &by(START), new).await.unwrap();
        Self { f, hosts: ids, schedule, now: START }
    }

    /// One look of the task: the hosts that are given an order.
    async fn look(&self, here: impl Fn(HostId) -> bool) -> Vec<HostId> {
        let (tenant, store) = (self.f.tenant, &self.f.store);
        let ordered = store.order_due_scans(tenant, self.schedule, self.now, here).await.unwrap();
        assert_eq!(ordered.hosts.is_empty(), ordered.announced.0.is_empty());
        ordered.hosts
    }

    async fn jobs(&self, state: Option<JobState>) -> Vec<(JobId, HostId)> {
        let filter = JobFilter { state, ..JobFilter::default() };
        let page = PageRequest { limit: Some(500), cursor: None };
        let jobs = self.f.store.jobs(self.f.tenant, &filter, &page).await.unwrap().items;
        jobs.into_iter().map(|job| (job.id, job.host)).collect()
    }

    /// Hands a job out and ends it.
    async fn ends(&self, job: JobId, host: HostId) {
        let bounds = Concurrency { heavy: 9, light: 9, tenant: 999 };
        let hosts = [(self.f.tenant, host)];
        let _ = self.f.store.lease_jobs(&hosts, bounds, MINUTE, self.now).await.unwrap();
        let said = Said::Done(Done::new(Outcome::Failed, Some("no scanner")));
        let what = JobReply::Word(FromJob { job_id: job, attempt: 1, said });
        let heard = Heard { tenant: self.f.tenant, host, what };
        let _ = self.f.store.take_job_words(&[heard], self.now).await.unwrap();
    }

    async fn turns(&self) -> Turns {
        let (tenant, store) = (self.f.tenant, &self.f.store);
        let schedule = store.schedule(tenant, self.schedule).await.unwrap().unwrap();
        store.schedule_turns(tenant, &schedule, self.now).await.unwrap()
    }
}

#[tokio::test]
async fn a_host_that_was_away_for_a_day_gets_one_scan() {
    let mut world = World::new(1, hourly(Duration::ZERO)).await;
    for _ in 0..24 {
        assert!(world.look(|_| false).await.is_empty());
        world.now = world.now.plus(HOUR);
    }
    assert_eq!(world.jobs(None).await, []);
    assert_eq!(world.turns().await.waiting, 1);
    assert_eq!(world.look(|_| true).await, world.hosts);
    for _ in 0..10 {
        assert!(world.look(|_| true).await.is_empty());
        world.now = world.now.plus(MINUTE);
    }
    let jobs = world.jobs(None).await;
    assert_eq!(jobs.len(), 1);
    world.ends(jobs[0].0, jobs[0].1).await;
    // Not before its next turn.
    world.now = START.plus(25 * HOUR).minus(MINUTE);
    assert!(world.look(|_| true).await.is_empty());
    world.now = world.now.plus(MINUTE);
    assert_eq!(world.look(|_| true).await, world.hosts);
}

#[tokio::test]
async fn a_scan_that_takes_longer_than_the_interval_is_not_followed_by_a_queue() {
    let mut world = World::new(1, hourly(Duration::ZERO)).await;
    assert_eq!(world.look(|_| true).await.len(), 1);
    let [(job, host)] = world.jobs(None).await[..] else { panic!("one job") };
    let bounds = Concurrency { heavy: 9, light: 9, tenant: 999 };
    let hosts = [(world.f.tenant, host)];
    let _ = world.f.store.lease_jobs(&hosts, bounds, MINUTE, world.now).await.unwrap();
    for _ in 0..30 {
        world.now = world.now.plus(HOUR / 4);
        assert!(world.look(|_| true).await.is_empty());
    }
    world.ends(job, host).await;
    assert!(world.look(|_| true).await.is_empty(), "that one was this turn's");
    world.now = world.now.plus(HOUR);
    assert_eq!(world.look(|_| true).await.len(), 1);
}

#[tokio::test]
async fn a_fleet_that_comes_back_at_once_stays_within_the_bound() {
    let mut world = World::new(40, hourly(Duration::ZERO)).await;
    world.now = START.plus(100 * HOUR);
    let mut scanned = BTreeMap::<HostId, u32>::new();
    for round in 0.. {
        world.look(|_| true).await;
        let open = world.jobs(Some(JobState::Queued)).await;
        assert!(open.len() <= 5, "{} are open", open.len());
        let one_each: BTreeSet<_> = open.iter().map(|(_, host)| host).collect();
        assert_eq!(one_each.len(), open.len());
        assert_eq!(world.turns().await.open, open.len());
        if open.is_empty() {
            break;
        }
        assert!(round < 40, "it never ends");
        // Only some come to their end before the next look.
        for (job, host) in open.into_iter().take(1 + round % 5) {
            world.ends(job, host).await;
            *scanned.entry(host).or_default() += 1;
        }
        world.now = world.now.plus(Duration::from_secs(1));
    }
    assert_eq!(scanned.len(), 40);
    assert!(scanned.values().all(|times| *times == 1));
}

#[tokio::test]
async fn many_are_ordered_a_hundred_at_a_time() {
    let world =
        World::new(230, NewSchedule { max_concurrent: 999, ..hourly(Duration::ZERO) }).await;
    let mut looks = Vec::new();
    loop {
        let (tenant, store) = (world.f.tenant, &world.f.store);
        let ordered = store.order_due_scans(tenant, world.schedule, world.now, |_| true).await;
        let ordered = ordered.unwrap();
        looks.push(ordered.hosts.len());
        if !ordered.more {
            break;
        }
    }
    assert_eq!(looks, [100, 100, 30]);
    assert!(world.look(|_| true).await.is_empty());
}

#[tokio::test]
async fn a_place_is_given_back_by_what_was_never_begun() {
    let mut world =
        World::new(6, NewSchedule { max_concurrent: 2, ..hourly(Duration::ZERO) }).await;
    let first = world.look(|_| true).await;
    assert_eq!(first.len(), 2);
    // They go away before they have begun; the others are here.
    world.now = world.now.plus(HOUR / 2);
    assert!(world.look(|host| !first.contains(&host)).await.is_empty());
    world.now = START.plus(HOUR);
    let due = world.f.store.due_jobs(START, world.now, |_| false).await.unwrap();
    assert!(!due.taken.announced.0.is_empty());
    assert_eq!(world.look(|host| !first.contains(&host)).await.len(), 2);
    // Back again, they still have their turn.
    for (job, host) in world.jobs(Some(JobState::Queued)).await {
        world.ends(job, host).await;
    }
    let back: BTreeSet<_> = world.look(|host| first.contains(&host)).await.into_iter().collect();
    assert_eq!(back, first.into_iter().collect());
}

#[tokio::test]
async fn hosts_are_spread_over_the_jitter_and_keep_their_place() {
    let mut world = World::new(60, NewSchedule { max_concurrent: 999, ..hourly(HOUR) }).await;
    let mut places = BTreeMap::<HostId, Vec<u128>>::new();
    for minute in 0..180_u32 {
        world.now = START.plus(minute * MINUTE);
        let ordered = world.look(|_| true).await;
        assert!(ordered.len() < 10, "{} at once", ordered.len());
        for host in ordered {
            let place = world.now.since(START).as_secs() % HOUR.as_secs();
            places.entry(host).or_default().push(u128::from(place));
        }
        for (job, host) in world.jobs(Some(JobState::Queued)).await {
            world.ends(job, host).await;
        }
    }
    assert_eq!(places.len(), 60);
    for times in places.values() {
        assert!(times.len() >= 2 && times.iter().all(|place| place == &times[0]), "{times:?}");
    }
}

#[tokio::test]
async fn only_what_is_meant_and_switched_on_is_ordered() {
    let labelled = NewSchedule { labels: vec!["db".to_owned()], ..hourly(Duration::ZERO) };
    let mut world = World::new(2, labelled).await;
    let (tenant, store) = (world.f.tenant, world.f.store.clone());
    assert!(world.look(|_| true).await.is_empty());
    let patch = HostPatch { labels: Some(vec!["db".to_owned()]), ..HostPatch::default() };
    assert!(store.patch_host(tenant, &by(START), world.hosts[0], patch).await.unwrap());
    let off = |what: &mut NewSchedule| what.enabled = false;
    store.patch_schedule(tenant, &by(START), world.schedule, off).await.unwrap().unwrap();
    assert!(store.enabled_schedules().await.unwrap().is_empty());
    assert!(world.look(|_| true).await.is_empty());
    assert_eq!(world.turns().await.waiting, 0);
    // Switched on again, what passed meanwhile does not come.
    world.now = START.plus(10 * HOUR + MINUTE);
    let on = |what: &mut NewSchedule| what.enabled = true;
    store.patch_schedule(tenant, &by(world.now), world.schedule, on).await.unwrap().unwrap();
    assert!(world.look(|_| true).await.is_empty());
    assert_eq!(world.turns().await.next_at, Some(START.plus(11 * HOUR)));
    world.now = START.plus(11 * HOUR);
    assert_eq!(world.look(|_| true).await, [world.hosts[0]]);
    let job = world.jobs(None).await[0].0;
    let job = store.job(tenant, job).await.unwrap().unwrap();
    assert_eq!(job.params, serde_json::json!({ "scanner": "openscap", "profile": "basic" }));
    assert_eq!(job.created_by, "daemon");

    // What is removed orders nothing, and nobody else sees it.
    let (other, page) = (world.f.other, PageRequest::default());
    assert!(store.schedule(other, world.schedule).await.unwrap().is_none());
    assert!(store.schedules(other, &page).await.unwrap().items.is_empty());
    assert!(store.patch_schedule(other, &by(START), world.schedule, on).await.unwrap().is_none());
    assert!(!store.delete_schedule(other, &by(START), world.schedule).await.unwrap());
    assert!(store.order_due_scans(other, world.schedule, world.now, |_| true).await.is_ok());
    assert_eq!(store.schedules(tenant, &page).await.unwrap().items.len(), 1);
    assert!(store.delete_schedule(tenant, &by(START), world.schedule).await.unwrap());
    assert!(world.look(|_| true).await.is_empty());
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let f = fixture().await;
    let wrong: [fn(&mut NewSchedule); 6] = [
        |what| what.timing.every = MINUTE,
        |what| what.timing.jitter = 2 * HOUR,
        |what| what.max_concurrent = 0,
        |what| what.name = " ".to_owned(),
        |what| what.labels = vec![String::new()],
        |what| what.timing.every = 400 * 24 * HOUR,
    ];
    for change in wrong {
        let mut what = hourly(Duration::ZERO);
        change(&mut what);
        let made = f.store.create_schedule(f.tenant, &by(START), what).await;
        assert!(matches!(made, Err(StoreError::Invalid(_))));
    }
    for _ in 0..50 {
        let what = hourly(Duration::ZERO);
        f.store.create_schedule(f.tenant, &by(START), what).await.unwrap();
    }
    let made = f.store.create_schedule(f.tenant, &by(START), hourly(Duration::ZERO)).await;
    assert!(matches!(made, Err(StoreError::Refused(_))));
}
