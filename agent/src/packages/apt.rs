//! Debian's apt: without questions, with the settings kept that somebody changed, and without taking
//! packages away.

use super::{Mode, PackageError, Steps};
use crate::report::package::apt::simulated;

/// Nobody is there to answer, and what it says is read by us. A tool that starts services again after
/// an update would end the very agent that waits for it.
const VARIABLES: &[(&str, &str)] = &[
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
    ("APT_LISTCHANGES_FRONTEND", "none"),
    ("NEEDRESTART_MODE", "l"),
    ("LC_ALL", "C.UTF-8"),
];

/// For every call that changes something.
const QUIETLY: &[&str] = &[
    "-y",
    "-q",
    "-o",
    "Dpkg::Options::=--force-confdef",
    "-o",
    "Dpkg::Options::=--force-confold",
    "-o",
    "Dpkg::Use-Pty=0",
    // Somebody else may be at it, such as the timer that looks for updates every day.
    "-o",
    "DPkg::Lock::Timeout=120",
];

/// What would be updated, as far as is known without asking the network.
const PLAN: &[&str] = &["-s", "-q", "-o", "Debug::NoLocking=1", "upgrade", "--with-new-pkgs"];

pub(super) async fn update(mode: Mode, steps: &Steps<'_>) -> Result<Option<usize>, PackageError> {
    if mode != Mode::DryRun {
        steps.run("apt-get", &["-q", "update"], VARIABLES).await?.expect(&[0])?;
    }
    let plan = steps.run("apt-get", PLAN, VARIABLES).await?.expect(&[0])?;
    let pending = simulated(&plan.printed);
    match mode {
        Mode::DryRun => Ok(Some(pending.len())),
        Mode::All => {
            // What somebody interrupted before is finished first.
            let configure = ["--configure", "-a", "--force-confdef", "--force-confold"];
            steps.run("dpkg", &configure, VARIABLES).await?.expect(&[0])?;
            let arguments = [QUIETLY, &["upgrade", "--with-new-pkgs"]].concat();
            steps.run("apt-get", &arguments, VARIABLES).await?.expect(&[0])?;
            Ok(Some(pending.len()))
        }
        Mode::Security => {
            let secure = pending.iter().filter(|package| package.security);
            let names: Vec<&str> = secure.map(|package| package.name.as_str()).collect();
            if names.is_empty() {
                steps.say("No security updates.").await;
                return Ok(Some(0));
            }
            let arguments = [QUIETLY, &["install", "--only-upgrade", "--"], &names].concat();
            steps.run("apt-get", &arguments, VARIABLES).await?.expect(&[0])?;
            Ok(Some(names.len()))
        }
    }
}
