//! Alpine's apk.

use gangplank_proto::report::{Package, Pending};

use super::{answer, package, update};

/// Out of its own list.
pub(super) async fn installed() -> Result<Vec<Package>, String> {
    let text = tokio::fs::read_to_string("/lib/apk/db/installed").await;
    Ok(database(&text.map_err(|error| error.to_string())?))
}

/// It does not tell security updates from others.
pub(super) async fn pending() -> Result<Vec<Pending>, String> {
    Ok(outdated(&answer("apk", &["version", "-l", "<"], &[0]).await?))
}

fn database(text: &str) -> Vec<Package> {
    let paragraphs = text.split("\n\n").filter_map(|paragraph| {
        let field = |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name));
        Some(package(field("P:")?, field("V:")?))
    });
    paragraphs.collect()
}

/// Lines such as `busybox-1.36.1-r5 < 1.36.1-r6`.
fn outdated(text: &str) -> Vec<Pending> {
    let lines = text.lines().filter_map(|line| {
        let (installed, available) = line.split_once('<')?;
        // The version is all from the second hyphen from the end on.
        let mut parts = installed.trim().rsplitn(3, '-');
        let (release, version, name) = (parts.next()?, parts.next()?, parts.next()?);
        Some(update(name, &format!("{version}-{release}"), available.trim(), false))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_apk() {
        let text = "C:Q1\nP:busybox\nV:1.36.1-r5\nA:x86_64\n\nP:musl\nV:1.2.4-r2\n";
        assert_eq!(database(text), [package("busybox", "1.36.1-r5"), package("musl", "1.2.4-r2")]);
        let text = "Installed:   Available:\nca-certificates-bundle-20230506-r0 < 20240226-r0\n";
        assert_eq!(
            outdated(text),
            [update("ca-certificates-bundle", "20230506-r0", "20240226-r0", false)]
        );
    }
}
