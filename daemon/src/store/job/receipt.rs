//! Receipts of what was done for a case: each is committed with what it is the receipt of.

use gangplank_proto::fact::FactText;
use gangplank_proto::id::ScanId;
use gangplank_proto::scan::Report;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Job, JobWrite};
use crate::event::Topic;
use crate::store::StoreError;

/// A message of the channel `receipts`.
#[derive(Serialize)]
struct Message {
    event: &'static str,
    timestamp: String,
    case_id: FactText,
    network_attack_id: Option<FactText>,
    receipt: Value,
    case: Value,
    network_attack: Value,
}

impl JobWrite {
    /// Announces that a job is over that was done for a case.
    pub(super) fn announce_receipt(&mut self, job: &Job) -> Result<(), StoreError> {
        self.receipt(job, || {
            json!({
                "kind": "job",
                "job_id": job.id,
                "host_id": job.host,
                "host_name": job.host_name,
                "command": job.command,
                "subject": job.subject,
                "state": job.state,
                "attempt": job.attempt,
                "exit_status": job.exit_status,
                "error": job.error,
                "created_by": job.created_by,
                "started_at": job.started_at,
                "finished_at": job.finished_at,
                "output_bytes": job.output_end,
            })
        })
    }

    /// Announces that a scan is kept that was made for a case.
    pub(super) fn announce_scan_receipt(
        &mut self,
        job: &Job,
        id: ScanId,
        report: &Report,
    ) -> Result<(), StoreError> {
        let scan = &report.scan;
        self.receipt(job, || {
            json!({
                "kind": "scan",
                "scan_id": id,
                "job_id": job.id,
                "host_id": job.host,
                "host_name": job.host_name,
                "scanner": scan.scanner,
                "profile": scan.profile,
                "partial": scan.partial,
                "score": scan.counts.score(),
                "counts": scan.counts,
            })
        })
    }

    fn receipt(&mut self, job: &Job, receipt: impl FnOnce() -> Value) -> Result<(), StoreError> {
        let text = |name| job.params.get(name).and_then(Value::as_str).map(FactText::from);
        let Some(case_id) = text("case_id").filter(|id| !id.is_empty()) else { return Ok(()) };
        let network_attack_id = text("network_attack_id").filter(|id| !id.is_empty());
        let message = Message {
            event: "investigation_receipt_updated",
            timestamp: self.now.to_string(),
            receipt: receipt(),
            case: json!({ "id": case_id }),
            network_attack: network_attack_id.as_ref().map_or(json!({}), |id| json!({ "id": id })),
            case_id,
            network_attack_id,
        };
        self.announce(job.tenant, Topic::Receipts, &message)
    }
}
