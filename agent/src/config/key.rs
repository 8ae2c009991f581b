//! The keys that there are, and what file and environment say about them. Nothing is interpreted
//! here; a key that isn't in the table, or whose value is of another kind, is a problem.

use std::collections::BTreeMap;

use super::{Environment, Problem};

/// What a key's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    List,
    Switch,
}

/// Every key, in the order of the documentation.
const KEYS: &[(&str, Kind)] = &[
    ("server.url", Kind::Text),
    ("server.kind", Kind::Text),
    ("server.ca", Kind::Text),
    ("server.proxy", Kind::Text),
    ("server.skip_ssl_verify", Kind::Switch),
    ("credentials.api_id", Kind::Text),
    ("credentials.api_id_file", Kind::Text),
    ("credentials.api_key", Kind::Text),
    ("credentials.api_key_file", Kind::Text),
    ("log.level", Kind::Text),
    ("host.ssh_dir", Kind::Text),
    ("helper.socket", Kind::Text),
    ("policy.terminal", Kind::List),
    ("policy.targets", Kind::List),
    ("policy.users", Kind::List),
    ("policy.tools", Kind::Switch),
    ("policy.scan", Kind::Switch),
    ("policy.scan_content", Kind::List),
    ("policy.update", Kind::Switch),
    ("policy.packages", Kind::Switch),
    ("policy.docker", Kind::Switch),
    ("docker.socket", Kind::Text),
    ("telemetry.every", Kind::Text),
    ("update.keys", Kind::List),
];

/// Sections that only this program has; in others a variable may be meant for the daemon.
const OWN_SECTIONS: &[&str] =
    &["credentials", "docker", "helper", "host", "policy", "telemetry", "update"];

/// A value as it was written. It may be a secret: it has no `Debug` and problems never show it.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    List(Vec<String>),
    Switch(bool),
}

/// Who said it; a later one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    File,
    Environment,
}

/// Every key that somebody gave a value.
#[derive(Clone, Default)]
pub(super) struct Values(BTreeMap<&'static str, (Layer, Value)>);

impl Values {
    /// Takes the file's keys. Whatever is unknown or of another kind goes to `problems`.
    pub(super) fn read_file(&mut self, table: &toml::Table, problems: &mut Vec<Problem>) {
        // Tools have names of their own, so they are read by themselves.
        for (section, content) in table.iter().filter(|(section, _)| *section != "tools") {
            let Some(content) = content.as_table() else {
                problems.push(unknown(section));
                continue;
            };
            for (name, value) in content {
                let path = format!("{section}.{name}");
                match find(&path) {
                    None => problems.push(unknown(&path)),
                    Some((key, kind)) => match kind.read_toml(value) {
                        Some(value) => self.set(key, Layer::File, value),
                        None => problems.push(kind.problem(key)),
                    },
                }
            }
        }
    }

    /// Takes the environment's keys, `GANGPLANK_SECTION__KEY`.
    pub(super) fn read_environment(&mut self, from: &Environment, problems: &mut Vec<Problem>) {
        for (variable, text) in from.with_prefix("GANGPLANK_") {
            let Some((section, name)) = variable.split_once("__") else { continue };
            let path = format!("{}.{}", section.to_lowercase(), name.to_lowercase());
            match find(&path) {
                None if OWN_SECTIONS.contains(&section.to_lowercase().as_str()) => {
                    let mut problem = unknown(&path);
                    problem.key = format!("GANGPLANK_{variable}");
                    problems.push(problem);
                }
                None => {}
                Some((key, kind)) => match kind.read_text(text) {
                    Some(value) => self.set(key, Layer::Environment, value),
                    None => {
                        let mut problem = kind.problem(key);
                        problem.key = format!("GANGPLANK_{variable}");
                        problems.push(problem);
                    }
                },
            }
        }
    }

    fn set(&mut self, key: &'static str, layer: Layer, value: Value) {
        if self.0.get(key).is_none_or(|(before, _)| *before <= layer) {
            self.0.insert(key, (layer, value));
        }
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.0.get(key) {
            Some((_, Value::Text(text))) => Some(text),
            _ => None,
        }
    }

    pub(super) fn list(&self, key: &str) -> Option<&[String]> {
        match self.0.get(key) {
            Some((_, Value::List(list))) => Some(list),
            _ => None,
        }
    }

    pub(super) fn switch(&self, key: &str) -> bool {
        matches!(self.0.get(key), Some((_, Value::Switch(true))))
    }

    pub(super) fn layer(&self, key: &str) -> Option<Layer> {
        self.0.get(key).map(|(layer, _)| *layer)
    }
}

fn find(path: &str) -> Option<(&'static str, Kind)> {
    KEYS.iter().find(|(key, _)| *key == path).copied()
}

impl Kind {
    fn read_toml(self, value: &toml::Value) -> Option<Value> {
        match (self, value) {
            (Self::Text, toml::Value::String(text)) => Some(Value::Text(text.clone())),
            (Self::Switch, toml::Value::Boolean(on)) => Some(Value::Switch(*on)),
            (Self::List, toml::Value::Array(items)) => {
                let texts = items.iter().map(|item| item.as_str().map(ToOwned::to_owned));
                texts.collect::<Option<_>>().map(Value::List)
            }
            _ => None,
        }
    }

    fn read_text(self, text: &str) -> Option<Value> {
        match self {
            Self::Text => Some(Value::Text(text.to_owned())),
            Self::List => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Some(Value::List(items.map(ToOwned::to_owned).collect()))
            }
            Self::Switch => match text.trim() {
                "true" | "1" => Some(Value::Switch(true)),
                "false" | "0" | "" => Some(Value::Switch(false)),
                _ => None,
            },
        }
    }

    fn problem(self, key: &str) -> Problem {
        let (reason, fix) = match self {
            Self::Text => ("is not a text", "write it in double quotes"),
            Self::List => ("is not a list of texts", "write it like [\"a\", \"b\"]"),
            Self::Switch => ("is neither true nor false", "write true or false, without quotes"),
        };
        Problem::new(key, reason, fix)
    }
}

fn unknown(path: &str) -> Problem {
    let nearest = KEYS.iter().map(|(key, _)| (distance(path, key), *key)).min();
    let fix = match nearest {
        Some((distance, key)) if distance <= 3 => format!("write {key}, or remove it"),
        _ => format!("remove it; the keys are {}", names()),
    };
    Problem::new(&path.escape_debug().to_string(), "is not a key of this file", &fix)
}

fn names() -> String {
    KEYS.iter().map(|(key, _)| *key).collect::<Vec<_>>().join(", ")
}

/// Edit distance (Levenshtein) of two short ASCII texts.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().take(64).enumerate() {
        let mut left = i + 1;
        let mut diagonal = i;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let best = (diagonal + usize::from(x != y)).min(*cell + 1).min(left + 1);
            diagonal = std::mem::replace(cell, best);
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_is_recognised() {
        assert_eq!(distance("policy.terminl", "policy.terminal"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert!(unknown("policy.terminl").fix.contains("policy.terminal"));
        assert!(unknown("colour.of_the_bikeshed").fix.contains("server.url, server.kind"));
    }
}
