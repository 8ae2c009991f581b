//! The values of all keys, each with the place that it came from.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use gangplank_proto::secret::Secret;

use crate::config::key::{Form, KEYS, Key, find};
use crate::config::show::Line;
use crate::config::source::{Origin, collect};
use crate::config::value::{Raw, Value, parse};
use crate::config::{Problem, RunMode, Sources};

/// Fewest bytes of any secret in production, and of those that others sign with everywhere.
const SHORTEST_SECRET: usize = 32;

/// What was found for every key, or its default, and what is wrong with it.
pub(in crate::config) struct Values {
    values: BTreeMap<&'static str, (Value, Origin)>,
    pub(super) problems: Vec<Problem>,
}

impl Values {
    pub(super) fn gather(sources: &Sources, mode: RunMode, production: bool) -> Self {
        let mut found = collect(sources, mode != RunMode::Keeper);
        let mut values = BTreeMap::new();
        for key in KEYS {
            let default = default_of(key.path, mode, production, sources);
            let default = Raw::Untyped(Secret::new(default));
            let unset = key.form != Form::List
                && matches!(&default, Raw::Untyped(t) if t.expose().is_empty());
            let given = found
                .values
                .remove(key.path)
                .or_else(|| (!unset).then_some((default, Origin::Default)));
            let Some((raw, origin)) = given else { continue };
            match parse(key.form, &raw) {
                Ok(value) => {
                    values.insert(key.path, (value, origin));
                }
                Err((reason, fix)) => {
                    let place = origin.to_string();
                    found.problems.push(Problem { key: key.path.to_owned(), place, reason, fix });
                    // The default stands in, so that the other problems are found too.
                    let raw = Raw::Untyped(Secret::new(key.default.to_owned()));
                    if let Ok(value) = parse(key.form, &raw) {
                        values.insert(key.path, (value, Origin::Default));
                    }
                }
            }
        }
        Self { values, problems: found.problems }
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        let line = |key: &'static Key| match self.values.get(key.path) {
            Some((value, origin)) => Line::new(key, Some(value), origin.clone()),
            None => Line::new(key, None, Origin::Default),
        };
        KEYS.iter().map(line).collect()
    }

    /// Shows what a number came to that follows from the machine.
    pub(super) fn settled(&mut self, key: &'static str, number: u64) {
        if let Some((value, _)) = self.values.get_mut(key) {
            *value = Value::Number(number);
        }
    }

    pub(in crate::config) fn wrong(&mut self, key: &str, reason: &str, fix: &str) {
        let place = match self.values.get(key) {
            Some((_, origin)) => origin.to_string(),
            None => Origin::Default.to_string(),
        };
        let (key, reason, fix) = (key.to_owned(), reason.to_owned(), fix.to_owned());
        self.problems.push(Problem { key, place, reason, fix });
    }

    pub(in crate::config) fn text(&self, key: &str) -> Option<String> {
        match self.values.get(key) {
            Some((Value::Text(text), _)) => Some(text.clone()),
            _ => None,
        }
    }

    pub(in crate::config) fn list(&self, key: &str) -> Vec<String> {
        match self.values.get(key) {
            Some((Value::List(items), _)) => items.clone(),
            _ => Vec::new(),
        }
    }

    pub(in crate::config) fn switch(&self, key: &str) -> bool {
        matches!(self.values.get(key), Some((Value::Switch(true), _)))
    }

    pub(in crate::config) fn number(&self, key: &str) -> u64 {
        match self.values.get(key) {
            Some((Value::Number(number), _)) => *number,
            _ => 0,
        }
    }

    /// A number whose bounds fit into the smaller type.
    pub(in crate::config) fn small(&self, key: &str) -> u32 {
        u32::try_from(self.number(key)).unwrap_or(u32::MAX)
    }

    pub(in crate::config) fn time(&self, key: &str) -> Duration {
        match self.values.get(key) {
            Some((Value::Time(duration), _)) => *duration,
            _ => Duration::ZERO,
        }
    }

    pub(super) fn secret(&self, key: &str) -> Option<Secret> {
        match self.values.get(key) {
            Some((Value::Secret(secret), _)) => Some(secret.clone()),
            _ => None,
        }
    }

    /// A secret of at least 32 bytes, where that is required.
    pub(super) fn long_secret(&mut self, key: &str, required: bool) -> Option<Secret> {
        let secret = self.secret(key)?;
        if required && secret.expose().len() < SHORTEST_SECRET {
            let reason = format!("a secret of fewer than {SHORTEST_SECRET} bytes can be guessed");
            self.wrong(key, &reason, "make one with: openssl rand -hex 32");
        }
        Some(secret)
    }

    /// The items of a list in their own type; what can't be read is a problem.
    pub(in crate::config) fn parsed<T: FromStr<Err: Display>>(
        &mut self,
        key: &str,
        fix: &str,
    ) -> Vec<T> {
        let mut parsed = Vec::new();
        for item in self.list(key) {
            match item.parse() {
                Ok(value) => parsed.push(value),
                Err(error) => self.wrong(key, &format!("{item:?}: {error}"), fix),
            }
        }
        parsed
    }
}

/// Defaults that depend on how the daemon was started.
fn default_of(path: &str, mode: RunMode, production: bool, sources: &Sources) -> String {
    let variable = |name: &str| sources.environment.get(name).filter(|value| !value.is_empty());
    match (path, mode) {
        ("listen.tls", RunMode::Up) => "127.0.0.1:8443".to_owned(),
        ("listen.tls", RunMode::Serve | RunMode::Keeper) => "[::]:8443".to_owned(),
        ("data_dir", RunMode::Serve | RunMode::Keeper) => "/var/lib/gangplank".to_owned(),
        ("data_dir", RunMode::Up) => match (variable("XDG_DATA_HOME"), variable("HOME")) {
            (Some(data), _) => format!("{data}/gangplank"),
            (None, Some(home)) => format!("{home}/.local/share/gangplank"),
            (None, None) => String::new(),
        },
        ("auth.legacy_query_token" | "auth.legacy_cookie", _) if production => "false".to_owned(),
        _ => find(path).map_or("", |key| key.default).to_owned(),
    }
}
