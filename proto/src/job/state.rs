//! The states of a job and what leads from one to another. Pure: whoever keeps a job asks here
//! before it changes its state.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It waits, and its agent does not know of this attempt.
    Queued,
    /// It was sent; the agent has not said yet that it has it.
    Leased,
    /// It is in the agent's journal.
    Received,
    /// It runs.
    Running,
    /// It ran, and well.
    Succeeded,
    /// It ran, and not well; or the host refused it.
    Failed,
    /// Somebody called it off.
    Cancelled,
    /// It was not started in time.
    Expired,
    /// It may have run, wholly or in part. What the agent says later still counts.
    Unknown,
}

/// How a job ended, as its agent says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It ran, and well.
    Succeeded,
    /// It ran, and not well; or the host refused it.
    Failed,
    /// It was called off.
    Cancelled,
    /// It was too late to start it.
    Expired,
    /// The agent died while it ran.
    Unknown,
}

/// What happens to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEvent {
    /// It is sent to its agent.
    Lease,
    /// Its agent turned out not to have it.
    Release,
    /// The agent has it.
    Receive,
    /// The agent begins.
    Start,
    /// The agent is done with it.
    Finish(Outcome),
    /// It is called off before the agent knew of it.
    Cancel,
    /// Its time is over before the agent knew of it.
    Expire,
    /// Nobody knows what became of it.
    Lose,
    /// It is to run once more, as another attempt.
    Again,
}

/// The text names no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such state of a job")]
pub struct UnknownState;

impl JobState {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Leased,
        Self::Received,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
        Self::Unknown,
    ];

    /// The state after an event; none where the event has no place.
    #[must_use]
    pub fn after(self, event: JobEvent) -> Option<Self> {
        use JobEvent as E;
        match (self, event) {
            (Self::Queued, E::Lease) => Some(Self::Leased),
            (Self::Leased, E::Release) => Some(Self::Queued),
            (Self::Queued | Self::Leased, E::Receive) => Some(Self::Received),
            (Self::Queued | Self::Leased | Self::Received, E::Start) => Some(Self::Running),
            (Self::Unknown, E::Finish(Outcome::Unknown)) => None,
            (Self::Unknown, E::Finish(outcome)) => Some(outcome.into()),
            (state, E::Finish(outcome)) if !state.is_over() => Some(outcome.into()),
            (Self::Queued, E::Cancel) => Some(Self::Cancelled),
            (Self::Queued, E::Expire) => Some(Self::Expired),
            (state, E::Lose) if state.is_out() => Some(Self::Unknown),
            (state, E::Again) if state.is_out() => Some(Self::Queued),
            _ => None,
        }
    }

    /// Whether nothing more will be done for it.
    #[must_use]
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Leased | Self::Received | Self::Running)
    }

    /// Whether its agent has it, or may have it.
    #[must_use]
    pub fn is_out(self) -> bool {
        matches!(self, Self::Leased | Self::Received | Self::Running)
    }

    /// The word on the wire and in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Leased => "leased",
            Self::Received => "received",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownState)
    }
}

impl From<Outcome> for JobState {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Succeeded => Self::Succeeded,
            Outcome::Failed => Self::Failed,
            Outcome::Cancelled => Self::Cancelled,
            Outcome::Expired => Self::Expired,
            Outcome::Unknown => Self::Unknown,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const EVENTS: [JobEvent; 10] = [
        JobEvent::Lease,
        JobEvent::Release,
        JobEvent::Receive,
        JobEvent::Start,
        JobEvent::Finish(Outcome::Succeeded),
        JobEvent::Finish(Outcome::Unknown),
        JobEvent::Cancel,
        JobEvent::Expire,
        JobEvent::Lose,
        JobEvent::Again,
    ];

    #[test]
    fn what_is_over_stays_over_save_what_nobody_knew() {
        for state in JobState::ALL.into_iter().filter(|state| state.is_over()) {
            for event in EVENTS {
                let after = state.after(event);
                let resolved = event == JobEvent::Finish(Outcome::Succeeded);
                if state == JobState::Unknown && resolved {
                    assert_eq!(after, Some(JobState::Succeeded));
                } else {
                    assert_eq!(after, None, "{state} {event:?}");
                }
            }
        }
    }

    #[test]
    fn the_straight_way() {
        let mut state = JobState::Queued;
        for (event, after) in [
            (JobEvent::Lease, JobState::Leased),
            (JobEvent::Receive, JobState::Received),
            (JobEvent::Start, JobState::Running),
            (JobEvent::Finish(Outcome::Failed), JobState::Failed),
        ] {
            state = state.after(event).unwrap();
            assert_eq!(state, after);
        }
    }

    #[test]
    fn nothing_that_may_have_run_is_called_off_or_expired_by_the_daemon() {
        for state in JobState::ALL.into_iter().filter(|state| *state != JobState::Queued) {
            assert_eq!(state.after(JobEvent::Cancel), None);
            assert_eq!(state.after(JobEvent::Expire), None);
        }
        assert_eq!(JobState::Received.after(JobEvent::Release), None);
        assert_eq!(JobState::Running.after(JobEvent::Receive), None);
    }

    #[test]
    fn names_round_trip() {
        for state in JobState::ALL {
            assert_eq!(state.as_str().parse::<JobState>().unwrap(), state);
            let json = serde_json::to_value(state).unwrap();
            assert_eq!(json, state.as_str());
        }
    }
}
