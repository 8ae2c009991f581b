//! A helper that listens for the tests, and somebody who asks it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use gangplank_agent::command::{Context, Piece, Printer, Teller};
use gangplank_agent::config::{Environment, Local};
use gangplank_agent::helper::frame::{Frame, Frames};
use gangplank_agent::helper::{Answer, Verb, client};
use gangplank_proto::job::{Done, Progress};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Nothing here takes longer, however busy the machine.
pub(crate) const SOON: Duration = Duration::from_secs(240);

/// A tool that says who it is, and doesn't end when it is told to.
const STAY: &str = "#!/bin/sh\ntrap '' TERM\nsh -c 'trap \"\" TERM; echo $$; exec sleep 600'\n";

/// A helper with a policy, and a few tools.
pub(crate) struct Helper {
    directory: tempfile::TempDir,
    pub(crate) child: Child,
}

impl Helper {
    /// Starts one that allows what `policy` switches on.
    pub(crate) async fn start(policy: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // The way there is open, so that the socket and the helper alone decide.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let stay = directory.path().join("stay");
        fs::write(&stay, STAY).unwrap();
        fs::set_permissions(&stay, Permissions::from_mode(0o755)).unwrap();
        let text = format!(
            "user = \"root\"\n[policy]\n{policy}\n\
             [tools.stay]\nroot = true\ncommand = {stay:?}\n\
             [tools.whoami]\nroot = true\ncommand = \"/usr/bin/id\"\nargs = [\"{{flag}}\"]\n\
             params = {{ flag = [\"-u\", \"-un\"] }}\n"
        );
        fs::write(directory.path().join("helper.toml"), text).unwrap();
        let child = run(directory.path());
        let helper = Self { directory, child };
        let listening = async {
            while UnixStream::connect(helper.socket()).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        timeout(SOON, listening).await.unwrap();
        helper
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("helper.sock")
    }

    pub(crate) fn policy(&self) -> PathBuf {
        self.directory.path().join("helper.toml")
    }

    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends a word as it is, and answers how the helper says that it ended.
    pub(crate) async fn say(&self, word: Value) -> Done {
        let mut stream = UnixStream::connect(self.socket()).await.unwrap();
        Frame::word(&word).unwrap().write(&mut stream).await.unwrap();
        last(stream).await
    }

    /// Why it refuses a word.
    pub(crate) async fn refuses(&self, word: Value) -> String {
        let done = self.say(word.clone()).await;
        let why = done.error.unwrap_or_default().as_str().to_owned();
        assert_eq!(done.status, gangplank_proto::job::Outcome::Failed, "{word}: {why}");
        why
    }

    pub(crate) fn ask(&self, verb: Verb) -> Asking {
        ask(self.socket(), verb)
    }
}

/// Asks for a verb, as a command of the agent does.
pub(crate) fn ask(socket: PathBuf, verb: Verb) -> Asking {
    let mut local = Local::load(Path::new("/nonexistent"), &Environment::default()).unwrap();
    local.helper = socket;
    let (pieces, said) = mpsc::channel(64);
    let cancel = CancellationToken::new();
    let context = Context {
        local: Arc::new(local),
        output: Printer::Pieces(pieces.clone()),
        progress: Teller::Pieces(pieces),
        settings: watch::Sender::default(),
        cancel: cancel.clone(),
    };
    let task = tokio::spawn(async move { client::ask(&verb, &context).await.unwrap() });
    Asking { said, cancel, task }
}

/// How a helper says that it ended, whatever it says before.
pub(crate) async fn last(stream: UnixStream) -> Done {
    let mut frames = Frames::new(stream);
    let reading = async {
        loop {
            let frame = frames.next().await.unwrap().unwrap();
            if let Some(Answer::Done(done)) = frame.parse() {
                return done;
            }
        }
    };
    timeout(SOON, reading).await.unwrap()
}

fn run(directory: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gangplank-agent"));
    command.arg("helper");
    command.arg("--policy").arg(directory.join("helper.toml"));
    command.arg("--listen").arg(directory.join("helper.sock"));
    command.stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap()
}

/// A verb that is being done.
pub(crate) struct Asking {
    said: mpsc::Receiver<Piece>,
    pub(crate) cancel: CancellationToken,
    pub(crate) task: tokio::task::JoinHandle<Done>,
}

impl Asking {
    /// The first line that it prints.
    pub(crate) async fn line(&mut self) -> String {
        let mut text = Vec::new();
        let reading = async {
            while !text.contains(&b'\n') {
                match self.said.recv().await {
                    Some(Piece::Output(data)) => text.extend(data),
                    Some(Piece::Progress(_)) => {}
                    None => break,
                }
            }
        };
        timeout(SOON, reading).await.unwrap();
        String::from_utf8(text).unwrap().trim().to_owned()
    }

    /// Waits until it says how far it is.
    pub(crate) async fn progress(&mut self) {
        let reading =
            async { while !matches!(self.said.recv().await, Some(Piece::Progress(_)) | None) {} };
        timeout(SOON, reading).await.unwrap();
    }

    /// All that it says, and how it ends.
    pub(crate) async fn end(mut self) -> (Done, Vec<u8>, Vec<Progress>) {
        let (mut output, mut progress) = (Vec::new(), Vec::new());
        let reading = async {
            while let Some(piece) = self.said.recv().await {
                match piece {
                    Piece::Output(data) => output.extend(data),
                    Piece::Progress(step) => progress.push(step),
                }
            }
            self.task.await.unwrap()
        };
        let done = timeout(SOON, reading).await.unwrap();
        (done, output, progress)
    }
}

/// Waits until a process is gone, or only its parent has still to take notice.
pub(crate) async fn gone(pid: &str) {
    let number: i32 = pid.parse().unwrap();
    let going = async {
        loop {
            let stat = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z ") || stat.contains(") X ") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if timeout(SOON, going).await.is_err() {
        // Nothing of a test stays.
        let _ = kill(Pid::from_raw(number), Signal::SIGKILL);
        unreachable!("{pid} is still there");
    }
}
