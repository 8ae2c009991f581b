//! What hosts report in full: the latest of each.

use gangplank_proto::id::{HostId, JobId, TenantId};
use gangplank_proto::report::HostReport;
use serde::Serialize;

use super::{Job, JobWrite};
use crate::clock::Timestamp;
use crate::store::claim::{self, Claim};
use crate::store::row::{json, parsed_option, time, to_json};
use crate::store::{Store, StoreError};

/// A host's report and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredReport {
    /// When it came.
    pub at: Timestamp,
    /// The job that asked for it; none when the host said it unasked.
    pub job_id: Option<JobId>,
    /// What it says.
    #[serde(flatten)]
    pub report: HostReport,
}

impl Store {
    /// The latest report of a host, if there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn host_report(
        &self,
        tenant: TenantId,
        host: HostId,
    ) -> Result<Option<StoredReport>, StoreError> {
        let row = sqlx::query(
            "SELECT job_id, at, report FROM host_reports WHERE tenant_id = $1 AND host_id = $2",
        )
        .bind(tenant.to_string())
        .bind(host.to_string())
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(StoredReport {
            at: time(&row, "at")?,
            job_id: parsed_option(&row, "job_id")?,
            report: json(&row, "report")?,
        }))
    }
}

impl Store {
    /// When a host's latest report came, if there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn host_reported_at(
        &self,
        tenant: TenantId,
        host: HostId,
    ) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query("SELECT at FROM host_reports WHERE tenant_id = $1 AND host_id = $2")
            .bind(tenant.to_string())
            .bind(host.to_string())
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| time(&row, "at")).transpose()
    }
}

impl JobWrite {
    /// Keeps the report that a job printed.
    pub(super) async fn keep_report(&mut self, job: &mut Job) -> Result<(), StoreError> {
        let output = self.whole_output(job).await?.unwrap_or_default();
        let Ok(report) = serde_json::from_slice::<HostReport>(&output) else {
            job.error = Some("the report can't be read".into());
            return Ok(());
        };
        self.put_report(job.tenant, job.host, Some(job.id), &report.bounded()).await
    }

    /// Keeps a report, which is cut to its bounds. A host that was removed meanwhile has none.
    pub(in crate::store) async fn put_report(
        &mut self,
        tenant: TenantId,
        host: HostId,
        job: Option<JobId>,
        report: &HostReport,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO host_reports (tenant_id, host_id, job_id, at, report) \
             SELECT tenant_id, id, $1, $2, $3 FROM hosts WHERE tenant_id = $4 AND id = $5 \
             ON CONFLICT (tenant_id, host_id) DO UPDATE SET \
             job_id = excluded.job_id, at = excluded.at, report = excluded.report",
        )
        .bind(job.map(|job| job.to_string()))
        .bind(self.now.millis())
        .bind(to_json(report, "report")?)
        .bind(tenant.to_string())
        .bind(host.to_string())
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// The report that is kept.
    pub(in crate::store) async fn report(
        &mut self,
        tenant: TenantId,
        host: HostId,
    ) -> Result<Option<HostReport>, StoreError> {
        let row =
            sqlx::query("SELECT report FROM host_reports WHERE tenant_id = $1 AND host_id = $2")
                .bind(tenant.to_string())
                .bind(host.to_string())
                .fetch_optional(&mut *self.tx)
                .await?;
        row.map(|row| json(&row, "report")).transpose()
    }

    /// Changes a report that is kept, without making it newer.
    pub(in crate::store) async fn touch_up_report(
        &mut self,
        tenant: TenantId,
        host: HostId,
        report: &HostReport,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE host_reports SET report = $1 WHERE tenant_id = $2 AND host_id = $3")
            .bind(to_json(report, "report")?)
            .bind(tenant.to_string())
            .bind(host.to_string())
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Keeps what a job printed as what its host says of itself.
    pub(super) async fn keep_claim<T: Claim>(&mut self, job: &mut Job) -> Result<(), StoreError> {
        let output = self.whole_output(job).await?.unwrap_or_default();
        let Ok(said) = serde_json::from_slice::<T>(&output) else {
            job.error = Some("what it says can't be read".into());
            return Ok(());
        };
        claim::keep(&mut self.tx, job.tenant, job.host, Some(job.id), said, self.now).await?;
        Ok(())
    }
}
