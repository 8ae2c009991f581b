//! Ordering, calling off and repeating one job.

use std::time::Duration;

use gangplank_proto::fact::FactText;
use gangplank_proto::id::{ApprovalId, BatchId, HostId, JobId, TenantId};
use gangplank_proto::job::{Command, JobEvent, JobState};
use gangplank_proto::limit;
use serde_json::Value;
use sqlx::Row as _;

use super::{Announced, Consent, Job, JobWrite};
use crate::audit::{By, Entry};
use crate::clock::Timestamp;
use crate::store::audit::append;
use crate::store::row::parsed;
use crate::store::{HostState, Store, StoreError};

/// Jobs of one host that are not over, at most.
const PER_HOST: i64 = 1_000;

/// Attempts after the first that may be asked for.
const MOST_RETRIES: u32 = 20;

/// The longest idempotency key, in bytes.
const KEY: usize = 128;

/// An order.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// What is to be done.
    pub command: Command,
    /// What that takes.
    pub params: Value,
    /// 0 to 9; higher goes first.
    pub priority: u8,
    /// Attempts after the first that a failure is worth.
    pub retries: u32,
    /// Not before this moment.
    pub not_before: Timestamp,
    /// Not after this moment.
    pub deadline: Timestamp,
    /// A second order with the same key is the first one.
    pub idempotency_key: Option<String>,
}

/// What came of an order.
#[derive(Debug)]
pub struct Created {
    /// The job.
    pub job: JobId,
    /// The consent that it waits for.
    pub approval: Option<ApprovalId>,
    /// To whom to tell of it.
    pub announced: Announced,
}

impl NewJob {
    /// What the command is about: which tool, which profile, which packages.
    fn subject(&self) -> Option<FactText> {
        let name = match self.command {
            Command::RunTool => "tool",
            Command::ComplianceScan => "profile",
            Command::UpdatePackages => "mode",
            Command::UpdateAgent => "version",
            _ => return None,
        };
        self.params.get(name)?.as_str().map(Into::into)
    }

    pub(super) fn check(&self) -> Result<(), StoreError> {
        if !self.params.is_object() {
            return Err(StoreError::Invalid("params takes an object"));
        }
        if self.params.to_string().len() > limit::JOB_PARAMS {
            return Err(StoreError::Invalid("params is longer than a command takes"));
        }
        if self.priority > 9 {
            return Err(StoreError::Invalid("priority takes a number from 0 to 9"));
        }
        if self.retries > MOST_RETRIES {
            return Err(StoreError::Invalid("retries takes a number from 0 to 20"));
        }
        if self.deadline <= self.not_before {
            return Err(StoreError::Invalid("the deadline is before the start"));
        }
        let key = self.idempotency_key.as_deref();
        if key.is_some_and(|key| key.is_empty() || key.len() > KEY) {
            return Err(StoreError::Invalid("idempotency_key takes 1 to 128 bytes"));
        }
        Ok(())
    }
}

/// A place for a job: its host, and its batch if it has one.
pub(super) struct Placed<'a> {
    pub(super) host: HostId,
    pub(super) host_name: &'a str,
    pub(super) batch: Option<BatchId>,
    pub(super) ring: u8,
    pub(super) held: bool,
    pub(super) approval: Option<ApprovalId>,
    pub(super) retry_of: Option<JobId>,
}

impl Store {
    /// Orders a job. None when there is no such host.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a field, [`StoreError::Refused`] when the host waits for consent
    /// or for too many jobs, or the key belongs to another order.
    pub async fn create_job(
        &self,
        tenant: TenantId,
        by: &By,
        host: HostId,
        new: &NewJob,
    ) -> Result<Option<Created>, StoreError> {
        self.create_job_with(tenant, by, host, new, Consent::Free).await
    }

    /// Orders a job that has to do with somebody's consent. None when there is no such host.
    ///
    /// # Errors
    /// As [`create_job`](Self::create_job), and [`StoreError::NotConsented`] when the consent that
    /// it names does not count.
    pub async fn create_job_with(
        &self,
        tenant: TenantId,
        by: &By,
        host: HostId,
        new: &NewJob,
        consent: Consent,
    ) -> Result<Option<Created>, StoreError> {
        new.check()?;
        let mut write = self.job_write(by.at).await?;
        if let Some(job) = write.by_key(tenant, new.idempotency_key.as_deref()).await? {
            if job.host != host || job.command != new.command || job.params != new.params {
                return Err(StoreError::Refused("the idempotency_key belongs to another order"));
            }
            let approval = job.approval.filter(|_| job.held);
            return Ok(Some(Created { job: job.id, approval, announced: Announced::default() }));
        }
        let Some(name) = write.host_name(tenant, host).await? else { return Ok(None) };
        let placed = Placed {
            host,
            host_name: &name,
            batch: None,
            ring: 0,
            held: false,
            approval: None,
            retry_of: None,
        };
        let (job, approval) = write.order_with(tenant, by, new, placed, consent).await?;
        Ok(Some(Created { job, approval, announced: write.commit().await? }))
    }

    /// Orders a job again that is over, as a new one. None when there is no such job.
    ///
    /// # Errors
    /// [`StoreError::Refused`] while it is not over, or its host is gone.
    pub async fn retry_job(
        &self,
        tenant: TenantId,
        by: &By,
        id: JobId,
        life: Duration,
        consent: impl FnOnce(&NewJob) -> Consent,
    ) -> Result<Option<Created>, StoreError> {
        let mut write = self.job_write(by.at).await?;
        let Some(old) = write.find(tenant, id).await? else { return Ok(None) };
        if !old.state.is_over() {
            return Err(StoreError::Refused("the job is not over"));
        }
        if write.host_name(tenant, old.host).await?.is_none() {
            return Err(StoreError::Refused("the job's host was removed"));
        }
        let new = NewJob {
            command: old.command,
            params: old.params,
            priority: old.priority,
            retries: old.retries,
            not_before: by.at,
            deadline: by.at.plus(life),
            idempotency_key: None,
        };
        let placed = Placed {
            host: old.host,
            host_name: &old.host_name,
            batch: None,
            ring: 0,
            held: false,
            approval: None,
            retry_of: Some(id),
        };
        let consent = consent(&new);
        let (job, approval) = write.order_with(tenant, by, &new, placed, consent).await?;
        Ok(Some(Created { job, approval, announced: write.commit().await? }))
    }

    /// Calls a job off: at once while its agent can't know of it, else by asking the agent. None
    /// when there is no such job; whether the agent is to be asked else.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when it is over, save when it was called off before.
    pub async fn cancel_job(
        &self,
        tenant: TenantId,
        by: &By,
        id: JobId,
    ) -> Result<Option<(Job, Announced)>, StoreError> {
        let mut write = self.job_write(by.at).await?;
        let Some(mut job) = write.find(tenant, id).await? else { return Ok(None) };
        if job.state == JobState::Cancelled || (job.state.is_out() && job.cancel_at.is_some()) {
            return Ok(Some((job, Announced::default())));
        }
        if job.state.is_over() {
            return Err(StoreError::Refused("the job is over"));
        }
        write.call_off(&mut job).await?;
        let entry = Entry::done(tenant, "job.cancel", format!("job:{id}"))
            .with(serde_json::json!({ "host": job.host, "state": job.state }));
        append(&mut write.tx, by, entry).await?;
        Ok(Some((job, write.commit().await?)))
    }

    /// What is left of a removed host's jobs: nobody will do them any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_jobs_of_host(
        &self,
        tenant: TenantId,
        host: HostId,
        now: Timestamp,
    ) -> Result<Announced, StoreError> {
        let mut write = self.job_write(now).await?;
        for mut job in write.unfinished(tenant, host).await? {
            job.error = Some("its host was removed".into());
            let event =
                if job.state == JobState::Queued { JobEvent::Cancel } else { JobEvent::Lose };
            write.step(&mut job, event)?;
        }
        write.commit().await
    }
}

impl JobWrite {
    async fn by_key(
        &mut self,
        tenant: TenantId,
        key: Option<&str>,
    ) -> Result<Option<Job>, StoreError> {
        let Some(key) = key else { return Ok(None) };
        let row = sqlx::query("SELECT id FROM jobs WHERE tenant_id = $1 AND idempotency_key = $2")
            .bind(tenant.to_string())
            .bind(key)
            .fetch_optional(&mut *self.tx)
            .await?;
        match row {
            Some(row) => self.find(tenant, parsed(&row, "id")?).await,
            None => Ok(None),
        }
    }

    /// The name of a host that may be given orders.
    async fn host_name(
        &mut self,
        tenant: TenantId,
        host: HostId,
    ) -> Result<Option<String>, StoreError> {
        let row =
            sqlx::query("SELECT friendly_name, state FROM hosts WHERE tenant_id = $1 AND id = $2")
                .bind(tenant.to_string())
                .bind(host.to_string())
                .fetch_optional(&mut *self.tx)
                .await?;
        let Some(row) = row else { return Ok(None) };
        if parsed::<HostState>(&row, "state")? == HostState::Pending {
            return Err(StoreError::Refused("the host waits until somebody accepts it"));
        }
        Ok(Some(row.try_get("friendly_name")?))
    }

    /// Writes one order down, with its audit row and its event.
    pub(super) async fn order(
        &mut self,
        tenant: TenantId,
        by: &By,
        new: &NewJob,
        placed: &Placed<'_>,
    ) -> Result<JobId, StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS jobs FROM jobs WHERE tenant_id = $1 AND host_id = $2 \
             AND state IN ('queued', 'leased', 'received', 'running')",
        )
        .bind(tenant.to_string())
        .bind(placed.host.to_string())
        .fetch_one(&mut *self.tx)
        .await?;
        if row.try_get::<i64, _>("jobs")? >= PER_HOST {
            return Err(StoreError::Refused("as many jobs wait for this host as may"));
        }
        let id = self.insert(tenant, by, new, placed).await?;
        let entry = Entry::done(tenant, "job.create", format!("host:{}", placed.host)).with(
            serde_json::json!({ "job": id, "command": new.command, "retry_of": placed.retry_of }),
        );
        append(&mut self.tx, by, entry).await?;
        if let Some(job) = self.find(tenant, id).await? {
            self.announce_job(&job)?;
        }
        Ok(id)
    }

    /// Writes one order down and nothing else.
    pub(super) async fn insert(
        &mut self,
        tenant: TenantId,
        by: &By,
        new: &NewJob,
        placed: &Placed<'_>,
    ) -> Result<JobId, StoreError> {
        let id = JobId::new();
        sqlx::query(
            "INSERT INTO jobs (id, tenant_id, host_id, host_name, batch_id, ring, command, params, \
             idempotent, heavy, priority, state, attempt, retries, held, not_before, deadline, \
             created_at, created_by, output_end, retry_of, idempotency_key, subject, approval_id) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'queued', 1, $12, $13, $14, $15, \
             $16, $17, 0, $18, $19, $20, $21)",
        )
        .bind(id.to_string())
        .bind(tenant.to_string())
        .bind(placed.host.to_string())
        .bind(placed.host_name)
        .bind(placed.batch.map(|batch| batch.to_string()))
        .bind(i64::from(placed.ring))
        .bind(new.command.as_str())
        .bind(new.params.to_string())
        .bind(new.command.is_idempotent())
        .bind(new.command.is_heavy())
        .bind(i64::from(new.priority))
        .bind(i64::from(new.retries))
        .bind(placed.held)
        .bind(new.not_before.millis())
        .bind(new.deadline.millis())
        .bind(by.at.millis())
        .bind(by.actor.to_string())
        .bind(placed.retry_of.map(|job| job.to_string()))
        // A batch has the key of its order; its jobs have none.
        .bind(new.idempotency_key.as_deref().filter(|_| placed.batch.is_none()))
        .bind(new.subject().map(String::from))
        .bind(placed.approval.map(|approval| approval.to_string()))
        .execute(&mut *self.tx)
        .await?;
        Ok(id)
    }

    /// Calls off what is not over: at once, or by asking the agent.
    pub(super) async fn call_off(&mut self, job: &mut Job) -> Result<(), StoreError> {
        job.cancel_at = Some(self.now);
        if !self.step(job, JobEvent::Cancel)? {
            self.save(job, (job.state, job.attempt))?;
        }
        Ok(())
    }

    /// The jobs of a host that are not over.
    pub(super) async fn unfinished(
        &mut self,
        tenant: TenantId,
        host: HostId,
    ) -> Result<Vec<Job>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM jobs WHERE tenant_id = $1 AND host_id = $2 \
             AND state IN ('queued', 'leased', 'received', 'running')",
        )
        .bind(tenant.to_string())
        .bind(host.to_string())
        .fetch_all(&mut **self.settled().await?)
        .await?;
        super::in_order(&rows)
    }
}
