//! A page: what the console's `session.ts`, `input.ts` and `socket.ts` do with offsets, and a check
//! of everything that it is shown.

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::bridge::{ENDED, REPLACED};
use super::daemon::Daemon;
use super::line::{Cutter, End, Message, Quality, line};
use super::random::Random;
use super::world::{World, bytes};

/// As in the console: bytes of input in one message, and on their way unconfirmed.
const PIECE: u64 = 64 << 10;
const INPUT_WINDOW: u64 = 256 << 10;

/// More orders than a history has.
const ORDERS: usize = 64;

/// What a history has a page do.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    Type(u64),
    /// Shows and acknowledges output, or doesn't.
    Show(bool),
    /// Comes back after another page took its place.
    Return,
}

/// What is seen of a page from outside.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// It shows the terminal just now.
    pub(super) connected: bool,
    pub(super) received: u64,
    pub(super) typed: u64,
    pub(super) confirmed: u64,
    /// Statuses with which it was told that the terminal ended.
    pub(super) ends: Vec<Option<u32>>,
    /// There was nothing to come back to.
    pub(super) in_vain: bool,
    pub(super) replaced: bool,
    pub(super) reached: u64,
}

/// When the way between a page and its terminal was disturbed, and what that excuses.
#[derive(Debug, Default)]
pub(super) struct Disturbances {
    /// Counts the moments at which some page may take or have the terminal.
    stirs: AtomicU64,
    times: Mutex<Vec<Instant>>,
    end_heard: AtomicBool,
}

impl Disturbances {
    pub(super) fn now(&self) {
        self.times.lock().unwrap().push(Instant::now());
    }

    /// Whether nobody may have shown the terminal for as long as `time`, at some moment since
    /// `from`.
    fn excuse(&self, from: Instant, time: Duration) -> bool {
        let from = from - SLACK;
        let longest = time.saturating_sub(Duration::from_secs(1));
        self.times.lock().unwrap().iter().any(|at| *at >= from && at.elapsed() >= longest)
    }
}

/// Something may have happened that a page hears of so much later.
const SLACK: Duration = Duration::from_secs(30);

/// What a page lives in.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    pub(super) world: Arc<World>,
    pub(super) daemon: watch::Receiver<Option<Arc<Daemon>>>,
    pub(super) disturbances: Arc<Disturbances>,
    pub(super) quality: Quality,
    pub(super) window: u32,
    pub(super) hold: Duration,
    pub(super) life: Duration,
    /// Milliseconds that showing takes, at most.
    pub(super) slowness: u64,
}

/// The handle of a page.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) seen: watch::Receiver<Seen>,
    cutter: Arc<Mutex<Option<Cutter>>>,
}

impl Page {
    /// Opens a page: to a new terminal, or to one that another page opened.
    pub(super) fn open(
        name: &'static str,
        new: bool,
        around: Surroundings,
        random: &mut Random,
    ) -> Self {
        let (orders, ordered) = mpsc::channel(ORDERS);
        let (seen, watched) = watch::channel(Seen::default());
        let cutter = Arc::new(Mutex::new(None));
        let task = Task {
            name,
            new,
            random: random.fork(),
            ordered,
            seen,
            cutter: Arc::clone(&cutter),
            received: 0,
            acked: 0,
            ack_at: None,
            shows: true,
            input: Input::default(),
            known: false,
            expects_gap: None,
            reached_at: around.world.born(),
            stirs: 0,
            others: 0,
            asked: 0,
            end_heard: false,
            around,
        };
        tokio::spawn(task.run());
        Self { orders, seen: watched, cutter }
    }

    /// Cuts its socket; page and daemon notice after so long.
    pub(super) fn cut(&self, page: Duration, daemon: Duration) {
        if let Some(cutter) = &*lock(&self.cutter) {
            cutter.cut(page, daemon);
        }
    }

    pub(super) fn order(&self, order: Order) {
        // A page whose terminal ended takes no orders.
        let _ = self.orders.try_send(order);
    }

    pub(super) fn look(&self) -> Seen {
        self.seen.borrow().clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

/// What was typed, in offsets: each byte says where it belongs.
#[derive(Debug, Default)]
struct Input {
    start: u64,
    sent: u64,
    end: u64,
}

impl Input {
    fn next(&mut self) -> Option<Message> {
        let len = (self.end - self.sent).min(PIECE).min(INPUT_WINDOW - (self.sent - self.start));
        let data = bytes(self.sent, len as usize);
        self.sent += len;
        (len > 0).then_some(Message::Binary(data))
    }

    fn waits(&self) -> bool {
        self.sent < self.end && self.sent - self.start < INPUT_WINDOW
    }

    fn confirm(&mut self, offset: u64) {
        self.start = self.start.max(offset.min(self.sent));
    }

    /// The terminal goes on from `offset`. What another page typed meanwhile counts too.
    fn resume_at(&mut self, offset: u64) {
        self.confirm(offset);
        self.start = self.start.max(offset);
        self.sent = self.start;
        self.end = self.end.max(self.start);
    }
}

struct Task {
    name: &'static str,
    new: bool,
    around: Surroundings,
    random: Random,
    ordered: mpsc::Receiver<Order>,
    seen: watch::Sender<Seen>,
    cutter: Arc<Mutex<Option<Cutter>>>,
    received: u64,
    acked: u64,
    ack_at: Option<Instant>,
    shows: bool,
    input: Input,
    /// Whether it has been connected once.
    known: bool,
    /// Where the output goes on, as the terminal said; before it a gap must be declared.
    expects_gap: Option<u64>,
    reached_at: Instant,
    /// How often it stirred itself.
    stirs: u64,
    /// How often others had stirred when it asked for the terminal that it reached last.
    others: u64,
    /// How often others had stirred when it asked last.
    asked: u64,
    end_heard: bool,
}

/// Why a socket is over.
enum Over {
    Retry,
    Replaced,
    Ended,
}

/// What a socket is like.
struct Socket {
    line: End,
    connected: bool,
    /// Whether input goes on from what the terminal says: on a new socket, and never again.
    fresh: bool,
    /// What it had when the socket was opened, or was told to do without.
    had: u64,
}

impl Task {
    async fn run(mut self) {
        loop {
            let over = match self.visit().await {
                Over::Retry if self.end_heard => Over::Ended,
                over => over,
            };
            self.look(|seen| seen.connected = false);
            self.stir();
            match over {
                Over::Ended => return,
                Over::Retry => {
                    let pause = Duration::from_millis(self.random.within(10, 5_000));
                    let at = Instant::now() + pause;
                    loop {
                        tokio::select! {
                            biased;
                            () = sleep_until(at) => break,
                            Some(order) = self.ordered.recv() => self.obey(order),
                        }
                    }
                }
                Over::Replaced => {
                    self.look(|seen| seen.replaced = true);
                    loop {
                        match self.ordered.recv().await {
                            Some(Order::Return) => break,
                            Some(order) => self.obey(order),
                            None => return,
                        }
                    }
                    // What was not taken before another page typed is lost with its place.
                    self.input.end = self.input.start;
                    self.input.sent = self.input.start;
                    self.look(|seen| seen.replaced = false);
                }
            }
        }
    }

    /// One socket.
    async fn visit(&mut self) -> Over {
        let daemon = loop {
            let daemon = self.around.daemon.borrow_and_update().clone();
            if let Some(daemon) = daemon {
                break daemon;
            }
            tokio::select! {
                biased;
                changed = self.around.daemon.changed() => changed.unwrap(),
                Some(order) = self.ordered.recv() => self.obey(order),
            }
        };
        let (mine, theirs, cutter) = line(&self.around.quality, &mut self.random);
        *lock(&self.cutter) = Some(cutter);
        tokio::spawn(super::bridge::serve(daemon, theirs));
        let resume = (self.known || !self.new).then_some(json!({ "offset": self.received }));
        self.stir();
        self.asked = self.others_stirs();
        mine.put(Message::Text(json!({ "type": "connect", "resume": resume }).to_string()));
        let mut socket = Socket { line: mine, connected: false, fresh: true, had: self.received };
        loop {
            let sends = socket.connected && self.input.waits();
            tokio::select! {
                biased;
                message = socket.line.recv() => match message {
                    None => return Over::Retry,
                    Some(Message::Close(code)) => {
                        self.note(|| format!("closed by {code}"));
                        socket.line.put(Message::Close(code));
                        return match code {
                            REPLACED => Over::Replaced,
                            ENDED => Over::Ended,
                            _ => Over::Retry,
                        };
                    }
                    Some(Message::Binary(data)) => {
                        self.output(&data);
                        let unacknowledged = self.received - self.acked.max(socket.had);
                        if unacknowledged > self.around.window.into() {
                            self.fault(format!("{unacknowledged} bytes are not acknowledged"));
                        }
                    }
                    Some(Message::Text(text)) => {
                        let word = serde_json::from_str(&text).unwrap();
                        if let Some(over) = self.word(&mut socket, &word) {
                            return over;
                        }
                    }
                },
                Some(order) = self.ordered.recv() => self.obey(order),
                () = at(self.ack_at), if socket.connected => {
                    self.ack_at = None;
                    self.acked = self.received;
                    let word = json!({ "type": "ack", "offset": self.received });
                    socket.line.put(Message::Text(word.to_string()));
                }
                ready = socket.line.writable(), if sends => match ready {
                    Ok(()) => if let Some(piece) = self.input.next() {
                        socket.line.put(piece);
                    },
                    Err(_) => return Over::Retry,
                },
            }
            if self.shows && self.received > self.acked && self.ack_at.is_none() {
                let pause = self.random.within(0, self.around.slowness);
                self.ack_at = Some(Instant::now() + Duration::from_millis(pause));
            }
        }
    }

    fn obey(&mut self, order: Order) {
        self.note(|| format!("{order:?}"));
        match order {
            Order::Type(count) if self.known => {
                self.input.end += count;
                let typed = self.input.end;
                self.look(|seen| seen.typed = typed);
            }
            Order::Show(shows) => {
                self.shows = shows;
                if !shows {
                    self.ack_at = None;
                }
            }
            Order::Type(_) | Order::Return => {}
        }
    }

    fn output(&mut self, data: &[u8]) {
        if let Some(to) = self.expects_gap {
            self.fault(format!("output before the gap to {to} was declared"));
        }
        if data != &bytes(self.received, data.len())[..] {
            self.fault(format!("output at {} is not what was said there", self.received));
        }
        self.received += data.len() as u64;
        let received = self.received;
        self.look(|seen| seen.received = received);
    }

    fn word(&mut self, socket: &mut Socket, word: &Value) -> Option<Over> {
        self.note(|| word.to_string());
        let offset = |key: &str| word[key].as_u64().unwrap();
        match word["type"].as_str().unwrap() {
            "connected" => {
                socket.connected = true;
                let input_offset = offset("input_offset");
                if !self.known {
                    self.input =
                        Input { start: input_offset, sent: input_offset, end: input_offset };
                } else if socket.fresh {
                    self.input.resume_at(input_offset);
                }
                (self.known, socket.fresh) = (true, false);
                self.expects_gap = Some(offset("offset")).filter(|to| *to > self.received);
                if self.expects_gap.is_none() {
                    self.reached();
                }
            }
            "gap" => {
                let (from, to) = (offset("from"), offset("to"));
                if from != self.received || Some(to) != self.expects_gap.take() {
                    self.fault(format!("a gap from {from} to {to}, but not here"));
                }
                let excused = self.around.disturbances.excuse(self.reached_at, self.around.hold);
                // Another page may have been told more since this one asked.
                if !excused && self.others == self.others_stirs() {
                    self.fault(format!("a gap from {from} to {to} within the hold"));
                }
                self.received = to;
                socket.had = to;
                self.reached();
            }
            "ack" => {
                self.input.confirm(offset("input_offset"));
                let confirmed = self.input.start;
                self.look(|seen| seen.confirmed = confirmed);
            }
            "closed" => {
                let status = word["exit_status"].as_u64().map(|status| status as u32);
                self.look(|seen| seen.ends.push(status));
                match status {
                    Some(_) => {
                        self.end_heard = true;
                        self.around.disturbances.end_heard.store(true, Ordering::Relaxed);
                    }
                    None => return Some(self.in_vain()),
                }
            }
            "error" => match word["code"].as_str().unwrap() {
                "agent_offline" => {
                    socket.connected = false;
                    self.look(|seen| seen.connected = false);
                }
                "no_such_session" => return Some(self.in_vain()),
                // Somebody else is just coming back: tried again.
                "already_connected" => return Some(Over::Retry),
                code => self.fault(format!("an error: {code}")),
            },
            other => self.fault(format!("a word that nobody knows: {other}")),
        }
        None
    }

    fn stir(&mut self) {
        self.stirs += 1;
        self.around.disturbances.stirs.fetch_add(1, Ordering::Relaxed);
    }

    fn others_stirs(&self) -> u64 {
        self.around.disturbances.stirs.load(Ordering::Relaxed) - self.stirs
    }

    fn reached(&mut self) {
        self.reached_at = Instant::now();
        self.stir();
        self.others = self.asked;
        let received = self.received;
        let typed = self.input.end;
        self.look(|seen| {
            seen.connected = true;
            seen.received = received;
            seen.typed = typed;
            seen.reached += 1;
        });
    }

    fn in_vain(&mut self) -> Over {
        let disturbances = &self.around.disturbances;
        let ended = disturbances.end_heard.load(Ordering::Relaxed);
        if !ended && !disturbances.excuse(self.reached_at, self.around.life) {
            self.fault("the terminal is gone within its life".to_owned());
        }
        self.look(|seen| seen.in_vain = true);
        Over::Ended
    }

    fn look(&self, change: impl FnOnce(&mut Seen)) {
        self.seen.send_modify(change);
    }

    fn note(&self, what: impl FnOnce() -> String) {
        self.around.world.note(|| format!("{}: {}", self.name, what()));
    }

    fn fault(&self, what: String) {
        self.around.world.fault(format!("{}: {what}", self.name));
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}
