//! rpm and dnf.

use std::collections::{BTreeMap, BTreeSet};

use gangplank_proto::report::{Package, Pending};

use super::{answer, package, update};

pub(super) async fn installed() -> Result<Vec<Package>, String> {
    let format = "%{NAME}.%{ARCH} %{EVR}\\n";
    Ok(list(&answer("rpm", &["-qa", "--qf", format], &[0]).await?))
}

/// Out of what dnf has cached.
pub(super) async fn pending() -> Result<Vec<Pending>, String> {
    // 100: there are updates.
    let codes = [0, 100];
    let all = answer("dnf", &["-q", "-C", "check-update"], &codes).await?;
    let secure = answer("dnf", &["-q", "-C", "check-update", "--security"], &codes).await?;
    let installed = installed().await.unwrap_or_default();
    Ok(updates(&all, &secure, &installed))
}

fn list(text: &str) -> Vec<Package> {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(name, version)| package(name, version.trim_start_matches("(none):"))).collect()
}

/// Lines such as `bash.x86_64   5.2.26-3.fc40   updates`, up to the obsoleted packages.
fn table(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().take_while(|line| !line.starts_with("Obsoleting"));
    lines.filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (name, version, _, None) =
            (fields.next()?, fields.next()?, fields.next()?, fields.next())
        else {
            return None;
        };
        name.contains('.').then_some((name, version))
    })
}

fn updates(all: &str, secure: &str, installed: &[Package]) -> Vec<Pending> {
    let secure: BTreeSet<_> = table(secure).collect();
    let versions: BTreeMap<_, _> =
        installed.iter().map(|package| (package.name.as_str(), package.version.as_str())).collect();
    let found = table(all).map(|(name, available)| {
        let version = versions.get(name).copied().unwrap_or_default();
        update(name, version, available, secure.contains(&(name, available)))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_dnf() {
        let installed = list("bash.x86_64 5.2.21-1.fc40\nvim.x86_64 (none):9.1-1\n");
        let all = "\nbash.x86_64   5.2.26-3.fc40   updates\nvim.x86_64 2:9.2-1 updates\n\
                   Obsoleting Packages\nold.noarch 1 fedora\n";
        let found = updates(all, "bash.x86_64 5.2.26-3.fc40 updates\n", &installed);
        assert_eq!(
            found,
            [
                update("bash.x86_64", "5.2.21-1.fc40", "5.2.26-3.fc40", true),
                update("vim.x86_64", "9.1-1", "2:9.2-1", false),
            ]
        );
    }
}
