//! A program run by a test: its output is kept, and it never outlives the test process.
//!
//! The kernel kills a child when the thread that made it ends (`PR_SET_PDEATHSIG`), so all are
//! made by one thread that lives as long as the process. When a test panics, the last lines of
//! every program still running are printed with it.

use std::{
    collections::VecDeque,
    fmt, fs,
    io::{BufRead as _, BufReader, Read, Write as _},
    net::TcpListener,
    os::fd::OwnedFd,
    panic,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, Once, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

use crate::eventually::within;

/// Lines kept of one program.
const LOG_LINES: usize = 20_000;

/// Lines shown of one program when a test failed.
const SHOWN_LINES: usize = 60;

type Request = (Command, Sender<std::io::Result<Child>>);

/// The thread that makes every child.
static SPAWNER: LazyLock<Mutex<Sender<Request>>> = LazyLock::new(|| {
    let (requests, inbox) = mpsc::channel::<Request>();
    thread::spawn(move || {
        for (mut command, answer) in inbox {
            let _ = answer.send(command.spawn());
        }
    });
    Mutex::new(requests)
});

/// The logs of all programs, for the moment a test fails.
static LOGS: Mutex<Vec<(String, Weak<Log>)>> = Mutex::new(Vec::new());

/// What a program printed, both streams, in the order in which the lines came.
#[derive(Default)]
struct Log {
    lines: Mutex<VecDeque<String>>,
    /// Streams that are still open.
    open: AtomicUsize,
}

impl Log {
    fn lines(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After its program's end: waits for what is still in the pipes. Not for ever, because another
    /// program may have inherited them.
    fn complete(&self) {
        let start = Instant::now();
        while self.open.load(Ordering::Acquire) > 0 && start.elapsed() < Duration::from_secs(1) {
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn add(&self, line: String) {
        let mut lines = self.lines();
        if lines.len() == LOG_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

/// A running program. Dropping it kills it.
pub struct Process {
    name: String,
    child: Mutex<Child>,
    pid: Pid,
    log: Arc<Log>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.pid)
    }
}

impl Process {
    /// Starts a program with nothing on its standard input.
    ///
    /// # Panics
    /// When it doesn't start.
    pub fn start(name: &str, command: &Command) -> Self {
        Self::start_with_input(name, command, None)
    }

    /// Starts a program and hands it a listening socket, as a service manager does
    /// (`sd_listen_fds(3)`); the socket stays ours as well.
    ///
    /// # Panics
    /// When it doesn't start.
    pub fn start_activated(
        name: &str,
        command: &Command,
        socket: &str,
        from: &TcpListener,
    ) -> Self {
        let mut activated = Command::new("sh");
        let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
        activated.args(["-c", script, "sh"]).arg(command.get_program()).args(command.get_args());
        activated.env("LISTEN_FDNAMES", socket);
        let from = from.try_clone().expect("a copy of a socket");
        Self::start_on(name, &activated, Stdio::from(OwnedFd::from(from)), None)
    }

    /// Starts a program and gives it `input` on its standard input.
    ///
    /// # Panics
    /// When it doesn't start.
    pub fn start_with_input(name: &str, command: &Command, input: Option<&str>) -> Self {
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        Self::start_on(name, command, stdin, input)
    }

    fn start_on(name: &str, command: &Command, stdin: Stdio, input: Option<&str>) -> Self {
        let mut bound = bound_to_us(command);
        bound.stdin(stdin);
        bound.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn(bound).unwrap_or_else(|error| panic!("{name}: {error}"));
        if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
            // A program that has ended already doesn't read; its exit status says more.
            let _ = stdin.write_all(text.as_bytes());
        }
        let log = Arc::new(Log::default());
        follow(child.stdout.take(), Arc::clone(&log));
        follow(child.stderr.take(), Arc::clone(&log));
        register(name, &log);
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
        Self { name: name.to_owned(), child: Mutex::new(child), pid, log }
    }

    /// Process id.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Everything printed so far, one line each.
    pub fn log(&self) -> String {
        let mut text = String::new();
        for line in self.log.lines().iter() {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// The first line printed that `wanted` takes.
    ///
    /// # Panics
    /// When none came within `limit`, or the program ended without one.
    #[track_caller]
    pub fn line(&self, limit: Duration, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let found = || self.log.lines().iter().find(|line| wanted(line)).cloned();
        within(limit, &format!("{} to print {what}", self.name), || {
            let ended = self.exit_status();
            if ended.is_some() {
                self.log.complete();
            }
            let line = found();
            assert!(
                line.is_some() || ended.is_none(),
                "{} ended ({ended:?}) without {what}:\n{}",
                self.name,
                self.log()
            );
            line
        })
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        signal::kill(self.pid, signal).unwrap_or_else(|error| panic!("{self:?}: {error}"));
    }

    /// How the program ended, if it has.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.try_wait().expect("a child of ours")
    }

    /// Waits for the program's end.
    ///
    /// # Panics
    /// When it hasn't ended within `limit`.
    #[track_caller]
    pub fn ended(&self, limit: Duration) -> ExitStatus {
        let status = within(limit, &format!("{} to end", self.name), || self.exit_status());
        self.log.complete();
        status
    }

    /// Kills the program and waits until it is gone.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
        self.log.complete();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A process and all that descend from it.
pub fn family(pid: Pid) -> Vec<Pid> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(parent) = found.get(next) {
        let threads = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
        let children =
            threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
        let pids: Vec<i32> = children
            .flat_map(|list| {
                list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
            })
            .collect();
        found.extend(pids.into_iter().map(Pid::from_raw));
        next += 1;
    }
    found
}

/// What a program that ran to its end said.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs a program to its end.
///
/// # Panics
/// When it doesn't start.
pub fn run(command: &Command) -> Finished {
    run_with_input(command, "")
}

/// Runs a program to its end, with `input` on its standard input.
///
/// # Panics
/// When it doesn't start.
pub fn run_with_input(command: &Command, input: &str) -> Finished {
    let mut bound = bound_to_us(command);
    bound.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(bound).unwrap_or_else(|error| panic!("{command:?}: {error}"));
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().expect("a child of ours");
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs a program that must succeed, and returns what it printed.
///
/// # Panics
/// When it fails.
#[track_caller]
pub fn succeed(command: &Command) -> String {
    let finished = run(command);
    assert_eq!(finished.code, Some(0), "{command:?}: {finished:?}");
    finished.stdout
}

/// The same command, killed by the kernel when this process ends.
fn bound_to_us(command: &Command) -> Command {
    let mut bound = Command::new("setpriv");
    bound.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => bound.env(key, value),
            None => bound.env_remove(key),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        bound.current_dir(directory);
    }
    bound
}

fn spawn(command: Command) -> std::io::Result<Child> {
    let (answer, inbox) = mpsc::channel();
    let requests = SPAWNER.lock().unwrap_or_else(PoisonError::into_inner).clone();
    requests.send((command, answer)).expect("the spawner lives as long as the process");
    inbox.recv().expect("the spawner answers")
}

fn follow(stream: Option<impl Read + Send + 'static>, log: Arc<Log>) {
    let stream = stream.expect("a piped stream");
    log.open.fetch_add(1, Ordering::AcqRel);
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            log.add(String::from_utf8_lossy(&line).trim_end().to_owned());
            line.clear();
        }
        log.open.fetch_sub(1, Ordering::AcqRel);
    });
}

fn register(name: &str, log: &Arc<Log>) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            before(info);
            show_logs();
        }));
    });
    let mut logs = LOGS.lock().unwrap_or_else(PoisonError::into_inner);
    logs.retain(|(_, log)| log.strong_count() > 0);
    logs.push((name.to_owned(), Arc::downgrade(log)));
}

fn show_logs() {
    let logs = LOGS.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, log) in logs.iter().filter_map(|(name, log)| Some((name, log.upgrade()?))) {
        let lines = log.lines();
        eprintln!("--- last lines of {name}");
        for line in lines.iter().skip(lines.len().saturating_sub(SHOWN_LINES)) {
            eprintln!("{line}");
        }
    }
}
