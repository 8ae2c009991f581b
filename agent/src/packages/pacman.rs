//! Arch's pacman.

use super::{Manager, Mode, PackageError, Steps};

const VARIABLES: &[(&str, &str)] = &[("LC_ALL", "C.UTF-8")];

/// There is nothing to list.
const NONE: i32 = 1;

pub(super) async fn update(mode: Mode, steps: &Steps<'_>) -> Result<Option<usize>, PackageError> {
    match mode {
        Mode::DryRun => {
            let ended = steps.run("pacman", &["-Qu"], VARIABLES).await?.expect(&[0, NONE])?;
            Ok(Some(ended.printed.lines().count()))
        }
        Mode::Security => Err(PackageError::NoSecurity(Manager::Pacman)),
        Mode::All => {
            let arguments = ["-Syu", "--noconfirm", "--noprogressbar"];
            steps.run("pacman", &arguments, VARIABLES).await?.expect(&[0])?;
            Ok(None)
        }
    }
}
