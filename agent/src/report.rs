//! A host in full: what takes longer to find out than what the daemon is told with each link.

pub(crate) mod device;
pub(crate) mod package;

use std::path::Path;

use gangplank_proto::report::{HostReport, Packages};

use crate::{config::file, facts};

/// Bytes of JSON of a report at most: what is kept of it undivided, with room to spare.
const LONGEST: usize = 480 << 10;

/// Finds everything out. What can't be found out is told in the report.
pub async fn collect() -> HostReport {
    let mut problems = Vec::new();
    let packages = package::collect(&mut problems).await;
    // A host whose files can't be read reports less.
    let rest = tokio::task::spawn_blocking(of_files).await.unwrap_or_default();
    let reboot_needed = reboot_needed(&rest, packages.as_ref());
    let problems = problems.into_iter().map(Into::into).collect();
    fitting(HostReport { packages, reboot_needed, problems, ..rest })
}

fn of_files() -> HostReport {
    HostReport {
        host: facts::host(&facts::own_account()),
        uptime_seconds: uptime(),
        interfaces: device::interfaces(),
        disks: device::disks(),
        ..HostReport::default()
    }
}

fn uptime() -> Option<u64> {
    let text = file::read(Path::new("/proc/uptime")).ok()?;
    text.split('.').next()?.trim().parse().ok()
}

/// By the file that Debian's packages leave behind; elsewhere by the running kernel, whose modules
/// are gone once a newer one has taken its place.
fn reboot_needed(report: &HostReport, packages: Option<&Packages>) -> Option<bool> {
    if ["/run/reboot-required", "/var/run/reboot-required"].iter().any(|p| Path::new(p).exists()) {
        return Some(true);
    }
    if packages?.manager.as_str() == "apt" {
        return Some(false);
    }
    let modules = Path::new("/lib/modules");
    let own = modules.join(report.host.kernel.as_str());
    // A container has neither kernel nor modules of its own.
    let others = modules.read_dir().ok()?.next().is_some();
    others.then(|| !own.exists())
}

/// Leaves out the list of installed packages when the report is too long with it.
fn fitting(mut report: HostReport) -> HostReport {
    let long = |report: &HostReport| {
        serde_json::to_vec(report).map_or(usize::MAX, |text| text.len()) > LONGEST
    };
    if long(&report)
        && let Some(packages) = &mut report.packages
    {
        packages.installed = None;
        report.problems.push("the installed packages are too many to be listed".into());
    }
    if long(&report)
        && let Some(packages) = &mut report.packages
    {
        packages.pending = None;
        report.problems.push("the pending updates are too many to be listed".into());
    }
    report
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use gangplank_proto::report::Package;

    use super::*;

    #[tokio::test]
    async fn this_host_reports_itself() {
        let report = collect().await;
        assert!(!report.host.kernel.is_empty());
        assert!(report.uptime_seconds.unwrap() > 0);
        assert!(report.interfaces.iter().any(|interface| interface.name.as_str() == "lo"));
        assert!(report.disks.iter().any(|disk| disk.mount.as_str() == "/" && disk.size > 0));
    }

    #[test]
    fn a_report_fits_whatever_is_installed() {
        let package = Package { name: "x".repeat(200).as_str().into(), version: "1".into() };
        let packages = Packages { installed: Some(vec![package; 5_000]), ..Packages::default() };
        let report = fitting(HostReport { packages: Some(packages), ..HostReport::default() });
        assert!(report.packages.unwrap().installed.is_none());
        assert_eq!(report.problems.len(), 1);
    }
}
