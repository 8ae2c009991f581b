//! Which scanners this host has, and which profiles they could be asked for.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::content::{self, Content};
use super::{Setup, profile};

/// What there is to scan with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Available {
    /// Each scanner that this program knows, and whether it is installed.
    pub scanners: BTreeMap<&'static str, bool>,
    /// Profiles of the content for this host's system, by their short names.
    pub profiles: Vec<String>,
}

/// Looks for scanners and content; `given` are the files that the host's policy lists.
#[must_use]
pub fn available(given: &[PathBuf], setup: &Setup) -> Available {
    let has = |name| setup.program(name, "").is_ok();
    let scanners = BTreeMap::from([("openscap", has("oscap")), ("lynis", has("lynis"))]);
    let mut profiles = Vec::new();
    if let Ok(directory) = tempfile::tempdir() {
        let installed = content::candidates(&setup.content, &setup.release, directory.path());
        let given = given.iter().map(|path| Content::given(path));
        for content in given.chain(installed.unwrap_or_default()) {
            // Content that can't be read has nothing to choose.
            let Ok(document) = content.read(&setup.bounds) else { continue };
            for profile in &document.profiles {
                let name = profile::short(profile);
                if !profiles.iter().any(|known| known == name) {
                    profiles.push(name.to_owned());
                }
            }
        }
    }
    Available { scanners, profiles }
}
