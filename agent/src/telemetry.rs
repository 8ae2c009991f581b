//! What the host measures of itself: sampled every minute, spooled to disk, and sent to the daemon in
//! batches. While the daemon is away or busy the spool grows to its bound, and then loses the oldest.

mod sample;
mod send;
mod spool;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gangplank_proto::telemetry::Metrics;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::config::{Credentials, Local};
use crate::dial::Dialer;
use crate::link::{Backoff, Loss};

use sample::Counters;
use send::Sent;
use spool::Spool;

/// Measurements that wait until they are sent together; the first one after a start doesn't wait.
const BATCH: u64 = 5;

/// Bytes of measurements that wait on disk at most: about a week of minutes.
const WAITING: u64 = 4 << 20;

/// The first measurement is made after a minute at the latest, however seldom the others are.
const FIRST: Duration = Duration::from_secs(60);

/// Far enough away to be never.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// A row as the daemon takes it.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Row {
    Metrics(Metrics),
}

/// Where the time of day and chance come from.
#[derive(Debug, Clone, Copy)]
pub struct Nature {
    /// The time of day.
    pub now: fn() -> SystemTime,
    /// Uniform in 0..1.
    pub random: fn() -> f64,
}

/// What measures and sends.
#[derive(Debug)]
pub struct Telemetry {
    /// The way to the daemon.
    pub dialer: Dialer,
    /// Who this host is.
    pub credentials: Credentials,
    /// How often it measures, now and from now on.
    pub local: watch::Receiver<Arc<Local>>,
    /// Where measurements wait.
    pub directory: PathBuf,
    /// Time and chance.
    pub nature: Nature,
}

impl Telemetry {
    /// Measures and sends, for ever.
    pub async fn run(mut self) {
        let mut spool = match Spool::open(self.directory.clone(), WAITING) {
            Ok(spool) => spool,
            Err(error) => {
                let directory = self.directory.display();
                tracing::error!(%error, %directory, "nothing is measured: there is no place for it");
                return;
            }
        };
        let mut every = self.every();
        let mut measure = self.first(every);
        let mut counters = sample::counters().await;
        let mut due = Instant::now() + NEVER;
        if spool.rows() > 0 {
            due = self.first(if every.is_zero() { FIRST } else { every });
        }
        let mut first = true;
        let mut sending = JoinSet::new();
        let mut backoff = Backoff::default();
        loop {
            tokio::select! {
                changed = self.local.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let before = std::mem::replace(&mut every, self.every());
                    if every != before {
                        measure = self.first(every);
                    }
                }
                () = sleep_until(measure) => {
                    measure = (measure + every).max(Instant::now());
                    counters = self.measure(&mut spool, counters).await;
                    // After a failure it is tried again when it is time for that.
                    let calm = due > Instant::now() + FIRST * 10;
                    if calm && (first || spool.rows() >= BATCH) {
                        due = Instant::now();
                    }
                    first = false;
                }
                () = sleep_until(due), if sending.is_empty() => {
                    due = Instant::now() + NEVER;
                    if let Some(batch) = spool.oldest() {
                        let (dialer, credentials) = (self.dialer.clone(), self.credentials.clone());
                        sending.spawn(async move {
                            let sent = send::send(&dialer, &credentials, &batch).await;
                            (batch.name, sent)
                        });
                    }
                }
                Some(sent) = sending.join_next(), if !sending.is_empty() => {
                    // Only a panic has no outcome; the batch is still there.
                    let (name, sent) = sent.unwrap_or_else(|_| (String::new(), Sent::Later(Loss::Broken)));
                    due = match sent {
                        Sent::Later(loss) => {
                            let random = (self.nature.random)();
                            Instant::now() + backoff.next(loss, Duration::ZERO, false, random)
                        }
                        Sent::Taken | Sent::Refused => {
                            backoff = Backoff::default();
                            spool.remove(&name, sent == Sent::Refused);
                            let more = spool.is_behind() || spool.rows() >= BATCH;
                            Instant::now() + if more { Duration::ZERO } else { NEVER }
                        }
                    };
                }
            }
        }
    }

    fn every(&mut self) -> Duration {
        self.local.borrow_and_update().telemetry
    }

    /// When to measure first: hosts that start together don't measure together.
    fn first(&self, every: Duration) -> Instant {
        let wait = every.min(FIRST).mul_f64(0.5 + (self.nature.random)() / 2.0);
        Instant::now() + if every.is_zero() { NEVER } else { wait }
    }

    async fn measure(&self, spool: &mut Spool, before: Counters) -> Counters {
        let (mut metrics, after) = sample::sample(before).await;
        metrics.at = OffsetDateTime::from((self.nature.now)()).format(&Rfc3339).ok();
        let dropped = spool.take_dropped();
        metrics.dropped = (dropped > 0).then_some(dropped);
        let written = serde_json::to_string(&Row::Metrics(metrics))
            .map_err(std::io::Error::from)
            .and_then(|row| spool.push(&row));
        if let Err(error) = written {
            spool.count_dropped(dropped + 1);
            tracing::warn!(%error, "a measurement is lost");
        }
        after
    }
}

#[cfg(test)]
mod tests;
