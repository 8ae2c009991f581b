//! What compliance scans print: kept as scans.

use gangplank_proto::job::Outcome;
use gangplank_proto::scan::Report;

use super::{Job, JobWrite};
use crate::store::StoreError;
use crate::store::compliance::{ScanSource, keep};

impl JobWrite {
    /// Keeps the scan that a job printed, if it printed one. One that was called off prints what it
    /// has, one that could not begin prints nothing.
    pub(super) async fn keep_scan(
        &mut self,
        job: &mut Job,
        outcome: Outcome,
    ) -> Result<(), StoreError> {
        let output = self.whole_output(job).await?;
        if output.as_ref().is_some_and(Vec::is_empty) && outcome != Outcome::Succeeded {
            return Ok(());
        }
        let Ok(report) = serde_json::from_slice::<Report>(&output.unwrap_or_default()) else {
            tracing::warn!(job = %job.id, host = %job.host, "the report of a scan can't be read");
            job.error.get_or_insert_with(|| "the report can't be read".into());
            return Ok(());
        };
        let source = ScanSource::Job(job.id);
        let kept = keep(&mut self.tx, job.tenant, job.host, source, &report, self.now).await?;
        kept.map_or(Ok(()), |id| self.announce_scan_receipt(job, id, &report))
    }
}
