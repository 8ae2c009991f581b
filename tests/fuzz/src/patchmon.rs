//! PatchMon's words, and what its agents post.

use gangplank_proto::{
    docker::DockerInventory,
    integration::Integrations,
    patchmon::{
        DockerUpload, FromPatchmon, IntegrationStatus, Ping, ScanUpload, ToPatchmon, Update,
    },
    report::HostReport,
};

use crate::word;

/// Any text is read or refused; what is read lasts.
pub fn patchmon(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(said) = serde_json::from_str::<FromPatchmon>(text) {
        word::lasts(&said, serde_json::to_string, |text| serde_json::from_str(text));
    }
    if let Ok(said) = serde_json::from_str::<ToPatchmon>(text) {
        word::lasts(&said, serde_json::to_string, |text| serde_json::from_str(text));
    }
    posts(text);
}

/// What is posted comes to something within its bounds, or is refused.
fn posts(text: &str) {
    if let Ok(update) = serde_json::from_str::<Update>(text)
        && update.check().is_ok()
    {
        let report = update.over(HostReport::default());
        assert_eq!(report.clone().bounded(), report);
    }
    if let Ok(ping) = serde_json::from_str::<Ping>(text) {
        let _ = ping.metrics.over(HostReport::default());
    }
    if let Ok(upload) = serde_json::from_str::<DockerUpload>(text) {
        let inventory = DockerInventory::from(upload);
        assert_eq!(inventory.clone().bounded(), inventory);
    }
    if let Ok(status) = serde_json::from_str::<IntegrationStatus>(text) {
        let _ = status.over(Integrations::default());
    }
    if let Ok(upload) = serde_json::from_str::<ScanUpload>(text)
        && let Ok((scans, versions)) = upload.scans()
    {
        for scan in scans {
            let report = scan.report(&versions);
            let judged = report.scan.score.is_none_or(|score| (0.0..=100.0).contains(&score));
            assert!(judged, "{:?}", report.scan);
        }
    }
}
