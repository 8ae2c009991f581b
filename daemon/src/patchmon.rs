//! What PatchMon's agents need beside their link: programs of theirs that the operator provides,
//! one-time tokens for their installation, errands in place of jobs, and bounds on what they post.

pub mod bootstrap;
pub mod errand;
pub mod program;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gangplank_proto::id::HostId;
use gangplank_proto::job::{Command, Done, Outcome};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use crate::app::App;
use crate::auth::AgentIdentity;
use crate::guard::Recent;
use crate::job;
use crate::store::StoreError;

use bootstrap::Bootstraps;
use program::Programs;

/// Largest report, inventory or scan, in bytes, as PatchMon's own server takes it.
pub const LARGEST: usize = 5 << 20;

/// How many of these are read at once: they are larger than what a connection's share of memory is
/// meant for.
pub const UPLOADS: usize = 4;

/// How long one waits for its turn; its agent tries again.
const TURN: Duration = Duration::from_secs(5);

/// Scans that one host may post in a minute.
const SCANS: u32 = 10;

/// Hosts whose scans are counted, at least.
const HOSTS: usize = 4096;

const MINUTE: Duration = Duration::from_secs(60);

/// What the parts of the daemon know about PatchMon's agents in memory.
#[derive(Debug)]
pub struct Patchmon {
    uploads: Semaphore,
    scans: Mutex<Recent<HostId, Option<(Instant, u32)>>>,
    /// Tokens for installations.
    pub bootstraps: Bootstraps,
    /// Programs that hosts may fetch.
    pub programs: Programs,
}

impl Default for Patchmon {
    fn default() -> Self {
        Self {
            uploads: Semaphore::new(UPLOADS),
            scans: Mutex::new(Recent::new(HOSTS)),
            bootstraps: Bootstraps::default(),
            programs: Programs::default(),
        }
    }
}

impl Patchmon {
    /// A turn to read a large body; none when too many are being read.
    pub async fn upload(&self) -> Option<SemaphorePermit<'_>> {
        timeout(TURN, self.uploads.acquire()).await.ok()?.ok()
    }

    /// Counts a scan that a host posts. How long it has to wait when it posts too many.
    ///
    /// # Errors
    /// With the time until it may post again.
    pub fn scan(&self, host: HostId) -> Result<(), Duration> {
        let mut scans = self.scans.lock().unwrap_or_else(PoisonError::into_inner);
        let window = scans.touch(&host);
        let (since, count) = match *window {
            Some((since, count)) if since.elapsed() < MINUTE => (since, count),
            _ => (Instant::now(), 0),
        };
        if count >= SCANS {
            return Err(MINUTE.saturating_sub(since.elapsed()));
        }
        *window = Some((since, count + 1));
        Ok(())
    }
}

/// An agent said its version: if that is the one that it was to fetch, it has done so.
///
/// # Errors
/// When the store fails.
pub async fn updated(app: &App, agent: &AgentIdentity, version: &str) -> Result<(), StoreError> {
    let directory = app.config().patchmon_programs.clone();
    if version.is_empty()
        || program::version(directory.as_deref()).await.as_deref() != Some(version)
    {
        return Ok(());
    }
    let done = Done::new(Outcome::Succeeded, None);
    let now = app.clock.now();
    let (tenant, host) = (agent.tenant, agent.host);
    let taken = app.store.answer_jobs(tenant, host, Command::UpdateAgent, &done, now).await?;
    job::settle(app, taken).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn scans_are_counted_by_host_and_minute() {
        let patchmon = Patchmon::default();
        let host = HostId::new();
        for _ in 0..SCANS {
            assert_eq!(patchmon.scan(host), Ok(()));
        }
        assert_eq!(patchmon.scan(host), Err(MINUTE));
        assert_eq!(patchmon.scan(HostId::new()), Ok(()));
        tokio::time::advance(MINUTE).await;
        assert_eq!(patchmon.scan(host), Ok(()));
    }
}
