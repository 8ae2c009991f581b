//! Alpine's apk.

use super::{Manager, Mode, PackageError, Steps};

const VARIABLES: &[(&str, &str)] = &[("LC_ALL", "C.UTF-8")];

pub(super) async fn update(mode: Mode, steps: &Steps<'_>) -> Result<Option<usize>, PackageError> {
    match mode {
        Mode::DryRun => {
            let arguments = ["--no-progress", "--simulate", "upgrade"];
            let ended = steps.run("apk", &arguments, VARIABLES).await?.expect(&[0])?;
            let updates = ended.printed.lines().filter(|line| line.contains(" Upgrading ")).count();
            Ok(Some(updates))
        }
        Mode::Security => Err(PackageError::NoSecurity(Manager::Apk)),
        Mode::All => {
            let arguments = ["--no-progress", "--update-cache", "upgrade"];
            let ended = steps.run("apk", &arguments, VARIABLES).await?.expect(&[0])?;
            let updates = ended.printed.lines().filter(|line| line.contains(" Upgrading ")).count();
            Ok(Some(updates))
        }
    }
}
