//! What a helper can be asked for, and what it answers. Nothing in an ask is a path or an argument
//! list: names are looked up in root's own file or in the host's own lists.

use std::collections::BTreeMap;
use std::fmt;

use gangplank_proto::job::{Done, Progress};
use gangplank_proto::scan::Scanner;
use serde::{Deserialize, Serialize};

use crate::packages::Mode;

/// Longest name, in bytes.
const LONGEST: usize = 200;

/// Something to be done as root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case", deny_unknown_fields)]
pub enum Verb {
    /// Look what does not comply.
    Scan {
        /// By which scanner.
        scanner: Scanner,
        /// For which profile.
        profile: Option<Name>,
    },
    /// Update packages.
    Packages {
        /// Which, if any.
        mode: Mode,
    },
    /// Run a tool that root's file lists.
    Tool {
        /// Its name there.
        name: Name,
        /// What stands in its gaps, as far as root's file allows.
        args: BTreeMap<String, String>,
    },
    /// Lend a terminal with a user's login shell on it.
    Pty {
        /// Who.
        user: Name,
        /// `TERM`, such as `xterm-256color`.
        term: Name,
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
}

impl Verb {
    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Scan { .. } => "scan",
            Self::Packages { .. } => "packages",
            Self::Tool { .. } => "tool",
            Self::Pty { .. } => "pty",
        }
    }
}

/// A name: letters, digits and `_ - . @ : +`, beginning with a letter, a digit or `_`. So it is
/// neither a path nor an option.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// The text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name has letters, digits and _ - . @ : + only")]
pub struct NotAName;

impl Name {
    /// Takes a text that is one.
    ///
    /// # Errors
    /// [`NotAName`] for any other.
    pub fn new(text: &str) -> Result<Self, NotAName> {
        text.to_owned().try_into()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let any = |c: char| first(c) || "-.@:+".contains(c);
        let fits = text.len() <= LONGEST && text.starts_with(first) && text.chars().all(any);
        if fits { Ok(Self(text)) } else { Err(NotAName) }
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a helper says beside the output of the work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The terminal that was asked for comes with this word, as a descriptor (unix(7)).
    Terminal,
    /// It is this far.
    Progress(Progress),
    /// It is over, or was refused. Nothing follows.
    Done(Done),
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_neither_a_path_nor_an_option() {
        for name in ["standard", "xccdf_org.ssgproject.content_profile_cis", "a-b", "_x", "0"] {
            assert_eq!(Name::new(name).unwrap().as_str(), name);
        }
        let long = "x".repeat(201);
        for other in [
            "",
            "/etc/shadow",
            "../x",
            ".",
            "-x",
            "--root=/",
            "a/b",
            "a b",
            "a\n",
            "ä",
            "@a",
            &long,
        ] {
            assert_eq!(Name::new(other), Err(NotAName), "{other:?}");
        }
    }

    #[test]
    fn asks_are_verbs_with_their_parameters_and_no_more() {
        let scan: Verb = serde_json::from_str(r#"{"verb":"scan","scanner":"lynis"}"#).unwrap();
        assert_eq!(scan, Verb::Scan { scanner: Scanner::Lynis, profile: None });
        for wrong in [
            r#"{"verb":"exec","argv":["/bin/sh"]}"#,
            r#"{"verb":"scan","scanner":"lynis","content":"/tmp/x"}"#,
            r#"{"verb":"scan","scanner":"lynis","profile":"/tmp/x"}"#,
            r#"{"verb":"scan","scanner":"/tmp/oscap"}"#,
            r#"{"verb":"packages","mode":"remove"}"#,
            r#"{"verb":"packages","mode":"all","packages":["x"]}"#,
            r#"{"verb":"tool","name":"../../bin/sh","args":{}}"#,
            r#"{"verb":"tool","name":"df","args":["-h"]}"#,
            r#"{"scanner":"lynis"}"#,
        ] {
            assert!(serde_json::from_str::<Verb>(wrong).is_err(), "{wrong}");
        }
    }
}
