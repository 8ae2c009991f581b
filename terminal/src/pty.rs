//! A login shell on this host, on a PTY of its own.
//!
//! The process' own user gets its shell at once: a new session with the PTY as its controlling
//! terminal, an environment made from nothing, the shell's name with a leading `-`. For another
//! user, which takes root, `runuser --login` of util-linux stands in between: it sets uid, gid and
//! the supplementary groups, opens a PAM session with the limits of that user, and makes the
//! environment. The standard library can set no groups on stable Rust and clears them with the uid,
//! and what would do it by hand is `unsafe`.

use std::future::pending;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::link::{Exit, PtyRequest, Size};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{InputFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd::{Pid, User, fchown, geteuid, getsid};
use tokio::process::Child;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::backend::{Backend, Output, Sink as AnySink, Source as AnySource};
use crate::shell::Shell;
use crate::side::{Reading, Sink, both};

/// A program that outlives the shell may hold the PTY open: what the shell said last is complete
/// once nothing more came for so long.
const DRAIN: Duration = Duration::from_millis(50);

/// What the kernel holds of a PTY's output at most. A program that outlives the shell and goes on
/// talking is heard no longer than this.
const DRAIN_BYTES: usize = 128 << 10;

/// Between two looks at a session that is being ended.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Longest `TERM` and login name.
const NAME_BYTES: usize = 255;

/// Starts one shell at a time: the descriptor of a new PTY is inherited by nobody only from a moment
/// after it was made, and a shell that held another's PTY would keep it from hanging up.
#[derive(Debug, Default)]
pub(crate) struct Spawner {
    turn: Mutex<()>,
}

/// The side from which output comes, with the shell.
#[derive(Debug)]
pub(crate) struct Source {
    read: Reading,
    shell: Shell,
    session: Option<Pid>,
    exited: Option<Exit>,
    /// When the shell's end or output after it was last noticed.
    heard: Instant,
    drained: usize,
    over: bool,
    /// It was said how the shell ended.
    told: bool,
    grace: Duration,
}

/// Starts a login shell for `username`, or for the process' own user.
pub(crate) async fn open(
    username: Option<String>,
    request: PtyRequest,
    spawner: &Spawner,
    grace: Duration,
) -> Result<Backend, OpenError> {
    if !is_term(&request.term) {
        return Err(OpenError::new(ErrorCode::BadRequest, "not a terminal type"));
    }
    // The user database may be a slow directory service.
    let looked_up = tokio::task::spawn_blocking(move || account(username.as_deref())).await;
    let user = looked_up.map_err(|_| internal("the user database can't be read"))??;
    crate::ignored::catch();
    let (pty, child) = spawner.spawn(&user, &request).map_err(|error| match error {
        pty_process::Error::Io(error)
            if error.kind() == io::ErrorKind::NotFound && user.uid != geteuid() =>
        {
            internal("a shell for another user needs runuser: install util-linux")
        }
        error => internal(format!("a shell can't be started: {error}")),
    })?;
    let session = child.id().and_then(|id| i32::try_from(id).ok());
    backend(pty, Shell::Started(child), session, grace)
        .map_err(|error| internal(format!("the terminal can't be used: {error}")))
}

/// Goes on with a shell that another program has started: its PTY, its process or its end, and its
/// session.
pub(crate) fn resume(
    pty: OwnedFd,
    process: Result<OwnedFd, Exit>,
    session: Option<i32>,
    grace: Duration,
) -> io::Result<Backend> {
    crate::ignored::catch();
    let shell = match process {
        Ok(process) => Shell::inherit(process)?,
        Err(exit) => Shell::Ended(exit),
    };
    backend(pty, shell, session, grace)
}

fn backend(
    pty: OwnedFd,
    shell: Shell,
    session: Option<i32>,
    grace: Duration,
) -> io::Result<Backend> {
    let (read, sink) = both(pty)?;
    let source = Source {
        read,
        shell,
        session: session.map(Pid::from_raw),
        exited: None,
        heard: Instant::now(),
        drained: 0,
        over: false,
        told: false,
        grace,
    };
    Ok(Backend { source: AnySource::Pty(source), sink: AnySink::Pty(sink), host_key: None })
}

fn internal(message: impl Into<String>) -> OpenError {
    OpenError::new(ErrorCode::Internal, message)
}

fn is_term(term: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
    !term.is_empty() && term.len() <= NAME_BYTES && term.chars().all(plain)
}

/// Whether this process can start the shell of a user: its own, or anybody's if it is root.
pub(crate) fn can_become(username: &str) -> bool {
    let me = geteuid();
    me.is_root() || matches!(User::from_uid(me), Ok(Some(user)) if user.name == username)
}

/// The user whose shell it is to be, if this process can become that user.
fn account(username: Option<&str>) -> Result<User, OpenError> {
    let me = geteuid();
    let found = match username {
        None => User::from_uid(me),
        Some(name) if name.is_empty() || name.len() > NAME_BYTES || name.starts_with('-') => {
            return Err(OpenError::new(ErrorCode::BadRequest, "not a user name"));
        }
        Some(name) if name.chars().any(|c| c.is_control() || c == ':' || c == '/') => {
            return Err(OpenError::new(ErrorCode::BadRequest, "not a user name"));
        }
        Some(name) => User::from_name(name),
    };
    let user = found
        .map_err(|error| internal(format!("the user database can't be read: {error}")))?
        .ok_or_else(|| OpenError::new(ErrorCode::NotAllowed, "this host has no such user"))?;
    if user.uid != me && !me.is_root() {
        let message = "only root can open a terminal for another user";
        return Err(OpenError::new(ErrorCode::NotAllowed, message));
    }
    Ok(user)
}

impl Spawner {
    fn spawn(
        &self,
        user: &User,
        request: &PtyRequest,
    ) -> Result<(OwnedFd, Child), pty_process::Error> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (pty, pts) = pty_process::open()?;
        pty.resize(window(request.size))?;
        let mut modes = tcgetattr(&pts).map_err(io::Error::from)?;
        modes.input_flags.insert(InputFlags::IUTF8);
        tcsetattr(&pts, SetArg::TCSANOW, &modes).map_err(io::Error::from)?;
        let mine = user.uid == geteuid();
        if !mine {
            // As login does: programs of the user open their terminal by its name.
            fchown(pts.as_fd(), Some(user.uid), None).map_err(io::Error::from)?;
        }
        let command = if mine { own_shell(user) } else { shell_of_another(user) };
        let command = command.env("TERM", &request.term).kill_on_drop(true);
        let child = language(command).spawn(pts)?;
        Ok((pty.as_fd().try_clone_to_owned()?, child))
    }
}

fn own_shell(user: &User) -> pty_process::Command {
    let shell = if user.shell.as_os_str().is_empty() { Path::new("/bin/sh") } else { &user.shell };
    let name = shell.file_name().unwrap_or(shell.as_os_str());
    let mut login_name = std::ffi::OsString::from("-");
    login_name.push(name);
    let home = if user.dir.is_dir() { user.dir.clone() } else { PathBuf::from("/") };
    let path = if user.uid.is_root() {
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    } else {
        "/usr/local/bin:/usr/bin:/bin"
    };
    pty_process::Command::new(shell)
        .arg0(login_name)
        .env_clear()
        .env("HOME", &user.dir)
        .env("SHELL", shell)
        .env("USER", &user.name)
        .env("LOGNAME", &user.name)
        .env("PATH", path)
        .current_dir(home)
}

fn shell_of_another(user: &User) -> pty_process::Command {
    pty_process::Command::new("runuser")
        .args(["--login", "--whitelist-environment=LANG,LC_ALL", "--"])
        .arg(&user.name)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir("/")
}

fn language(mut command: pty_process::Command) -> pty_process::Command {
    for name in ["LANG", "LC_ALL"] {
        if let Some(value) = std::env::var_os(name) {
            command = command.env(name, value);
        }
    }
    command
}

fn window(size: Size) -> pty_process::Size {
    pty_process::Size::new(size.rows(), size.cols())
}

impl Source {
    pub(crate) async fn next(&mut self, max: usize) -> Output {
        while !self.over {
            let mut data = BytesMut::with_capacity(max);
            tokio::select! {
                biased;
                read = self.read.read(&mut data, max), if max > 0 => match read {
                    Ok(0) | Err(_) => {
                        self.read.give_up_input();
                        self.over = true;
                    }
                    Ok(len) => {
                        if self.exited.is_some() {
                            self.heard = Instant::now();
                            self.drained += len;
                            self.over = self.drained >= DRAIN_BYTES;
                        }
                        return Output::Data(data.freeze());
                    }
                },
                exit = self.shell.wait(), if self.exited.is_none() => {
                    self.exited = Some(exit);
                    self.read.give_up_input();
                    self.heard = Instant::now();
                }
                () = sleep_until(self.heard + DRAIN), if max > 0 && self.exited.is_some() => self.over = true,
                else => pending().await,
            }
        }
        let exit = self.shell.wait().await;
        self.told = true;
        Output::End(exit)
    }

    /// Hangs up. Unless the shell ended by itself, nothing of its session is left: the kernel tells
    /// the shell and what runs in its foreground (SIGHUP), what is still there then is told once
    /// more, and killed after the grace. What started a session of its own, as tmux does, lives on,
    /// and so does what a shell left behind when it ended by itself, as nohup does.
    pub(crate) async fn close(mut self, sink: Sink, exit: Exit) -> Exit {
        if self.told {
            return exit;
        }
        drop((self.read, sink));
        let ended = timeout(self.grace, self.shell.wait()).await;
        if let Some(session) = self.session {
            let patience = if ended.is_ok() { self.grace } else { Duration::ZERO };
            end_session(session, patience).await;
        }
        let ended = match ended {
            Ok(ended) => ended,
            Err(_) => {
                self.shell.kill();
                self.shell.wait().await
            }
        };
        Exit { reason: exit.reason, ..ended }
    }

    /// Lets go of the shell, which goes on: answers its PTY, its process or its end, and its session.
    pub(crate) fn pass_on(self) -> io::Result<(OwnedFd, Result<OwnedFd, Exit>, Option<i32>)> {
        // What may fail comes first: from then on nobody here ends the shell.
        let pty = self.read.into_pty()?;
        Ok((pty, self.shell.pass_on()?, self.session.map(Pid::as_raw)))
    }
}

/// Ends what is left of a session, by force after `patience`.
async fn end_session(session: Pid, patience: Duration) {
    let deadline = Instant::now() + patience;
    let mut left = signal_session(session, &[Signal::SIGHUP, Signal::SIGCONT]).await;
    while left > 0 && Instant::now() < deadline {
        // Only a parent is told of an end, and these have lost theirs.
        sleep(LOOK_AGAIN).await;
        left = signal_session(session, &[]).await;
    }
    if left > 0 {
        signal_session(session, &[Signal::SIGKILL]).await;
    }
}

/// Signals every process of a session and answers how many there are. A process may end in between;
/// that is as well.
async fn signal_session(session: Pid, signals: &'static [Signal]) -> usize {
    let signalling = tokio::task::spawn_blocking(move || {
        let Ok(processes) = std::fs::read_dir("/proc") else { return 0 };
        let mut found = 0;
        let numbered = processes
            .flatten()
            .filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()))
            .map(Pid::from_raw);
        for process in numbered.filter(|process| getsid(Some(*process)) == Ok(session)) {
            found += 1;
            for signal in signals {
                let _ = kill(process, *signal);
            }
        }
        found
    });
    // It can't panic, and a runtime that stops has nobody to signal for.
    signalling.await.unwrap_or(0)
}
