//! The configuration that enrolment leaves behind. What a person wrote in it stays as it was,
//! comments and all; only the server and the credentials are new.

use std::io;
use std::path::{Path, PathBuf};

use gangplank_proto::server_url::ServerUrl;
use toml_edit::{Array, DocumentMut, Item, Table, value};

use super::Registered;
use crate::config::file::{self, Readers};

/// What a configuration is that nobody wrote yet.
const FRESH: &str = "\
# What may be done to this host. The server can't change it; `systemctl reload gangplank-agent`
# (or SIGHUP) reads it again.
[policy]
# \"ssh\": SSH from here to the targets below. \"pty\": a shell by the agent itself.
terminal = [\"ssh\"]
# host:port, with * for every port.
targets = [\"localhost:22\"]
# Users who may have a PTY; without this line the agent's own user, unless that is root.
# users = [\"alice\"]
tools = false
scan = false
update = false
packages = false
";

/// Why the configuration can't be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// What is there isn't TOML, or has something else where a section is due.
    #[error("{path} isn't a configuration: correct it or move it away", path = .0.display())]
    Malformed(PathBuf),
    /// A file can't be read or written.
    #[error("{path}: {source}: run as root, or give --config FILE in a directory of your own",
        path = path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Writes the configuration at `path` (0600) and, beside it, the only CA to trust. Whatever else
/// it holds stays.
///
/// # Errors
/// [`WriteError`].
pub fn write_config(
    path: &Path,
    server: &ServerUrl,
    ca: Option<&str>,
    insecure: bool,
    registered: &Registered,
) -> Result<(), WriteError> {
    let mut document = open(path)?;
    let malformed = || WriteError::Malformed(path.to_owned());
    let own = section(&mut document, "server", 0).ok_or_else(malformed)?;
    set(own, "url", &server.to_string());
    own.remove("ca");
    own.remove("skip_ssl_verify");
    if let Some(ca) = ca {
        let ca_path = file::beside(path, "ca.pem");
        file::write(&ca_path, ca, Readers::Everybody).map_err(|error| failed(&ca_path, error))?;
        let name = ca_path.file_name().map(|name| name.to_string_lossy().into_owned());
        set(own, "ca", &name.unwrap_or_default());
    }
    if insecure {
        own.insert("skip_ssl_verify", value(true));
    }
    let own = section(&mut document, "credentials", 1).ok_or_else(malformed)?;
    own.remove("api_id_file");
    own.remove("api_key_file");
    set(own, "api_id", registered.api_id.as_str());
    set(own, "api_key", registered.api_key.expose());
    file::write(path, &document.to_string(), Readers::Owner).map_err(|error| failed(path, error))
}

/// Writes into the configuration at `path` whose releases the agent may run, and that it may be updated
/// to them. Whatever else it holds stays.
///
/// # Errors
/// [`WriteError`].
pub fn allow_updates(path: &Path, keys: &[String]) -> Result<(), WriteError> {
    let mut document = open(path)?;
    let malformed = || WriteError::Malformed(path.to_owned());
    let policy = document.entry("policy").or_insert(Item::Table(Table::new()));
    policy.as_table_mut().ok_or_else(malformed)?.insert("update", value(true));
    let update = document.entry("update").or_insert(Item::Table(Table::new()));
    let keys: Array = keys.iter().map(|key| key.trim()).collect();
    update.as_table_mut().ok_or_else(malformed)?.insert("keys", value(keys));
    file::write(path, &document.to_string(), Readers::Owner).map_err(|error| failed(path, error))
}

fn failed(path: &Path, source: io::Error) -> WriteError {
    WriteError::Io { path: path.to_owned(), source }
}

/// What is there, or what is written where nothing is.
fn open(path: &Path) -> Result<DocumentMut, WriteError> {
    let before = match file::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read.map_err(|error| failed(path, error))?,
    };
    let text = if before.trim().is_empty() { FRESH } else { &before };
    text.parse().map_err(|_| WriteError::Malformed(path.to_owned()))
}

/// The section `name`; a new one goes to the top, in the order of `position`.
fn section<'a>(
    document: &'a mut DocumentMut,
    name: &str,
    position: isize,
) -> Option<&'a mut Table> {
    let mut fresh = Table::new();
    fresh.set_position(Some(position - 2));
    document.entry(name).or_insert(Item::Table(fresh)).as_table_mut()
}

fn set(table: &mut Table, key: &str, text: &str) {
    table.insert(key, value(text));
}
