//! The watch of a version on trial over itself: connected in time, or back to the one before.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use gangplank_proto::release::Version;

use super::launch::{is_on_trial, now};
use super::place::Place;
use super::state::{Ended, left};

/// Why a version goes back that works and is not connected.
const LATE: &str = "it was not connected in time";

/// A trial of the version that runs. It is confirmed or given up, once.
#[derive(Debug, Clone)]
pub struct Trial(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    over: Mutex<bool>,
    told: Condvar,
}

impl Trial {
    /// Watches, if `release` is on trial. A thread of its own waits, so that nothing that the program
    /// does or fails to do stops the clock; when the time is over it writes down that the version
    /// before is to come back, and calls `back`.
    ///
    /// # Errors
    /// When the state can't be read or the thread not be made.
    pub fn begin(
        place: &Place,
        release: Version,
        back: impl FnOnce() + Send + 'static,
    ) -> io::Result<Option<Self>> {
        let state = place.state()?;
        let Some(trial) = state.trial.as_ref().filter(|_| is_on_trial(&state, release)) else {
            return Ok(None);
        };
        let time = left(trial.since, now());
        let inner =
            Inner { place: place.clone(), over: Mutex::new(false), told: Condvar::default() };
        let trial = Self(Arc::new(inner));
        let watch = trial.clone();
        thread::Builder::new().name("trial".to_owned()).spawn(move || {
            if watch.run_out(time) {
                back();
            }
        })?;
        Ok(Some(trial))
    }

    /// Waits for the end of the time; false when the trial was over before.
    fn run_out(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        let mut over = self.over();
        while !*over {
            let Some(rest) = end.checked_duration_since(Instant::now()) else {
                // The next start counts it as late, should this not be written.
                return self.end(&mut over, LATE).is_some();
            };
            let waited = self.0.told.wait_timeout(over, rest);
            over = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    /// It connected: it is what runs from now on. Nothing, when the trial was over already.
    ///
    /// # Errors
    /// When that can't be written down; then it is still on trial.
    pub fn confirm(&self) -> io::Result<Option<Ended>> {
        let mut over = self.over();
        if *over {
            return Ok(None);
        }
        let mut state = self.0.place.state()?;
        state.confirm();
        // An older one can't come back once it is told that this one stays.
        if let Some(current) = state.current {
            self.0.place.raise_floor(current)?;
        }
        self.0.place.save(&state)?;
        *over = true;
        self.0.told.notify_all();
        let kept: Vec<Version> = [state.current, state.previous].into_iter().flatten().collect();
        if let Err(error) = self.0.place.prune(&kept) {
            tracing::warn!(%error, "old versions of the agent can't be removed");
        }
        Ok(state.last)
    }

    /// It does not work: the version before is to come back. False when the trial was over already.
    pub fn give_up(&self, why: &str) -> bool {
        let mut over = self.over();
        !*over && self.end(&mut over, why).is_some()
    }

    fn end(&self, over: &mut MutexGuard<'_, bool>, why: &str) -> Option<()> {
        **over = true;
        let written = self.0.place.state().and_then(|mut state| {
            state.roll_back(why);
            self.0.place.save(&state)
        });
        if let Err(error) = written {
            tracing::error!(%error, "the end of a trial can't be written down");
        }
        Some(())
    }

    fn over(&self) -> MutexGuard<'_, bool> {
        self.0.over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
