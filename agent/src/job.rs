//! Jobs: commands of the daemon, each written down before it is confirmed, started and finished, so
//! that it takes effect once whatever dies in between.
//!
//! ```text
//!   link or request ──> asked ──> worker ──> journal (fsync) ──> command
//!                    <── words ──┘   ▲                             │
//!                                    └── outcome, output, progress ┘
//! ```
//!
//! The worker is one task that lives as long as the agent. It never waits for a link: it knows of
//! each job what the daemon was told on this link, and says what is missing as the link takes it.
//! On another link all of it is said again.

mod journal;
mod spool;
mod tell;
mod worker;

use std::sync::Arc;

use gangplank_proto::fact::HeldJob;
use gangplank_proto::job::{Done, FromJob, ToJob};
use gangplank_proto::settings::Settings;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;

use crate::config::Local;
use crate::update::Updates;
use crate::update::state::Ordered;

pub use journal::{Fate, Journal, Record};
pub use spool::Spool;
pub use worker::Reporter;

use worker::{Input, Worker};

/// Words of a daemon that wait for the worker.
const ASKED: usize = 256;

/// Words that wait for a link.
const WORDS: usize = 4;

/// The handle of the worker.
#[derive(Debug, Clone)]
pub struct Jobs {
    asked: mpsc::Sender<Input>,
    held: Held,
}

/// What commands find around them.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// What the host's own file says.
    pub local: watch::Receiver<Arc<Local>>,
    /// What people set this agent to.
    pub settings: watch::Sender<Settings>,
    /// What replaces the agent's program.
    pub updates: Updates,
}

/// What the journal holds, as it is at any moment; nothing until it was read.
#[derive(Debug, Clone, Default)]
pub struct Held(Arc<watch::Sender<Option<Vec<HeldJob>>>>);

impl Held {
    /// The jobs.
    #[must_use]
    pub fn list(&self) -> Vec<HeldJob> {
        self.0.borrow().clone().unwrap_or_default()
    }

    fn set(&self, jobs: Vec<HeldJob>) {
        self.0.send_replace(Some(jobs));
    }

    /// Waits until the journal was read: a daemon that isn't told of a job takes it for lost.
    async fn known(&self) {
        // What is waited for holds the other end, too.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }
}

/// What a link carries about jobs.
#[derive(Debug)]
pub struct JobLine {
    jobs: Jobs,
    words: mpsc::Receiver<FromJob>,
}

impl JobLine {
    /// The next word to the daemon; pends for ever once there is none. Cancel safe.
    pub async fn next(&mut self) -> FromJob {
        match self.words.recv().await {
            Some(word) => word,
            None => std::future::pending().await,
        }
    }

    /// Takes a word of the daemon, without waiting. What finds no room is said again.
    pub fn take(&self, word: ToJob) {
        if self.jobs.asked.try_send(Input::Asked(word)).is_err() {
            tracing::warn!("the server says more about jobs than can be taken");
        }
    }

    /// What the journal holds now.
    #[must_use]
    pub fn held(&self) -> Vec<HeldJob> {
        self.jobs.held.list()
    }
}

impl Jobs {
    /// Starts the worker on what its journal holds; what it runs is tracked, and may change
    /// `settings`.
    #[must_use]
    pub fn start(journal: Journal, around: Surroundings, tracker: &TaskTracker) -> Self {
        let (asked, inputs) = mpsc::channel(ASKED);
        let held = Held::default();
        let worker = Worker::new(journal, around, held.clone(), tracker.clone());
        tracker.spawn(worker.run(inputs));
        Self { asked, held }
    }

    /// A line to the daemon, in place of the one before.
    pub async fn line(&self) -> JobLine {
        self.held.known().await;
        let (sender, words) = mpsc::channel(WORDS);
        // Without a worker nothing is said and nothing taken.
        let _ = self.asked.send(Input::Line(sender)).await;
        JobLine { jobs: self.clone(), words }
    }

    /// What the journal holds now.
    pub async fn held(&self) -> Vec<HeldJob> {
        self.held.known().await;
        self.held.list()
    }

    /// Says how a job ended that an earlier process left open.
    pub async fn settle(&self, job: Ordered, done: Done) {
        // Without a worker the agent has stopped, and the next one finds out for itself.
        let _ = self.asked.send(Input::Settle(job, done)).await;
    }

    /// Stops what runs and waits until it was written down and, as far as the line takes it, told.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.asked.send(Input::Stop(done)).await.is_ok() {
            let _ = stopped.await;
        }
    }
}
