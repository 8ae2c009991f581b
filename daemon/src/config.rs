//! The configuration: read once, checked completely, turned into final types before anything is
//! bound. What is wrong is told all at once, each problem with its key's full path and one fix.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use gangplank_certs::Name;
use gangplank_proto::secret::Secret;
use ipnet::IpNet;

use crate::store::Retention;

mod build;
mod guarding;
mod key;
mod memory;
mod problem;
mod show;
mod source;
mod value;
mod weak;

pub use guarding::{Action, Guarding, Hours, Points};
pub use key::{Form, KEYS, Key};
pub use memory::Budget;
pub use problem::{ConfigError, Problem};
pub use source::{Origin, Sources};
pub use value::{parse_duration, parse_size, show_duration, show_size};
pub use weak::endless;

/// How the daemon was started; decides defaults only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunMode {
    /// `up`: a person tries it, in the foreground, with what is missing made.
    Up,
    /// `serve`: production.
    Serve,
    /// `keeper`: as `serve`, but files with secrets, which may be for the daemon alone, are not read.
    Keeper,
}

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the database and everything made at the first start lie.
    pub data_dir: PathBuf,
    /// `GANGPLANK_ENV=production`: nothing insecure is allowed.
    pub production: bool,
    /// Listening sockets.
    pub listen: Listen,
    /// What this server is called.
    pub server: Server,
    /// The given certificate; without one the daemon makes its own.
    pub tls: Option<TlsFiles>,
    /// Authentication.
    pub auth: AuthConfig,
    /// The provider of single sign-on, if there is one.
    pub oidc: Option<OidcConfig>,
    /// What terminals may dial.
    pub ssh: Ssh,
    /// Commands to hosts.
    pub jobs: Jobs,
    /// Compliance scans.
    pub compliance: Compliance,
    /// What devices send.
    pub ingest: Ingest,
    /// How much of every topic is kept.
    pub channels: Retention,
    /// Directory with programs of PatchMon's agent that hosts may fetch.
    pub patchmon_programs: Option<PathBuf>,
    /// Socket of the process that keeps direct terminals; without one the daemon keeps them itself.
    pub keeper_socket: Option<PathBuf>,
    /// Limits.
    pub limits: Limits,
    /// Penalties and standings.
    pub guard: Guarding,
    /// Logging.
    pub log: Log,
    /// Internal services.
    pub internal: Internal,
    /// Receivers of events outside.
    pub webhooks: Webhooks,
    /// Stream of investigators' steps, if there is one.
    pub redis: Option<RedisStream>,
    /// What the limits add up to.
    pub budget: Budget,
    effective: Vec<show::Line>,
}

/// Listening sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// TLS.
    pub tls: Vec<SocketAddr>,
    /// Cleartext that only redirects.
    pub redirect: Vec<SocketAddr>,
    /// Cleartext for a reverse proxy.
    pub behind_proxy: Option<BehindProxy>,
    /// Cleartext for a lab.
    pub plain: Vec<SocketAddr>,
}

/// The listener for a reverse proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BehindProxy {
    /// Where it listens.
    pub address: SocketAddr,
    /// Networks of the proxies; not empty.
    pub trusted: Vec<IpNet>,
}

/// What this server is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Configured names, in order; may be empty.
    pub names: Vec<Name>,
    /// Origin (`https://name[:port]`, no path) that people and agents use.
    pub public_url: Option<String>,
}

/// A given certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Chain, leaf first, in PEM.
    pub cert: PathBuf,
    /// Private key in PEM.
    pub key: PathBuf,
}

/// Authentication.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// Origins beside the server's own, as browsers write them; `*` is any (never in production).
    pub origins: Vec<String>,
    /// Whether `?token=` is taken on sockets.
    pub legacy_query_token: bool,
    /// Whether the cookie name `access_token` is taken.
    pub legacy_cookie: bool,
    /// The configured server secret.
    pub secret: Option<Secret>,
}

/// A provider of single sign-on.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "every field is documented once, in the list of keys")]
pub struct OidcConfig {
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Option<Secret>,
    pub scopes: Vec<String>,
    pub groups_claim: String,
    pub username_claim: String,
    pub roles: Vec<GroupRole>,
    pub create: bool,
    pub label: String,
    pub ca: Option<PathBuf>,
}

/// A role that the members of a group have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRole {
    /// The group, as the provider writes it.
    pub group: String,
    /// The tenant, by name; the first one when none is named.
    pub tenant: Option<String>,
    /// The role.
    pub role: String,
}

/// What terminals may dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssh {
    /// Private networks that further tenants may dial.
    pub allow: Vec<IpNet>,
    /// Networks that nobody may dial.
    pub deny: Vec<IpNet>,
    /// Whether hosts whose keys can't be checked are allowed.
    pub allow_unverified: bool,
}

/// Commands to hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "every field is documented once, in the list of keys")]
pub struct Jobs {
    pub per_host: u32,
    pub per_tenant: u32,
    pub lease: Duration,
    pub deadline: Duration,
    pub kept: Duration,
    pub report_every: Duration,
}

/// Compliance scans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "every field is documented once, in the list of keys")]
pub struct Compliance {
    pub scans_per_host: u32,
    pub kept: Duration,
}

/// What devices send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "every field is documented once, in the list of keys")]
pub struct Ingest {
    pub rows_per_host: u64,
    pub bytes_per_host: u64,
    pub rows_per_tenant: u64,
    pub bytes_per_tenant: u64,
    pub names_per_host: u32,
    pub names_per_tenant: u32,
    pub telemetry_kept: Duration,
    pub records_kept: Duration,
}

/// Limits. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "every field is documented once, in the list of keys")]
pub struct Limits {
    pub message: u64,
    pub channel_messages_per_minute: u64,
    pub pending_per_ip: u64,
    pub anonymous_sockets_per_ip: u64,
    pub sockets_per_user: u64,
    pub channel_subscribers: u64,
    pub connections: u64,
    pub terminals: u64,
    pub establish: Duration,
    pub first_message: Duration,
    pub terminal_window: u64,
    pub replay_ring: u64,
    pub lossless_hold: Duration,
    pub detached_life: Duration,
    pub channel_write: Duration,
    pub channel_idle: Duration,
    pub terminal_idle: Duration,
    pub heartbeat: Duration,
    pub auth_failures_per_minute_per_ip: u64,
    pub registrations_per_minute_per_ip: u64,
    pub channel_bytes_per_minute: u64,
    pub terminal_bytes_per_second: u64,
    pub tickets_per_minute: u64,
}

impl Limits {
    /// Terminals of all kinds at once.
    #[must_use]
    pub fn terminals(&self) -> usize {
        usize::try_from(self.terminals).unwrap_or(usize::MAX)
    }
}

impl Default for Limits {
    /// The defaults of every key; connections and terminals 0, which is: by the machine.
    fn default() -> Self {
        build::default_limits()
    }
}

impl Default for Guarding {
    /// The defaults of every key.
    fn default() -> Self {
        build::default_guarding()
    }
}

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Logging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// How much.
    pub level: tracing::Level,
    /// In which form.
    pub format: LogFormat,
}

/// Internal services.
#[derive(Debug, Clone)]
pub struct Internal {
    /// Secret of signed webhooks.
    pub hmac_secret: Option<Secret>,
    /// Token of internal services.
    pub token: Option<Secret>,
}

/// Receivers of events outside.
#[derive(Debug, Clone)]
pub struct Webhooks {
    /// Loopback and private networks that may be reached.
    pub allow: Vec<IpNet>,
    /// File of the only CA that is trusted; without one those of the system are.
    pub ca: Option<PathBuf>,
    /// How often something is sent before it is given up.
    pub attempts: u32,
    /// The wait before the second time.
    pub retry: Duration,
}

/// A stream of entries in Redis.
#[derive(Debug, Clone)]
pub struct RedisStream {
    /// URL of the server, which may hold a password.
    pub server: Secret,
    /// Its key.
    pub stream: String,
    /// The group of consumers that we belong to.
    pub group: String,
    /// Our name in it.
    pub consumer: String,
    /// Name of the tenant that its entries are for; none for the first one.
    pub tenant: Option<String>,
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// Every problem that was found.
    pub fn load(sources: &Sources, mode: RunMode) -> Result<Self, ConfigError> {
        build::build(sources, mode, memory::machine())
    }

    /// Every setting that works and is weaker than it need be.
    #[must_use]
    pub fn weaknesses(&self) -> Vec<Problem> {
        weak::weaknesses(self)
    }

    fn origin_of(&self, key: &str) -> String {
        show::origin_of(&self.effective, key)
    }

    /// Every key with its value and where that comes from, secrets hidden.
    #[must_use]
    pub fn effective(&self) -> impl fmt::Display + '_ {
        show::Effective(&self.effective)
    }

    /// The same as JSON: an object from key to `{value, from}`.
    #[must_use]
    pub fn effective_json(&self) -> serde_json::Value {
        show::json(&self.effective)
    }
}

#[cfg(test)]
mod tests;
