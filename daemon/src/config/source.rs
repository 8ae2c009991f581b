//! Where values come from, and which of them wins: flags over environment over systemd credentials
//! over the file over defaults.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use gangplank_proto::secret::Secret;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key::{Form, KEYS, find};
use super::problem::Problem;
use super::value::Raw;

/// Largest configuration or secret file that is read, in bytes.
const LARGEST_FILE: u64 = 1 << 20;

/// What a configuration is read from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The TOML file.
    pub file: Option<PathBuf>,
    /// Keys given as flags, with the flag's name: (key, flag, value).
    pub flags: Vec<(&'static str, &'static str, String)>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
}

impl Sources {
    /// A file and this process's environment.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>) -> Self {
        // A variable that isn't UTF-8 can't be one of ours.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { file, flags: Vec::new(), environment }
    }
}

/// Where a value was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere; it is the default.
    Default,
    /// In the file.
    File {
        /// Which.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
    },
    /// In a credential of systemd.
    Credential(PathBuf),
    /// In an environment variable.
    Variable(String),
    /// On the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "line {line} of {}", path.display()),
            Self::Credential(path) => write!(f, "credential {}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// The values that were found, the winning one of each key, and what was wrong on the way.
pub(super) struct Found {
    pub(super) values: BTreeMap<&'static str, (Raw, Origin)>,
    pub(super) problems: Vec<Problem>,
    secret_files: bool,
}

/// Collects from all sources; from files that hold secrets only if `secret_files`.
pub(super) fn collect(sources: &Sources, secret_files: bool) -> Found {
    let mut found = Found { values: BTreeMap::new(), problems: Vec::new(), secret_files };
    if let Some(path) = &sources.file {
        found.file(path);
    }
    if let Some(directory) = sources.environment.get("CREDENTIALS_DIRECTORY") {
        found.credentials(Path::new(directory));
    }
    found.environment(&sources.environment);
    for (path, flag, value) in &sources.flags {
        if let Some(key) = find(path) {
            let raw = Raw::Untyped(Secret::new(value.clone()));
            found.values.insert(key.path, (raw, Origin::Flag(flag)));
        }
    }
    found
}

impl Found {
    fn problem(&mut self, key: &str, place: &dyn fmt::Display, reason: String, fix: String) {
        self.problems.push(Problem { key: key.to_owned(), place: place.to_string(), reason, fix });
    }

    fn file(&mut self, path: &Path) {
        let place = path.display().to_string();
        let text = match read_bounded(path) {
            Ok(text) => text,
            Err(error) => {
                let fix = "check the path and that this user may read it".to_owned();
                return self.problem(&place, &"configuration file", error, fix);
            }
        };
        let table = match DeTable::parse(&text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                let line = error.span().map_or(1, |span| line(&text, span.start));
                let place = Origin::File { path: path.to_owned(), line };
                let fix = "write it as TOML: key = value, texts in quotes".to_owned();
                return self.problem("file", &place, error.message().to_owned(), fix);
            }
        };
        self.table(path, &text, "", &table);
    }

    fn table(&mut self, file: &Path, text: &str, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let path = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            let line = line(text, name.span().start);
            let origin = Origin::File { path: file.to_owned(), line };
            if let Some(key) = find(&path) {
                self.put(key.path, raw(value), origin);
            } else if let Some(key) = secret_of(&path, "_file") {
                match value.get_ref().as_str() {
                    Some(secret) => self.secret_file(key, Path::new(secret), origin),
                    None => {
                        let reason = "the value is not the path of a file".to_owned();
                        self.problem(&path, &origin, reason, "write a path in quotes".to_owned());
                    }
                }
            } else if let (DeValue::Table(inner), true) = (value.get_ref(), is_section(&path)) {
                self.table(file, text, &path, inner);
            } else {
                let fix = nearest(&path);
                self.problem(&path, &origin, "there is no such key".to_owned(), fix);
            }
        }
    }

    fn environment(&mut self, environment: &BTreeMap<String, String>) {
        if let Some(origins) = environment.get("ALLOW_ORIGINS") {
            let raw = Raw::Untyped(Secret::new(origins.clone()));
            let origin = Origin::Variable("ALLOW_ORIGINS".to_owned());
            self.values.insert("auth.origins", (raw, origin));
        }
        for (name, value) in environment {
            let Some(rest) = name.strip_prefix("GANGPLANK_") else { continue };
            // One underscore belongs to variables of other programs, except for the root keys.
            let path = rest.replace("__", ".").to_lowercase();
            let origin = Origin::Variable(name.clone());
            if let Some(key) = find(&path) {
                let raw = Raw::Untyped(Secret::new(value.clone()));
                self.values.insert(key.path, (raw, origin));
            } else if let Some(key) = secret_of(&path, "_file") {
                if !matches!(self.values.get(key), Some((_, Origin::Variable(_)))) {
                    self.values.remove(key);
                }
                self.secret_file(key, Path::new(value), origin);
            } else if rest.contains("__") {
                let fix = nearest(&path);
                self.problem(&path, &origin, "there is no such key".to_owned(), fix);
            }
        }
    }

    fn credentials(&mut self, directory: &Path) {
        for key in KEYS.iter().filter(|key| key.form == Form::Secret) {
            let path = directory.join(key.path);
            if path.exists() {
                self.values.remove(key.path);
                self.secret_file(key.path, &path, Origin::Credential(path.clone()));
            }
        }
    }

    fn secret_file(&mut self, key: &'static str, path: &Path, origin: Origin) {
        if !self.secret_files {
            return;
        }
        match read_bounded(path) {
            Ok(text) => {
                let secret = Secret::new(text.trim_end_matches(['\r', '\n']).to_owned());
                self.put(key, Raw::Text(secret), origin);
            }
            Err(error) => {
                let fix = "check the path and that this user may read it".to_owned();
                self.problem(key, &origin, format!("{}: {error}", path.display()), fix);
            }
        }
    }

    /// Keeps a value unless the same source said the key twice, as a value and as a file.
    fn put(&mut self, key: &'static str, raw: Raw, origin: Origin) {
        if self.values.contains_key(key) {
            let reason = format!("both {key} and {key}_file are given");
            self.problem(key, &origin, reason, "keep one of them".to_owned());
        }
        self.values.insert(key, (raw, origin));
    }
}

fn raw(value: &Spanned<DeValue<'_>>) -> Raw {
    match value.get_ref() {
        DeValue::String(text) => Raw::Text(Secret::new(text.to_string())),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            match i64::from_str_radix(&digits, number.radix()) {
                Ok(number) => Raw::Number(number),
                Err(_) => Raw::Other("integer beyond 64 bits"),
            }
        }
        DeValue::Boolean(on) => Raw::Switch(*on),
        DeValue::Array(items) => {
            let texts = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
            texts
                .collect::<Option<Vec<_>>>()
                .map_or(Raw::Other("array of other than texts"), Raw::List)
        }
        other => Raw::Other(other.type_str()),
    }
}

/// The secret whose companion key (`KEY_file`) this path is.
fn secret_of(path: &str, suffix: &str) -> Option<&'static str> {
    let key = find(path.strip_suffix(suffix)?)?;
    (key.form == Form::Secret).then_some(key.path)
}

fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// A hint at the key that was probably meant.
fn nearest(path: &str) -> String {
    let name = path.rsplit('.').next().unwrap_or(path);
    let meant = KEYS.iter().map(|key| (distance(path, key.path), key)).min_by_key(|(far, _)| *far);
    match meant {
        Some((far, key)) if far <= 3.max(name.len() / 3) => format!("did you mean {}?", key.path),
        _ => "remove it; `gangplankd config show --effective` lists every key".to_owned(),
    }
}

/// How many characters must change to make one word of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, above) in b.chars().zip(row.iter().skip(1)) {
            left = (left + 1).min(above + 1).min(diagonal + usize::from(x != y));
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

fn read_bounded(path: &Path) -> Result<String, String> {
    let read = || {
        let mut text = String::new();
        let file = std::fs::File::open(path)?;
        std::io::Read::read_to_string(&mut std::io::Read::take(file, LARGEST_FILE), &mut text)?;
        Ok::<_, std::io::Error>(text)
    };
    read().map_err(|error| error.to_string())
}

fn line(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_key_is_told_the_right_one() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(nearest("limits.estabish"), "did you mean limits.establish?");
        assert!(nearest("completely.different").starts_with("remove it"));
    }
}
