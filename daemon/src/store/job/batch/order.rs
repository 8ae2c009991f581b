//! Ordering a batch: which hosts are meant, and which ring each comes into.

use std::collections::BTreeMap;

use gangplank_proto::id::{BatchId, HostId, TenantId};
use sqlx::{Row as _, SqliteConnection};

use super::{Batch, Chosen, CreatedBatch, NewBatch, Selector};
use crate::audit::{By, Entry};
use crate::clock::Timestamp;
use crate::store::audit::append;
use crate::store::job::create::Placed;
use crate::store::job::{Announced, Consent, JobWrite, NewJob};
use crate::store::row::{json, parsed};
use crate::store::{BatchState, NewApproval, Store, StoreError};

/// Hosts of one batch at most.
const HOSTS: usize = 100_000;

/// Parts of the hosts, in percent, that each ring but the last reaches.
const RINGS: [usize; 2] = [1, 10];

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
        self.create_batch_asking(tenant, by, new, here, start, |_, _| Consent::Free).await
    }

    /// The same for an order that may need consent, which is found out from the hosts that it means.
    /// It waits as a whole.
    ///
    /// # Errors
    /// As [`create_batch`](Self::create_batch), and [`StoreError::NotConsented`] when it comes with a
    /// consent that is not for it.
    pub async fn create_batch_asking(
        &self,
        tenant: TenantId,
        by: &By,
        new: &NewBatch,
        here: impl Fn(HostId) -> bool,
        start: impl Fn() -> Timestamp,
        asks: impl FnOnce(BatchId, &[Chosen]) -> Consent,
    ) -> Result<CreatedBatch, StoreError> {
        new.job.check()?;
        let mut write = self.job_write(by.at).await?;
        let key = new.job.idempotency_key.as_deref();
        if let Some(batch) = write.batch_by_key(tenant, key).await? {
            if batch.command != new.job.command {
                return Err(StoreError::Refused("the idempotency_key belongs to another order"));
            }
            let jobs = batch.jobs.values().sum();
            let announced = Announced::default();
            let waits = batch.state == BatchState::Paused
                && write.waits_for_consent(tenant, batch.id).await?;
            let approval = batch.approval.filter(|_| waits);
            return Ok(CreatedBatch { batch: batch.id, jobs, approval, announced });
        }
        let mut hosts = selected(&mut write.tx, tenant, &new.selector).await?;
        hosts.sort_by_key(|host| !here(host.id));
        let edges = edges(hosts.len(), new.rings);
        let id = BatchId::new();
        let consent = asks(id, &hosts);
        let (approval, waits) = match &consent {
            Consent::Free => (None, false),
            Consent::Wanted(wanted) => (Some(wanted.id), true),
            Consent::Given(spending) => (Some(write.spend(tenant, by, spending).await?.id), false),
        };
        let (state, reason) = match waits {
            true => (BatchState::Paused, Some("it waits for approval")),
            false => (BatchState::Running, None),
        };
        sqlx::query(
            "INSERT INTO batches (id, tenant_id, command, state, ring, last_ring, max_failures, \
             idempotency_key, created_at, created_by, reason, approval_id) \
             VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(id.to_string())
        .bind(tenant.to_string())
        .bind(new.job.command.as_str())
        .bind(state.as_str())
        .bind(i64::try_from(edges.len()).unwrap_or(0))
        .bind(i64::from(new.max_failures))
        .bind(key)
        .bind(by.at.millis())
        .bind(by.actor.to_string())
        .bind(reason)
        .bind(approval.map(|approval| approval.to_string()))
        .execute(&mut *write.tx)
        .await?;
        for (place, host) in hosts.iter().enumerate() {
            let ring = edges.iter().filter(|edge| place >= **edge).count();
            let ring = u8::try_from(ring).unwrap_or(u8::MAX);
            let order = NewJob { not_before: start(), ..new.job.clone() };
            let placed = Placed {
                host: host.id,
                host_name: &host.name,
                batch: Some(id),
                ring,
                held: ring > 0 || waits,
                approval,
                retry_of: None,
            };
            write.insert(tenant, by, &order, &placed).await?;
        }
        let jobs = hosts.len() as u64;
        let entry = Entry::done(tenant, "batch.create", format!("batch:{id}"))
            .with(serde_json::json!({ "command": new.job.command, "jobs": jobs }));
        append(&mut write.tx, by, entry).await?;
        write.announce_batch(tenant, id).await?;
        if let Consent::Wanted(wanted) = consent {
            write.ask(tenant, by, &NewApproval { batch: Some(id), ..*wanted }).await?;
        }
        let approval = approval.filter(|_| waits);
        Ok(CreatedBatch { batch: id, jobs, approval, announced: write.commit().await? })
    }
}

impl Store {
    /// The hosts that an order to many hosts would mean at this moment.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when one is not there, or none is meant.
    pub async fn hosts_meant(
        &self,
        tenant: TenantId,
        selector: &Selector,
    ) -> Result<Vec<Chosen>, StoreError> {
        selected(&mut *self.reader.acquire().await?, tenant, selector).await
    }
}

impl JobWrite {
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
}

/// The hosts that a selector means.
async fn selected(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    selector: &Selector,
) -> Result<Vec<Chosen>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, friendly_name, labels FROM hosts \
         WHERE tenant_id = $1 AND state = 'live' ORDER BY id",
    )
    .bind(tenant.to_string())
    .fetch_all(connection)
    .await?;
    let mut hosts = BTreeMap::new();
    for row in &rows {
        let labels: Vec<String> = json(row, "labels")?;
        let wanted = match selector {
            Selector::Hosts(_) => true,
            Selector::Labels(wanted) => wanted.iter().all(|label| labels.contains(label)),
        };
        if wanted {
            let id = parsed::<HostId>(row, "id")?;
            hosts.insert(id, Chosen { id, name: row.try_get("friendly_name")?, labels });
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
    Ok(hosts.into_values().collect())
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
