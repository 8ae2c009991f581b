//! The effective configuration, as `config show` prints it.

use std::fmt;

use serde_json::json;

use super::key::Key;
use super::source::Origin;
use super::value::{Value, show_duration, show_size};

/// One key with its value.
#[derive(Debug, Clone)]
pub(super) struct Line {
    key: &'static Key,
    /// As TOML; none when nothing is set.
    value: Option<String>,
    origin: Origin,
}

impl Line {
    pub(super) fn new(key: &'static Key, value: Option<&Value>, origin: Origin) -> Self {
        Self { key, value: value.map(|value| toml(key, value)), origin }
    }
}

pub(super) struct Effective<'a>(pub(super) &'a [Line]);

impl fmt::Display for Effective<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.0 {
            let path = line.key.path;
            match &line.value {
                Some(value) => writeln!(f, "{path} = {value}  # {}", line.origin)?,
                None => writeln!(f, "# {path} is not set")?,
            }
        }
        Ok(())
    }
}

pub(super) fn json(lines: &[Line]) -> serde_json::Value {
    let entry = |line: &Line| {
        (line.key.path.to_owned(), json!({ "value": line.value, "from": line.origin.to_string() }))
    };
    lines.iter().map(entry).collect::<serde_json::Map<_, _>>().into()
}

/// Where the value of a key comes from.
pub(super) fn origin_of(lines: &[Line], key: &str) -> String {
    let line = lines.iter().find(|line| line.key.path == key);
    line.map_or(&Origin::Default, |line| &line.origin).to_string()
}

fn toml(key: &Key, value: &Value) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    match value {
        Value::Secret(_) => quoted("(hidden)"),
        Value::Text(text) => quoted(text),
        Value::Switch(on) => on.to_string(),
        Value::Number(number) if matches!(key.form, super::Form::Size(..)) => {
            quoted(&show_size(*number))
        }
        Value::Number(number) => number.to_string(),
        Value::Time(duration) => quoted(&show_duration(*duration)),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(|item| quoted(item)).collect();
            format!("[{}]", items.join(", "))
        }
    }
}
