//! How a login behaves: a state machine that is told what its requests and sockets do, and says when
//! its standing changes. It knows no clock and does nothing itself.

use std::time::Duration;

use serde::Serialize;

use crate::clock::Timestamp;

/// A login that was quiet for so long is idle.
const QUIET: Duration = Duration::from_secs(15 * 60);

/// A login's standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing is going on.
    Idle,
    /// Something is, and nothing is wrong with it.
    Active,
    /// Something was odd.
    Monitored,
    /// Much was.
    Suspicious,
    /// It was ended.
    Terminated,
}

impl State {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Active => "active",
            Self::Monitored => "monitored",
            Self::Suspicious => "suspicious",
            Self::Terminated => "terminated",
        }
    }
}

/// Why a login's standing got worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its user's password was tried in vain from the same source just before.
    FailedAuthentications,
    /// It sent more messages than it may.
    MessageRate,
    /// It sent messages that can't be understood.
    BadMessages,
    /// Its program is one that attackers use.
    SuspiciousUserAgent,
    /// Its cookie came from another program than it was given to.
    UserAgentChanged,
    /// A page of another origin used its credential.
    DisallowedOrigin,
    /// It opened a terminal at an unusual hour.
    UnusualHours,
    /// It opened a terminal from an unusual place.
    UnusualPlace,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::FailedAuthentications,
        Self::MessageRate,
        Self::BadMessages,
        Self::SuspiciousUserAgent,
        Self::UserAgentChanged,
        Self::DisallowedOrigin,
        Self::UnusualHours,
        Self::UnusualPlace,
    ];

    /// Its name in evidence.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FailedAuthentications => "failed_authentications",
            Self::MessageRate => "message_rate",
            Self::BadMessages => "bad_messages",
            Self::SuspiciousUserAgent => "suspicious_user_agent",
            Self::UserAgentChanged => "user_agent_changed",
            Self::DisallowedOrigin => "disallowed_origin",
            Self::UnusualHours => "unusual_hours",
            Self::UnusualPlace => "unusual_place",
        }
    }

    /// What it weighs; with the defaults 30 is monitored and 60 suspicious.
    #[must_use]
    pub fn points(self) -> f32 {
        match self {
            Self::FailedAuthentications => 5.0,
            Self::MessageRate | Self::BadMessages => 20.0,
            Self::UserAgentChanged | Self::DisallowedOrigin => 30.0,
            Self::SuspiciousUserAgent | Self::UnusualHours | Self::UnusualPlace => 60.0,
        }
    }
}

/// From which points on a login stands how, and how fast points go.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    /// Monitored.
    pub monitored_at: f32,
    /// Suspicious.
    pub suspicious_at: f32,
    /// Points halve in this time.
    pub half_life: Duration,
}

/// A change of standing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// From.
    pub from: State,
    /// To.
    pub to: State,
    /// Points after it.
    pub points: f32,
}

/// One login's standing.
#[derive(Debug, Clone)]
pub struct Standing {
    state: State,
    points: f32,
    at: Timestamp,
    heard_at: Timestamp,
    counts: [u16; 8],
}

impl Standing {
    /// A login that is seen for the first time.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { state: State::Active, points: 0.0, at: now, heard_at: now, counts: [0; 8] }
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// How often what was held against it.
    pub fn reasons(&self) -> impl Iterator<Item = (Reason, u16)> + '_ {
        let counted = Reason::ALL.into_iter().zip(self.counts);
        counted.filter(|(_, count)| *count > 0)
    }

    /// Its points as they were when it was last looked at.
    #[must_use]
    pub fn points(&self) -> f32 {
        self.points
    }

    /// Something harmless was done. A login that was held for worse gets better here when time has
    /// passed.
    pub fn active(&mut self, now: Timestamp, steps: Steps) -> Option<Change> {
        self.heard_at = now;
        self.settle(now, steps, false)
    }

    /// Something odd was done, `times` times.
    pub fn odd(
        &mut self,
        reason: Reason,
        times: u16,
        now: Timestamp,
        steps: Steps,
    ) -> Option<Change> {
        self.heard_at = now;
        self.decay(now, steps);
        // More than suspicious it can't be, and it has to come down from there in bearable time.
        let most = 4.0 * steps.suspicious_at;
        self.points = (self.points + reason.points() * f32::from(times)).min(most);
        if let Some(count) = self.counts.get_mut(reason as usize) {
            *count = count.saturating_add(times);
        }
        self.settle(now, steps, true)
    }

    /// Time has passed.
    pub fn look(&mut self, now: Timestamp, steps: Steps) -> Option<Change> {
        self.settle(now, steps, false)
    }

    /// It was ended.
    pub fn terminate(&mut self) -> Option<Change> {
        self.turn(State::Terminated)
    }

    fn decay(&mut self, now: Timestamp, steps: Steps) {
        let passed = now.since(self.at).as_secs_f64();
        let halves = passed / steps.half_life.as_secs_f64().max(1.0);
        self.points = (f64::from(self.points) * 0.5_f64.powf(halves)) as f32;
        self.at = now;
    }

    fn settle(&mut self, now: Timestamp, steps: Steps, worse: bool) -> Option<Change> {
        if self.state == State::Terminated {
            return None;
        }
        self.decay(now, steps);
        let quiet = now.since(self.heard_at) >= QUIET;
        let harmless = if quiet { State::Idle } else { State::Active };
        let by_points = if self.points >= steps.suspicious_at {
            State::Suspicious
        } else if self.points >= steps.monitored_at {
            State::Monitored
        } else {
            harmless
        };
        // It gets better at half of what made it worse, so that it does not go back and forth.
        let kept = match self.state {
            State::Suspicious if self.points >= steps.suspicious_at / 2.0 => State::Suspicious,
            State::Suspicious | State::Monitored if self.points >= steps.monitored_at / 2.0 => {
                State::Monitored
            }
            _ => harmless,
        };
        let next = if worse { by_points.max(kept) } else { kept };
        if next <= State::Active {
            self.counts = if self.points < 1.0 { [0; 8] } else { self.counts };
        }
        self.turn(next)
    }

    fn turn(&mut self, next: State) -> Option<Change> {
        if next == self.state {
            return None;
        }
        let from = std::mem::replace(&mut self.state, next);
        Some(Change { from, to: next, points: self.points })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const STEPS: Steps =
        Steps { monitored_at: 30.0, suspicious_at: 60.0, half_life: Duration::from_secs(600) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn to(change: Option<Change>) -> Option<State> {
        change.map(|change| change.to)
    }

    #[test]
    fn it_gets_worse_with_reasons_and_better_with_time() {
        let mut login = Standing::new(at(0));
        assert_eq!(login.active(at(1), STEPS), None);
        assert_eq!(login.odd(Reason::MessageRate, 1, at(2), STEPS), None);
        let monitored = login.odd(Reason::BadMessages, 1, at(3), STEPS);
        assert_eq!(to(monitored), Some(State::Monitored));
        assert_eq!(
            to(login.odd(Reason::DisallowedOrigin, 1, at(4), STEPS)),
            Some(State::Suspicious)
        );
        let reasons: Vec<_> =
            login.reasons().map(|(reason, count)| (reason.as_str(), count)).collect();
        assert_eq!(reasons, [("message_rate", 1), ("bad_messages", 1), ("disallowed_origin", 1)]);
        // It does not go back and forth.
        assert_eq!(login.active(at(400), STEPS), None);
        assert_eq!(to(login.active(at(1300), STEPS)), Some(State::Monitored));
        assert_eq!(to(login.active(at(2000), STEPS)), Some(State::Active));
        assert_eq!(to(login.look(at(4000), STEPS)), Some(State::Idle));
        assert_eq!(to(login.active(at(4001), STEPS)), Some(State::Active));
        let again = login.active(at(40_000), STEPS);
        assert_eq!((again, login.reasons().count()), (None, 0));
    }

    #[test]
    fn one_grave_thing_is_enough_and_the_end_is_the_end() {
        let mut login = Standing::new(at(0));
        let change = login.odd(Reason::SuspiciousUserAgent, 1, at(1), STEPS).unwrap();
        assert_eq!((change.from, change.to), (State::Active, State::Suspicious));
        assert_eq!(login.odd(Reason::SuspiciousUserAgent, 60_000, at(1), STEPS), None);
        assert!(login.points() <= 240.0);
        assert_eq!(to(login.terminate()), Some(State::Terminated));
        assert_eq!(login.odd(Reason::UnusualHours, 1, at(2), STEPS), None);
        assert_eq!((login.active(at(99_999), STEPS), login.terminate()), (None, None));
    }

    #[test]
    fn a_clock_that_goes_back_changes_nothing() {
        let mut login = Standing::new(at(1000));
        assert!(login.odd(Reason::UnusualPlace, 1, at(1000), STEPS).is_some());
        assert_eq!(login.look(at(0), STEPS), None);
        assert_eq!(login.state(), State::Suspicious);
    }
}
