//! The tables `[tools.NAME]`: what `run_tool` may run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use toml::{Table, Value};

use super::Problem;
use crate::policy::{Pattern, Tool};

/// How long a tool may run when its table says nothing.
const TIMEOUT: Duration = Duration::from_secs(600);

/// The longest that a table may say.
const LONGEST: i64 = 24 * 60 * 60;

/// Reads all tools; what is wrong with one goes to `problems`.
pub(crate) fn read(tools: Option<&Value>, problems: &mut Vec<Problem>) -> BTreeMap<String, Tool> {
    let Some(tools) = tools else { return BTreeMap::new() };
    let Some(tools) = tools.as_table() else {
        let fix = "write a table for each tool, such as [tools.df]";
        problems.push(Problem::new("tools", "is not a table", fix));
        return BTreeMap::new();
    };
    let mut read = BTreeMap::new();
    for (name, value) in tools {
        let mut reader = Reader { name, problems };
        match value.as_table() {
            Some(table) => read.extend(reader.tool(table).map(|tool| (name.clone(), tool))),
            None => reader.wrong("", "is not a table", "write [tools.NAME] with its command"),
        }
    }
    read
}

struct Reader<'a> {
    name: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn wrong(&mut self, key: &str, reason: &str, fix: &str) {
        let dot = if key.is_empty() { "" } else { "." };
        let path = format!("tools.{}{dot}{}", self.name.escape_debug(), key.escape_debug());
        self.problems.push(Problem::new(&path, reason, fix));
    }

    fn tool(&mut self, table: &Table) -> Option<Tool> {
        const KEYS: [&str; 5] = ["command", "args", "params", "timeout", "root"];

        let before = self.problems.len();
        for key in table.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            self.wrong(
                key,
                "is not a key of a tool",
                "use command, args, params, timeout and root",
            );
        }
        let command = table.get("command").and_then(Value::as_str).map(PathBuf::from);
        let command = command.filter(|path| path.is_absolute());
        if command.is_none() {
            let fix = "write the program's absolute path, such as \"/usr/bin/df\"";
            self.wrong("command", "is no absolute path", fix);
        }
        let args = self.args(table.get("args"));
        let params = self.params(table.get("params"));
        for gap in args.iter().flat_map(|argument| Tool::gaps(argument)) {
            if !params.contains_key(gap) {
                let fix = format!("say under params what may stand for {}", gap.escape_debug());
                self.wrong("args", "has a gap that params does not describe", &fix);
            }
        }
        let timeout = self.timeout(table.get("timeout"));
        let root = self.root(table.get("root"));
        let fine = self.problems.len() == before;
        command.filter(|_| fine).map(|command| Tool { command, args, params, timeout, root })
    }

    fn args(&mut self, value: Option<&Value>) -> Vec<String> {
        let Some(value) = value else { return Vec::new() };
        let args = texts(value);
        if args.is_none() {
            self.wrong("args", "is not a list of texts", "write it like [\"-h\", \"{path}\"]");
        }
        args.unwrap_or_default()
    }

    fn params(&mut self, value: Option<&Value>) -> BTreeMap<String, Pattern> {
        let Some(value) = value else { return BTreeMap::new() };
        let Some(table) = value.as_table() else {
            let fix = "write a table with a pattern or a list for each gap of args";
            self.wrong("params", "is not a table", fix);
            return BTreeMap::new();
        };
        let mut params = BTreeMap::new();
        for (name, value) in table {
            let pattern = match value {
                Value::String(expression) => {
                    Pattern::matching(expression).map_err(|error| error.to_string())
                }
                list => texts(list)
                    .map(Pattern::OneOf)
                    .ok_or_else(|| "is neither an expression nor a list of texts".to_owned()),
            };
            match pattern {
                Ok(pattern) => drop(params.insert(name.clone(), pattern)),
                Err(reason) => {
                    let fix = "write a regular expression, or a list of the values";
                    self.wrong(&format!("params.{name}"), &reason, fix);
                }
            }
        }
        params
    }

    fn timeout(&mut self, value: Option<&Value>) -> Duration {
        let Some(value) = value else { return TIMEOUT };
        let seconds = value.as_integer().filter(|seconds| (1..=LONGEST).contains(seconds));
        match seconds.and_then(|seconds| u64::try_from(seconds).ok()) {
            Some(seconds) => Duration::from_secs(seconds),
            None => {
                self.wrong("timeout", "is no number of seconds up to a day", "write timeout = 600");
                TIMEOUT
            }
        }
    }

    fn root(&mut self, value: Option<&Value>) -> bool {
        let Some(value) = value else { return false };
        let root = value.as_bool();
        if root.is_none() {
            self.wrong("root", "is neither true nor false", "write root = true, or remove it");
        }
        root.unwrap_or_default()
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let items = value.as_array()?.iter();
    items.map(|item| item.as_str().map(ToOwned::to_owned)).collect()
}
