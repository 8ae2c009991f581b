//! Fedora's dnf.

use super::{Mode, PackageError, Steps};

const VARIABLES: &[(&str, &str)] = &[("LC_ALL", "C.UTF-8")];

/// There are updates.
const PENDING: i32 = 100;

pub(super) async fn update(mode: Mode, steps: &Steps<'_>) -> Result<Option<usize>, PackageError> {
    let arguments: &[&str] = match mode {
        Mode::DryRun => {
            let known = ["-q", "-C", "check-update"];
            let ended = steps.run("dnf", &known, VARIABLES).await?.expect(&[0, PENDING])?;
            let lines = ended.printed.lines().take_while(|line| !line.starts_with("Obsoleting"));
            // Name, version and source.
            let updates = lines.filter(|line| line.split_whitespace().count() == 3).count();
            return Ok(Some(if ended.status == PENDING { updates } else { 0 }));
        }
        Mode::Security => &["-y", "--refresh", "upgrade", "--security"],
        Mode::All => &["-y", "--refresh", "upgrade"],
    };
    steps.run("dnf", arguments, VARIABLES).await?.expect(&[0])?;
    Ok(None)
}
