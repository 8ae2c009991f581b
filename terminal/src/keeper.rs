//! The terminals of one process: opened, listed and ended by the id of their session.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::fact::HeldSession;
use gangplank_proto::id::SessionId;
use gangplank_proto::limit;
use gangplank_proto::link::{FromTerminal, Keep, Open, Size};
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::channel::TerminalEnd;
use crate::frozen::{self, Frozen};
use crate::lent::Lender;
use crate::progress::Progress;
use crate::pty::Spawner;
use crate::stop::{Leaving, Stop};
use crate::stream::{Gateway, Passage};
use crate::terminal::{self, Attach, Environment, Reached, UPDATED};

/// Bounds and times of a keeper.
#[derive(Debug, Clone)]
pub struct KeeperConfig {
    /// Terminals at most.
    pub terminals: usize,
    /// Output kept of each terminal, in bytes.
    pub replay_ring: usize,
    /// From `open` to a connected terminal, the time that a person takes for answers apart.
    pub connect_timeout: Duration,
    /// For a person's answers to one prompt, or for one signature.
    pub answer_timeout: Duration,
    /// What a hung-up PTY's processes get between SIGHUP and SIGKILL.
    pub hangup_grace: Duration,
    /// Who starts the shells of users that this process can't become.
    pub lender: Option<Lender>,
}

impl Default for KeeperConfig {
    /// 1024 terminals, 1 MiB each, 20 s to connect, 2 minutes to answer, 2 s to hang up.
    fn default() -> Self {
        Self {
            terminals: 1024,
            replay_ring: limit::REPLAY_RING,
            connect_timeout: Duration::from_secs(20),
            answer_timeout: Duration::from_secs(120),
            hangup_grace: Duration::from_secs(2),
            lender: None,
        }
    }
}

/// The table of the terminals that one process keeps. Clones are handles to the same table.
#[derive(Debug, Clone)]
pub struct Keeper {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    environment: Environment,
    terminals: usize,
    tracker: TaskTracker,
    stop: CancellationToken,
    table: Mutex<HashMap<SessionId, Kept>>,
    /// A terminal went out of the table.
    gone: Notify,
}

#[derive(Debug)]
struct Kept {
    stop: Stop,
    progress: Arc<Progress>,
    attaching: mpsc::Sender<Attach>,
}

impl Shared {
    /// Every change of the table is a single call, so a poisoned table is whole.
    fn table(&self) -> MutexGuard<'_, HashMap<SessionId, Kept>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a terminal out of the table when its task ends, however it ends.
struct Seat {
    shared: Arc<Shared>,
    session_id: SessionId,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.table().remove(&self.session_id);
        self.shared.gone.notify_waiters();
    }
}

impl Keeper {
    /// An empty keeper. Its terminals run on `tracker`; all end once `stop` is cancelled.
    #[must_use]
    pub fn new(config: KeeperConfig, tracker: TaskTracker, stop: CancellationToken) -> Self {
        let environment = Environment {
            connect_timeout: config.connect_timeout,
            answer_timeout: config.answer_timeout,
            hangup_grace: config.hangup_grace,
            replay_ring: config.replay_ring,
            passage: None,
            lender: config.lender,
            spawner: Arc::new(Spawner::default()),
            leaving: Leaving::default(),
        };
        let (terminals, table) = (config.terminals, Mutex::default());
        let gone = Notify::new();
        Self { shared: Arc::new(Shared { environment, terminals, tracker, stop, table, gone }) }
    }

    /// Opens a terminal for the viewer at the other side of `end`. The viewer gets
    /// [`FromTerminal::Connected`] and at last [`FromTerminal::Close`], or
    /// [`FromTerminal::Detached`] when another takes its place, or instead of all that one
    /// [`FromTerminal::Error`]: `already_connected` when the session has a terminal, `not_allowed`
    /// when there are too many, or why it can't be opened.
    pub fn open(&self, session_id: SessionId, open: Open, keep: Keep, end: TerminalEnd) {
        let environment = self.shared.environment.clone();
        self.open_in(environment, session_id, open, keep, end);
    }

    /// As [`Self::open`], for SSH over a stream from the host of a gateway's agent. The stream has
    /// the terminal's id there, and waits for a lost link as long as `keep` says.
    pub fn open_through(
        &self,
        gateway: Gateway,
        session_id: SessionId,
        open: Open,
        keep: Keep,
        end: TerminalEnd,
    ) {
        let tracker = self.shared.tracker.clone();
        let passage = Some(Passage { gateway, session_id, keep, tracker });
        let environment = Environment { passage, ..self.shared.environment.clone() };
        self.open_in(environment, session_id, open, keep, end);
    }

    fn open_in(
        &self,
        environment: Environment,
        session_id: SessionId,
        open: Open,
        keep: Keep,
        end: TerminalEnd,
    ) {
        let (seat, reached) = match self.seat(session_id, Progress::new()) {
            Ok(seated) => seated,
            Err(error) => {
                // A viewer that left before it was refused needs no answer.
                let _ = end.word(FromTerminal::Error(error));
                return;
            }
        };
        self.shared.tracker.spawn(async move {
            let _seat = seat;
            terminal::run(open, keep, end, reached, environment).await;
        });
    }

    /// Shows a terminal that is kept to the viewer at the other side of `end`, which has `offset`
    /// bytes of its output already, but has not shown `unseen` of them. Whoever shows it now is [`FromTerminal::Detached`]. The viewer
    /// gets the same words as with [`Self::open`]; [`FromTerminal::Error`] `no_such_session` when
    /// there is no such terminal, `bad_request` for output that it can't have.
    pub fn attach(
        &self,
        session_id: SessionId,
        offset: u64,
        unseen: u32,
        size: Option<Size>,
        keep: Keep,
        end: TerminalEnd,
    ) {
        let attaching = self.shared.table().get(&session_id).map(|kept| kept.attaching.clone());
        let attach = Attach { end, offset, unseen, size, keep };
        let sent = match attaching {
            Some(attaching) => attaching.try_send(attach),
            None => Err(TrySendError::Closed(attach)),
        };
        let (attach, error) = match sent {
            Ok(()) => return,
            Err(TrySendError::Full(attach)) => {
                let message = "somebody else is just coming back to this terminal; try again";
                (attach, OpenError::new(ErrorCode::AlreadyConnected, message))
            }
            Err(TrySendError::Closed(attach)) => {
                (attach, OpenError::new(ErrorCode::NoSuchSession, "this terminal has ended"))
            }
        };
        // A viewer that left before it was refused needs no answer.
        let _ = attach.end.word(FromTerminal::Error(error));
    }

    /// A place in the table, and how the terminal there is reached.
    fn seat(
        &self,
        session_id: SessionId,
        progress: Progress,
    ) -> Result<(Seat, Reached), OpenError> {
        let mut table = self.shared.table();
        let taken = table.len();
        let Entry::Vacant(place) = table.entry(session_id) else {
            let message = "the session has a terminal already";
            return Err(OpenError::new(ErrorCode::AlreadyConnected, message));
        };
        if self.shared.environment.leaving.has_begun() {
            return Err(OpenError::new(ErrorCode::NotAllowed, UPDATED));
        }
        if taken >= self.shared.terminals {
            let message = format!("there are {taken} terminals already; end one first");
            return Err(OpenError::new(ErrorCode::NotAllowed, message));
        }
        let stop = Stop::under(&self.shared.stop);
        let progress = Arc::new(progress);
        let (attach, attaching) = mpsc::channel(1);
        place.insert(Kept {
            stop: stop.clone(),
            progress: Arc::clone(&progress),
            attaching: attach,
        });
        let seat = Seat { shared: Arc::clone(&self.shared), session_id };
        Ok((seat, Reached { session_id, progress, attaching, stop }))
    }

    /// The terminals that are open, with the offsets that they have reached.
    #[must_use]
    pub fn list(&self) -> Vec<HeldSession> {
        let table = self.shared.table();
        table.iter().filter_map(|(session_id, kept)| kept.progress.held(*session_id)).collect()
    }

    /// Ends a terminal. Answers whether there was one; it is gone from the list once its processes
    /// are.
    pub fn end(&self, session_id: SessionId) -> bool {
        self.shared.table().get(&session_id).map(|kept| kept.stop.now()).is_some()
    }

    /// Whether a terminal is here, or about to be.
    #[must_use]
    pub fn holds(&self, session_id: SessionId) -> bool {
        self.shared.table().contains_key(&session_id)
    }

    /// How many terminals there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.table().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends all terminals, now and to come. Whoever owns the tracker waits for it to be empty.
    pub fn shutdown(&self) {
        self.shared.stop.cancel();
    }

    /// How many terminals there are that end with this program.
    #[must_use]
    pub fn bound_to_program(&self) -> usize {
        self.shared.table().values().filter(|kept| !kept.progress.lasts()).count()
    }

    /// Ends the terminals that end with this program, and waits until they are gone.
    pub async fn end_bound_to_program(&self) {
        loop {
            let gone = self.shared.gone.notified();
            tokio::pin!(gone);
            // Heard from here on, also before it is waited for.
            gone.as_mut().enable();
            for kept in self.shared.table().values().filter(|kept| !kept.progress.lasts()) {
                kept.stop.because(UPDATED);
            }
            if self.bound_to_program() == 0 {
                return;
            }
            gone.await;
        }
    }

    /// Lays all terminals to rest, for another program; none is opened any more. They are there once
    /// the tracker is empty, by [`Self::frozen`].
    pub fn freeze(&self) {
        self.shared.environment.leaving.begin();
    }

    /// The terminals that were laid to rest.
    #[must_use]
    pub fn frozen(&self) -> Vec<Frozen> {
        self.shared.environment.leaving.take()
    }

    /// Goes on with a terminal that another program has laid to rest.
    pub fn thaw(&self, frozen: Frozen) {
        let session = frozen.session();
        let quiet = frozen::since(frozen.state.said_at);
        let progress = Progress::resumed(session.offset, session.input_offset, quiet);
        let (seat, reached) = match self.seat(session.session_id, progress) {
            Ok(seated) => seated,
            Err(error) => {
                let session_id = session.session_id;
                return tracing::warn!(%session_id, %error, "a terminal can't be gone on with");
            }
        };
        // Listed before its task has begun.
        reached.progress.opened(true);
        let environment = self.shared.environment.clone();
        self.shared.tracker.spawn(async move {
            let _seat = seat;
            terminal::resume(frozen, reached, environment).await;
        });
    }
}
