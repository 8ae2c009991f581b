//! What the daemon is told of a job on one line, in its order: that it is here, that it runs, what it
//! prints, how it ended.

use std::sync::Arc;
use std::time::Duration;

use gangplank_proto::job::{Done, FromJob, Outcome, Progress, Said};
use gangplank_proto::limit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Record, Spool};

/// Between two words of how far a command is; the newest is said then.
const PAUSE: Duration = Duration::from_millis(500);

/// How far the daemon was told on this line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Nothing,
    Received,
    Started,
    Done,
}

/// A job in the worker's hands.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) record: Record,
    /// Ends its command.
    pub(super) cancel: CancellationToken,
    /// Whether somebody called it off, rather than the agent stopping.
    pub(super) called_off: bool,
    /// Whether its command has ended without an end of the job: another process settles it.
    pub(super) left: bool,
    /// What it prints; there from its start on.
    pub(super) spool: Option<Arc<Spool>>,
    /// What was not told yet of how far it is.
    pub(super) progress: Option<Progress>,
    /// When the next of it may be told.
    progress_at: Instant,
    told: Told,
}

impl Job {
    pub(super) fn new(record: Record) -> Self {
        Self {
            record,
            cancel: CancellationToken::new(),
            called_off: false,
            left: false,
            spool: None,
            progress: None,
            progress_at: Instant::now(),
            told: Told::Nothing,
        }
    }

    /// Whether it waits to be started.
    pub(super) fn waits(&self) -> bool {
        !self.record.started && self.record.done.is_none()
    }

    /// Whether its command runs.
    pub(super) fn runs(&self) -> bool {
        self.record.started && self.record.done.is_none() && !self.left
    }

    /// Bytes that were sent and are not acknowledged.
    pub(super) fn in_flight(&self) -> usize {
        self.spool.as_ref().map_or(0, |spool| spool.in_flight())
    }

    /// All is said again: on another line, or because nobody answered.
    pub(super) fn say_again(&mut self, online: bool) {
        self.told = Told::Nothing;
        if let Some(spool) = &self.spool {
            spool.rewind(online);
        }
    }

    /// Whether the daemon still has to answer for something that it was told.
    pub(super) fn is_unanswered(&self) -> bool {
        self.told == Told::Done || self.in_flight() > 0
    }

    /// When there will be something to say of how far it is.
    pub(super) fn progress_due(&self) -> Option<Instant> {
        (self.progress.is_some() && self.record.done.is_none()).then_some(self.progress_at)
    }

    /// Whether there is something to say while `window` more bytes of output may be sent.
    pub(super) fn has_word(&self, window: usize) -> bool {
        self.next(window).is_some()
    }

    /// What comes next.
    fn next(&self, window: usize) -> Option<Next> {
        if self.told == Told::Nothing {
            return Some(Next::Received);
        }
        if self.record.started && self.told == Told::Received {
            return Some(Next::Started);
        }
        match self.spool.as_ref().and_then(|spool| spool.next_len()) {
            Some(len) if len <= window => return Some(Next::Output),
            // The end comes after all that was printed.
            Some(_) => return None,
            None => {}
        }
        if self.progress_due().is_some_and(|due| due <= Instant::now()) {
            return Some(Next::Progress);
        }
        (self.record.done.is_some() && self.told < Told::Done).then_some(Next::Done)
    }

    /// Takes the next word.
    pub(super) fn take_word(&mut self, window: usize) -> Option<FromJob> {
        let said = match self.next(window)? {
            Next::Received => {
                self.told = Told::Received;
                Said::Received
            }
            Next::Started => {
                self.told = Told::Started;
                Said::Started
            }
            Next::Output => Said::Output(self.spool.as_ref()?.next()?),
            Next::Progress => {
                self.progress_at = Instant::now() + PAUSE;
                Said::Progress(self.progress.take()?)
            }
            Next::Done => {
                self.told = Told::Done;
                Said::Done(self.record.done.clone()?)
            }
        };
        Some(FromJob { job_id: self.record.job_id, attempt: self.record.attempt, said })
    }

    /// The end of its command, as it is written down.
    pub(super) fn finish(&mut self, mut done: Done) {
        if done.status == Outcome::Cancelled && !self.called_off {
            done = Done::new(Outcome::Failed, Some("the agent was stopped while it ran"));
        }
        done.output_end = self.spool.as_ref().map_or(0, |spool| spool.end());
        self.record.done = Some(done);
    }
}

enum Next {
    Received,
    Started,
    Output,
    Progress,
    Done,
}

/// Bytes of output that may still be sent.
pub(super) fn window<'a>(jobs: impl Iterator<Item = &'a Job>) -> usize {
    limit::JOB_OUTPUT_WINDOW.saturating_sub(jobs.map(Job::in_flight).sum())
}
