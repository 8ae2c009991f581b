//! The agent for this very machine.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::unistd::{Uid, User};
use serde_json::Value;

use super::daemon::Daemon;
use crate::{
    bound::{self, Bound},
    step,
};

/// How long the agent may take to come online.
const ONLINE: Duration = Duration::from_secs(30);

/// A running agent.
pub(super) struct Agent(Bound);

impl Agent {
    /// Enrols this machine unless that was done before, starts its agent and waits until the
    /// daemon sees it.
    pub(super) fn start(programs: &Path, directory: &Path, daemon: &Daemon) -> Result<Self> {
        let program = programs.join("gangplank-agent");
        let home = directory.join("agent");
        let config = home.join("agent.toml");
        if daemon.first_start() && home.exists() {
            // What a daemon that is gone knew as an agent is none to this one.
            fs::remove_dir_all(&home)?;
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&home)?;
        if !config.exists() {
            step("Enrolling this machine");
            enrol(&program, &config, daemon)?;
            allow_terminals(&config)?;
        }
        point_at(&config, daemon.url())?;
        step("Starting the agent");
        let log_path = directory.join("agent.log");
        let log = File::create(&log_path)?;
        let mut command = bound::command(&program);
        command.arg("run").arg("--config").arg(&config);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut agent = Self(Bound::start("gangplank-agent", command)?);
        agent.wait(daemon, &log_path)?;
        Ok(agent)
    }

    pub(super) fn bound(&mut self) -> &mut Bound {
        &mut self.0
    }

    fn wait(&mut self, daemon: &Daemon, log: &Path) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < ONLINE {
            if online(&daemon.ask(&["host", "ls"])?) {
                return Ok(());
            }
            if let Some(end) = self.0.ended()? {
                bail!("{end}; its log is {}", log.display());
            }
            thread::sleep(Duration::from_millis(100));
        }
        bail!(
            "the agent is not online after {} s; its log is {}. To enrol anew, remove {}",
            ONLINE.as_secs(),
            log.display(),
            log.with_file_name("agent").display()
        )
    }
}

/// Whether any host of a list is online.
fn online(hosts: &Value) -> bool {
    let items = hosts.get("items").unwrap_or(hosts).as_array();
    items.is_some_and(|hosts| {
        hosts.iter().any(|host| host.pointer("/status/state").is_some_and(|is| is == "online"))
    })
}

/// Registers this machine with a provisioning key, which travels by standard input.
fn enrol(program: &PathBuf, config: &Path, daemon: &Daemon) -> Result<()> {
    let made = daemon.ask(&["token", "create", "--uses", "1", "--expires", "10m"])?;
    let token = made.get("token").and_then(Value::as_str).context("the daemon made no token")?;
    let mut child = Command::new(program)
        .args(["enroll", "--server", daemon.url(), "--token-file", "-", "--ca"])
        .arg(daemon.ca())
        .arg("--config")
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("a piped stdin")?;
    writeln!(stdin, "{token}")?;
    drop(stdin);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("enrolling failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// The daemon may have another port than in the last run.
fn point_at(config: &Path, url: &str) -> Result<()> {
    let before = fs::read_to_string(config)?;
    let line = format!("url = \"{url}\"");
    let now: String = before
        .lines()
        .map(|text| if text.starts_with("url = ") { line.as_str() } else { text })
        .flat_map(|text| [text, "\n"])
        .collect();
    if now == before {
        return Ok(());
    }
    fs::write(config, now).with_context(|| config.display().to_string())
}

/// A PTY as the same user needs neither sshd nor root; nobody else gets anything by it.
fn allow_terminals(config: &Path) -> Result<()> {
    let user = User::from_uid(Uid::effective())?.context("this user has no name")?.name;
    let mut allowed = Vec::new();
    let text: String = fs::read_to_string(config)?
        .lines()
        .map(|line| {
            let changed = if line.starts_with("terminal = ") {
                Some("terminal = [\"pty\", \"ssh\"]".to_owned())
            } else if line.starts_with("# users = ") {
                Some(format!("users = [\"{user}\"]"))
            } else {
                None
            };
            allowed.extend(changed.clone());
            changed.unwrap_or_else(|| line.to_owned()) + "\n"
        })
        .collect();
    ensure!(allowed.len() == 2, "{} has no policy where one was expected", config.display());
    fs::write(config, text).with_context(|| config.display().to_string())
}
