//! Scans.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::job::{Done, Outcome};
use gangplank_proto::patchmon::{Hashes, PostedScan, ScanUpload, Section};
use gangplank_proto::scan::{Report, Scanner};
use gangplank_proto::settings::Toggles;
use serde_json::json;

use super::{crowded, done};
use crate::app::App;
use crate::http::error::Refusal;
use crate::http::gate::Call;
use crate::job;
use crate::patchmon::LARGEST;

pub(in crate::http) async fn scans(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let agent = call.agent()?.clone();
    let (tenant, host) = (agent.tenant, agent.host);
    if let Err(wait) = app.patchmon.scan(host) {
        return Err(Refusal::too_many("too many scans of this host in a minute", wait.as_secs()));
    }
    let turn = app.patchmon.upload().await.ok_or_else(crowded)?;
    let upload: ScanUpload = call.json_within(LARGEST).await?;
    let mut hashes = Hashes::default();
    if let Some(hash) = upload.compliance_hash.clone() {
        hashes.set(Section::Compliance, hash);
    }
    let scans = upload.scans().map_err(|error| Refusal::bad_request(error.to_string()));
    let (mut scans, versions) = scans?;
    let received = scans.len();
    let toggles = app.store.host_settings(tenant, host).await?.integrations;
    scans.retain(|scan| is_wanted(scan, toggles));
    let ended = outcome(&scans);
    let found = scans.into_iter().filter(|scan| !scan.is_failure());
    let reports: Vec<Report> = found.map(|scan| scan.report(&versions)).collect();
    let now = app.clock.now();
    let kept = app.store.patchmon_scans(tenant, host, &reports, (&ended, &hashes), now).await?;
    drop(turn);
    job::settle(&app, kept.taken).await?;
    let told: Vec<_> = kept
        .scans
        .iter()
        .zip(&reports)
        .map(|(id, report)| {
            json!({
                "scan_id": id,
                "profile_name": report.scan.profile,
                "score": report.scan.score,
                "stats": report.scan.counts,
                "results_stored": report.rules.len(),
            })
        })
        .collect();
    done(&json!({
        "message": "Scan results saved successfully",
        "scans_received": received,
        "scans": told,
    }))
}

/// What people have switched off is not kept.
fn is_wanted(scan: &PostedScan, toggles: Toggles) -> bool {
    let switch = match scan.scanner() {
        Scanner::Openscap => toggles.openscap,
        Scanner::DockerBench => toggles.docker_bench,
        _ => None,
    };
    switch != Some(false)
}

/// What came of it, for the job that asked: a scan that found something is one, whatever another
/// scanner on the host says.
fn outcome(scans: &[PostedScan]) -> Done {
    let failure = scans.iter().find(|scan| scan.is_failure());
    match failure {
        Some(failure) if scans.iter().all(PostedScan::is_failure) => {
            let error = failure.error.as_str();
            let error = if error.is_empty() { "the scan failed" } else { error };
            Done::new(Outcome::Failed, Some(error))
        }
        _ => Done::new(Outcome::Succeeded, None),
    }
}
