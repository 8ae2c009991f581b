//! The daemon of `cargo xtask up`.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, ErrorKind},
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::{ChildStdout, Command, Stdio},
    thread,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::bound::{self, Bound};

/// The port that is asked for first.
const PORT: u16 = 8443;

/// A running daemon.
pub(super) struct Daemon {
    bound: Bound,
    program: PathBuf,
    data: PathBuf,
    url: String,
    username: String,
    ca: PathBuf,
    first_start: bool,
}

impl Daemon {
    /// Starts the daemon and waits until it accepts.
    pub(super) fn start(programs: &Path, directory: &Path) -> Result<Self> {
        let program = programs.join("gangplankd");
        let data = directory.join("daemon");
        let log_path = directory.join("daemon.log");
        let log = File::create(&log_path)?;
        let mut command = bound::command(&program);
        command.args(["up", "--json", "--listen"]).arg(format!("127.0.0.1:{}", port(directory)?));
        command.arg("--data-dir").arg(&data);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut bound = Bound::start("gangplankd", command)?;
        let stdout = bound.child().stdout.take().context("a piped stdout")?;
        let Some(ready) = ready(stdout)? else {
            let log = fs::read_to_string(&log_path).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(15).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            bail!("the daemon did not start:\n{}", tail.join("\n"));
        };
        let text = |key: &str| ready.get(key).and_then(Value::as_str);
        let password = text("password");
        if let Some(password) = password {
            keep_password(&directory.join("password"), password)?;
        }
        Ok(Self {
            bound,
            program,
            data,
            url: text("url").context("the daemon says no URL")?.to_owned(),
            username: text("username").unwrap_or("admin").to_owned(),
            ca: text("ca").context("the daemon says no CA")?.into(),
            first_start: password.is_some(),
        })
    }

    pub(super) fn bound(&mut self) -> &mut Bound {
        &mut self.bound
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn username(&self) -> &str {
        &self.username
    }

    pub(super) fn ca(&self) -> &Path {
        &self.ca
    }

    /// Whether its database was made just now.
    pub(super) fn first_start(&self) -> bool {
        self.first_start
    }

    /// What an administration command prints as JSON.
    pub(super) fn ask(&self, arguments: &[&str]) -> Result<Value> {
        let output = Command::new(&self.program)
            .args(arguments)
            .arg("--json")
            .arg("--data-dir")
            .arg(&self.data)
            .output()?;
        if !output.status.success() {
            let words = arguments.join(" ");
            bail!("`gangplankd {words}`: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// The port of the last run; at first one that is free.
fn port(directory: &Path) -> Result<u16> {
    let file = directory.join("port");
    let known = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<u16>().ok());
    let (port, listener) = match known {
        Some(port) => (port, TcpListener::bind((Ipv4Addr::LOCALHOST, port))),
        None => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT))
                .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
            (listener.local_addr()?.port(), Ok(listener))
        }
    };
    match listener {
        Ok(_) => {
            fs::write(&file, format!("{port}\n"))?;
            Ok(port)
        }
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
            "port {port}, which the last run used, is taken by another program. Stop that \
             program, or remove {} to take another port (agents enrolled elsewhere would have to \
             be told)",
            file.display()
        ),
        Err(error) => Err(error).with_context(|| format!("port {port}")),
    }
}

/// Waits for the ready line. What the daemon prints after it is of no interest, but must be read.
fn ready(stdout: ChildStdout) -> Result<Option<Value>> {
    let mut reader = BufReader::new(stdout);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        if let Ok(value) = serde_json::from_str::<Value>(&line)
            && value.get("event").is_some_and(|event| event == "ready")
        {
            thread::spawn(move || io::copy(&mut reader, &mut io::sink()));
            return Ok(Some(value));
        }
        line.clear();
    }
    Ok(None)
}

/// Keeps the password for the next run's welcome.
fn keep_password(path: &Path, password: &str) -> Result<()> {
    use io::Write as _;

    let _ = fs::remove_file(path);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{password}")?;
    Ok(())
}
