//! The task that hands jobs out. It wakes when somebody says something, when a host is to be looked
//! at, and when a moment has come; it never looks for work on the chance of finding some.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gangplank_proto::id::{BatchId, HostId, TenantId};
use tokio_util::sync::CancellationToken;

use super::{Said, hand};
use crate::app::App;
use crate::clock::Timestamp;
use crate::store::{Concurrency, Heard, JobReply, StoreError, Taken};

/// Words taken in one transaction.
const TOGETHER: usize = 128;

/// Hosts looked at in one transaction.
const HOSTS: usize = 64;

/// Jobs of one host that it doesn't feel, at once.
const LIGHT: u32 = 4;

/// The longest wait, so that a clock that was set back or a host that went away is noticed.
const LONGEST: Duration = Duration::from_secs(30);

/// Between two looks at the batches of which jobs are over.
const BATCHES: Duration = Duration::from_millis(250);

/// Between two looks at all batches.
const ALL_BATCHES: Duration = Duration::from_secs(2);

/// After a failure of the store, which is in the log.
const RECOVER: Duration = Duration::from_secs(1);

/// Hands jobs out and takes what agents say, until the daemon stops.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let inbox = app.jobs.inbox.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    let Some(mut inbox) = inbox else { return };
    let mut scheduler = Scheduler {
        app: Arc::clone(&app),
        short: HashMap::new(),
        // Everything that became due while nobody was here is due now.
        since: Timestamp::from_millis(i64::MIN),
        touched: BTreeSet::new(),
        batches_at: Timestamp::from_millis(i64::MIN),
        all_batches_at: Timestamp::from_millis(i64::MIN),
    };
    let mut said = Vec::with_capacity(TOGETHER);
    loop {
        let wait = scheduler.wait();
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = inbox.recv_many(&mut said, TOGETHER) => {}
            () = app.jobs.wake.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
        if let Err(error) = scheduler.step(&mut said).await {
            tracing::error!(%error, "jobs could not be looked after");
            // What agents said is said again, what is due stays due.
            said.clear();
            tokio::time::sleep(RECOVER).await;
        }
    }
}

struct Scheduler {
    app: Arc<App>,
    /// Hosts whose jobs wait for others of their tenant.
    short: HashMap<TenantId, VecDeque<HostId>>,
    /// Up to where starts were looked at.
    since: Timestamp,
    /// Batches of which a job is over.
    touched: BTreeSet<(TenantId, BatchId)>,
    /// When they are looked at.
    batches_at: Timestamp,
    /// When all that are not over are looked at.
    all_batches_at: Timestamp,
}

impl Scheduler {
    /// Until something is due.
    fn wait(&self) -> Duration {
        let (now, due) = (self.app.clock.now(), self.app.jobs.looks().due);
        let due = due.map_or(Duration::ZERO, |due| due.since(now)).min(LONGEST);
        if self.touched.is_empty() { due } else { due.min(self.batches_at.since(now)) }
    }

    /// Takes what was said, ends what is over, hands out what is due.
    async fn step(&mut self, said: &mut Vec<Said>) -> Result<(), StoreError> {
        if !said.is_empty() {
            self.take(said).await?;
        }
        let now = self.app.clock.now();
        let is_due = self.app.jobs.looks().due.is_none_or(|due| due <= now);
        if is_due {
            self.due(now).await?;
        }
        self.advance(now).await?;
        self.hand_out().await
    }

    /// Moves batches on of which a job is over. Each look counts all jobs of a batch, so that there is
    /// one for many of them.
    async fn advance(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if self.touched.is_empty() || now < self.batches_at {
            return Ok(());
        }
        self.batches_at = now.plus(BATCHES);
        while let Some((tenant, batch)) = self.touched.pop_first() {
            hand::advance(&self.app, tenant, batch).await?;
        }
        Ok(())
    }

    async fn take(&mut self, said: &mut Vec<Said>) -> Result<(), StoreError> {
        let app = Arc::clone(&self.app);
        let (connections, heard): (Vec<_>, Vec<Heard>) =
            said.drain(..).map(|said| (said.connection, said.heard)).unzip();
        let mut taken = app.store.take_job_words(&heard, app.clock.now()).await?;
        for (connection, Heard { host, what, .. }) in connections.into_iter().zip(&heard) {
            let live = app.registry.of_host(*host).is_some_and(|link| link.id == connection);
            if live && matches!(what, JobReply::Held { .. } | JobReply::Arrived) {
                app.jobs.here.ready(*host, connection);
            }
        }
        for reply in &taken.replies {
            hand::reply(&app, reply).await;
        }
        self.freed(&taken);
        self.touched.extend(std::mem::take(&mut taken.batches));
        hand::settle(&app, taken).await
    }

    /// Has hosts looked at that wait for a place of their tenant, as many as places were given back.
    fn freed(&mut self, taken: &Taken) {
        for (tenant, _) in &taken.freed {
            if let Some(short) = self.short.get_mut(tenant)
                && let Some(host) = short.pop_front()
            {
                self.app.jobs.look([(*tenant, host)]);
            }
        }
    }

    async fn due(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let app = Arc::clone(&self.app);
        // Whatever becomes due while it is looked up is looked up again.
        let since = {
            let mut looks = app.jobs.looks();
            looks.due = Some(now.plus(LONGEST));
            // A moment itself counts as not looked at.
            let asked = looks.since.take().map(|since| since.minus(Duration::from_millis(1)));
            asked.map_or(self.since, |since| since.min(self.since))
        };
        // Until it was done it is still to be done.
        self.since = since;
        let here = |host| app.jobs.here.is_here(host, now);
        let due = app.store.due_jobs(since, now, here).await?;
        self.since = now;
        if let Some(next) = due.next {
            app.jobs.due_at(next);
        }
        app.jobs.look(due.hosts);
        self.freed(&due.taken);
        hand::settle(&app, due.taken).await?;
        // A host that went away is not waited for any more.
        if now >= self.all_batches_at {
            self.all_batches_at = now.plus(ALL_BATCHES);
            self.touched.extend(app.store.running_batches().await?);
        }
        Ok(())
    }

    async fn hand_out(&mut self) -> Result<(), StoreError> {
        let app = Arc::clone(&self.app);
        let hosts: Vec<_> = std::mem::take(&mut app.jobs.looks().hosts).into_iter().collect();
        let (linked, others): (Vec<_>, Vec<_>) =
            hosts.into_iter().partition(|(_, host)| app.jobs.here.link(*host).is_some());
        for (_, host) in others {
            app.jobs.here.wake(host);
        }
        let mut linked = linked.as_slice();
        while !linked.is_empty() {
            let (hosts, rest) = linked.split_at(linked.len().min(HOSTS));
            let short = match hand::lease(&app, hosts).await {
                Ok(short) => short,
                Err(error) => {
                    // Nothing was taken of them: they are looked at again.
                    app.jobs.look(linked.iter().copied());
                    return Err(error);
                }
            };
            linked = rest;
            for (tenant, host) in short {
                let short = self.short.entry(tenant).or_default();
                if !short.contains(&host) {
                    short.push_back(host);
                }
            }
        }
        Ok(())
    }
}

/// The bounds in force.
pub(super) fn bounds(app: &App) -> Concurrency {
    let jobs = app.config().jobs;
    Concurrency { heavy: jobs.per_host, light: LIGHT, tenant: jobs.per_tenant }
}
