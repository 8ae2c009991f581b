//! The real `gangplankd` on a free loopback port, with a data directory of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    http::Client,
    process::{self, Finished, Process},
    program, scratch,
    sshd::free_port,
};

/// How long a start may take: the first one makes keys, a database and a user.
const START: Duration = Duration::from_secs(60);

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    directory: PathBuf,
    settings: Vec<(String, String)>,
    /// Further variables of its environment.
    variables: Vec<(String, String)>,
    process: Mutex<Process>,
    /// Logs of the processes that ran before a restart.
    before: Mutex<String>,
    ready: Ready,
    /// Where it listens, `127.0.0.1:PORT`, whatever its public name is.
    address: String,
    ca: PathBuf,
}

/// What the daemon says when it accepts.
#[derive(Debug, Clone)]
pub struct Ready {
    /// Its address, `https://HOST:PORT`.
    pub url: String,
    /// File of its CA.
    pub ca: PathBuf,
    /// First user.
    pub username: String,
    /// That user's password, when it was made just now.
    pub password: Option<String>,
}

impl Daemon {
    /// Starts a daemon with its defaults.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a daemon with settings such as `("limits.first_message", "1s")`.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let settings =
            settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self::launch(scratch::directory(), settings, &[], "127.0.0.1")
    }

    /// Starts a daemon with variables in its environment that are no settings.
    pub fn in_environment(variables: &[(&str, &str)]) -> Self {
        Self::launch(scratch::directory(), Vec::new(), variables, "127.0.0.1")
    }

    /// As [`Daemon::with`], listening on an address of a network that the test made.
    pub fn listening_on(address: &str, settings: &[(&str, &str)]) -> Self {
        let names = ("server.names", address);
        let settings = settings.iter().chain([&names]);
        let settings = settings.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Self::launch(scratch::directory(), settings.collect(), &[], address)
    }

    /// Starts a daemon whose data directory is made at `directory`.
    pub fn in_directory(directory: &Path) -> Self {
        Self::launch(directory.to_owned(), Vec::new(), &[], "127.0.0.1")
    }

    fn launch(
        directory: PathBuf,
        settings: Vec<(String, String)>,
        variables: &[(&str, &str)],
        address: &str,
    ) -> Self {
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let variables: Vec<_> = owned.collect();
        // A port that nobody takes while the daemon is away between two starts.
        let listen = format!("{address}:{}", free_port());
        let process = launch(&directory, &settings, &variables, &listen);
        let ready = ready(&process);
        let address = listening(&process);
        let (process, before) = (Mutex::new(process), Mutex::default());
        let ca = ready.ca.clone();
        Self { directory, settings, variables, process, before, ready, address, ca }
    }

    /// The same daemon, whose certificate is known to be signed by another CA than its own.
    #[must_use]
    pub fn with_ca(mut self, ca: &Path) -> Self {
        ca.clone_into(&mut self.ca);
        self
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// `127.0.0.1:PORT`.
    pub fn authority(&self) -> &str {
        &self.address
    }

    /// Data directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// File of the CA.
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// What the daemon said when it first accepted.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Password of the first user.
    pub fn password(&self) -> &str {
        self.ready.password.as_deref().expect("the first start makes a password")
    }

    /// Everything logged, by the processes before restarts too.
    pub fn log(&self) -> String {
        self.before.lock().unwrap_or_else(PoisonError::into_inner).clone() + &self.process().log()
    }

    /// A client without a login.
    pub fn client(&self) -> Client {
        Client::new(&self.url(), &fs::read(&self.ca).expect("a CA"))
    }

    /// A client logged in as the first user. Each call is a login of its own.
    pub async fn admin(&self) -> Client {
        self.client().login(&self.ready.username, self.password()).await
    }

    /// Sends the process a signal.
    pub fn signal(&self, signal: Signal) {
        self.process().signal(signal);
    }

    /// Whether the process still runs.
    pub fn runs(&self) -> bool {
        self.process().exit_status().is_none()
    }

    /// Process id.
    pub fn pid(&self) -> i32 {
        self.process().pid().as_raw()
    }

    /// Waits for the process to end after a signal, and returns its exit code.
    pub fn exit_code(&self, limit: Duration) -> Option<i32> {
        self.process().ended(limit).code()
    }

    /// Kills the process without warning.
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Starts again after the process has ended, at the same address.
    pub fn start_again(&self) {
        let mut process = self.process();
        process.kill();
        self.before.lock().unwrap_or_else(PoisonError::into_inner).push_str(&process.log());
        *process = launch(&self.directory, &self.settings, &self.variables, self.authority());
        let again = ready(&process);
        assert_eq!(again.url, self.ready.url);
        assert_eq!(listening(&process), self.address);
        assert_eq!(again.password, None, "a second start makes no password");
    }

    /// Runs an administration command on this daemon's data directory.
    pub fn command(&self, arguments: &[&str]) -> Finished {
        self.command_with_input(arguments, "")
    }

    /// Runs an administration command, with `input` on its standard input.
    pub fn command_with_input(&self, arguments: &[&str], input: &str) -> Finished {
        let mut command = Command::new(program::gangplankd());
        command.args(arguments).arg("--data-dir").arg(&self.directory);
        process::run_with_input(&command, input)
    }

    /// A provisioning key for one agent.
    pub fn token(&self) -> String {
        let made = self.command(&["token", "create", "--uses", "1", "--expires", "10m", "--json"]);
        assert_eq!(made.code, Some(0), "{made:?}");
        let made: Value = serde_json::from_str(&made.stdout).expect("JSON and nothing else");
        made["token"].as_str().expect("a token").to_owned()
    }
}

fn launch(
    directory: &Path,
    settings: &[(String, String)],
    variables: &[(String, String)],
    listen: &str,
) -> Process {
    let mut command = Command::new(program::gangplankd());
    command.args(["up", "--json", "--listen", listen, "--data-dir"]).arg(directory);
    // Jobs that no test ordered would be in their way.
    command.env("GANGPLANK_JOBS__REPORT_EVERY", "0s");
    set(&mut command, settings);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    Process::start("gangplankd", &command)
}

/// Puts settings into a command's environment, as an operator would.
pub fn set(command: &mut Command, settings: &[(String, String)]) {
    for (key, value) in settings {
        let key = key.replace('.', "__").to_uppercase();
        command.env(format!("GANGPLANK_{key}"), value);
    }
}

/// Where a daemon listens for TLS, out of its log.
fn listening(process: &Process) -> String {
    let line = process.line(START, "where it listens", |line| {
        line.contains("listening") && line.contains("kind=Tls")
    });
    let address = line.split("addr=").nth(1).and_then(|rest| rest.split(' ').next());
    address.expect("an address").to_owned()
}

/// Reads the ready line of a daemon that was started with `--json`.
pub fn ready(process: &Process) -> Ready {
    let line = process.line(START, "that it is ready", |line| {
        serde_json::from_str::<Value>(line).is_ok_and(|line| line["event"] == "ready")
    });
    let line: Value = serde_json::from_str(&line).expect("JSON");
    let text = |key: &str| line[key].as_str().map(str::to_owned);
    Ready {
        url: text("url").expect("a URL").trim_end_matches('/').to_owned(),
        ca: text("ca").map(PathBuf::from).unwrap_or_default(),
        username: text("username").unwrap_or_else(|| "admin".to_owned()),
        password: text("password"),
    }
}

impl Client {
    /// Makes a host and returns what the daemon answered: `id`, `api_id`, `api_key`.
    pub async fn add_host(&self, name: &str, target: Option<(&str, u16)>) -> Value {
        let mut body = json!({ "friendly_name": name });
        if let Some((address, port)) = target {
            body["address"] = address.into();
            body["port"] = port.into();
        }
        self.post("/api/v1/hosts", body).await.expect(201).json()
    }

    /// A ticket for a terminal on a host.
    pub async fn ticket(&self, host: &str) -> String {
        let body = json!({ "hostId": host });
        let answer = self.post("/api/v1/auth/ssh-ticket", body).await.expect(200).json();
        assert_eq!(answer["expiresIn"], 30);
        answer["ticket"].as_str().expect("a ticket").to_owned()
    }

    /// A new user with the given roles, and a client logged in as that user.
    pub async fn add_user(&self, name: &str, roles: &[&str]) -> (String, Self) {
        let password = crate::account::canary("user");
        let body = json!({ "username": name, "password": password, "roles": roles });
        let user = self.post("/api/v1/users", body).await.expect(201).json();
        let client = self.clone().anonymous().login(name, &password).await;
        (user["id"].as_str().expect("an id").to_owned(), client)
    }

    /// A new tenant: its id, its administrator's password, and a client logged in as `NAME-admin`.
    pub async fn add_tenant(&self, name: &str) -> (String, String, Self) {
        let made = self.post("/api/v1/tenants", json!({ "name": name })).await.expect(201).json();
        let id = made["id"].as_str().expect("an id").to_owned();
        let (username, password) = (format!("{name}-admin"), crate::account::canary("tenant"));
        let first = json!({ "username": username, "password": password });
        self.post(&format!("/api/v1/tenants/{id}/members"), first).await.expect(201);
        let client = self.clone().anonymous().login(&username, &password).await;
        (id, password, client)
    }

    /// What the daemon says of a host's agent.
    pub async fn status(&self, host: &str) -> Value {
        self.get(&format!("/api/v1/hosts/{host}/status")).await.expect(200).json()
    }
}
