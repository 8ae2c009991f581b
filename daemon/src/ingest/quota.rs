//! How much a host and a tenant may send in a minute.

use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gangplank_proto::id::{HostId, TenantId};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use crate::guard::Recent;

/// Everything is counted over this long.
const MINUTE: Duration = Duration::from_secs(60);

/// Hosts whose amounts are remembered, at least.
const HOSTS: usize = 16_384;

/// Tenants whose amounts are remembered, at least.
const TENANTS: usize = 4096;

/// Batches that are read at once: each may take a few times the largest body in memory.
const READING: usize = 8;

/// How long a batch waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// What may come in a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Rows.
    pub rows: u64,
    /// Bytes, unpacked.
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Window {
    since: Option<Instant>,
    rows: u64,
    bytes: u64,
}

/// Counts what comes, by host and by tenant. A batch that is larger than the quota itself passes when
/// nothing came before it in its minute, or it could never be delivered.
#[derive(Debug)]
pub struct Quotas {
    reading: Semaphore,
    hosts: Mutex<Recent<HostId, Window>>,
    tenants: Mutex<Recent<TenantId, Window>>,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            reading: Semaphore::new(READING),
            hosts: Mutex::new(Recent::new(HOSTS)),
            tenants: Mutex::new(Recent::new(TENANTS)),
        }
    }
}

impl Quotas {
    /// A turn to read a batch; none when too many are being read.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        timeout(TURN, self.reading.acquire()).await.ok()?.ok()
    }

    /// Counts a batch.
    ///
    /// # Errors
    /// With the time until the sender may try again; the batch is then not counted.
    pub fn take(
        &self,
        (tenant, host): (TenantId, HostId),
        came: Quota,
        of_host: Quota,
        of_tenant: Quota,
    ) -> Result<(), Duration> {
        // The host first, so that one that floods uses nothing of its tenant's up.
        count(&self.hosts, &host, came, of_host)?;
        count(&self.tenants, &tenant, came, of_tenant)
    }
}

fn count<K: Hash + Eq + Clone>(
    table: &Mutex<Recent<K, Window>>,
    key: &K,
    came: Quota,
    quota: Quota,
) -> Result<(), Duration> {
    let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
    let window = table.touch(key);
    let since = match window.since {
        Some(since) if since.elapsed() < MINUTE => since,
        _ => {
            *window = Window { since: Some(Instant::now()), ..Window::default() };
            Instant::now()
        }
    };
    let rows = window.rows.saturating_add(came.rows);
    let bytes = window.bytes.saturating_add(came.bytes);
    let first = window.rows == 0 && window.bytes == 0;
    if !first && (rows > quota.rows || bytes > quota.bytes) {
        return Err(MINUTE.saturating_sub(since.elapsed()));
    }
    (window.rows, window.bytes) = (rows, bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOTS: Quota = Quota { rows: 1_000_000, bytes: 1_000_000 };

    fn quota(rows: u64, bytes: u64) -> Quota {
        Quota { rows, bytes }
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_and_tenants_are_counted_by_the_minute() {
        let quotas = Quotas::default();
        let (tenant, host, other) = (TenantId::new(), HostId::new(), HostId::new());
        let take =
            |host, came, of_tenant| quotas.take((tenant, host), came, quota(10, 100), of_tenant);
        assert_eq!(take(host, quota(10, 10), LOTS), Ok(()));
        assert_eq!(take(host, quota(1, 1), LOTS), Err(MINUTE));
        assert_eq!(take(other, quota(1, 99), LOTS), Ok(()));
        assert_eq!(take(other, quota(1, 2), LOTS), Err(MINUTE));
        assert_eq!(take(other, quota(1, 1), quota(11, 1000)), Err(MINUTE));
        tokio::time::advance(MINUTE).await;
        // More than a quota takes is taken when it is all there is.
        assert_eq!(take(host, quota(50, 500), LOTS), Ok(()));
        assert_eq!(take(host, quota(1, 1), LOTS), Err(MINUTE));
    }
}
