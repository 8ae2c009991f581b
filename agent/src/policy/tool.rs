//! A tool that the host's owner lets the daemon run: a program, how its arguments are put together,
//! and what may stand in their gaps. No shell is involved.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use regex::Regex;

/// Longest value of a gap, in bytes.
const LONGEST: usize = 4096;

/// A tool, as a table `[tools.NAME]` of the file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// The program, by its absolute path.
    pub command: PathBuf,
    /// Its arguments; each `{NAME}` in them is a gap.
    pub args: Vec<String>,
    /// What may stand in the gaps.
    pub params: BTreeMap<String, Pattern>,
    /// It is ended after so long.
    pub timeout: Duration,
    /// It has to run as root: by the helper, unless the agent is root itself.
    pub root: bool,
}

/// What may stand in a gap.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// One of these.
    OneOf(Vec<String>),
    /// What this matches as a whole.
    Matches(Regex),
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::OneOf(these), Self::OneOf(those)) => these == those,
            (Self::Matches(this), Self::Matches(that)) => this.as_str() == that.as_str(),
            _ => false,
        }
    }
}

impl Eq for Pattern {}

/// Why a tool is not run. It never shows what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ToolRefusal {
    /// A gap has nothing to fill it.
    #[error("args lacks {0}")]
    Missing(String),
    /// The tool has no such gap.
    #[error("args has what this tool does not take; it takes {0}")]
    Unknown(String),
    /// The host's file does not allow the value.
    #[error("this host's file does not allow that value of {0}")]
    NotAllowed(String),
}

impl Pattern {
    /// An expression, to be matched as a whole.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn matching(expression: &str) -> Result<Self, regex::Error> {
        // Alone first: what is only half an expression must not become whole by the brackets.
        Regex::new(expression)?;
        Regex::new(&format!(r"\A(?:{expression})\z")).map(Self::Matches)
    }

    fn allows(&self, value: &str) -> bool {
        if value.len() > LONGEST || value.chars().any(char::is_control) {
            return false;
        }
        match self {
            Self::OneOf(values) => values.iter().any(|allowed| allowed == value),
            // Whoever writes `.*` does not mean options.
            Self::Matches(regex) => !value.starts_with('-') && regex.is_match(value),
        }
    }
}

impl Tool {
    /// The gaps of an argument, in their order.
    pub fn gaps(argument: &str) -> impl Iterator<Item = &str> {
        argument.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
    }

    /// The arguments with their gaps filled.
    ///
    /// # Errors
    /// [`ToolRefusal`] with a text for the person who asked.
    pub fn arguments(&self, values: &BTreeMap<String, String>) -> Result<Vec<String>, ToolRefusal> {
        if values.keys().any(|name| !self.params.contains_key(name)) {
            let names: Vec<_> = self.params.keys().map(String::as_str).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(ToolRefusal::Unknown(names));
        }
        for (name, pattern) in &self.params {
            let value = values.get(name).ok_or_else(|| ToolRefusal::Missing(name.clone()))?;
            if !pattern.allows(value) {
                return Err(ToolRefusal::NotAllowed(name.clone()));
            }
        }
        Ok(self.args.iter().map(|argument| fill(argument, values)).collect())
    }
}

/// Puts the values into one argument. A value is never looked at for gaps.
fn fill(argument: &str, values: &BTreeMap<String, String>) -> String {
    let mut filled = String::new();
    let mut rest = argument;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        match after.split_once('}') {
            Some((name, after)) => {
                filled.push_str(values.get(name).map_or("", String::as_str));
                rest = after;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled + rest
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn tool() -> Tool {
        let params = [
            ("path".to_owned(), Pattern::matching("/var/[a-z]+|/tmp").unwrap()),
            ("unit".to_owned(), Pattern::OneOf(vec!["-h".to_owned(), "-k".to_owned()])),
        ];
        Tool {
            command: "/usr/bin/du".into(),
            args: vec!["{unit}".to_owned(), "--dir={path}".to_owned()],
            params: params.into_iter().collect(),
            timeout: Duration::from_secs(1),
            root: false,
        }
    }

    fn ask(path: &str, unit: &str) -> Result<Vec<String>, ToolRefusal> {
        let values = [("path".to_owned(), path.to_owned()), ("unit".to_owned(), unit.to_owned())];
        tool().arguments(&values.into_iter().collect())
    }

    #[test]
    fn gaps_take_what_the_file_allows_and_nothing_else() {
        assert_eq!(ask("/var/log", "-h").unwrap(), ["-h", "--dir=/var/log"]);
        assert_eq!(ask("/tmp", "-k").unwrap(), ["-k", "--dir=/tmp"]);
        for path in ["", "/var/log/x", "x/var/log", "/tmpx", "/tmp\n", "/var/{unit}", "-/tmp"] {
            assert!(ask(path, "-h").is_err(), "{path:?}");
        }
        assert_eq!(ask("/tmp", "-x"), Err(ToolRefusal::NotAllowed("unit".to_owned())));
    }

    #[test]
    fn nothing_is_missing_and_nothing_is_too_much() {
        let values = |names: &[&str]| {
            names.iter().map(|name| ((*name).to_owned(), "/tmp".to_owned())).collect()
        };
        let tool = tool();
        let missing = tool.arguments(&values(&["path"])).unwrap_err();
        assert_eq!(missing, ToolRefusal::Missing("unit".to_owned()));
        let unknown = tool.arguments(&values(&["path", "unit", "more"])).unwrap_err();
        assert_eq!(unknown, ToolRefusal::Unknown("path, unit".to_owned()));
    }

    #[test]
    fn half_an_expression_does_not_become_whole() {
        assert!(Pattern::matching("a)|(?:.*").is_err());
        let any = Pattern::matching(".*").unwrap();
        assert!(any.allows("x") && !any.allows("--delete"));
    }
}
