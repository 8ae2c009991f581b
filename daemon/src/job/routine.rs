//! Reports that nobody has to ask for: of each host that is here, as often as it is set to.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gangplank_proto::docker::DockerInventory;
use gangplank_proto::id::HostId;
use gangplank_proto::job::Command;
use serde_json::json;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::order::{order, plain};
use crate::app::App;
use crate::audit::By;
use crate::clock::Timestamp;
use crate::link::{AgentLink, Vocabulary};
use crate::store::{NewJob, StoreError};

/// How often it is looked whose time has come.
const LOOK: Duration = Duration::from_secs(15);

/// Reports ordered at a time: those of a fleet that is new, or has been away, come one after the
/// other.
const AT_ONCE: usize = 50;

/// A host that never reported does so soon, but not everybody in the same minute.
const FIRST: Duration = Duration::from_secs(300);

/// A host whose report failed is asked again after so long at the earliest.
const AGAIN: Duration = Duration::from_secs(3600);

/// Orders reports until the daemon stops.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut routine = Routine::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = look.tick() => {}
        }
        if let Err(error) = routine.look(&app).await {
            tracing::error!(%error, "reports that are due could not be ordered");
        }
    }
}

/// When to look at each host that is here.
#[derive(Default)]
struct Routine {
    next: HashMap<HostId, Timestamp>,
}

impl Routine {
    async fn look(&mut self, app: &App) -> Result<(), StoreError> {
        let links = app.registry.all();
        self.next.retain(|host, _| links.iter().any(|link| link.peer.host == *host));
        let now = app.clock.now();
        let mut left = AT_ONCE;
        for link in links {
            // PatchMon's agents report by themselves.
            let speaks = link.peer.vocabulary == Vocabulary::Native;
            let waits = self.next.get(&link.peer.host).is_some_and(|next| *next > now);
            if !speaks || waits {
                continue;
            }
            if left == 0 {
                return Ok(());
            }
            let next = look_at(app, &link, now).await?;
            if next <= now {
                left -= 1;
            }
            // Settings may change meanwhile.
            let next = next.max(now.plus(LOOK)).min(now.plus(AGAIN));
            self.next.insert(link.peer.host, next);
        }
        Ok(())
    }
}

/// Orders what is due of one host, and says when that was or will be.
async fn look_at(app: &App, link: &AgentLink, now: Timestamp) -> Result<Timestamp, StoreError> {
    let (tenant, host) = (link.peer.tenant, link.peer.host);
    let minutes = app.store.host_settings(tenant, host).await?.update_interval;
    let interval = minutes.map(|minutes| Duration::from_secs(60 * u64::from(minutes)));
    let interval = interval.unwrap_or(app.config().jobs.report_every);
    if interval.is_zero() {
        return Ok(now.plus(AGAIN));
    }
    let reported = app.store.host_reported_at(tenant, host).await?;
    let next = due(reported, link.peer.since, interval, host);
    if next > now {
        return Ok(next);
    }
    let shown = app.store.claim::<DockerInventory>(tenant, host).await?.is_some();
    let docker = shown.then_some(Command::DockerInventory);
    for command in [Some(Command::ReportNow), docker].into_iter().flatten() {
        let new = NewJob {
            // One that failed is not ordered again within its time.
            idempotency_key: Some(format!("routine:{command}:{host}:{}", period(now, interval))),
            deadline: now.plus(interval.max(AGAIN)),
            ..plain(app, command, json!({}))
        };
        order(app, tenant, &By::daemon(now), host, &new).await?;
    }
    Ok(next)
}

/// When a host's next report is due: as long after its last one as it is set to, and a tenth of that
/// later at most, so that hosts that began together don't stay together.
fn due(
    reported: Option<Timestamp>,
    came: Timestamp,
    interval: Duration,
    host: HostId,
) -> Timestamp {
    // The id's last bits are random.
    let share = (host.to_string().bytes().rev().take(8))
        .fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let share = f64::from(share) / f64::from(u32::MAX);
    match reported {
        Some(last) => last.plus(interval).plus((interval / 10).mul_f64(share)),
        None => came.plus(FIRST.min(interval).mul_f64(share)),
    }
}

/// The number of the time in which a report may be ordered once.
fn period(now: Timestamp, interval: Duration) -> u128 {
    let millis = u128::try_from(now.millis()).unwrap_or_default();
    millis / interval.min(AGAIN).as_millis().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_fleet_that_came_together_does_not_report_together() {
        let came = Timestamp::from_millis(0);
        let due: Vec<_> = (0..1_000).map(|_| due(None, came, DAY, HostId::new())).collect();
        let most = due.iter().filter(|at| at.since(came) < FIRST / 10).count();
        assert!(most < 300, "{most} of 1000 in the first tenth");
        assert!(due.iter().all(|at| at.since(came) <= FIRST));
    }

    #[test]
    fn a_host_reports_once_in_its_time() {
        let (came, host) = (Timestamp::from_millis(5), HostId::new());
        let last = Timestamp::from_millis(1_000);
        let next = due(Some(last), came, DAY, host);
        assert!(next.since(last) >= DAY && next.since(last) <= DAY + DAY / 10);
        assert_eq!(next, due(Some(last), came, DAY, host));
    }
}
