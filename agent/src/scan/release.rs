//! Which system a host runs, as SCAP content is named after it.

use crate::facts;

/// A system and its version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    /// The system's id, such as `debian`.
    pub id: String,
    /// Its version, such as `12` or `24.04`; empty where it has none.
    pub version: String,
}

impl Release {
    /// The system of this host, by os-release(5).
    #[must_use]
    pub fn of_host() -> Self {
        let text = facts::os_release();
        let field = |name| facts::release_field(&text, name).unwrap_or_default();
        Self { id: field("ID"), version: field("VERSION_ID") }
    }

    /// The names under which there may be content for it: its own, and the one that the SCAP
    /// Security Guide has for it where that differs.
    pub(super) fn names(&self) -> Vec<&str> {
        let other = match self.id.as_str() {
            "sles" | "sled" => Some("sle"),
            "rocky" => Some("rl"),
            "amzn" => Some("al"),
            "centos" => Some("cs"),
            _ => None,
        };
        [Some(self.id.as_str()), other]
            .into_iter()
            .flatten()
            .filter(|name| !name.is_empty())
            .collect()
    }

    /// The whole version as a number without its dots, and the first part of it.
    pub(super) fn numbers(&self) -> (Option<u32>, Option<u32>) {
        let whole = self.version.replace('.', "");
        let major = self.version.split('.').next().unwrap_or_default();
        (whole.parse().ok(), major.parse().ok())
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = if self.id.is_empty() { "an unnamed system" } else { &self.id };
        write!(f, "{} {}", name.escape_debug(), self.version.escape_debug())
    }
}
