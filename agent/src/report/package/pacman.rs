//! Arch's pacman.

use gangplank_proto::report::{Package, Pending};

use super::{answer, package, update};

pub(super) async fn installed() -> Result<Vec<Package>, String> {
    let text = answer("pacman", &["-Q"], &[0]).await?;
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    Ok(lines.map(|(name, version)| package(name, version)).collect())
}

/// Out of the lists that were fetched last. It does not tell security updates from others.
pub(super) async fn pending() -> Result<Vec<Pending>, String> {
    // 1: there are none.
    Ok(outdated(&answer("pacman", &["-Qu"], &[0, 1]).await?))
}

/// Lines such as `linux 6.7.1-1 -> 6.7.2-1`.
fn outdated(text: &str) -> Vec<Pending> {
    let lines = text.lines().filter_map(|line| {
        let (installed, available) = line.split_once(" -> ")?;
        let (name, version) = installed.split_once(' ')?;
        let available = available.split(' ').next()?;
        Some(update(name, version, available, false))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_pacman() {
        let text = "linux 6.7.1-1 -> 6.7.2-1\nzstd 1.5.5-1 -> 1.5.6-1 [ignored]\n";
        assert_eq!(
            outdated(text),
            [
                update("linux", "6.7.1-1", "6.7.2-1", false),
                update("zstd", "1.5.5-1", "1.5.6-1", false)
            ]
        );
    }
}
