//! From values that were found to the configuration's own types.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use gangplank_certs::Name;
use gangplank_proto::secret::Secret;
use url::Url;

use crate::event::Topic;
use crate::store::{Kept, Retention};

use super::key::{Form, KEYS, find};
use super::show::Line;
use super::source::{Origin, collect};
use super::value::{Raw, Value, parse, parse_duration};
use super::{
    AuthConfig, BehindProxy, Compliance, Config, ConfigError, Guarding, Ingest, Internal, Jobs,
    Limits, Listen, Log, LogFormat, Problem, RedisStream, RunMode, Server, Sources, Ssh, TlsFiles,
    Webhooks, memory,
};

mod oidc;

/// Fewest bytes of any secret in production, and of those that others sign with everywhere.
const SHORTEST_SECRET: usize = 32;

/// Longest path that fits into a socket's address, in bytes.
const LONGEST_SOCKET: usize = 107;

pub(super) struct Values {
    values: BTreeMap<&'static str, (Value, Origin)>,
    problems: Vec<Problem>,
}

pub(super) fn build(
    sources: &Sources,
    mode: RunMode,
    machine: Option<u64>,
) -> Result<Config, ConfigError> {
    let (production, problem) = match production(sources) {
        Ok(production) => (production, None),
        Err(problem) => (true, Some(problem)),
    };
    let mut values = Values::gather(sources, mode, production);
    values.problems.extend(problem);
    let data_dir = PathBuf::from(values.text("data_dir").unwrap_or_default());
    if data_dir.as_os_str().is_empty() {
        values.wrong("data_dir", "no directory is given and there is no home", "write a path");
    }
    let mut limits = limits(&mut values);
    let budget = memory::settle(&mut limits, machine);
    values.settled("limits.connections", limits.connections);
    values.settled("limits.terminals", limits.terminals);
    if !budget.fits() {
        let reason = format!("the limits add up to more than this machine has ({budget})");
        values.wrong(
            "limits",
            &reason,
            "lower limits.connections, limits.terminals or limits.replay_ring",
        );
    }
    let config = Config {
        data_dir,
        production,
        listen: values.listen(),
        server: values.server(),
        tls: values.tls(),
        auth: values.auth(),
        oidc: values.oidc(),
        ssh: Ssh {
            allow: values.parsed("ssh.allow", "write networks, such as [\"10.0.0.0/8\"]"),
            deny: values.parsed("ssh.deny", "write networks, such as [\"10.0.0.0/8\"]"),
            allow_unverified: values.switch("ssh.allow_unverified"),
        },
        jobs: Jobs {
            per_host: values.small("jobs.per_host"),
            per_tenant: values.small("jobs.per_tenant"),
            lease: values.time("jobs.lease"),
            deadline: values.time("jobs.deadline"),
            kept: values.time("jobs.kept"),
            report_every: values.time("jobs.report_every"),
        },
        compliance: Compliance {
            scans_per_host: values.small("compliance.scans_per_host"),
            kept: values.time("compliance.kept"),
        },
        ingest: Ingest {
            rows_per_host: values.number("ingest.rows_per_host"),
            bytes_per_host: values.number("ingest.bytes_per_host"),
            rows_per_tenant: values.number("ingest.rows_per_tenant"),
            bytes_per_tenant: values.number("ingest.bytes_per_tenant"),
            names_per_host: values.small("ingest.names_per_host"),
            names_per_tenant: values.small("ingest.names_per_tenant"),
            telemetry_kept: values.time("ingest.telemetry_kept"),
            records_kept: values.time("ingest.records_kept"),
        },
        channels: values.retention(),
        patchmon_programs: values.text("patchmon.programs").map(PathBuf::from),
        keeper_socket: values.keeper_socket(),
        limits,
        guard: values.guarding(),
        log: values.log(),
        internal: Internal {
            hmac_secret: values.long_secret("internal.hmac_secret", true),
            token: values.long_secret("internal.token", true),
        },
        webhooks: Webhooks {
            allow: values.parsed("webhooks.allow", "write networks, such as [\"10.0.0.0/8\"]"),
            ca: values.text("webhooks.ca").map(PathBuf::from),
            attempts: values.small("webhooks.attempts"),
            retry: values.time("webhooks.retry"),
        },
        redis: values.redis(),
        budget,
        effective: values.lines(),
    };
    if production {
        values.forbid_insecure(&config);
    }
    if values.problems.is_empty() { Ok(config) } else { Err(ConfigError(values.problems)) }
}

pub(super) fn default_limits() -> Limits {
    limits(&mut Values::gather(&Sources::default(), RunMode::Serve, false))
}

pub(super) fn default_guarding() -> Guarding {
    Values::gather(&Sources::default(), RunMode::Serve, false).guarding()
}

fn limits(values: &mut Values) -> Limits {
    Limits {
        message: values.number("limits.message"),
        channel_messages_per_minute: values.number("limits.channel_messages_per_minute"),
        pending_per_ip: values.number("limits.pending_per_ip"),
        anonymous_sockets_per_ip: values.number("limits.anonymous_sockets_per_ip"),
        sockets_per_user: values.number("limits.sockets_per_user"),
        channel_subscribers: values.number("limits.channel_subscribers"),
        connections: values.number("limits.connections"),
        terminals: values.number("limits.terminals"),
        establish: values.time("limits.establish"),
        first_message: values.time("limits.first_message"),
        terminal_window: values.number("limits.terminal_window"),
        replay_ring: values.number("limits.replay_ring"),
        lossless_hold: values.time("limits.lossless_hold"),
        detached_life: values.time("limits.detached_life"),
        channel_write: values.time("limits.channel_write"),
        channel_idle: values.time("limits.channel_idle"),
        terminal_idle: values.time("limits.terminal_idle"),
        heartbeat: values.time("limits.heartbeat"),
        auth_failures_per_minute_per_ip: values.number("limits.auth_failures_per_minute_per_ip"),
        registrations_per_minute_per_ip: values.number("limits.registrations_per_minute_per_ip"),
        channel_bytes_per_minute: values.number("limits.channel_bytes_per_minute"),
        terminal_bytes_per_second: values.number("limits.terminal_bytes_per_second"),
        tickets_per_minute: values.number("limits.tickets_per_minute"),
    }
}

/// Whether this is production. Anything that is not a known word must not quietly mean "no".
fn production(sources: &Sources) -> Result<bool, Problem> {
    match sources.environment.get("GANGPLANK_ENV").map(String::as_str) {
        Some("production") => Ok(true),
        None | Some("" | "development") => Ok(false),
        Some(other) => Err(Problem {
            key: "GANGPLANK_ENV".to_owned(),
            place: "variable GANGPLANK_ENV".to_owned(),
            reason: format!("{other:?} is no known environment"),
            fix: "set it to production or development, or not at all".to_owned(),
        }),
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

impl Values {
    fn gather(sources: &Sources, mode: RunMode, production: bool) -> Self {
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

    fn lines(&self) -> Vec<Line> {
        let line = |key: &'static super::Key| match self.values.get(key.path) {
            Some((value, origin)) => Line::new(key, Some(value), origin.clone()),
            None => Line::new(key, None, Origin::Default),
        };
        KEYS.iter().map(line).collect()
    }

    /// Shows what a number came to that follows from the machine.
    fn settled(&mut self, key: &'static str, number: u64) {
        if let Some((value, _)) = self.values.get_mut(key) {
            *value = Value::Number(number);
        }
    }

    pub(super) fn wrong(&mut self, key: &str, reason: &str, fix: &str) {
        let place = match self.values.get(key) {
            Some((_, origin)) => origin.to_string(),
            None => Origin::Default.to_string(),
        };
        let (key, reason, fix) = (key.to_owned(), reason.to_owned(), fix.to_owned());
        self.problems.push(Problem { key, place, reason, fix });
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.values.get(key) {
            Some((Value::Text(text), _)) => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn list(&self, key: &str) -> Vec<String> {
        match self.values.get(key) {
            Some((Value::List(items), _)) => items.clone(),
            _ => Vec::new(),
        }
    }

    pub(super) fn switch(&self, key: &str) -> bool {
        matches!(self.values.get(key), Some((Value::Switch(true), _)))
    }

    pub(super) fn number(&self, key: &str) -> u64 {
        match self.values.get(key) {
            Some((Value::Number(number), _)) => *number,
            _ => 0,
        }
    }

    /// A number whose bounds fit into the smaller type.
    pub(super) fn small(&self, key: &str) -> u32 {
        u32::try_from(self.number(key)).unwrap_or(u32::MAX)
    }

    pub(super) fn time(&self, key: &str) -> Duration {
        match self.values.get(key) {
            Some((Value::Time(duration), _)) => *duration,
            _ => Duration::ZERO,
        }
    }

    fn secret(&self, key: &str) -> Option<Secret> {
        match self.values.get(key) {
            Some((Value::Secret(secret), _)) => Some(secret.clone()),
            _ => None,
        }
    }

    /// A secret of at least 32 bytes, where that is required.
    fn long_secret(&mut self, key: &str, required: bool) -> Option<Secret> {
        let secret = self.secret(key)?;
        if required && secret.expose().len() < SHORTEST_SECRET {
            let reason = format!("a secret of fewer than {SHORTEST_SECRET} bytes can be guessed");
            self.wrong(key, &reason, "make one with: openssl rand -hex 32");
        }
        Some(secret)
    }

    /// The items of a list in their own type; what can't be read is a problem.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self, key: &str, fix: &str) -> Vec<T> {
        let mut parsed = Vec::new();
        for item in self.list(key) {
            match item.parse() {
                Ok(value) => parsed.push(value),
                Err(error) => self.wrong(key, &format!("{item:?}: {error}"), fix),
            }
        }
        parsed
    }

    fn listen(&mut self) -> Listen {
        let fix = "write addresses with ports, such as [\"0.0.0.0:8443\", \"[::]:8443\"]";
        let trusted = self
            .parsed("listen.behind_proxy.trusted", "write networks, such as [\"127.0.0.1/32\"]");
        let key = "listen.behind_proxy.address";
        let behind_proxy = self.text(key).and_then(|text| match text.parse::<SocketAddr>() {
            Ok(address) => Some(BehindProxy { address, trusted: trusted.clone() }),
            Err(error) => {
                self.wrong(
                    key,
                    &format!("{text:?}: {error}"),
                    "write an address with a port, such as \"127.0.0.1:8080\"",
                );
                None
            }
        });
        if behind_proxy.is_some() && trusted.is_empty() {
            self.wrong(
                "listen.behind_proxy.trusted",
                "without trusted proxies nobody could use listen.behind_proxy.address",
                "write the proxies' networks, such as [\"127.0.0.1/32\"]",
            );
        }
        Listen {
            tls: self.parsed("listen.tls", fix),
            redirect: self.parsed("listen.redirect", fix),
            behind_proxy,
            plain: self.parsed("listen.plain", fix),
        }
    }

    fn server(&mut self) -> Server {
        let names: Vec<Name> =
            self.parsed("server.names", "write host names or addresses, without scheme and port");
        let key = "server.public_url";
        let public_url = self.text(key).and_then(|text| {
            let origin = origin(&text, true);
            if origin.is_none() {
                self.wrong(
                    key,
                    &format!("{text:?} is not the URL of a server"),
                    "write https://NAME or https://NAME:PORT",
                );
            }
            origin
        });
        Server { names, public_url }
    }

    fn tls(&mut self) -> Option<TlsFiles> {
        match (self.text("tls.cert"), self.text("tls.key")) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert: cert.into(), key: key.into() }),
            (Some(_), None) => {
                self.wrong(
                    "tls.key",
                    "tls.cert is given and tls.key is not",
                    "name the key's file",
                );
                None
            }
            (None, Some(_)) => {
                self.wrong(
                    "tls.cert",
                    "tls.key is given and tls.cert is not",
                    "name the chain's file",
                );
                None
            }
            (None, None) => None,
        }
    }

    fn auth(&mut self) -> AuthConfig {
        let mut origins = Vec::new();
        for text in self.list("auth.origins") {
            // Only what a browser would write can ever match.
            if text == "*" || origin(&text, false).is_some_and(|origin| origin == text) {
                origins.push(text);
            } else {
                let reason = format!("{text:?} is not an origin as browsers write it");
                let fix = "write scheme, name and a port that is not the scheme's own, in lower case, such as \"https://ops.example.com\"";
                self.wrong("auth.origins", &reason, fix);
            }
        }
        AuthConfig {
            origins,
            legacy_query_token: self.switch("auth.legacy_query_token"),
            legacy_cookie: self.switch("auth.legacy_cookie"),
            secret: self.long_secret("auth.secret", true),
        }
    }

    fn retention(&mut self) -> Retention {
        let default =
            Kept { events: self.number("channels.kept"), age: self.time("channels.retention") };
        let mut topics = BTreeMap::new();
        for text in self.list("channels.topics") {
            match kept(&text, default.events) {
                Some((topic, kept)) => {
                    topics.insert(topic.as_str().to_owned(), kept);
                }
                None => {
                    let reason = format!("{text:?} does not say how much of a topic is kept");
                    let fix = "write TOPIC=AGE or TOPIC=AGE/EVENTS, such as receipts=90d/100000";
                    self.wrong("channels.topics", &reason, fix);
                }
            }
        }
        Retention { default, topics }
    }

    fn redis(&mut self) -> Option<RedisStream> {
        let key = "redis.url";
        let server = self.secret(key)?;
        if ::redis::parse_redis_url(server.expose()).is_none() {
            let fix =
                "write redis://HOST:PORT, or rediss:// for TLS, with USER:PASSWORD@ if needed";
            self.wrong(key, "it is not the URL of a Redis server", fix);
        }
        Some(RedisStream {
            server,
            stream: self.text("redis.stream").unwrap_or_default(),
            group: self.text("redis.group").unwrap_or_default(),
            consumer: self.text("redis.consumer").unwrap_or_default(),
            tenant: self.text("redis.tenant"),
        })
    }

    fn keeper_socket(&mut self) -> Option<PathBuf> {
        let key = "keeper.socket";
        let path = PathBuf::from(self.text(key)?);
        if !path.is_absolute() || path.as_os_str().len() > LONGEST_SOCKET {
            let reason = format!("{} can't be the path of a socket", path.display());
            let fix = format!("write an absolute path of {LONGEST_SOCKET} bytes at most");
            self.wrong(key, &reason, &fix);
        }
        Some(path)
    }

    fn log(&self) -> Log {
        let level = self.text("log.level").and_then(|level| level.parse().ok());
        let json = self.text("log.format").as_deref() == Some("json");
        Log {
            level: level.unwrap_or(tracing::Level::INFO),
            format: if json { LogFormat::Json } else { LogFormat::Text },
        }
    }

    fn forbid_insecure(&mut self, config: &Config) {
        let mut forbid = |key: &str, wrong: bool, reason: &str, fix: &str| {
            if wrong {
                self.wrong(key, &format!("{reason}; GANGPLANK_ENV=production forbids it"), fix);
            }
        };
        let any = config.auth.origins.iter().any(|origin| origin == "*");
        forbid("auth.origins", any, "* lets every web page in", "name the origins");
        let query = config.auth.legacy_query_token;
        forbid(
            "auth.legacy_query_token",
            query,
            "tokens in URLs end up in logs",
            "set it to false",
        );
        let cookie = config.auth.legacy_cookie;
        forbid(
            "auth.legacy_cookie",
            cookie,
            "that cookie name protects nothing",
            "set it to false",
        );
        let plain = !config.listen.plain.is_empty();
        forbid("listen.plain", plain, "cleartext carries credentials", "remove it");
    }
}

/// What `TOPIC=AGE` or `TOPIC=AGE/EVENTS` says.
fn kept(text: &str, events: u64) -> Option<(Topic, Kept)> {
    let (topic, kept) = text.split_once('=')?;
    let (age, events) = match kept.split_once('/') {
        Some((age, number)) => (age, number.trim().parse().ok().filter(|number| *number > 0)?),
        None => (kept, events),
    };
    Some((Topic::named(topic.trim())?, Kept { events, age: parse_duration(age.trim())? }))
}

/// The origin that a URL names, when it names nothing more than that.
fn origin(text: &str, slash: bool) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let nobody = url.username().is_empty() && url.password().is_none();
    let web = matches!(url.scheme(), "https" | "http") && url.has_host();
    let origin = url.origin().ascii_serialization();
    let exact = (slash || !text.ends_with('/')) && !text.contains('*');
    (bare && nobody && web && exact).then_some(origin)
}
