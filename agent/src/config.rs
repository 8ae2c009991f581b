//! The agent's configuration: one TOML file, overridden by `GANGPLANK_SECTION__KEY` in the
//! environment. Everything is read into its final type before anything is connected; each problem
//! names its key, the reason and one thing to do, and no problem ever shows a value that could be
//! a secret.
//!
//! | key | is |
//! | --- | --- |
//! | `server.url` | the daemon, `https://relay.example.com` |
//! | `server.kind` | `gangplank` (default), or `patchmon` for a PatchMon server |
//! | `server.ca` | file with the only CA to trust; the system's CAs when absent |
//! | `server.proxy` | HTTP proxy, `http://[user:password@]host:port`; else `HTTPS_PROXY`, `NO_PROXY` |
//! | `server.skip_ssl_verify` | believe any certificate; refused in production |
//! | `credentials.api_id`, `.api_key` | what enrolment got; each also `…_file`, or a systemd credential |
//! | `log.level` | `error`, `warn`, `info` (default), `debug` or `trace` |
//! | `host.ssh_dir` | where this host's sshd has its keys and settings, `/etc/ssh` |
//! | `docker.socket` | where the container engine listens, `/var/run/docker.sock` |
//! | `helper.socket` | where the privileged helper listens, see [`crate::helper`] |
//! | `telemetry.every` | how often the host is measured, `1m`; `0` for never |
//! | `policy.*` | see [`crate::policy`] |
//! | `update.keys` | public keys of releases that this host may run, see [`crate::update`] |
//! | `tools.NAME.*` | what `run_tool` may run, see [`crate::policy::Tool`] |

mod duration;
pub mod file;
mod key;
mod parse;
pub(crate) mod tool;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gangplank_certs::ClientTrust;
use gangplank_proto::id::ApiId;
use gangplank_proto::secret::Secret;
use gangplank_proto::server_url::ServerUrl;

use crate::dial::proxy::Proxies;
use crate::policy::{Policy, Tool};
use crate::update::Keys;

/// How often a host is measured unless somebody says otherwise.
pub const MEASURED_EVERY: Duration = Duration::from_secs(60);

/// Where the configuration is unless somebody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/gangplank/agent.toml";

/// Everything that an agent needs to run.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it came from.
    pub path: PathBuf,
    /// Where the daemon is and how to get there.
    pub server: Server,
    /// Who this host is.
    pub credentials: Credentials,
    /// What concerns this host only.
    pub local: Local,
}

/// Where the daemon is and how to get there.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its address.
    pub url: ServerUrl,
    /// What it is.
    pub kind: ServerKind,
    /// Whose certificates are believed.
    pub trust: ClientTrust,
    /// The file with the only trusted CA, if one is named.
    pub ca: Option<PathBuf>,
    /// Ways around.
    pub proxies: Proxies,
}

/// What a server is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ServerKind {
    /// A Gangplank daemon.
    #[default]
    Gangplank,
    /// A PatchMon server, 1.4 or 2.1.
    PatchMon,
}

impl ServerKind {
    /// The subprotocol of its agents' socket.
    #[must_use]
    pub fn subprotocol(self) -> Option<&'static str> {
        match self {
            Self::Gangplank => Some(gangplank_proto::link::SUBPROTOCOL),
            Self::PatchMon => None,
        }
    }
}

/// Who this host is.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The public half.
    pub api_id: ApiId,
    /// The secret half.
    pub api_key: Secret,
}

/// What concerns this host only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// What may be done to it.
    pub policy: Policy,
    /// What `run_tool` may run, by name.
    pub tools: BTreeMap<String, Tool>,
    /// Whose releases it may run.
    pub keys: Keys,
    /// How much is logged.
    pub log: Level,
    /// Where its sshd has keys and settings.
    pub ssh_dir: PathBuf,
    /// Where the helper listens that does what needs root, if there is one.
    pub helper: PathBuf,
    /// How often it is measured; zero for never.
    pub telemetry: Duration,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Level {
    /// What needs somebody.
    Error,
    /// And what is odd.
    Warn,
    /// And what happens.
    #[default]
    Info,
    /// And why.
    Debug,
    /// And every step.
    Trace,
}

impl Level {
    /// The word in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// One thing that is wrong in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Full path of the key, a variable's name, or a file.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
    /// What to do.
    pub fix: String,
}

impl Problem {
    pub(crate) fn new(key: &str, reason: &str, fix: &str) -> Self {
        Self { key: key.to_owned(), reason: reason.to_owned(), fix: fix.to_owned() }
    }

    fn io(path: &Path, error: &io::Error) -> Self {
        let fix = match error.kind() {
            io::ErrorKind::NotFound => "check the path, or run `gangplank-agent enroll`",
            io::ErrorKind::PermissionDenied => "run as the agent's user, or as root",
            _ => "check the path and what is there",
        };
        let reason = match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            _ => error.to_string(),
        };
        Self::new(&path.display().to_string(), &reason, fix)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.key, self.reason, self.fix)
    }
}

/// Everything that is wrong in a configuration, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The problems, at least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// The process' environment as it was at start, so that tests can give another.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process; those that aren't UTF-8 are none of ours.
    #[must_use]
    pub fn of_process() -> Self {
        let texts = std::env::vars_os();
        Self(
            texts
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .collect(),
        )
    }

    /// The value of one variable, unless it is empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether insecure switches are forbidden.
    #[must_use]
    pub fn production(&self) -> bool {
        self.get("GANGPLANK_ENV") == Some("production")
    }

    fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(k, v)| Some((k.strip_prefix(prefix)?, v.as_str())))
    }
}

impl fmt::Debug for Environment {
    /// Values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

impl Config {
    /// Reads the whole configuration.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem there is.
    pub fn load(path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let mut reader = parse::Reader::open(path, environment, true);
        let server = reader.server();
        let credentials = reader.credentials();
        let local = reader.local();
        match (server, credentials, reader.finish()) {
            (Some(server), Some(credentials), Ok(())) => {
                Ok(Self { path: path.to_owned(), server, credentials, local })
            }
            (_, _, Err(error)) => Err(error),
            // Whatever is missing said why.
            (_, _, Ok(())) => Err(ConfigError { problems: Vec::new() }),
        }
    }
}

impl Local {
    /// Reads only what concerns this host; a file that isn't there means the defaults.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem there is.
    pub fn load(path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        Self::load_with_proxies(path, environment).map(|(local, _)| local)
    }

    /// As [`Self::load`], with the ways around, for a host that has no server yet.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem there is.
    pub fn load_with_proxies(
        path: &Path,
        environment: &Environment,
    ) -> Result<(Self, Proxies), ConfigError> {
        let mut reader = parse::Reader::open(path, environment, false);
        let local = reader.local();
        let proxies = reader.proxies().unwrap_or_default();
        reader.finish().map(|()| (local, proxies))
    }
}

#[cfg(test)]
mod tests;
