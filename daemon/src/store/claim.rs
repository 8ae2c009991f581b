//! What hosts say of themselves beside their reports: the latest of each kind.

use gangplank_proto::docker::DockerInventory;
use gangplank_proto::id::{HostId, JobId, TenantId};
use gangplank_proto::integration::Integrations;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{Sqlite, Transaction};

use super::row::{json, parsed_option, time, to_json};
use super::{Store, StoreError};
use crate::clock::Timestamp;

/// Something that a host says of itself.
pub trait Claim: Serialize + DeserializeOwned + Send + Sync {
    /// Its name in the store.
    const KIND: &'static str;

    /// The same, with every list cut to its bound.
    #[must_use]
    fn bounded(self) -> Self;
}

impl Claim for DockerInventory {
    const KIND: &'static str = "docker";

    fn bounded(self) -> Self {
        Self::bounded(self)
    }
}

impl Claim for Integrations {
    const KIND: &'static str = "integrations";

    fn bounded(self) -> Self {
        Self::bounded(self)
    }
}

/// A claim and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claimed<T> {
    /// When it came, or was last changed.
    pub at: Timestamp,
    /// The job that asked for it; none when the host said it unasked.
    pub job_id: Option<JobId>,
    /// What it says.
    #[serde(flatten)]
    pub claim: T,
}

impl Store {
    /// The latest claim of one kind, if there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim<T: Claim>(
        &self,
        tenant: TenantId,
        host: HostId,
    ) -> Result<Option<Claimed<T>>, StoreError> {
        let row = select::<T>(tenant, host).fetch_optional(&self.reader).await?;
        row.as_ref().map(read).transpose()
    }

    /// Keeps what a host says unasked. False when there is no such host.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_claim<T: Claim>(
        &self,
        tenant: TenantId,
        host: HostId,
        claim: T,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let kept = keep(&mut tx, tenant, host, None, claim, now).await?;
        tx.commit().await?;
        Ok(kept)
    }

    /// Changes a claim that is kept. False when there is none or `change` says that it changed
    /// nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn change_claim<T: Claim>(
        &self,
        tenant: TenantId,
        host: HostId,
        now: Timestamp,
        change: impl FnOnce(&mut T) -> bool,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let row = select::<T>(tenant, host).fetch_optional(&mut *tx).await?;
        let Some(row) = row else { return Ok(false) };
        let Claimed { job_id, mut claim, .. } = read::<T>(&row)?;
        if !change(&mut claim) {
            return Ok(false);
        }
        let kept = keep(&mut tx, tenant, host, job_id, claim, now).await?;
        tx.commit().await?;
        Ok(kept)
    }
}

/// The latest claim of one kind, within a transaction.
pub(super) async fn find<T: Claim>(
    tx: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    host: HostId,
) -> Result<Option<T>, StoreError> {
    let row = select::<T>(tenant, host).fetch_optional(&mut **tx).await?;
    row.map(|row| json(&row, "claim")).transpose()
}

/// Keeps a claim within a transaction. False when there is no such host.
pub(super) async fn keep<T: Claim>(
    tx: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    host: HostId,
    job: Option<JobId>,
    claim: T,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let kept = sqlx::query(
        "INSERT INTO host_claims (tenant_id, host_id, kind, job_id, at, claim) \
         SELECT tenant_id, id, $1, $2, $3, $4 FROM hosts WHERE tenant_id = $5 AND id = $6 \
         ON CONFLICT (tenant_id, host_id, kind) DO UPDATE SET \
         job_id = excluded.job_id, at = excluded.at, claim = excluded.claim",
    )
    .bind(T::KIND)
    .bind(job.map(|job| job.to_string()))
    .bind(now.millis())
    .bind(to_json(&claim.bounded(), "claim")?)
    .bind(tenant.to_string())
    .bind(host.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(kept.rows_affected() > 0)
}

type Query = sqlx::query::Query<'static, Sqlite, sqlx::sqlite::SqliteArguments>;

fn select<T: Claim>(tenant: TenantId, host: HostId) -> Query {
    sqlx::query(
        "SELECT job_id, at, claim FROM host_claims \
         WHERE tenant_id = $1 AND host_id = $2 AND kind = $3",
    )
    .bind(tenant.to_string())
    .bind(host.to_string())
    .bind(T::KIND)
}

fn read<T: Claim>(row: &sqlx::sqlite::SqliteRow) -> Result<Claimed<T>, StoreError> {
    Ok(Claimed {
        at: time(row, "at")?,
        job_id: parsed_option(row, "job_id")?,
        claim: json(row, "claim")?,
    })
}
