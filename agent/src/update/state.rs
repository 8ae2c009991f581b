//! What is known about versions across starts, and what follows from it. Pure: the clock comes in, and
//! the caller writes down what comes out before anything is done about it.

use std::time::Duration;

use gangplank_proto::id::JobId;
use gangplank_proto::release::Version;
use serde::{Deserialize, Serialize};

/// Time in which a version on trial must connect, from its first start on.
pub const TRIAL: Duration = Duration::from_secs(120);

/// Starts that it has for it. More than one, because whoever stops the process or the machine is not
/// the version's fault.
const STARTS: u32 = 3;

/// What is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The version that connected; the base when there is none.
    #[serde(default)]
    pub current: Option<Version>,
    /// The one before it, which is kept.
    #[serde(default)]
    pub previous: Option<Version>,
    /// What is about to take its place.
    #[serde(default)]
    pub trial: Option<Trial>,
    /// How the last trial ended.
    #[serde(default)]
    pub last: Option<Ended>,
}

/// A version that has not proved itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Which one.
    pub version: Version,
    /// What ran when it came.
    pub from: Version,
    /// The job that ordered it.
    pub job: Option<Ordered>,
    /// How far it is.
    pub phase: Phase,
    /// How often it was started.
    pub starts: u32,
    /// Milliseconds since 1970 at its first start.
    pub since: Option<u64>,
}

/// How far a trial is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It lies there, verified, and what runs is still the version before.
    Staged,
    /// It is to be run at every start until it connected.
    Trying,
}

/// One attempt at a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// Which job.
    pub job_id: JobId,
    /// Which attempt.
    pub attempt: u32,
}

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The version that was tried.
    pub version: Version,
    /// What ran when it came.
    pub from: Version,
    /// The job that ordered it.
    pub job: Option<Ordered>,
    /// How.
    pub how: How,
}

/// How a trial can end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It connected.
    Confirmed,
    /// It did not, and what ran before came back.
    RolledBack {
        /// Why, for people.
        why: String,
    },
    /// The agent ended before anything was swapped.
    Abandoned,
}

/// What is to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The installed program itself.
    Base,
    /// A version.
    Version(Version),
}

impl State {
    /// What is to be run now, by a base of version `base`. A start of a version on trial is counted
    /// before the start: one that breaks at once has used up one of its chances.
    pub fn at_start(&mut self, base: Version, now: u64) -> Choice {
        if let Some(trial) = self.trial.as_mut() {
            let since = *trial.since.get_or_insert(now);
            let late = now.saturating_sub(since) >= millis(TRIAL);
            let why = match trial.phase {
                Phase::Staged => {
                    self.end(How::Abandoned);
                    return self.settled(base);
                }
                Phase::Trying if trial.version <= base => "a newer program was installed meanwhile",
                Phase::Trying if trial.starts >= STARTS => {
                    "it ended each time before it was connected"
                }
                Phase::Trying if late => "it was not connected in time",
                Phase::Trying => {
                    trial.starts += 1;
                    return Choice::Version(trial.version);
                }
            };
            self.roll_back(why);
        }
        self.settled(base)
    }

    /// What is run while nothing is on trial.
    #[must_use]
    pub fn settled(&self, base: Version) -> Choice {
        // A newer base was installed by somebody who wanted it.
        self.current.filter(|current| *current > base).map_or(Choice::Base, Choice::Version)
    }

    /// The version on trial, while it is tried.
    #[must_use]
    pub fn trying(&self) -> Option<&Trial> {
        self.trial.as_ref().filter(|trial| trial.phase == Phase::Trying)
    }

    /// The version on trial connected.
    pub fn confirm(&mut self) {
        if let Some(trial) = &self.trial {
            self.previous = self.current;
            self.current = Some(trial.version);
            self.end(How::Confirmed);
        }
    }

    /// The version on trial is given up.
    pub fn roll_back(&mut self, why: &str) {
        self.end(How::RolledBack { why: why.to_owned() });
    }

    /// A version can't be run: it is forgotten, and the one before takes its place.
    pub fn forget(&mut self, version: Version, why: &str) {
        if self.trying().is_some_and(|trial| trial.version == version) {
            self.roll_back(why);
        } else if self.current == Some(version) {
            self.current = self.previous.take();
        }
    }

    fn end(&mut self, how: How) {
        if let Some(Trial { version, from, job, .. }) = self.trial.take() {
            self.last = Some(Ended { version, from, job, how });
        }
    }
}

/// Time left for a trial that began at `since`.
#[must_use]
pub fn left(since: Option<u64>, now: u64) -> Duration {
    let gone = now.saturating_sub(since.unwrap_or(now));
    TRIAL.saturating_sub(Duration::from_millis(gone))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    fn state(phase: Phase) -> State {
        let trial = Trial {
            version: version("0.3.0"),
            from: version("0.2.0"),
            job: None,
            phase,
            starts: 0,
            since: None,
        };
        State { current: Some(version("0.2.0")), trial: Some(trial), ..State::default() }
    }

    fn why(state: &State) -> &str {
        match &state.last.as_ref().unwrap().how {
            How::RolledBack { why } => why,
            _ => "",
        }
    }

    const BASE: &str = "0.1.0";

    #[test]
    fn a_version_on_trial_has_three_starts() {
        let mut state = state(Phase::Trying);
        for start in 0..3 {
            let choice = state.at_start(version(BASE), 1000 + start);
            assert_eq!(choice, Choice::Version(version("0.3.0")));
        }
        for _ in 0..2 {
            let choice = state.at_start(version(BASE), 1004);
            assert_eq!(choice, Choice::Version(version("0.2.0")));
            assert!(why(&state).contains("each time"));
        }
    }

    #[test]
    fn a_version_on_trial_has_two_minutes_from_its_first_start() {
        let mut state = state(Phase::Trying);
        state.at_start(version(BASE), 5000);
        assert_eq!(left(state.trial.as_ref().unwrap().since, 65_000), Duration::from_secs(60));
        let before = state.clone();
        assert_eq!(state.at_start(version(BASE), 124_999), Choice::Version(version("0.3.0")));
        let mut state = before.clone();
        assert_eq!(state.at_start(version(BASE), 125_000), Choice::Version(version("0.2.0")));
        assert!(why(&state).contains("in time"));
        // A clock that was set back takes nothing away, and one of the far future ends it.
        let mut state = before.clone();
        assert_eq!(state.at_start(version(BASE), 0), Choice::Version(version("0.3.0")));
        let mut state = before;
        assert_eq!(state.at_start(version(BASE), u64::MAX), Choice::Version(version("0.2.0")));
    }

    #[test]
    fn what_was_only_staged_changes_nothing() {
        let mut state = state(Phase::Staged);
        assert_eq!(state.at_start(version(BASE), 1), Choice::Version(version("0.2.0")));
        assert_eq!(state.last.as_ref().unwrap().how, How::Abandoned);
        assert_eq!(state.trial, None);
    }

    #[test]
    fn who_connected_stays_and_the_one_before_is_kept() {
        let mut state = state(Phase::Trying);
        state.at_start(version(BASE), 1);
        state.confirm();
        assert_eq!(state.current, Some(version("0.3.0")));
        assert_eq!(state.previous, Some(version("0.2.0")));
        assert_eq!(state.at_start(version(BASE), 2), Choice::Version(version("0.3.0")));
        // Once more is no harm.
        state.confirm();
        assert_eq!(state.previous, Some(version("0.2.0")));
    }

    #[test]
    fn a_newer_base_wins() {
        let mut state = state(Phase::Trying);
        assert_eq!(state.at_start(version("0.3.0"), 1), Choice::Base);
        assert!(why(&state).contains("newer program"));
        assert_eq!(state.at_start(version("0.1.9"), 1), Choice::Version(version("0.2.0")));
    }

    #[test]
    fn what_can_not_be_run_is_forgotten_down_to_the_base() {
        let mut state = state(Phase::Trying);
        state.previous = Some(version("0.1.5"));
        state.forget(version("0.3.0"), "broken");
        assert_eq!(why(&state), "broken");
        assert_eq!(state.settled(version(BASE)), Choice::Version(version("0.2.0")));
        state.forget(version("0.2.0"), "broken");
        assert_eq!(state.settled(version(BASE)), Choice::Version(version("0.1.5")));
        state.forget(version("0.1.5"), "broken");
        assert_eq!(state.settled(version(BASE)), Choice::Base);
    }
}
