//! From written values to the final types, collecting problems on the way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gangplank_certs::ClientTrust;
use gangplank_proto::id::ApiId;
use gangplank_proto::secret::Secret;
use gangplank_proto::server_url::ServerUrl;

use super::key::Values;
use super::{
    ConfigError, Credentials, Environment, Level, Local, MEASURED_EVERY, Problem, Server,
    ServerKind, duration, file, tool,
};
use crate::dial::proxy::Proxies;
use crate::helper;
use crate::policy::{Policy, Tool};
use crate::update::Keys;

/// Longest time between two measurements.
const LONGEST_EVERY: Duration = Duration::from_secs(3600);

/// Longest API key, in bytes.
const KEY_LEN: usize = 512;

/// What was written, and what is wrong with it so far.
pub(super) struct Reader<'a> {
    values: Values,
    tools: BTreeMap<String, Tool>,
    environment: &'a Environment,
    /// Relative paths start here.
    directory: PathBuf,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Reads file and environment; whether there must be a file is the caller's to say.
    pub(super) fn open(path: &Path, environment: &'a Environment, required: bool) -> Self {
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        let mut reader = Self {
            values: Values::default(),
            tools: BTreeMap::new(),
            environment,
            directory,
            problems: Vec::new(),
        };
        match file::read_private(path) {
            Ok(Some(text)) => reader.read_file(path, &text),
            Ok(None) if required => {
                let missing = std::io::ErrorKind::NotFound.into();
                reader.problems.push(Problem::io(path, &missing));
            }
            Ok(None) => {}
            Err(problem) => reader.problems.push(problem),
        }
        reader.values.read_environment(environment, &mut reader.problems);
        reader
    }

    fn read_file(&mut self, path: &Path, text: &str) {
        match text.parse::<toml::Table>() {
            Ok(table) => {
                self.values.read_file(&table, &mut self.problems);
                self.tools = tool::read(table.get("tools"), &mut self.problems);
            }
            Err(error) => {
                // The library's own text quotes the line, which may hold the key.
                let line = error.span().map_or(1, |span| {
                    text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
                });
                let place = format!("{}, line {line}", path.display());
                self.problem(&place, error.message(), "write it as TOML has it");
            }
        }
    }

    fn problem(&mut self, key: &str, reason: &str, fix: &str) {
        self.problems.push(Problem::new(key, reason, fix));
    }

    /// The problems, if there are any.
    pub(super) fn finish(self) -> Result<(), ConfigError> {
        if self.problems.is_empty() { Ok(()) } else { Err(ConfigError { problems: self.problems }) }
    }

    pub(super) fn server(&mut self) -> Option<Server> {
        let url = self.url();
        let kind = self.kind();
        let proxies = self.proxies();
        let (trust, ca) = self.trust()?;
        Some(Server { url: url?, kind, trust, ca, proxies: proxies? })
    }

    fn kind(&mut self) -> ServerKind {
        match self.values.text("server.kind") {
            None | Some("gangplank") => ServerKind::Gangplank,
            Some("patchmon") => ServerKind::PatchMon,
            Some(other) => {
                let reason = format!("'{}' is no kind of server", other.escape_debug());
                self.problem("server.kind", &reason, "write gangplank or patchmon");
                ServerKind::default()
            }
        }
    }

    fn url(&mut self) -> Option<ServerUrl> {
        let Some(text) = self.values.text("server.url") else {
            let fix = "run `gangplank-agent enroll --server URL --token-file FILE`";
            // Without a readable file this one problem would hide the real one.
            if self.problems.is_empty() {
                self.problem("server.url", "is missing", fix);
            }
            return None;
        };
        match ServerUrl::parse(text) {
            Ok(url) if !url.is_tls() && self.environment.production() => {
                let reason = "has no TLS, which GANGPLANK_ENV=production forbids";
                self.problem("server.url", reason, "write it with https://");
                None
            }
            Ok(url) => Some(url),
            Err(error) => {
                self.problem("server.url", &error.to_string(), "correct the URL");
                None
            }
        }
    }

    pub(super) fn proxies(&mut self) -> Option<Proxies> {
        let proxies = match self.values.text("server.proxy") {
            Some(text) => Proxies::one(text).map_err(|error| ("server.proxy", error)),
            None => Proxies::of_environment(self.environment),
        };
        match proxies {
            Ok(proxies) => Some(proxies),
            Err((key, error)) => {
                self.problem(key, &error.to_string(), "write it like http://proxy.example:3128");
                None
            }
        }
    }

    fn trust(&mut self) -> Option<(ClientTrust, Option<PathBuf>)> {
        if self.values.switch("server.skip_ssl_verify") {
            if self.environment.production() {
                let reason = "is true, which GANGPLANK_ENV=production forbids";
                let fix = "remove it and name the daemon's CA in server.ca";
                self.problem("server.skip_ssl_verify", reason, fix);
                return None;
            }
            return Some((ClientTrust::dangerous_skip_verify(), None));
        }
        let Some(path) = self.path("server.ca") else { return Some((ClientTrust::system(), None)) };
        let loaded = file::read(&path)
            .map_err(|error| error.to_string())
            .and_then(|pem| ClientTrust::only(pem.as_bytes()).map_err(|error| error.to_string()));
        match loaded {
            Ok(trust) => Some((trust, Some(path))),
            Err(reason) => {
                let fix = format!("put the daemon's CA into {}", path.display());
                self.problem("server.ca", &reason, &fix);
                None
            }
        }
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        self.values.text(key).map(|text| self.directory.join(text))
    }

    pub(super) fn credentials(&mut self) -> Option<Credentials> {
        let api_id = self.secret("credentials.api_id", "credentials.api_id_file", "api_id");
        let api_key = self.secret("credentials.api_key", "credentials.api_key_file", "api_key");
        let (api_id, api_key) = (api_id?, api_key?);
        let id = api_id.expose().parse::<ApiId>();
        if let Err(error) = &id {
            self.problem("credentials.api_id", &error.to_string(), "enrol this host again");
        }
        let key = api_key.expose();
        if key.is_empty() || key.len() > KEY_LEN || !key.bytes().all(|byte| byte.is_ascii_graphic())
        {
            let reason = "is empty, too long, or has characters that no key has";
            self.problem("credentials.api_key", reason, "enrol this host again");
        }
        Some(Credentials { api_id: id.ok()?, api_key })
    }

    /// A secret by value, by file, or by systemd's credentials.
    fn secret(&mut self, value: &str, by_file: &str, credential: &str) -> Option<Secret> {
        let (value_layer, file_layer) = (self.values.layer(value), self.values.layer(by_file));
        if value_layer.is_some() && value_layer == file_layer {
            let fix = format!("keep {value} or {by_file}, not both");
            self.problem(value, "is given twice", &fix);
            return None;
        }
        if value_layer > file_layer {
            return self.values.text(value).map(|text| Secret::new(text.to_owned()));
        }
        let (key, path) = match (self.path(by_file), self.environment.get("CREDENTIALS_DIRECTORY"))
        {
            (Some(path), _) => (by_file, Some(path)),
            (None, Some(directory)) => {
                let path = Path::new(directory).join(credential);
                ("CREDENTIALS_DIRECTORY", path.exists().then_some(path))
            }
            (None, None) => (value, None),
        };
        let Some(path) = path else {
            if self.problems.is_empty() {
                let fix = "run `gangplank-agent enroll --server URL --token-file FILE`";
                self.problem(value, "is missing", fix);
            }
            return None;
        };
        match file::read(&path) {
            Ok(text) => Some(Secret::new(text.trim().to_owned())),
            Err(error) => {
                let reason = format!("{}: {error}", path.display());
                self.problem(key, &reason, "give a file that the agent's user can read");
                None
            }
        }
    }

    pub(super) fn local(&mut self) -> Local {
        let ssh_dir = self.path("host.ssh_dir").unwrap_or_else(|| PathBuf::from("/etc/ssh"));
        let helper = self.path("helper.socket").unwrap_or_else(|| PathBuf::from(helper::SOCKET));
        let tools = std::mem::take(&mut self.tools);
        let (policy, keys, log) = (self.policy(), self.keys(), self.level());
        let telemetry = self.telemetry();
        Local { policy, tools, keys, log, ssh_dir, helper, telemetry }
    }

    fn telemetry(&mut self) -> Duration {
        let Some(text) = self.values.text("telemetry.every") else { return MEASURED_EVERY };
        match duration::parse(text) {
            Some(every) if every <= LONGEST_EVERY => every,
            _ => {
                let reason = format!("'{}' is no time up to an hour", text.escape_debug());
                self.problem("telemetry.every", &reason, "write it like 1m, or 0 for never");
                MEASURED_EVERY
            }
        }
    }

    fn keys(&mut self) -> Keys {
        let texts = self.values.list("update.keys").unwrap_or_default();
        match Keys::parse(texts) {
            Ok(keys) => keys,
            Err(error) => {
                let fix = "write each as it stands in the second line of the key's .pub file";
                self.problem("update.keys", &error.to_string(), fix);
                Keys::default()
            }
        }
    }

    fn level(&mut self) -> Level {
        let Some(word) = self.values.text("log.level") else { return Level::default() };
        let all = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
        if let Some(level) = all.into_iter().find(|level| level.as_str() == word) {
            return level;
        }
        let reason = format!("'{}' is not a level", word.escape_debug());
        self.problem("log.level", &reason, "write error, warn, info, debug or trace");
        Level::default()
    }

    fn policy(&mut self) -> Policy {
        let mut policy = Policy {
            users: self.values.list("policy.users").map(<[String]>::to_vec),
            tools: self.values.switch("policy.tools"),
            scan: self.values.switch("policy.scan"),
            update: self.values.switch("policy.update"),
            packages: self.values.switch("policy.packages"),
            ..Policy::default()
        };
        if self.values.switch("policy.docker") {
            let socket = self.path("docker.socket");
            policy.docker = Some(socket.unwrap_or_else(|| PathBuf::from("/var/run/docker.sock")));
        }
        if let Some(words) = self.values.list("policy.terminal") {
            let has = |kind: &str| words.iter().any(|word| word == kind);
            (policy.ssh, policy.pty) = (has("ssh"), has("pty"));
            let other = words.iter().find(|word| !["ssh", "pty"].contains(&word.as_str()));
            if let Some(other) = other {
                let reason = format!("'{}' is no kind of terminal", other.escape_debug());
                self.problem("policy.terminal", &reason, "use \"ssh\", \"pty\" or neither");
            }
        }
        if let Some(files) = self.values.list("policy.scan_content") {
            policy.scan_content = files.iter().map(PathBuf::from).collect();
            if policy.scan_content.iter().any(|file| !file.is_absolute()) {
                let fix = "write each file with its whole path, from / on";
                self.problem("policy.scan_content", "has a file that is not absolute", fix);
            }
        }
        if let Some(targets) = self.values.list("policy.targets") {
            let parsed = targets.iter().map(|target| target.parse()).collect::<Result<Vec<_>, _>>();
            match parsed {
                Ok(targets) => policy.targets = targets,
                Err(error) => {
                    let reason = crate::policy::TargetError::to_string(&error);
                    self.problem("policy.targets", &reason, "correct that target");
                }
            }
        }
        policy
    }
}
