//! Lynis: runs its audit and reads its report file.

mod report;

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use gangplank_proto::scan::{Report, Scan, Scanner};
use tokio_util::sync::CancellationToken;

use super::process::{self, End};
use super::{Finding, Progress, Request, ScanError, Setup, Stopped};

/// What stands for all groups of tests.
const ALL: &str = "all";

/// Bytes of a report, and of the list of tests, that are read.
const FILE: u64 = 4 << 20;

/// Where Lynis has the names of its tests.
const TESTS: &str = "/usr/share/lynis/db/tests.db";

pub(super) async fn scan(
    request: &Request,
    setup: &Setup,
    cancel: &CancellationToken,
    mut progress: impl FnMut(Progress),
) -> Result<Finding, ScanError> {
    let program = setup.program("lynis", "lynis")?;
    let group = group(request.profile.as_deref(), &read(Path::new(TESTS)))?;
    let directory = tempfile::tempdir().map_err(ScanError::io("a directory can't be made"))?;
    let started_at = setup.timestamp();
    let file = directory.path().join("report.dat");
    let mut arguments: Vec<OsString> =
        ["audit", "system", "--cronjob", "--no-colors", "--report-file"].map(Into::into).to_vec();
    arguments.extend([OsString::from(&file), "--logfile".into(), "/dev/null".into()]);
    if group != ALL {
        arguments.extend(["--tests-from-group".into(), OsString::from(&group)]);
    }
    let mut done = 0;
    let seen = |line: &str| {
        if let Some(what) = line.strip_prefix("[+] ") {
            done += 1;
            progress(Progress { done, total: None, what: what.trim().to_owned() });
        }
    };
    let ended = process::run(&program, &arguments, directory.path(), &setup.limits, cancel, seen);
    let ended = ended.await.map_err(ScanError::io("lynis can't be started"))?;
    let found = report::read(&read(&file), &read(Path::new(TESTS)));
    let (stopped, exit_status) = match ended.end {
        End::Cancelled => (Some(Stopped::Cancelled), None),
        End::TooLong => (Some(Stopped::TooLong), None),
        End::Exited(status) if found.finished => (None, Some(status)),
        End::Exited(status) => {
            let complaints = ended.complaints.escape_debug().to_string();
            return Err(ScanError::Failed { scanner: Scanner::Lynis, status, complaints });
        }
        End::Signalled(signal) => {
            return Err(ScanError::Signalled { scanner: Scanner::Lynis, signal });
        }
    };
    let scan = Scan {
        scanner: Scanner::Lynis,
        scanner_version: found.version.into(),
        profile: group.into(),
        started_at: started_at.into(),
        finished_at: setup.timestamp().into(),
        partial: stopped.is_some(),
        scanner_score: found.hardening_index,
        ..Scan::default()
    };
    Ok(Finding { report: Report::new(scan, found.rules), stopped, exit_status })
}

/// The group of tests that is asked for, if Lynis has it.
fn group(asked: Option<&str>, tests: &str) -> Result<String, ScanError> {
    let asked = asked.unwrap_or(ALL);
    let known = || tests.lines().filter_map(|line| line.split(':').nth(3));
    if asked == ALL || (!asked.is_empty() && known().any(|group| group == asked)) {
        return Ok(asked.to_owned());
    }
    Err(ScanError::NoGroup(asked.escape_debug().to_string()))
}

/// As much of a file as is wanted; nothing of one that can't be read.
fn read(path: &Path) -> String {
    let mut bytes = Vec::new();
    let result = File::open(path).and_then(|file| file.take(FILE).read_to_end(&mut bytes));
    if let Err(error) = result {
        tracing::debug!(%error, path = %path.display(), "not read");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_one_that_lynis_has() {
        let tests = "#TestID:Type:Category:Group:Operating System:Description:\n\
                     SSH-7402:test:security:ssh::Check for running SSH daemon:\n";
        assert_eq!(group(None, tests).unwrap(), "all");
        assert_eq!(group(Some("all"), "").unwrap(), "all");
        assert_eq!(group(Some("ssh"), tests).unwrap(), "ssh");
        for other in ["", "ssh kernel", "--help", "security", "shell\u{1b}"] {
            let error = group(Some(other), tests).unwrap_err().to_string();
            assert!(!error.contains('\u{1b}'), "{error}");
        }
    }
}
