//! One terminal: a backend, the ring of what it said last, and the viewer that shows it.
//!
//! ```text
//!                          attach
//! opening ──connected──> shown <────> detached ──nobody came in time──> gone
//!    │                     │ detach       │
//!    └──error──> gone      └── the backend ends ──> over ──said and heard, or in time──> gone
//! ```
//!
//! One task owns all of it. Output is taken from the backend as the viewer, or the ring, has room
//! for it; input waits beside it, so that neither direction can hold up the other. A terminal that is
//! over is kept like one that is detached, until a viewer has heard of its end.

mod handover;
mod opening;
mod showing;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use gangplank_proto::error::{ErrorCode, HostKey, OpenError};
use gangplank_proto::id::SessionId;
use gangplank_proto::limit;
use gangplank_proto::link::{Exit, FromTerminal, Keep, Open, Size, ToTerminal};
use gangplank_proto::window::WindowError;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::backend::{Backend, Output};
use crate::channel::TerminalEnd;
use crate::echo::Echo;
use crate::input::Input;
use crate::lent::Lender;
use crate::playback::Playback;
use crate::progress::Progress;
use crate::pty::Spawner;
use crate::queue::Item;
use crate::stop::{Leaving, Stop};
use crate::stream::Passage;
use crate::turns::Turns;
use crate::viewer::Viewer;

pub(crate) use handover::resume;

/// Why a terminal that can't outlive its program ends with it.
pub(crate) const UPDATED: &str = "its keeper is being updated";

/// What a terminal needs of its keeper.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    pub(crate) connect_timeout: Duration,
    pub(crate) answer_timeout: Duration,
    pub(crate) hangup_grace: Duration,
    pub(crate) replay_ring: usize,
    /// Through which SSH goes instead of dialling.
    pub(crate) passage: Option<Passage>,
    pub(crate) spawner: Arc<Spawner>,
    /// Who starts the shells of users that this process can't become.
    pub(crate) lender: Option<Lender>,
    /// Says when another program takes over.
    pub(crate) leaving: Leaving,
}

impl Environment {
    fn ring(&self) -> usize {
        self.replay_ring.max(limit::TERMINAL_WINDOW as usize)
    }
}

/// Somebody who wants to show a terminal that is kept.
#[derive(Debug)]
pub(crate) struct Attach {
    pub(crate) end: TerminalEnd,
    pub(crate) offset: u64,
    pub(crate) unseen: u32,
    pub(crate) size: Option<Size>,
    pub(crate) keep: Keep,
}

/// How a terminal is reached from outside.
#[derive(Debug)]
pub(crate) struct Reached {
    pub(crate) session_id: SessionId,
    pub(crate) progress: Arc<Progress>,
    pub(crate) attaching: mpsc::Receiver<Attach>,
    pub(crate) stop: Stop,
}

/// Opens a terminal and runs it until it is gone. Each viewer gets exactly one last word.
pub(crate) async fn run(
    open: Open,
    keep: Keep,
    end: TerminalEnd,
    reached: Reached,
    environment: Environment,
) {
    // A plain stream can't have a gap: it waits for its viewer as long as it lives.
    let plain = matches!(open, Open::DirectTcpip { .. });
    let mut viewer = Viewer::opening(end);
    let mut input = Input::default();
    let opened = tokio::select! {
        biased;
        () = reached.stop.told() => Err(opening::ended_early()),
        () = environment.leaving.begun() => Err(OpenError::new(ErrorCode::NotAllowed, UPDATED)),
        opened = opening::establish(open, &mut viewer.end, &mut input, &environment) => opened,
    };
    let backend = match opened {
        Ok(backend) => backend,
        Err(error) => return viewer.last_word(FromTerminal::Error(error)),
    };
    reached.progress.opened(backend.lasts());
    let playback = Playback::new(environment.ring());
    let (host_key, backend) = (backend.host_key.clone(), Some(backend));
    let accepted = input.pending_len() as u64;
    let mut terminal = Terminal {
        backend,
        host_key,
        playback,
        input,
        accepted,
        echo: Echo::default(),
        reached,
        viewer: Some(viewer),
        plain,
        keep,
        left_at: None,
        report_at: None,
        over: None,
        eof: false,
        turns: Turns::default(),
    };
    terminal.connected(0, 0);
    terminal.live(&environment.leaving).await;
}

#[derive(Debug)]
struct Terminal {
    /// Nothing once it is over.
    backend: Option<Backend>,
    host_key: Option<HostKey>,
    playback: Playback,
    input: Input,
    /// Input that came from viewers, before it was open too, in bytes.
    accepted: u64,
    echo: Echo,
    reached: Reached,
    viewer: Option<Viewer>,
    plain: bool,
    keep: Keep,
    /// Since when nobody shows it.
    left_at: Option<Instant>,
    /// When the viewer is told of input that was taken.
    report_at: Option<Instant>,
    /// How the backend ended.
    over: Option<Exit>,
    eof: bool,
    turns: Turns,
}

/// What happened.
enum Event {
    Attach(Option<Attach>),
    Heard(Result<Option<Item<ToTerminal>>, WindowError>),
    Fed(std::io::Result<usize>),
    Said(Output),
    Due,
    Leave,
}

/// Whether the terminal goes on.
#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    Gone,
    /// Another program goes on with it.
    Leaves,
}

impl Terminal {
    /// Runs until the terminal is gone, or somebody else's.
    async fn live(mut self, leaving: &Leaving) {
        let stop = self.reached.stop.clone();
        let next = tokio::select! {
            biased;
            () = stop.told() => {
                self.end_backend(Exit::because(stop.reason())).await;
                Next::Gone
            }
            next = self.pump(leaving) => next,
        };
        if next == Next::Leaves && self.lasts() {
            return self.leave(leaving);
        }
        self.end_backend(Exit::because(UPDATED)).await;
        self.farewell();
    }

    /// Moves bytes both ways until the terminal is gone, or to be left.
    async fn pump(&mut self, leaving: &Leaving) -> Next {
        let mut timer = pin!(tokio::time::sleep(Duration::ZERO));
        loop {
            if self.plain && self.eof && self.input.is_over() {
                self.end_backend(Exit::default()).await;
            }
            self.replay();
            self.tell_end();
            let due = self.due();
            if let Some(due) = due
                && timer.deadline() != due
            {
                timer.as_mut().reset(due);
            }
            let room = self.playback.room(self.viewer.as_ref().map_or(0, Viewer::writable));
            let has_input = self.input.next().is_some();
            let (source, sink) = match &mut self.backend {
                Some(Backend { source, sink, .. }) => (Some(source), Some(sink)),
                None => (None, None),
            };
            let (viewer, input) = (self.viewer.as_mut(), &mut self.input);
            let sink = sink.filter(|_| has_input);
            let event = {
                let heard = pin!(async {
                    Event::Heard(or_never(viewer.map(|viewer| viewer.end.recv())).await)
                });
                let fed =
                    pin!(async { Event::Fed(or_never(sink.map(|sink| sink.feed(input))).await) });
                let said = pin!(async {
                    Event::Said(or_never(source.map(|source| source.next(room))).await)
                });
                tokio::select! {
                    biased;
                    () = leaving.begun() => Event::Leave,
                    attach = self.reached.attaching.recv() => Event::Attach(attach),
                    () = &mut timer, if due.is_some() => Event::Due,
                    event = self.turns.first([heard, fed, said]) => event,
                }
            };
            let next = match event {
                Event::Attach(Some(attach)) => self.attach(attach),
                // The keeper holds the other end for as long as this task runs.
                Event::Attach(None) => Next::Gone,
                Event::Heard(Ok(Some(item))) => self.hear(item).await,
                Event::Heard(Ok(None)) => self.detach(),
                Event::Heard(Err(error)) => {
                    self.end_backend(Exit::because(&error.to_string())).await;
                    Next::Gone
                }
                Event::Fed(fed) => self.fed(fed),
                Event::Said(output) => self.say(output).await,
                Event::Due => self.overdue().await,
                Event::Leave => Next::Leaves,
            };
            if next != Next::GoOn {
                return next;
            }
        }
    }

    async fn hear(&mut self, item: Item<ToTerminal>) -> Next {
        match item {
            Item::Data(data) => {
                self.accepted += data.len() as u64;
                self.reached.progress.input(self.accepted);
                if self.backend.is_none() || !self.input.is_open() {
                    self.took(data.len());
                } else {
                    self.echo.typed(data.len());
                    self.input.push(data);
                    debug_assert!(self.input.pending_len() <= limit::TERMINAL_WINDOW as usize);
                }
            }
            Item::Word(ToTerminal::Resize(size)) => self.input.resize(size),
            Item::Word(ToTerminal::Eof) => self.input.eof(),
            Item::Word(ToTerminal::WindowAdjust { bytes }) => self.playback.acknowledge(bytes),
            Item::Word(ToTerminal::Probe { id }) => {
                self.word(FromTerminal::Probe { id, host_us: self.echo.micros() });
            }
            Item::Word(ToTerminal::Detach) => return self.detach(),
            Item::Word(ToTerminal::Close) => {
                self.end_backend(Exit::default()).await;
                return Next::Gone;
            }
            // Words of the opening, too late.
            Item::Word(_) => {}
        }
        Next::GoOn
    }

    fn fed(&mut self, fed: std::io::Result<usize>) -> Next {
        // After an error output may still follow, as from a program that only writes.
        let taken = fed.unwrap_or_else(|_| self.input.break_off());
        self.took(taken);
        Next::GoOn
    }

    /// The shell took `len` bytes of input.
    fn took(&mut self, len: usize) {
        let Some(viewer) = &mut self.viewer else { return };
        viewer.end.consumed(len);
        if viewer.end.has_news() {
            self.report_at.get_or_insert_with(|| Instant::now() + limit::INPUT_REPORT);
        }
    }

    async fn say(&mut self, output: Output) -> Next {
        match output {
            Output::Data(data) => {
                self.echo.said();
                let now = self.playback.push(&data);
                self.reached.progress.output(self.playback.end());
                // A viewer that is gone is noticed where it is heard.
                if now && let Some(viewer) = &mut self.viewer {
                    let _ = viewer.end.send(data);
                }
            }
            Output::Eof => {
                self.eof = true;
                self.word(FromTerminal::Eof);
            }
            Output::End(exit) => self.end_backend(exit).await,
        }
        Next::GoOn
    }

    /// Takes the backend down. The terminal is over, in whichever way that came.
    async fn end_backend(&mut self, exit: Exit) {
        let Some(backend) = self.backend.take() else { return };
        self.over = Some(backend.close(exit).await);
        let dropped = self.input.break_off();
        self.took(dropped);
    }

    /// When something has to be done though nothing happens.
    fn due(&self) -> Option<Instant> {
        let Some(left_at) = self.left_at else { return self.report_at };
        let life = left_at + self.keep.life();
        let hold = left_at + self.keep.hold();
        Some(if self.plain || self.playback.runs_on() { life } else { life.min(hold) })
    }

    async fn overdue(&mut self) -> Next {
        let Some(left_at) = self.left_at else {
            self.report_at = None;
            if let Some(viewer) = &mut self.viewer {
                viewer.end.report();
            }
            return Next::GoOn;
        };
        if left_at.elapsed() >= self.keep.life() {
            self.end_backend(Exit::because("nobody came back in time")).await;
            return Next::Gone;
        }
        self.playback.run_on();
        Next::GoOn
    }
}

/// Waits for what there is, or for ever when there is nothing.
async fn or_never<F: Future>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
