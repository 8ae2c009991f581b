//! One command to many hosts: rings that open one after the other, a pause and a halt.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use gangplank_proto::id::{BatchId, HostId, JobId, TenantId};
use gangplank_proto::job::{Command, JobState};
use serde::Serialize;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::create::Placed;
use super::{Announced, Job, JobWrite, NewJob};
use crate::audit::{By, Entry};
use crate::clock::Timestamp;
use crate::store::audit::append;
use crate::store::row::{json, number, parsed, time};
use crate::store::{Page, PageRequest, Store, StoreError};

/// Hosts of one batch at most.
const HOSTS: usize = 100_000;

/// Parts of the hosts, in percent, that each ring but the last reaches.
const RINGS: [usize; 2] = [1, 10];

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchState {
    /// Its jobs are handed out.
    Running,
    /// Nothing more is handed out until somebody resumes it.
    Paused,
    /// It was called off.
    Halted,
    /// Every job is over.
    Done,
}

/// Which hosts are meant.
#[derive(Debug, Clone)]
pub enum Selector {
    /// These.
    Hosts(Vec<HostId>),
    /// Those that have all of these labels.
    Labels(Vec<String>),
}

/// An order to many hosts.
#[derive(Debug, Clone)]
pub struct NewBatch {
    /// What each host is to do.
    pub job: NewJob,
    /// Which hosts.
    pub selector: Selector,
    /// Whether 1 % and 10 % of the hosts come first.
    pub rings: bool,
    /// Percent of failures beyond which no further ring opens.
    pub max_failures: u8,
}

/// What came of an order to many hosts.
#[derive(Debug)]
pub struct CreatedBatch {
    /// The batch.
    pub batch: BatchId,
    /// Number of its jobs.
    pub jobs: u64,
    /// To whom to tell of it.
    pub announced: Announced,
}

/// A batch and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// What each host is to do.
    pub command: Command,
    /// Where it stands.
    pub state: BatchState,
    /// The last ring that is open, from 0.
    pub ring: u8,
    /// The last ring that there is.
    pub last_ring: u8,
    /// Percent of failures beyond which no further ring opens.
    pub max_failures: u8,
    /// Why it was paused by itself.
    pub reason: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// Number of its jobs in each state.
    pub jobs: BTreeMap<String, u64>,
}

/// What an event tells of a batch.
#[derive(Serialize)]
struct Brief<'a> {
    kind: &'static str,
    #[serde(flatten)]
    batch: &'a Batch,
}

impl BatchState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Halted => "halted",
            Self::Done => "done",
        }
    }
}

impl fmt::Display for BatchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for BatchState {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let all = [Self::Running, Self::Paused, Self::Halted, Self::Done];
        all.into_iter().find(|s| s.as_str() == text).ok_or(StoreError::Corrupt("batch state"))
    }
}

impl Store {
    /// Orders one job of each selected host that was let in. Those for which `here` says so come
    /// into the first rings. `start` gives each job's own start.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a field or when no host is meant, [`StoreError::Refused`] when
    /// one is unknown or the key belongs to another order.
    pub async fn create_batch(
        &self,
        tenant: TenantId,
        by: &By,
        new: &NewBatch,
        here: impl Fn(HostId) -> bool,
        start: impl Fn() -> Timestamp,
    ) -> Result<CreatedBatch, StoreError> {
        new.job.check()?;
        let mut write = self.job_write(by.at).await?;
        let key = new.job.idempotency_key.as_deref();
        if let Some(batch) = write.batch_by_key(tenant, key).await? {
            if batch.command != new.job.command {
                return Err(StoreError::Refused("the idempotency_key belongs to another order"));
            }
            let jobs = batch.jobs.values().sum();
            return Ok(CreatedBatch { batch: batch.id, jobs, announced: Announced::default() });
        }
        let mut hosts = write.selected(tenant, &new.selector).await?;
        hosts.sort_by_key(|(host, _)| !here(*host));
        let edges = edges(hosts.len(), new.rings);
        let id = BatchId::new();
        sqlx::query(
            "INSERT INTO batches (id, tenant_id, command, state, ring, last_ring, max_failures, \
             idempotency_key, created_at, created_by) \
             VALUES ($1, $2, $3, 'running', 0, $4, $5, $6, $7, $8)",
        )
        .bind(id.to_string())
        .bind(tenant.to_string())
        .bind(new.job.command.as_str())
        .bind(i64::try_from(edges.len()).unwrap_or(0))
        .bind(i64::from(new.max_failures))
        .bind(key)
        .bind(by.at.millis())
        .bind(by.actor.to_string())
        .execute(&mut *write.tx)
        .await?;
        for (place, (host, name)) in hosts.iter().enumerate() {
            let ring = edges.iter().filter(|edge| place >= **edge).count();
            let ring = u8::try_from(ring).unwrap_or(u8::MAX);
            let order = NewJob { not_before: start(), ..new.job.clone() };
            let placed = Placed {
                host: *host,
                host_name: name,
                batch: Some(id),
                ring,
                held: ring > 0,
                retry_of: None,
            };
            write.insert(tenant, by, &order, &placed).await?;
        }
        let jobs = hosts.len() as u64;
        let entry = Entry::done(tenant, "batch.create", format!("batch:{id}"))
            .with(serde_json::json!({ "command": new.job.command, "jobs": jobs }));
        append(&mut write.tx, by, entry).await?;
        write.announce_batch(tenant, id).await?;
        Ok(CreatedBatch { batch: id, jobs, announced: write.commit().await? })
    }

    /// One batch of a tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn batch(&self, tenant: TenantId, id: BatchId) -> Result<Option<Batch>, StoreError> {
        let row = sqlx::query(ONE)
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_optional(&self.reader)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let counts = sqlx::query(COUNTS)
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_all(&self.reader)
            .await?;
        Ok(Some(batch_row(&row, &counts)?))
    }

    /// The batches of a tenant, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn batches(
        &self,
        tenant: TenantId,
        page: &PageRequest,
    ) -> Result<Page<Batch>, StoreError> {
        let rows = sqlx::query(
            "SELECT id FROM batches WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        )
        .bind(tenant.to_string())
        .bind(page.cursor.as_deref().unwrap_or("g"))
        .bind(page.size() + 1)
        .fetch_all(&self.reader)
        .await?;
        let mut batches = Vec::with_capacity(rows.len());
        for row in &rows {
            batches.extend(self.batch(tenant, parsed(row, "id")?).await?);
        }
        Ok(Page::cut(batches, page.size(), |batch| batch.id.to_string()))
    }

    /// Batches of every tenant whose jobs are handed out, for whoever opens their rings.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn running_batches(&self) -> Result<Vec<(TenantId, BatchId)>, StoreError> {
        let rows = sqlx::query("SELECT tenant_id, id FROM batches WHERE state = 'running'")
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(|row| Ok((parsed(row, "tenant_id")?, parsed(row, "id")?))).collect()
    }

    /// Opens the next ring of a batch when nothing of those before is waited for, or ends the batch.
    /// Hosts that are not `here` are not waited for. Answers the hosts whose jobs may now go.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn advance_batch(
        &self,
        tenant: TenantId,
        id: BatchId,
        now: Timestamp,
        here: impl Fn(HostId) -> bool,
    ) -> Result<(Vec<HostId>, Announced), StoreError> {
        let mut write = self.job_write(now).await?;
        let (mut opened, mut changed) = (Vec::new(), false);
        loop {
            let Some(batch) = write.batch(tenant, id).await? else { break };
            if batch.state != BatchState::Running {
                break;
            }
            let last = batch.ring >= batch.last_ring;
            let waits = write.waited_for(tenant, &batch, |host| last || here(host)).await?;
            if waits {
                break;
            }
            changed = true;
            let bad: u64 = ["failed", "expired", "unknown"]
                .iter()
                .filter_map(|state| batch.jobs.get(*state))
                .sum();
            let over = bad + batch.jobs.get("succeeded").copied().unwrap_or(0);
            if last {
                write.set_batch(tenant, id, BatchState::Done, batch.ring, None).await?;
            } else if bad * 100 > over * u64::from(batch.max_failures) {
                let reason = format!("{bad} of the first {over} failed");
                let ring = batch.ring;
                write.set_batch(tenant, id, BatchState::Paused, ring, Some(&reason)).await?;
            } else {
                let ring = batch.ring + 1;
                write.set_batch(tenant, id, BatchState::Running, ring, None).await?;
                opened.extend(write.hold(tenant, id, Some(ring)).await?);
            }
        }
        if changed {
            write.announce_batch(tenant, id).await?;
        }
        Ok((opened, write.commit().await?))
    }

    /// Pauses a batch, resumes it, or halts it for good. None when there is no such batch; else the
    /// hosts whose jobs may now go, or are to be stopped at the agent.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when it is over.
    pub async fn steer_batch(
        &self,
        tenant: TenantId,
        by: &By,
        id: BatchId,
        to: BatchState,
    ) -> Result<Option<(Vec<HostId>, Vec<Job>, Announced)>, StoreError> {
        let mut write = self.job_write(by.at).await?;
        let Some(batch) = write.batch(tenant, id).await? else { return Ok(None) };
        if batch.state == to {
            return Ok(Some((Vec::new(), Vec::new(), Announced::default())));
        }
        if matches!(batch.state, BatchState::Halted | BatchState::Done) {
            return Err(StoreError::Refused("the batch is over"));
        }
        write.set_batch(tenant, id, to, batch.ring, None).await?;
        let (mut hosts, mut out) = (Vec::new(), Vec::new());
        match to {
            BatchState::Running => hosts = write.hold(tenant, id, Some(batch.ring)).await?,
            BatchState::Paused => drop(write.hold(tenant, id, None).await?),
            BatchState::Halted | BatchState::Done => out = write.halt(tenant, id).await?,
        }
        let entry = Entry::done(tenant, "batch.steer", format!("batch:{id}"))
            .with(serde_json::json!({ "to": to }));
        append(&mut write.tx, by, entry).await?;
        write.announce_batch(tenant, id).await?;
        Ok(Some((hosts, out, write.commit().await?)))
    }
}

const ONE: &str = "SELECT * FROM batches WHERE tenant_id = $1 AND id = $2";

const COUNTS: &str = "SELECT state, COUNT(*) AS jobs FROM jobs WHERE tenant_id = $1 \
    AND batch_id = $2 GROUP BY state";

impl JobWrite {
    async fn batch(&mut self, tenant: TenantId, id: BatchId) -> Result<Option<Batch>, StoreError> {
        let row = sqlx::query(ONE)
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_optional(&mut *self.tx)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let counts = sqlx::query(COUNTS)
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_all(&mut *self.tx)
            .await?;
        Ok(Some(batch_row(&row, &counts)?))
    }

    async fn batch_by_key(
        &mut self,
        tenant: TenantId,
        key: Option<&str>,
    ) -> Result<Option<Batch>, StoreError> {
        let Some(key) = key else { return Ok(None) };
        let row =
            sqlx::query("SELECT id FROM batches WHERE tenant_id = $1 AND idempotency_key = $2")
                .bind(tenant.to_string())
                .bind(key)
                .fetch_optional(&mut *self.tx)
                .await?;
        match row {
            Some(row) => self.batch(tenant, parsed(&row, "id")?).await,
            None => Ok(None),
        }
    }

    async fn announce_batch(&mut self, tenant: TenantId, id: BatchId) -> Result<(), StoreError> {
        let Some(batch) = self.batch(tenant, id).await? else { return Ok(()) };
        self.announce(tenant, &Brief { kind: "batch", batch: &batch }).await
    }

    /// The hosts that a selector means, with their names.
    async fn selected(
        &mut self,
        tenant: TenantId,
        selector: &Selector,
    ) -> Result<Vec<(HostId, String)>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, friendly_name, labels FROM hosts \
             WHERE tenant_id = $1 AND state = 'live' ORDER BY id",
        )
        .bind(tenant.to_string())
        .fetch_all(&mut *self.tx)
        .await?;
        let mut hosts = BTreeMap::new();
        for row in &rows {
            let wanted = match selector {
                Selector::Hosts(_) => true,
                Selector::Labels(wanted) => {
                    let labels: Vec<String> = json(row, "labels")?;
                    wanted.iter().all(|label| labels.contains(label))
                }
            };
            if wanted {
                hosts.insert(parsed::<HostId>(row, "id")?, row.try_get("friendly_name")?);
            }
        }
        if let Selector::Hosts(wanted) = selector {
            if wanted.iter().any(|host| !hosts.contains_key(host)) {
                return Err(StoreError::Invalid("hosts names one that is not there"));
            }
            hosts.retain(|host, _| wanted.contains(host));
        }
        if hosts.is_empty() {
            return Err(StoreError::Invalid("no host is meant"));
        }
        if hosts.len() > HOSTS {
            return Err(StoreError::Invalid("more hosts are meant than a batch takes"));
        }
        Ok(hosts.into_iter().collect())
    }

    /// Whether a job of the open rings is waited for.
    async fn waited_for(
        &mut self,
        tenant: TenantId,
        batch: &Batch,
        here: impl Fn(HostId) -> bool,
    ) -> Result<bool, StoreError> {
        let rows = sqlx::query(
            "SELECT host_id, state FROM jobs WHERE tenant_id = $1 AND batch_id = $2 AND ring <= $3 \
             AND state IN ('queued', 'leased', 'received', 'running')",
        )
        .bind(tenant.to_string())
        .bind(batch.id.to_string())
        .bind(i64::from(batch.ring))
        .fetch_all(&mut *self.tx)
        .await?;
        for row in &rows {
            let queued = parsed::<JobState>(row, "state")? == JobState::Queued;
            if !queued || here(parsed(row, "host_id")?) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn set_batch(
        &mut self,
        tenant: TenantId,
        id: BatchId,
        state: BatchState,
        ring: u8,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE batches SET state = $1, ring = $2, reason = $3 WHERE tenant_id = $4 AND id = $5",
        )
        .bind(state.as_str())
        .bind(i64::from(ring))
        .bind(reason)
        .bind(tenant.to_string())
        .bind(id.to_string())
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Keeps back what waits of a batch beyond a ring, or all of it; answers the hosts of the rest.
    async fn hold(
        &mut self,
        tenant: TenantId,
        id: BatchId,
        beyond: Option<u8>,
    ) -> Result<Vec<HostId>, StoreError> {
        let beyond = beyond.map_or(-1, i64::from);
        let rows = sqlx::query(
            "UPDATE jobs SET held = ring > $1 \
             WHERE tenant_id = $2 AND batch_id = $3 AND state = 'queued' RETURNING host_id, held",
        )
        .bind(beyond)
        .bind(tenant.to_string())
        .bind(id.to_string())
        .fetch_all(&mut *self.tx)
        .await?;
        let mut hosts = Vec::new();
        for row in &rows {
            if !row.try_get::<bool, _>("held")? {
                hosts.push(parsed(row, "host_id")?);
            }
        }
        Ok(hosts)
    }

    /// Calls off what waits of a batch, and answers what agents are to stop.
    async fn halt(&mut self, tenant: TenantId, id: BatchId) -> Result<Vec<Job>, StoreError> {
        sqlx::query(
            "UPDATE jobs SET state = 'cancelled', held = FALSE, cancel_at = $1, finished_at = $1 \
             WHERE tenant_id = $2 AND batch_id = $3 AND state = 'queued'",
        )
        .bind(self.now.millis())
        .bind(tenant.to_string())
        .bind(id.to_string())
        .execute(&mut *self.tx)
        .await?;
        let rows = sqlx::query(
            "SELECT id FROM jobs WHERE tenant_id = $1 AND batch_id = $2 \
             AND state IN ('leased', 'received', 'running')",
        )
        .bind(tenant.to_string())
        .bind(id.to_string())
        .fetch_all(&mut *self.tx)
        .await?;
        let mut out = Vec::with_capacity(rows.len());
        for row in &rows {
            let job: JobId = parsed(row, "id")?;
            let Some(mut job) = self.find(tenant, job).await? else { continue };
            self.call_off(&mut job).await?;
            out.push(job);
        }
        Ok(out)
    }
}

/// How many hosts lie before each ring but the first.
fn edges(hosts: usize, rings: bool) -> Vec<usize> {
    if !rings {
        return Vec::new();
    }
    let mut edges: Vec<usize> =
        RINGS.iter().map(|percent| (hosts * percent).div_ceil(100).max(1)).collect();
    // Each ring reaches one host more than the one before, as long as there are any.
    for place in 1..edges.len() {
        if let Some([before, edge]) = edges.get_mut(place - 1..=place) {
            *edge = (*edge).max(*before + 1);
        }
    }
    edges.retain(|edge| *edge < hosts);
    edges
}

fn batch_row(row: &SqliteRow, counts: &[SqliteRow]) -> Result<Batch, StoreError> {
    let mut jobs = BTreeMap::new();
    for count in counts {
        jobs.insert(count.try_get("state")?, number(count, "jobs")?);
    }
    Ok(Batch {
        id: parsed(row, "id")?,
        command: parsed(row, "command")?,
        state: parsed(row, "state")?,
        ring: number(row, "ring")?,
        last_ring: number(row, "last_ring")?,
        max_failures: number(row, "max_failures")?,
        reason: row.try_get("reason")?,
        created_at: time(row, "created_at")?,
        created_by: row.try_get("created_by")?,
        jobs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_are_small_first_and_reach_everybody() {
        assert_eq!(edges(2_000, true), [20, 200]);
        assert_eq!(edges(5, true), [1, 2]);
        assert_eq!(edges(2, true), [1]);
        assert_eq!(edges(1, true), Vec::<usize>::new());
        assert_eq!(edges(2_000, false), Vec::<usize>::new());
    }
}
