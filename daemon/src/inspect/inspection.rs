//! One look into a socket: from when to when, and what was seen.

use std::sync::Mutex;
use std::time::Duration;

use gangplank_proto::id::{ApprovalId, TenantId, UserId};
use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use super::frame::{Direction, Frame, Frames, Kind};
use super::{Wanted, lock};
use crate::clock::{Clock, Timestamp};

/// Why nothing more is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Its time is over.
    TimeOver,
    /// Whoever began it had enough.
    Ended,
    /// The socket is closed.
    SocketClosed,
    /// Somebody said no.
    Denied,
    /// Nobody agreed in time.
    Expired,
    /// The request for consent was taken back.
    Cancelled,
    /// Whoever asked may not look any more.
    NotAllowed,
    /// The daemon stops, or could not write down that somebody looks.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// Nobody looks yet.
    Prepared,
    /// Somebody else is to agree first.
    Waiting { expires_at: Timestamp },
    /// Frames are kept.
    Running { deadline: Instant },
    /// Nothing is kept any more.
    Over { ending: Ending, message: Option<String>, at: Instant },
}

/// Somebody looks into a socket, or waits until somebody else agrees to that.
#[derive(Debug)]
pub struct Inspection {
    /// Its id.
    pub id: Uuid,
    /// The socket's id.
    pub socket: Uuid,
    /// Who looks.
    pub by: UserId,
    /// Whether payloads are kept.
    pub contents: bool,
    pub(super) tenant: TenantId,
    pub(super) span: Duration,
    clock: Clock,
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// The consent that it waited for.
    approval: Option<ApprovalId>,
    /// Until when it runs, or ran at most.
    until: Option<Timestamp>,
    frames: Frames,
}

impl State {
    /// Ends what has run long enough.
    fn at(&mut self, now: Instant) -> &Phase {
        if let Phase::Running { deadline } = self.phase
            && now >= deadline
        {
            self.phase = Phase::Over { ending: Ending::TimeOver, message: None, at: deadline };
        }
        &self.phase
    }
}

/// How far an inspection is.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// Its id.
    pub id: Uuid,
    /// The socket's id.
    pub socket_id: Uuid,
    /// Whether payloads are kept.
    pub contents: bool,
    /// `waiting` for somebody's consent, `running`, or `over`.
    pub state: &'static str,
    /// The consent that it waits for, or began with.
    pub approval_id: Option<ApprovalId>,
    /// Until when somebody may agree.
    pub expires_at: Option<Timestamp>,
    /// Until when frames are kept.
    pub until: Option<Timestamp>,
    /// Why it is over.
    pub ended: Option<Ending>,
    /// What else there is to say of that.
    pub message: Option<String>,
}

/// A part of what was seen.
#[derive(Debug, Serialize)]
pub struct Seen {
    /// How far the inspection is.
    #[serde(flatten)]
    pub standing: Standing,
    /// The frames after the asked number.
    pub items: Vec<Frame>,
    /// Frames after that number that were overwritten.
    pub lost: u64,
    /// Whether nothing more comes.
    pub over: bool,
}

impl Inspection {
    pub(super) fn new(
        tenant: TenantId,
        by: UserId,
        socket: Uuid,
        wanted: Wanted,
        clock: Clock,
    ) -> Self {
        let (approval, until) = (None, None);
        let frames = Frames::default();
        let state = State { phase: Phase::Prepared, approval, until, frames };
        Self {
            id: Uuid::new_v4(),
            socket,
            by,
            contents: wanted.contents,
            tenant,
            span: wanted.span,
            clock,
            state: Mutex::new(state),
            news: Notify::new(),
        }
    }

    /// Keeps a frame once it has begun; false when it is over.
    pub(super) fn take(&self, direction: Direction, frame: (Kind, &[u8])) -> bool {
        let mut state = lock(&self.state);
        let kept = match state.at(Instant::now()) {
            Phase::Over { .. } => false,
            Phase::Prepared | Phase::Waiting { .. } => return true,
            Phase::Running { .. } => {
                state.frames.add(self.clock.now(), direction, frame, self.contents);
                true
            }
        };
        drop(state);
        self.news.notify_waiters();
        kept
    }

    /// Somebody else is to agree first.
    pub(super) fn wait(&self, approval: ApprovalId, expires_at: Timestamp) {
        let mut state = lock(&self.state);
        state.approval = Some(approval);
        if state.phase == Phase::Prepared {
            state.phase = Phase::Waiting { expires_at };
        }
    }

    /// Keeps frames from now on, unless it is over.
    pub(super) fn begin(&self) {
        let mut state = lock(&self.state);
        if matches!(state.phase, Phase::Prepared | Phase::Waiting { .. }) {
            state.until = Some(self.clock.now().plus(self.span));
            state.phase = Phase::Running { deadline: Instant::now() + self.span };
        }
        drop(state);
        self.news.notify_waiters();
    }

    /// Nothing more is kept. What ended first counts.
    pub fn end(&self, ending: Ending, message: Option<String>) {
        let (mut state, at) = (lock(&self.state), Instant::now());
        if !matches!(state.at(at), Phase::Over { .. }) {
            state.phase = Phase::Over { ending, message, at };
        }
        drop(state);
        self.news.notify_waiters();
    }

    /// Whether nobody looks who has not begun yet.
    pub(super) fn is_unbegun(&self) -> bool {
        lock(&self.state).phase == Phase::Prepared
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(lock(&self.state).at(Instant::now()), Phase::Running { .. })
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(lock(&self.state).at(Instant::now()), Phase::Over { .. })
    }

    /// Whether it has been over for a time, so that nobody reads what was seen any more.
    pub(super) fn is_stale(&self, after: Duration) -> bool {
        let now = Instant::now();
        matches!(lock(&self.state).at(now), Phase::Over { at, .. } if *at + after <= now)
    }

    /// How far it is.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.now(u64::MAX).standing
    }

    /// Waits until it is over. Cancel safe.
    pub async fn over(&self) {
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            let deadline = match lock(&self.state).at(Instant::now()) {
                Phase::Over { .. } => return,
                Phase::Running { deadline } => Some(*deadline),
                Phase::Prepared | Phase::Waiting { .. } => None,
            };
            match deadline {
                Some(deadline) => drop(tokio::time::timeout_at(deadline, news).await),
                None => news.await,
            }
        }
    }

    /// What was seen after a number, waiting for more, or for another state, up to `patience` when
    /// there is nothing yet.
    pub async fn after(&self, number: u64, patience: Duration) -> Seen {
        let wait = tokio::time::sleep(patience);
        tokio::pin!(wait);
        let before = self.standing().state;
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            // Before the look, so that what comes between look and wait is heard.
            news.as_mut().enable();
            let seen = self.now(number);
            if !seen.items.is_empty() || seen.over || seen.standing.state != before {
                return seen;
            }
            tokio::select! {
                () = news => {}
                () = self.over() => {}
                () = &mut wait => return self.now(number),
            }
        }
    }

    fn now(&self, number: u64) -> Seen {
        let mut state = lock(&self.state);
        let mut standing = Standing {
            id: self.id,
            socket_id: self.socket,
            contents: self.contents,
            state: "waiting",
            approval_id: state.approval,
            expires_at: None,
            until: state.until,
            ended: None,
            message: None,
        };
        match state.at(Instant::now()) {
            Phase::Prepared => {}
            Phase::Waiting { expires_at } => standing.expires_at = Some(*expires_at),
            Phase::Running { .. } => standing.state = "running",
            Phase::Over { ending, message, .. } => {
                standing.state = "over";
                (standing.ended, standing.message) = (Some(*ending), message.clone());
            }
        }
        let (items, lost) = state.frames.after(number);
        Seen { over: standing.state == "over", standing, items, lost }
    }
}
