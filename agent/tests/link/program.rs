//! The program itself: exit codes, signals, the service manager, and what it prints.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use crate::daemon::{Daemon, soon};

/// A configuration in a directory of its own.
struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    fn new(daemon: &Daemon, ca: Option<&str>) -> Self {
        let home = Self { directory: tempfile::tempdir().unwrap() };
        let mut text = format!("[server]\nurl = \"{}\"\n", daemon.url());
        if let Some(ca) = ca {
            fs::write(home.directory.path().join("ca.pem"), ca).unwrap();
            text.push_str("ca = \"ca.pem\"\n");
        }
        text.push_str("[credentials]\napi_id = \"gp_0123456789abcdef\"\napi_key = \"canary\"\n");
        home.write(&format!("{text}[policy]\nterminal = []\n"));
        home
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("agent.toml")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.config()).unwrap()
    }

    fn write(&self, text: &str) {
        fs::write(self.config(), text).unwrap();
        fs::set_permissions(self.config(), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gangplank-agent"));
        command.args(words).arg("--config").arg(self.config()).kill_on_drop(true);
        command.stdin(Stdio::null());
        for inherited in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env_remove(inherited);
        }
        command
    }

    async fn run(&self, words: &[&str]) -> (i32, String, String) {
        outcome(soon(self.command(words).output()).await.unwrap())
    }

    fn start(&self, notify: &Path) -> Child {
        let mut command = self.command(&["run"]);
        command.env("NOTIFY_SOCKET", notify).stderr(Stdio::piped());
        command.spawn().unwrap()
    }
}

fn outcome(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().unwrap().try_into().unwrap()), signal).unwrap();
}

/// The service manager, which hears what its service says.
struct Manager(tokio::net::UnixDatagram);

impl Manager {
    fn new(directory: &Path) -> (Self, PathBuf) {
        let path = directory.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        (Self(tokio::net::UnixDatagram::from_std(socket).unwrap()), path)
    }

    async fn hears(&self, word: &str) {
        let hearing = async {
            let mut message = vec![0; 4096];
            loop {
                let length = self.0.recv(&mut message).await.unwrap();
                if String::from_utf8_lossy(&message[..length]).lines().any(|line| line == word) {
                    return;
                }
            }
        };
        soon(hearing).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_runs_reloads_and_stops_as_a_service() {
    let daemon = Daemon::plain().await;
    let home = Home::new(&daemon, None);
    let (manager, notify) = Manager::new(home.directory.path());
    let child = home.start(&notify);
    manager.hears("READY=1").await;
    let mut peer = daemon.agent().await;
    assert!(peer.hello.policy.terminal.is_empty());
    manager.hears("STATUS=connected").await;

    // Nobody runs it twice, and a ping leaves its link alone.
    let (code, _, said) = home.run(&["run"]).await;
    assert_eq!(code, 1);
    assert!(said.contains("runs from") && said.contains("already"), "{said}");
    let ping = tokio::spawn(home.command(&["ping"]).output());
    drop(daemon.stream().await);
    let (code, said, _) = outcome(soon(ping).await.unwrap().unwrap());
    assert_eq!(code, 0);
    assert!(said.contains("the agent runs and is connected"), "{said}");

    // A bad file changes nothing; a good one opens what it says.
    let good = home.text();
    home.write(&format!("{good}\nnonsense = 1\n"));
    signal(&child, Signal::SIGHUP);
    manager.hears("READY=1").await;
    let users = format!("users = [\"{}\"]", gangplank_agent::facts::own_account().name);
    home.write(&good.replace("terminal = []", &format!("terminal = [\"pty\"]\n{users}")));
    signal(&child, Signal::SIGHUP);
    manager.hears("READY=1").await;
    peer.pty(1).await;
    while peer.hello.policy.terminal != ["pty".into()] {
        peer.answers(1).await;
    }

    signal(&child, Signal::SIGTERM);
    manager.hears("STOPPING=1").await;
    peer.closed(1).await;
    assert_eq!(peer.goodbye().await.0, 1001);
    drop(peer);
    let (code, printed, log) = outcome(soon(child.wait_with_output()).await.unwrap());
    assert_eq!((code, printed.as_str()), (0, ""));
    assert!(log.contains("policy.nonsense"), "{log}");
    assert!(!log.contains("canary"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ping_tries_the_credentials_or_says_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let (daemon, ca) = Daemon::tls(directory.path(), &["localhost"]).await;
    let home = Home::new(&daemon, Some(&ca));
    let ping = tokio::spawn(home.command(&["ping"]).output());
    let answer = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
    let asked = daemon.answer(answer).await.unwrap();
    assert!(asked.to_lowercase().contains("\r\nx-api-key: canary\r\n"));
    let (code, _, said) = outcome(soon(ping).await.unwrap().unwrap());
    assert_eq!(code, 1);
    assert!(said.contains("enrol it again") && !said.contains("canary"), "{said}");

    drop(daemon);
    let (code, shown, said) = home.run(&["ping", "--json"]).await;
    assert_eq!(code, 1);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["ok"], false);
    assert!(said.contains("check that the server runs"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diagnostics_show_everything_but_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let (daemon, ca) = Daemon::tls(directory.path(), &["localhost"]).await;
    let home = Home::new(&daemon, Some(&ca));
    for words in [&["diagnostics", "--json"][..], &["diagnostics"]] {
        let asking = tokio::spawn(home.command(words).output());
        daemon.stream().await;
        let (code, shown, said) = outcome(soon(asking).await.unwrap().unwrap());
        assert_eq!((code, said.as_str()), (0, ""), "{shown}");
        assert!(!shown.contains("canary") && shown.contains("ok, with "), "{shown}");
    }
    // A configuration that is of no use is shown too, with what is wrong.
    home.write(&format!("stray = 1\n{}", home.text()));
    let (code, shown, _) = home.run(&["diagnostics", "--json"]).await;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(code, 0);
    assert!(shown["config"]["problems"][0].as_str().unwrap().starts_with("stray: "), "{shown}");
    let (code, _, said) = home.run(&["run"]).await;
    assert_eq!(code, 78);
    assert!(said.contains("stray: is not a key"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_goes_in_by_standard_input_and_comes_out_nowhere() {
    let directory = tempfile::tempdir().unwrap();
    let (daemon, ca) = Daemon::tls(directory.path(), &["localhost"]).await;
    let home = Home { directory: tempfile::tempdir().unwrap() };
    let ca_path = home.directory.path().join("given.pem");
    fs::write(&ca_path, ca).unwrap();
    let url = daemon.url().to_string();
    let ca = ca_path.display().to_string();
    let mut command = home.command(&["enroll", "--server", &url, "--token-file", "-", "--ca", &ca]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"the-token\n").await.unwrap();
    let body = r#"{"host_id":"h","api_id":"gp_0123456789abcdef","api_key":"canary"}"#;
    let created = format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let asked = daemon.answer(&created).await.unwrap();
    assert!(asked.contains("the-token"));
    let (code, shown, said) = outcome(soon(child.wait_with_output()).await.unwrap());
    assert_eq!(code, 0, "{said}");
    for secret in ["the-token", "canary"] {
        assert!(!shown.contains(secret) && !said.contains(secret), "{shown}{said}");
    }
    assert!(!home.text().contains("the-token"));
    fs::remove_file(&ca_path).unwrap();
    let ping = tokio::spawn(home.command(&["ping"]).output());
    let asked = daemon.answer("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    assert!(asked.starts_with("GET /api/v1/agents/ws HTTP/1.1\r\n"), "{asked}");
    let (code, _, said) = outcome(soon(ping).await.unwrap().unwrap());
    assert_eq!(code, 1);
    assert!(said.contains("answered 404"), "{said}");

    // What was enrolled can be taken away again, but not by accident.
    let (code, _, said) = home.run(&["uninstall"]).await;
    assert!(code == 1 && said.contains("--yes"), "{said}");
    let (code, ..) = home.run(&["uninstall", "--yes"]).await;
    assert_eq!(code, 0);
    assert_eq!(fs::read_dir(home.directory.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn insecure_is_for_labs_only() {
    let daemon = Daemon::plain().await;
    let home = Home { directory: tempfile::tempdir().unwrap() };
    let token = home.directory.path().join("token");
    fs::write(&token, "the-token").unwrap();
    let url = daemon.url().to_string();
    let token = token.display().to_string();
    let words = ["enroll", "--server", &url, "--token-file", &token];
    let (code, _, said) = home.run(&words).await;
    assert!(code == 1 && said.contains("has no TLS"), "{code}: {said}");
    let mut command = home.command(&words);
    command.arg("--insecure").env("GANGPLANK_ENV", "production");
    let (code, _, said) = outcome(soon(command.output()).await.unwrap());
    assert!(code == 78 && said.contains("--insecure"), "{code}: {said}");
    assert!(!home.config().exists());
}
