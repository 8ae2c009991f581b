//! Packages: which manager there is, what it installed, and what it would install.

mod apk;
pub(crate) mod apt;
mod dnf;
mod pacman;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use gangplank_proto::report::{Package, Packages, Pending};
use tokio::process::Command;
use tokio::time::timeout;

/// How long a package manager may take for one answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Longest answer of a package manager, in bytes.
const ANSWER: usize = 8 << 20;

/// Asks the manager that is here; none when there is none that is known.
pub(super) async fn collect(problems: &mut Vec<String>) -> Option<Packages> {
    let has = |path: &str| Path::new(path).exists();
    let (manager, installed, pending) = if has("/var/lib/dpkg/status") {
        ("apt", apt::installed().await, apt::pending().await)
    } else if has("/lib/apk/db/installed") {
        ("apk", apk::installed().await, apk::pending().await)
    } else if has("/usr/bin/dnf") || has("/usr/bin/dnf5") {
        ("dnf", dnf::installed().await, dnf::pending().await)
    } else if has("/var/lib/pacman/local") {
        ("pacman", pacman::installed().await, pacman::pending().await)
    } else {
        return None;
    };
    let mut told = |what: &str, problem: &str| problems.push(format!("{what}: {problem}"));
    let installed = installed.map_err(|why| told("installed packages", &why)).ok();
    let pending = pending.map_err(|why| told("pending updates", &why)).ok();
    let count = installed.as_ref().map_or(0, Vec::len);
    Some(Packages {
        manager: manager.into(),
        installed_count: u32::try_from(count).unwrap_or(u32::MAX),
        pending,
        installed,
    })
}

/// What a program prints, when it ends with one of `codes`.
async fn answer(program: &str, arguments: &[&str], codes: &[i32]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let output = timeout(PATIENCE, command.output()).await;
    let output = output.map_err(|_| format!("{program} did not answer in time"))?;
    let output = output.map_err(|error| format!("{program} can't be run: {error}"))?;
    if !output.status.code().is_some_and(|code| codes.contains(&code)) {
        return Err(format!("{program} failed ({})", output.status));
    }
    let kept = output.stdout.get(..ANSWER).unwrap_or(&output.stdout);
    Ok(String::from_utf8_lossy(kept).into_owned())
}

fn package(name: &str, version: &str) -> Package {
    Package { name: name.into(), version: version.into() }
}

fn update(name: &str, version: &str, available: &str, security: bool) -> Pending {
    let (name, version, available) = (name.into(), version.into(), available.into());
    Pending { name, version, available, security }
}
