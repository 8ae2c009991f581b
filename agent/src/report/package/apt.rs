//! dpkg and apt.

use gangplank_proto::report::{Package, Pending};

use super::{answer, package, update};

/// Out of dpkg's own list, which is readable without it.
pub(super) async fn installed() -> Result<Vec<Package>, String> {
    let text = tokio::fs::read_to_string("/var/lib/dpkg/status").await;
    Ok(status(&text.map_err(|error| error.to_string())?))
}

/// Out of what apt would do, as far as it knows without asking the network.
pub(super) async fn pending() -> Result<Vec<Pending>, String> {
    let arguments = ["-s", "-qq", "-o", "Debug::NoLocking=1", "dist-upgrade"];
    Ok(simulated(&answer("apt-get", &arguments, &[0]).await?))
}

fn status(text: &str) -> Vec<Package> {
    let paragraphs = text.split("\n\n").filter_map(|paragraph| {
        let field = |name: &str| {
            paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        let here = field("Status")?.ends_with(" installed");
        here.then(|| Some(package(field("Package")?, field("Version")?)))?
    });
    paragraphs.collect()
}

/// Lines such as `Inst bash [5.2.15-2+b2] (5.2.15-2+b7 Debian:12.5/stable [amd64]) []`.
pub(crate) fn simulated(text: &str) -> Vec<Pending> {
    let lines = text.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
        let (before, rest) = rest.split_once('(')?;
        // A package that is new has no version yet.
        let version = before.trim().strip_prefix('[')?.strip_suffix(']')?;
        let (available, origins) = rest.split_once(' ')?;
        let origins = origins.split_once(')').map_or(origins, |(origins, _)| origins);
        let security = origins.to_ascii_lowercase().contains("security");
        Some(update(name, version, available, security))
    });
    lines.collect()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn what_dpkg_has_installed() {
        let text = "Package: bash\nStatus: install ok installed\nVersion: 5.2\nDepends: x\n\n\
                    Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
                    Package: half\nStatus: install ok half-installed\nVersion: 1\n";
        let found = status(text);
        assert_eq!(found, [package("bash", "5.2")]);
    }

    #[test]
    fn what_apt_would_do() {
        let text = "Inst libc6 [2.36-9] (2.36-9+deb12u4 Debian:12.5/stable, Debian-Security:12/stable-security [amd64])\n\
                    Inst bash [5.2.15-2+b2] (5.2.15-2+b7 Debian:12.5/stable [amd64]) []\n\
                    Inst linux-image-new (6.1.1 Debian:12.5/stable [amd64])\n\
                    Conf bash (5.2.15-2+b7 Debian:12.5/stable [amd64])\n";
        let found = simulated(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], update("libc6", "2.36-9", "2.36-9+deb12u4", true));
        assert!(!found[1].security);
    }
}
