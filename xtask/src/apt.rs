//! Installing what is missing from Debian's packages, or naming it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail, ensure};
use nix::unistd::Uid;

use crate::step;

/// A program, and the package that has it.
pub(crate) struct Need {
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
}

/// Makes sure that programs are there.
///
/// # Errors
/// When one is missing and can't be installed; the message has the line to type.
pub(crate) fn provide(needs: &[Need]) -> Result<()> {
    let mut packages: Vec<&str> =
        needs.iter().filter(|need| find(need.program).is_none()).map(|need| need.package).collect();
    packages.sort_unstable();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    install(&packages)?;
    let missing: Vec<&str> =
        needs.iter().map(|need| need.program).filter(|program| find(program).is_none()).collect();
    ensure!(missing.is_empty(), "still missing: {}", missing.join(", "));
    Ok(())
}

/// Installs packages.
///
/// # Errors
/// When that can't be done; the message has the line to type.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let line = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    if find("apt-get").is_none() {
        bail!("missing here: {}. Install what has these names on Debian", packages.join(", "));
    }
    if !Uid::effective().is_root() {
        bail!("something is missing here. Type: sudo {line}");
    }
    step(&format!("Installing {}", packages.join(", ")));
    let quiet = NoServices::while_installing()?;
    let updated = apt(&["update", "--quiet"])?;
    let mut arguments = vec!["install", "--quiet", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    ensure!(updated && apt(&arguments)?, "`{line}` failed");
    drop(quiet);
    Ok(())
}

fn apt(arguments: &[&str]) -> Result<bool> {
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()?;
    Ok(status.success())
}

/// Finds a program on the path, or where the system keeps root's.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(system)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// Keeps packages from starting their services: the tests want the programs, not a web server on
/// port 80.
struct NoServices(Option<&'static Path>);

impl NoServices {
    fn while_installing() -> Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;

        let policy = Path::new("/usr/sbin/policy-rc.d");
        if policy.exists() {
            return Ok(Self(None));
        }
        fs::write(policy, "#!/bin/sh\nexit 101\n")?;
        let guard = Self(Some(policy));
        fs::set_permissions(policy, fs::Permissions::from_mode(0o755))?;
        Ok(guard)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(policy) = self.0
            && let Err(error) = fs::remove_file(policy)
        {
            eprintln!("{} could not be removed: {error}", policy.display());
        }
    }
}
