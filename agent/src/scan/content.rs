//! The content to scan by: what the distribution's packages have for this system, or our own, which
//! is for any Linux.

use std::cmp::Reverse;
use std::fs::{self, File};
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};

use super::xccdf::{self, Bounds, Document};
use super::{Release, ScanError, shown};

/// Our own content.
const OWN: &[u8] = include_bytes!("../../content/gangplank-linux-ds.xml");

/// Its file's name.
const OWN_NAME: &str = "gangplank-linux-ds.xml";

/// A file of SCAP content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) path: PathBuf,
    pub(super) name: String,
}

impl Content {
    /// A given file.
    pub(super) fn given(path: &Path) -> Self {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        Self { path: path.to_owned(), name: name.unwrap_or_default() }
    }

    /// Whether it is our own.
    pub(super) fn is_own(&self) -> bool {
        self.name == OWN_NAME
    }

    /// Reads profiles and rules.
    pub(super) fn read(&self, bounds: &Bounds) -> Result<Document, ScanError> {
        let file = File::open(&self.path).map_err(ScanError::io(shown(&self.path)))?;
        let parsed = xccdf::parse(BufReader::new(file), bounds);
        parsed.map_err(|error| ScanError::Document { file: self.name.clone(), error })
    }
}

/// All content that may be for a system, the likeliest first. Our own is the last; it is written
/// into `directory`, where the scanner finds it.
pub(super) fn candidates(
    installed: &Path,
    release: &Release,
    directory: &Path,
) -> Result<Vec<Content>, ScanError> {
    let mut found: Vec<(Reverse<u32>, String)> = Vec::new();
    let (whole, major) = release.numbers();
    // A directory that isn't there has nothing.
    for entry in fs::read_dir(installed).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix("ssg-").and_then(|rest| rest.strip_suffix("-ds.xml"))
        else {
            continue;
        };
        let version = release.names().into_iter().find_map(|system| rest.strip_prefix(system));
        if let Some(fit) = version.and_then(|version| fit(version, whole, major)) {
            found.push((Reverse(fit), name));
        }
    }
    found.sort();
    // Of the older ones only the newest: what it does not fit, those before it do even less.
    let fitting = found.iter().filter(|(Reverse(fit), _)| *fit >= MAJOR).count();
    found.truncate(fitting + 1);
    let mut all: Vec<Content> =
        found.into_iter().map(|(_, name)| Content { path: installed.join(&name), name }).collect();
    if cfg!(target_os = "linux") {
        all.push(own(directory)?);
    }
    Ok(all)
}

/// How well content of the system's own version fits, and of its major version.
const WHOLE: u32 = u32::MAX;
const MAJOR: u32 = u32::MAX - 1;

/// How well content of one version fits: its own version best, then the whole major version, then
/// the newest of the older ones, then content that is for any version.
fn fit(version: &str, whole: Option<u32>, major: Option<u32>) -> Option<u32> {
    if version.is_empty() {
        return Some(0);
    }
    let version: u32 = version.parse().ok()?;
    if Some(version) == whole {
        return Some(WHOLE);
    }
    if Some(version) == major {
        return Some(MAJOR);
    }
    // 22.04 is 2204, and older than 24.04; 9 is older than 10.
    let own = if version >= 100 { whole } else { major };
    own.filter(|own| version < *own).map(|_| version.min(MAJOR - 1))
}

fn own(directory: &Path) -> Result<Content, ScanError> {
    let path = directory.join(OWN_NAME);
    let written = File::create(&path).and_then(|mut file| file.write_all(OWN));
    written.map_err(ScanError::io("our own content can't be written"))?;
    Ok(Content { path, name: OWN_NAME.to_owned() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn names(files: &[&str], id: &str, version: &str) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let installed = directory.path().join("content");
        fs::create_dir(&installed).unwrap();
        for file in files {
            File::create(installed.join(file)).unwrap();
        }
        let release = Release { id: id.to_owned(), version: version.to_owned() };
        let found = candidates(&installed, &release, directory.path()).unwrap();
        found.into_iter().map(|content| content.name).collect()
    }

    #[test]
    fn content_is_chosen_by_the_system() {
        let files = [
            "ssg-debian10-ds.xml",
            "ssg-debian11-ds.xml",
            "ssg-debian11-ds-1.2.xml",
            "ssg-debian11-oval.xml",
            "ssg-debian13-ds.xml",
            "ssg-ubuntu2204-ds.xml",
            "ssg-rhel8-ds.xml",
            "ssg-rhel9-ds.xml",
            "ssg-rl9-ds.xml",
            "ssg-fedora-ds.xml",
            "ssg-sle15-ds.xml",
        ];
        let own = OWN_NAME;
        let cases: [(&str, &str, &[&str]); 9] = [
            ("debian", "11", &["ssg-debian11-ds.xml", "ssg-debian10-ds.xml", own]),
            ("debian", "12", &["ssg-debian11-ds.xml", own]),
            ("debian", "", &[own]),
            ("ubuntu", "22.04", &["ssg-ubuntu2204-ds.xml", own]),
            ("ubuntu", "24.04", &["ssg-ubuntu2204-ds.xml", own]),
            ("rhel", "9.4", &["ssg-rhel9-ds.xml", "ssg-rhel8-ds.xml", own]),
            ("rocky", "9.3", &["ssg-rl9-ds.xml", own]),
            ("fedora", "41", &["ssg-fedora-ds.xml", own]),
            ("sles", "15.5", &["ssg-sle15-ds.xml", own]),
        ];
        for (id, version, expected) in cases {
            assert_eq!(names(&files, id, version), expected, "{id} {version}");
        }
        assert_eq!(names(&files, "", ""), [own]);
    }

    #[test]
    fn a_host_without_content_has_our_own() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing");
        let found = candidates(&missing, &Release::default(), directory.path()).unwrap();
        let [own] = found.as_slice() else { unreachable!("{found:?}") };
        assert!(own.is_own());
        let document = own.read(&Bounds::default()).unwrap();
        let profiles: Vec<&str> = document.profiles.iter().map(|p| p.title.as_str()).collect();
        assert_eq!(profiles, ["Basic", "Strict"]);
        assert!(document.rules.len() >= 12);
        for rule in &document.rules {
            assert!(!rule.title.is_empty() && !rule.rationale.is_empty() && !rule.fix.is_empty());
        }
    }
}
