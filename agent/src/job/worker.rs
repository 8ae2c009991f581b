//! The task that has the jobs in its hands.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gangplank_proto::id::JobId;
use gangplank_proto::job::{Asked, Done, FromJob, Outcome, Progress, Run, ToJob};
use gangplank_proto::limit;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::task::TaskTracker;

use super::tell::{Job, window};
use super::{Held, Journal, Record, Spool, Surroundings};
use crate::command::{self, Context, Printer, Teller};
use crate::update::End;
use crate::update::state::Ordered;

/// Commands that run at once; the daemon keeps to fewer.
const AT_ONCE: usize = 8;

/// What nobody answered is said again after so long.
const AGAIN: Duration = Duration::from_secs(30);

/// Attempts that are over and settled are known for a while, in case an older order comes late.
const FORGOTTEN: usize = 256;

/// Time for the last words, once everything has stopped.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What the worker is told.
#[derive(Debug)]
pub(super) enum Input {
    /// A word of the daemon.
    Asked(ToJob),
    /// Another line to it.
    Line(mpsc::Sender<FromJob>),
    /// How a job ended that an earlier process left open.
    Settle(Ordered, Done),
    /// Stop everything, and say when that is done.
    Stop(oneshot::Sender<()>),
}

/// What a command says of itself.
#[derive(Debug)]
enum Event {
    Progress(JobId, Progress),
    Done(JobId, Done),
    Left(JobId),
}

/// The worker.
#[derive(Debug)]
pub(super) struct Worker {
    journal: Journal,
    around: Surroundings,
    held: Held,
    tracker: TaskTracker,
    jobs: BTreeMap<JobId, Job>,
    forgotten: VecDeque<(JobId, u32)>,
    line: Option<mpsc::Sender<FromJob>>,
    more: Arc<Notify>,
    events: mpsc::Sender<Event>,
    happened: mpsc::Receiver<Event>,
    stopping: Option<oneshot::Sender<()>>,
}

impl Worker {
    pub(super) fn new(
        journal: Journal,
        around: Surroundings,
        held: Held,
        tracker: TaskTracker,
    ) -> Self {
        let (events, happened) = mpsc::channel(AT_ONCE);
        Self {
            journal,
            around,
            held,
            tracker,
            jobs: BTreeMap::new(),
            forgotten: VecDeque::new(),
            line: None,
            more: Arc::new(Notify::new()),
            events,
            happened,
            stopping: None,
        }
    }

    pub(super) async fn run(mut self, mut inputs: mpsc::Receiver<Input>) {
        self.load().await;
        let mut again = interval_at(Instant::now() + AGAIN, AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let more = Arc::clone(&self.more);
        let mut enough = None;
        loop {
            self.start_waiting().await;
            if self.stopping.is_some() && !self.jobs.values().any(Job::runs) {
                let until = *enough.get_or_insert_with(|| Instant::now() + LAST_WORDS);
                if self.line.is_none() || !self.has_word() || Instant::now() >= until {
                    break;
                }
            }
            let until = enough.unwrap_or_else(|| Instant::now() + AGAIN);
            // What may be said by now is said below.
            let now = Instant::now();
            let progress =
                self.jobs.values().filter_map(Job::progress_due).filter(|due| *due > now);
            let progress = progress.min();
            let says = self.line.clone().filter(|_| self.has_word());
            tokio::select! {
                input = inputs.recv() => match input {
                    Some(Input::Asked(word)) => self.asked(word).await,
                    Some(Input::Line(line)) => self.connect(line),
                    Some(Input::Settle(job, done)) => self.settle(job, done).await,
                    Some(Input::Stop(done)) => self.stop(done),
                    None => return,
                },
                Some(event) = self.happened.recv() => self.took_place(event).await,
                permit = reserve(says.as_ref()), if says.is_some() => match permit {
                    Some(permit) => {
                        if let Some(word) = self.take_word() {
                            permit.send(word);
                        }
                    }
                    None => self.disconnect(),
                },
                () = more.notified() => {}
                () = tokio::time::sleep_until(progress.unwrap_or(now)), if progress.is_some() => {}
                _ = again.tick() => self.say_again(),
                () = tokio::time::sleep_until(until), if enough.is_some() => {}
            }
        }
        if let Some(stopping) = self.stopping.take() {
            // Whoever asked may have gone.
            let _ = stopping.send(());
        }
    }

    /// Takes what the journal holds.
    async fn load(&mut self) {
        let (journal, updates) = (self.journal.clone(), self.around.updates.clone());
        let fate = move |record: &Record| updates.fate(record);
        let loaded = tokio::task::spawn_blocking(move || journal.load(fate)).await;
        match loaded.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(records) => {
                for record in records {
                    let mut job = Job::new(record);
                    job.left = job.runs();
                    self.jobs.insert(job.record.job_id, job);
                }
            }
            Err(error) => tracing::error!(%error, "the journal of jobs can't be read"),
        }
        self.publish();
    }

    fn publish(&self) {
        self.held.set(self.jobs.values().map(|job| job.record.held()).collect());
    }

    fn connect(&mut self, line: mpsc::Sender<FromJob>) {
        self.line = Some(line);
        self.jobs.values_mut().for_each(|job| job.say_again(true));
    }

    fn disconnect(&mut self) {
        self.line = None;
        self.jobs.values_mut().for_each(|job| job.say_again(false));
    }

    fn say_again(&mut self) {
        let online = self.line.is_some();
        self.jobs.values_mut().filter(|job| job.is_unanswered()).for_each(|j| j.say_again(online));
    }

    fn stop(&mut self, done: oneshot::Sender<()>) {
        self.stopping = Some(done);
        self.jobs.values().filter(|job| job.runs()).for_each(|job| job.cancel.cancel());
    }

    fn has_word(&self) -> bool {
        let window = window(self.jobs.values());
        self.jobs.values().any(|job| job.has_word(window))
    }

    fn take_word(&mut self) -> Option<FromJob> {
        let window = window(self.jobs.values());
        self.jobs.values_mut().find_map(|job| job.take_word(window))
    }

    async fn asked(&mut self, word: ToJob) {
        let ToJob { job_id, attempt, asked } = word;
        let known = self.jobs.get_mut(&job_id).filter(|job| job.record.attempt == attempt);
        match asked {
            Asked::Run(run) => match known {
                // It did not hear the answer, or asks once more.
                Some(job) => job.say_again(self.line.is_some()),
                None => self.receive(job_id, attempt, run).await,
            },
            Asked::Cancel => match known {
                Some(job) if job.runs() => {
                    job.called_off = true;
                    job.cancel.cancel();
                }
                Some(job) if job.waits() => {
                    job.record.done = Some(called_off());
                    let record = job.record.clone();
                    self.write_down(record).await;
                }
                Some(job) => job.say_again(self.line.is_some()),
                // Written down, so that an order that comes late is known to be called off.
                None => {
                    let done = Some(called_off());
                    self.add(Record {
                        job_id,
                        attempt,
                        run: None,
                        deadline: None,
                        started: false,
                        done,
                    })
                    .await;
                }
            },
            Asked::Settled => {
                if known.is_some_and(|job| job.record.done.is_some()) {
                    self.forget(job_id, attempt).await;
                }
            }
            Asked::OutputAck { offset } => {
                if let Some(spool) = known.and_then(|job| job.spool.as_ref()) {
                    spool.acknowledge(offset);
                }
            }
        }
    }

    /// Takes a job that isn't known. What finds no room comes again.
    async fn receive(&mut self, job_id: JobId, attempt: u32, run: Run) {
        let stale = self.jobs.get(&job_id).is_some_and(|job| {
            job.record.attempt > attempt || job.runs() || (job.waits() && job.record.run.is_some())
        });
        let full = self.jobs.len() >= limit::JOBS_HELD && !self.jobs.contains_key(&job_id);
        if self.stopping.is_some() || stale || full || self.forgotten.contains(&(job_id, attempt)) {
            return;
        }
        let deadline = run.deadline_in_ms.map(|left| now().saturating_add(left));
        let started = false;
        let done = None;
        self.add(Record { job_id, attempt, run: Some(run), deadline, started, done }).await;
    }

    async fn add(&mut self, record: Record) {
        let id = record.job_id;
        if let Err(why) = self.put(&record).await {
            // What isn't written down isn't begun.
            let done = Some(Done::new(Outcome::Failed, Some(&why)));
            self.jobs.insert(id, Job::new(Record { done, ..record }));
        } else {
            self.jobs.insert(id, Job::new(record));
        }
        self.publish();
    }

    /// Writes down where a known job is. Without a journal the daemon is told all the same.
    async fn write_down(&mut self, record: Record) {
        if let Err(why) = self.put(&record).await {
            tracing::error!(job = %record.job_id, why, "an end could not be written down");
        }
        self.publish();
    }

    async fn put(&self, record: &Record) -> Result<(), String> {
        let (journal, record) = (self.journal.clone(), record.clone());
        let put = tokio::task::spawn_blocking(move || journal.put(&record)).await;
        let put = put.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let shown = self.journal.shown();
        put.map_err(|error| format!("the journal in {} can't be written: {error}", shown.as_str()))
    }

    async fn forget(&mut self, job_id: JobId, attempt: u32) {
        self.jobs.remove(&job_id);
        self.publish();
        if self.forgotten.len() == FORGOTTEN {
            self.forgotten.pop_front();
        }
        self.forgotten.push_back((job_id, attempt));
        let journal = self.journal.clone();
        let removed = tokio::task::spawn_blocking(move || journal.remove(job_id)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(%error, job = %job_id, "a settled job can't be removed");
        }
    }

    async fn took_place(&mut self, event: Event) {
        match event {
            Event::Progress(id, progress) => {
                if let Some(job) = self.jobs.get_mut(&id) {
                    job.progress = Some(progress);
                }
            }
            Event::Done(id, done) => self.finish(id, done).await,
            Event::Left(id) => {
                if let Some(job) = self.jobs.get_mut(&id) {
                    job.left = true;
                }
            }
        }
    }

    async fn finish(&mut self, id: JobId, done: Done) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.finish(done);
        let record = job.record.clone();
        self.write_down(record).await;
    }

    async fn settle(&mut self, Ordered { job_id, attempt }: Ordered, done: Done) {
        let left = |job: &Job| job.left && job.record.attempt == attempt;
        if self.jobs.get(&job_id).is_some_and(left) {
            self.finish(job_id, done).await;
        }
    }

    /// Starts what waits, as far as there is room.
    async fn start_waiting(&mut self) {
        while self.stopping.is_none() {
            let running = self.jobs.values().filter(|job| job.runs()).count();
            let next = self.jobs.values().find(|job| job.waits()).map(|job| job.record.job_id);
            let Some(id) = next.filter(|_| running < AT_ONCE) else { return };
            self.start(id).await;
        }
    }

    async fn start(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let Some(run) = job.record.run.clone() else { return };
        if job.record.deadline.is_some_and(|deadline| now() > deadline) {
            let why = "its deadline passed before it could be started";
            job.record.done = Some(Done::new(Outcome::Expired, Some(why)));
            let record = job.record.clone();
            return self.write_down(record).await;
        }
        job.record.started = true;
        let record = job.record.clone();
        // Nothing begins before it is on disk that it begins.
        if let Err(why) = self.put(&record).await {
            if let Some(job) = self.jobs.get_mut(&id) {
                job.record.started = false;
                job.record.done = Some(Done::new(Outcome::Failed, Some(&why)));
            }
            return self.publish();
        }
        self.publish();
        let spool = Arc::new(Spool::new(Arc::clone(&self.more), self.line.is_some()));
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.spool = Some(Arc::clone(&spool));
        let context = Context {
            local: self.around.local.borrow().clone(),
            output: Printer::Spool(spool),
            progress: Teller::Job(Reporter { id, events: self.events.clone() }),
            settings: self.around.settings.clone(),
            cancel: job.cancel.clone(),
        };
        self.spawn(Ordered { job_id: id, attempt: record.attempt }, run, context);
    }

    fn spawn(&self, job: Ordered, run: Run, context: Context) {
        let (id, events, updates) = (job.job_id, self.events.clone(), self.around.updates.clone());
        let command =
            tokio::spawn(async move { command::run(&run, &context, &updates, job).await });
        self.tracker.spawn(async move {
            let broken = |_| End::Done(Done::new(Outcome::Failed, Some("the command broke")));
            let event = match command.await.unwrap_or_else(broken) {
                End::Done(done) => Event::Done(id, done),
                End::Later => Event::Left(id),
            };
            // Without a worker the agent has stopped, and finds the job in its journal.
            let _ = events.send(event).await;
        });
    }
}

/// Where a command says how far it is.
#[derive(Debug, Clone)]
pub struct Reporter {
    id: JobId,
    events: mpsc::Sender<Event>,
}

impl Reporter {
    /// Says it, unless what was said before still waits.
    pub fn say(&self, progress: Progress) {
        // The next one says more.
        let _ = self.events.try_send(Event::Progress(self.id, progress));
    }
}

async fn reserve(line: Option<&mpsc::Sender<FromJob>>) -> Option<mpsc::Permit<'_, FromJob>> {
    line?.reserve().await.ok()
}

fn called_off() -> Done {
    Done::new(Outcome::Cancelled, Some("called off before it began"))
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
