//! The real `gangplankd keeper`, on a socket in a directory of its own, and either end of its link
//! word by word.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::BytesMut;
use gangplank_proto::{
    id::ChannelId,
    stream::{self, Message},
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    time::timeout,
};

use crate::{daemon::Daemon, process::Process, program, scratch};

/// How long a start may take.
const START: Duration = Duration::from_secs(30);

/// A running keeper.
#[derive(Debug)]
pub struct Keeper {
    socket: PathBuf,
    process: Mutex<Process>,
}

impl Keeper {
    /// Starts a keeper.
    pub fn start() -> Self {
        let socket = scratch::directory().join("keeper.sock");
        let process = Mutex::new(launch(Command::new(program::gangplankd()), &socket));
        Self { socket, process }
    }

    /// Starts a keeper as another user, on a socket in a directory that is open to everybody.
    pub fn of_user(user: &str) -> Self {
        let directory = scratch::shared_directory();
        let mut command = Command::new("chown");
        crate::process::succeed(command.arg(user).arg(&directory));
        let socket = directory.join("keeper.sock");
        let mut command = Command::new("setpriv");
        command.args(["--reuid", user, "--clear-groups", "--"]).arg(program::gangplankd());
        let process = Mutex::new(launch(command, &socket));
        Self { socket, process }
    }

    /// Starts a keeper with a configuration file.
    pub fn configured(file: &Path) -> Self {
        let socket = scratch::directory().join("keeper.sock");
        let mut command = Command::new(program::gangplankd());
        command.env("GANGPLANK_CONFIG", file);
        let process = Mutex::new(launch(command, &socket));
        Self { socket, process }
    }

    /// Sends the process a signal.
    pub fn signal(&self, signal: Signal) {
        self.process().signal(signal);
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Starts a daemon whose direct terminals live in this keeper.
    pub fn daemon(&self) -> Daemon {
        Daemon::with(&[("keeper.socket", self.socket.to_str().expect("UTF-8"))])
    }

    /// Everything logged since the last start.
    pub fn log(&self) -> String {
        self.process().log()
    }

    /// Kills it without warning.
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Asks it to stop, and returns its exit code.
    pub fn stop(&self) -> Option<i32> {
        let process = self.process();
        process.signal(Signal::SIGTERM);
        process.ended(START).code()
    }

    /// Starts again at the same place, after it has ended.
    pub fn start_again(&self) {
        *self.process() = launch(Command::new(program::gangplankd()), &self.socket);
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn launch(mut command: Command, socket: &Path) -> Process {
    command.args(["keeper", "--socket"]).arg(socket);
    let process = Process::start("gangplankd keeper", &command);
    process.line(START, "that it is ready", |line| line.contains("keeping terminals"));
    process
}

/// One end of a keeper's link, driven word by word.
#[derive(Debug)]
pub struct Peer {
    stream: UnixStream,
    buffer: BytesMut,
}

impl Peer {
    /// Comes to a keeper, as a daemon does, and hears its hello.
    pub async fn visit(socket: &Path) -> (Self, Value) {
        let stream = UnixStream::connect(socket).await.expect("a keeper listens");
        let mut peer = Self::over(stream);
        let hello = peer.word("hello").await;
        (peer, hello)
    }

    /// Waits for a daemon, as a keeper does, says hello and hears the answer.
    pub async fn visited(listener: &UnixListener) -> Self {
        let accepted = timeout(START, listener.accept()).await.expect("a daemon in time");
        let mut peer = Self::over(accepted.expect("a connection").0);
        peer.say(&json!({ "type": "hello" })).await;
        peer.word("connected").await;
        peer
    }

    /// One end of a stream that nobody has said anything on.
    pub fn over(stream: UnixStream) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    /// Says a word.
    pub async fn say(&mut self, word: &Value) {
        let mut message = BytesMut::new();
        stream::put_word(&mut message, &word.to_string()).expect("a short word");
        self.send(&message).await;
    }

    /// Sends bytes of a channel.
    pub async fn data(&mut self, channel: u32, data: &[u8]) {
        let mut message = BytesMut::new();
        stream::put_data(&mut message, ChannelId(channel), data).expect("a short piece");
        self.send(&message).await;
    }

    /// Sends bytes that are whatever they are. A peer that has gone shows itself when it is read.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = timeout(START, self.stream.write_all(bytes)).await.expect("the peer reads");
    }

    /// Waits for a word of a kind; what comes before it is thrown away.
    pub async fn word(&mut self, kind: &str) -> Value {
        loop {
            match self.next().await {
                Some(Message::Word(text)) => {
                    let word: Value = serde_json::from_str(&text).expect("JSON");
                    if word["type"] == kind {
                        return word;
                    }
                }
                Some(Message::Data(..)) => {}
                None => panic!("closed before {kind}"),
            }
        }
    }

    /// Waits for the end; what comes before it is thrown away.
    pub async fn ended(&mut self) {
        while self.next().await.is_some() {}
    }

    /// The next message; nothing once the other end has closed.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = stream::take(&mut self.buffer).expect("a message") {
                return Some(message);
            }
            let read = self.stream.read_buf(&mut self.buffer);
            // A peer that closed with something unread resets.
            if timeout(START, read).await.expect("something in time").unwrap_or(0) == 0 {
                return None;
            }
        }
    }
}
