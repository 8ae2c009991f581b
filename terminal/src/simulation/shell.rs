//! A shell that says what its history wants, and checks every byte that is typed.

use std::cell::RefCell;
use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use gangplank_proto::link::Exit;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::random::Random;
use super::world::World;
use crate::backend::{Backend, Output, Sink as AnySink, Source as AnySource};

thread_local! {
    /// The shell that the next terminal of this thread gets.
    static NEXT: RefCell<Option<Backend>> = const { RefCell::new(None) };
}

/// The shell that was prepared for this thread, if any was.
pub(crate) fn take() -> Option<Backend> {
    NEXT.take()
}

/// How a shell behaves.
#[derive(Debug, Clone)]
pub(super) struct Script {
    /// Bytes that it says by itself; what it echoes is not among them.
    pub(super) says: u64,
    /// Whether it answers each byte with itself and reads no more while it can't.
    pub(super) echoes: bool,
    /// Bytes at once, and milliseconds between them, at most.
    pub(super) burst: u64,
    pub(super) pause: u64,
    /// Milliseconds for which it reads nothing now and then.
    pub(super) deaf: u64,
    /// When it ends whatever happens.
    pub(super) ends_after: Option<Duration>,
    pub(super) status: u32,
}

/// What has happened to it.
#[derive(Debug)]
pub(super) struct Shell {
    script: Script,
    state: Mutex<State>,
    /// Source and sink wait for it in one task.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    said: u64,
    heard: u64,
    exits: bool,
}

/// Echo that waits to be taken before no more is read.
const ECHO: u64 = 4096;

impl Shell {
    /// The shell of the next terminal that is opened.
    pub(super) fn prepare(script: Script, world: &Arc<World>, random: &mut Random) -> Arc<Self> {
        let state = State { said: 0, heard: 0, exits: false };
        let ends_at = script.ends_after.map(|after| Instant::now() + after);
        let shell = Arc::new(Self { script, state: Mutex::new(state), changed: Notify::new() });
        let source = Source {
            shell: Arc::clone(&shell),
            random: random.fork(),
            burst: 0,
            ready_at: Instant::now(),
            ends_at,
        };
        let sink = Sink {
            shell: Arc::clone(&shell),
            world: Arc::clone(world),
            random: random.fork(),
            ready_at: Instant::now(),
        };
        let backend = Backend {
            source: AnySource::Simulated(source),
            sink: AnySink::Simulated(sink),
            host_key: None,
        };
        NEXT.set(Some(backend));
        shell
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Bytes of output so far.
    pub(super) fn said(&self) -> u64 {
        self.lock().said
    }

    /// Bytes of input so far.
    pub(super) fn heard(&self) -> u64 {
        self.lock().heard
    }

    /// Whether it has said everything that there is to say now.
    pub(super) fn is_quiet(&self) -> bool {
        let state = self.lock();
        state.said == self.wants(&state)
    }

    /// Lets it end once it has said everything.
    pub(super) fn exit(&self) {
        self.lock().exits = true;
        self.changed.notify_waiters();
    }

    pub(super) fn status(&self) -> u32 {
        self.script.status
    }

    fn wants(&self, state: &State) -> u64 {
        self.script.says + if self.script.echoes { state.heard } else { 0 }
    }
}

/// Where its output comes from.
#[derive(Debug)]
pub(crate) struct Source {
    shell: Arc<Shell>,
    random: Random,
    burst: u64,
    ready_at: Instant,
    ends_at: Option<Instant>,
}

impl Source {
    /// As a PTY's: without room only the end comes, once everything was said.
    pub(crate) async fn next(&mut self, max: usize) -> Output {
        loop {
            let now = Instant::now();
            let (left, exits) = {
                let state = self.shell.lock();
                (self.shell.wants(&state) - state.said, state.exits)
            };
            if self.ends_at.is_some_and(|at| now >= at) || (exits && left == 0) {
                let exit_status = Some(self.shell.script.status);
                return Output::End(Exit { exit_status, ..Exit::default() });
            }
            if left > 0 && max > 0 && now >= self.ready_at {
                if self.burst == 0 {
                    self.burst = self.random.within(1, self.shell.script.burst);
                }
                let len = self.burst.min(left).min(max as u64);
                self.burst -= len;
                if self.burst == 0 {
                    let pause = self.random.within(0, self.shell.script.pause);
                    self.ready_at = now + Duration::from_millis(pause);
                }
                let mut state = self.shell.lock();
                let data = super::world::bytes(state.said, len as usize);
                state.said += len;
                drop(state);
                self.shell.changed.notify_waiters();
                return Output::Data(data);
            }
            let ready_at = (left > 0 && max > 0).then_some(self.ready_at);
            tokio::select! {
                biased;
                () = at(ready_at) => {}
                () = at(self.ends_at) => {}
                () = self.shell.changed.notified() => {}
            }
        }
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}

/// Where its input goes.
#[derive(Debug)]
pub(crate) struct Sink {
    shell: Arc<Shell>,
    world: Arc<World>,
    random: Random,
    ready_at: Instant,
}

impl Sink {
    pub(crate) async fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        sleep_until(self.ready_at).await;
        let room = loop {
            {
                let state = self.shell.lock();
                let waits = self.shell.wants(&state) - state.said;
                if !self.shell.script.echoes {
                    break u64::MAX;
                }
                if waits < self.shell.script.says.saturating_sub(state.said) + ECHO {
                    break ECHO;
                }
            }
            self.shell.changed.notified().await;
        };
        let len = self.random.within(1, data.len() as u64).min(room) as usize;
        if self.random.chance(20) {
            let deaf = self.random.within(0, self.shell.script.deaf);
            self.ready_at = Instant::now() + Duration::from_millis(deaf);
        }
        let mut state = self.shell.lock();
        let expected = super::world::bytes(state.heard, len);
        if data[..len] != expected[..] {
            self.world.fault(format!("input at {} is not what was typed there", state.heard));
        }
        state.heard += len as u64;
        drop(state);
        self.shell.changed.notify_waiters();
        Ok(len)
    }
}
