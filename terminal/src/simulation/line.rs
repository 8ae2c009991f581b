//! A connection between two machines: it keeps order, takes time, holds so many bytes and no more,
//! and can be cut, which each end notices when it does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::random::Random;

/// What travels: what a WebSocket has.
#[derive(Debug, Clone)]
pub(super) enum Message {
    Text(String),
    Binary(Bytes),
    Close(u16),
}

impl Message {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(data) => data.len(),
            Self::Close(_) => 2,
        }
    }
}

/// How a connection is.
#[derive(Debug, Clone)]
pub(super) struct Quality {
    /// Milliseconds on the way, at least and at most.
    pub(super) delay: (u64, u64),
    /// Bytes on the way at which a sender has to wait.
    pub(super) capacity: usize,
}

#[derive(Debug)]
struct Way {
    state: Mutex<State>,
    /// One task receives.
    arrived: Notify,
    /// One task sends.
    left: Notify,
}

#[derive(Debug)]
struct State {
    quality: Quality,
    random: Random,
    messages: VecDeque<(Instant, Message)>,
    bytes: usize,
    last: Instant,
    sender_gone: bool,
    receiver_gone: bool,
    cut: Option<Cut>,
}

/// When each end notices.
#[derive(Debug, Clone, Copy)]
struct Cut {
    sender: Instant,
    receiver: Instant,
}

impl Way {
    fn new(quality: Quality, random: Random) -> Arc<Self> {
        let state = State {
            quality,
            random,
            messages: VecDeque::new(),
            bytes: 0,
            last: Instant::now(),
            sender_gone: false,
            receiver_gone: false,
            cut: None,
        };
        Arc::new(Self { state: Mutex::new(state), arrived: Notify::new(), left: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn cut(&self, sender: Duration, receiver: Duration) {
        let now = Instant::now();
        let mut state = self.lock();
        if state.cut.is_none() {
            state.messages.clear();
            state.cut = Some(Cut { sender: now + sender, receiver: now + receiver });
        }
        drop(state);
        self.arrived.notify_one();
        self.left.notify_one();
    }
}

/// One end.
#[derive(Debug)]
pub(super) struct End {
    to: Arc<Way>,
    from: Arc<Way>,
}

/// Cuts a connection.
#[derive(Debug, Clone)]
pub(super) struct Cutter {
    there: Arc<Way>,
    back: Arc<Way>,
}

impl Cutter {
    /// What is on the way is lost; the two ends notice after so long.
    pub(super) fn cut(&self, first: Duration, second: Duration) {
        self.there.cut(first, second);
        self.back.cut(second, first);
    }
}

/// The other end is known to be gone.
#[derive(Debug)]
pub(super) struct Gone;

/// Two ends, joined.
pub(super) fn line(quality: &Quality, random: &mut Random) -> (End, End, Cutter) {
    let there = Way::new(quality.clone(), random.fork());
    let back = Way::new(quality.clone(), random.fork());
    let cutter = Cutter { there: Arc::clone(&there), back: Arc::clone(&back) };
    let first = End { to: Arc::clone(&there), from: Arc::clone(&back) };
    (first, End { to: back, from: there }, cutter)
}

impl End {
    /// Waits until a message can be put in.
    pub(super) async fn writable(&self) -> Result<(), Gone> {
        loop {
            let notice = {
                let state = self.to.lock();
                match state.cut {
                    Some(cut) if Instant::now() >= cut.sender => return Err(Gone),
                    None if state.receiver_gone => return Err(Gone),
                    _ if state.bytes < state.quality.capacity => return Ok(()),
                    cut => cut.map(|cut| cut.sender),
                }
            };
            wait(&self.to.left, notice).await;
        }
    }

    /// Puts a message in. Into a connection that is cut it vanishes.
    pub(super) fn put(&self, message: Message) {
        let mut guard = self.to.lock();
        let state = &mut *guard;
        state.bytes += message.len();
        if state.cut.is_none() {
            let (low, high) = state.quality.delay;
            let delay = Duration::from_millis(state.random.within(low, high));
            state.last = state.last.max(Instant::now() + delay);
            state.messages.push_back((state.last, message));
        }
        drop(guard);
        self.to.arrived.notify_one();
    }

    /// The next message; nothing once the other end is known to be gone.
    pub(super) async fn recv(&self) -> Option<Message> {
        loop {
            let now = Instant::now();
            let next = {
                let mut guard = self.from.lock();
                let state = &mut *guard;
                match (state.cut, state.messages.front()) {
                    (Some(cut), _) if now >= cut.receiver => return None,
                    (Some(cut), _) => Some(cut.receiver),
                    (None, Some((at, _))) if *at <= now => {
                        let (_, message) = state.messages.pop_front().unwrap();
                        state.bytes -= message.len();
                        drop(guard);
                        self.from.left.notify_one();
                        return Some(message);
                    }
                    (None, Some((at, _))) => Some(*at),
                    (None, None) if state.sender_gone => return None,
                    (None, None) => None,
                }
            };
            wait(&self.from.arrived, next).await;
        }
    }
}

async fn wait(change: &Notify, until: Option<Instant>) {
    match until {
        Some(at) => tokio::select! {
            biased;
            () = change.notified() => {}
            () = sleep_until(at) => {}
        },
        None => change.notified().await,
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.to.lock().sender_gone = true;
        self.from.lock().receiver_gone = true;
        self.to.arrived.notify_one();
        self.from.left.notify_one();
    }
}
