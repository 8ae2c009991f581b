//! The real `gangplank-agent`, enrolled at a daemon and run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nix::{
    sys::signal::Signal,
    unistd::{Pid, Uid, User},
};
use serde_json::Value;
use toml::{Table, Value as Toml};

use crate::{
    account::Account,
    daemon::Daemon,
    eventually,
    http::Client,
    netns::Namespace,
    process::{self, Process},
    program, scratch,
};

/// An agent with a configuration of its own.
#[derive(Debug)]
pub struct Agent {
    config: PathBuf,
    namespace: Option<Arc<Namespace>>,
    process: Mutex<Process>,
    host: String,
}

/// What the host's owner allows in the agent's own file.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Kinds of terminal.
    pub terminal: Vec<String>,
    /// SSH targets.
    pub targets: Vec<String>,
    /// Users of a PTY.
    pub users: Vec<String>,
}

impl Policy {
    /// A PTY as [`shell_user`], and SSH to one target.
    pub fn everything(target: &str) -> Self {
        Self {
            terminal: vec!["ssh".to_owned(), "pty".to_owned()],
            targets: vec![target.to_owned()],
            users: vec![shell_user()],
        }
    }
}

/// The user of PTYs: where root runs the tests a throw-away one, whose shell reads no profile of
/// this machine's owner, which may do anything; else the user who runs the tests.
pub fn shell_user() -> String {
    static USER: LazyLock<String> = LazyLock::new(|| {
        let own = User::from_uid(Uid::effective()).expect("a readable passwd");
        let own = own.expect("a known user");
        if own.uid.is_root() { Account::create().name } else { own.name }
    });
    USER.clone()
}

impl Agent {
    /// Enrols an agent, gives it a policy, starts it and waits until the daemon sees it.
    pub async fn enrol(daemon: &Daemon, admin: &Client, policy: &Policy) -> Self {
        Self::enrol_with(daemon, admin, policy, |_| ()).await
    }

    /// As [`Agent::enrol`], through a proxy with a CA of its own.
    pub async fn enrol_at(
        url: &str,
        ca: &Path,
        daemon: &Daemon,
        admin: &Client,
        policy: &Policy,
    ) -> Self {
        Self::start(url, ca, &daemon.token(), admin, policy, None, |_| ()).await
    }

    /// As [`Agent::enrol`], run in a network namespace.
    pub async fn enrol_in(
        namespace: &Arc<Namespace>,
        daemon: &Daemon,
        admin: &Client,
        policy: &Policy,
    ) -> Self {
        let namespace = Some(Arc::clone(namespace));
        let (url, token) = (daemon.url(), daemon.token());
        Self::start(&url, daemon.ca(), &token, admin, policy, namespace, |_| ()).await
    }

    /// As [`Agent::enrol`], with a change to the configuration before the start.
    pub async fn enrol_with(
        daemon: &Daemon,
        admin: &Client,
        policy: &Policy,
        change: impl FnOnce(&mut Table),
    ) -> Self {
        Self::start(&daemon.url(), daemon.ca(), &daemon.token(), admin, policy, None, change).await
    }

    async fn start(
        url: &str,
        ca: &Path,
        token: &str,
        admin: &Client,
        policy: &Policy,
        namespace: Option<Arc<Namespace>>,
        change: impl FnOnce(&mut Table),
    ) -> Self {
        let directory = scratch::directory();
        let config = directory.join("agent.toml");
        let enrolled = enrol(url, ca, &config, token);
        assert_eq!(enrolled.code, Some(0), "{enrolled:?}");
        let mut table = read(&config);
        let api_id = table["credentials"]["api_id"].as_str().expect("an api_id").to_owned();
        let host = host_of(admin, &api_id).await;
        set_policy(&mut table, policy);
        change(&mut table);
        scratch::secret_file(&config, &table.to_string());
        let process = run(&config, namespace.as_deref(), &[]);
        let agent = Self { config, namespace, process: Mutex::new(process), host };
        agent.online(admin).await;
        agent
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Id of the host that it stands for.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Process id.
    pub fn pid(&self) -> Pid {
        self.process().pid()
    }

    /// Its configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Everything it logged.
    pub fn log(&self) -> String {
        self.process().log()
    }

    /// Waits until the daemon says that it is online.
    pub async fn online(&self, client: &Client) {
        self.state(client, "online").await;
    }

    /// Waits until the daemon says that its state is `state`, and returns the whole status.
    pub async fn state(&self, client: &Client, state: &str) -> Value {
        eventually::until(eventually::patience(), &format!("the agent to be {state}"), || async {
            Some(client.status(&self.host).await).filter(|status| status["state"] == state)
        })
        .await
    }

    /// Kills it without warning.
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.process().signal(signal);
    }

    /// Whether its process is gone.
    pub fn has_ended(&self) -> bool {
        self.process().exit_status().is_some()
    }

    /// Waits for its end, and returns its exit code.
    pub fn exit_code(&self, limit: Duration) -> Option<i32> {
        self.process().ended(limit).code()
    }

    /// Starts it again with the same configuration.
    pub fn start_again(&self) {
        self.start_again_with(&[]);
    }

    /// As [`Agent::start_again`], with variables in its environment.
    pub fn start_again_with(&self, variables: &[(&str, &str)]) {
        let mut process = self.process();
        process.kill();
        *process = run(&self.config, self.namespace.as_deref(), variables);
    }
}

/// Runs `gangplank-agent enroll` with the token on its standard input.
pub fn enrol(url: &str, ca: &Path, config: &Path, token: &str) -> process::Finished {
    let mut command = Command::new(program::gangplank_agent());
    command.args(["enroll", "--server", url, "--token-file", "-", "--ca"]).arg(ca);
    command.arg("--config").arg(config);
    process::run_with_input(&command, &format!("{token}\n"))
}

fn run(config: &Path, namespace: Option<&Namespace>, variables: &[(&str, &str)]) -> Process {
    let mut command = Command::new(program::gangplank_agent());
    command.arg("run").arg("--config").arg(config);
    if let Some(namespace) = namespace {
        command = namespace.inside(&command);
    }
    command.envs(variables.iter().copied());
    Process::start("gangplank-agent", &command)
}

/// Reads an agent's configuration.
pub fn read(config: &Path) -> Table {
    fs::read_to_string(config).expect("a configuration").parse().expect("TOML")
}

/// Sets the `[policy]` of an agent's configuration.
pub fn set_policy(table: &mut Table, policy: &Policy) {
    let section = table.entry("policy").or_insert_with(|| Table::new().into());
    let section = section.as_table_mut().expect("a table");
    let list = |items: &[String]| Toml::Array(items.iter().cloned().map(Toml::String).collect());
    section.insert("terminal".to_owned(), list(&policy.terminal));
    section.insert("targets".to_owned(), list(&policy.targets));
    section.insert("users".to_owned(), list(&policy.users));
}

/// Id of the host with an api_id. Tests run side by side, so the newest host may be another's.
async fn host_of(client: &Client, api_id: &str) -> String {
    let hosts = client.get("/api/v1/hosts?limit=200").await.expect(200).json();
    let mut items = hosts["items"].as_array().expect("a list").iter();
    let host = items.find(|host| host["api_id"] == api_id).expect("the enrolled host");
    host["id"].as_str().expect("an id").to_owned()
}
