//! What the guard is told: how misdeeds of sources and of logins weigh, and what comes of them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use super::build::Values;

/// The guard's policy.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "every field is documented once, in the list of keys")]
pub struct Guarding {
    pub penalties: bool,
    pub exempt: Vec<IpNet>,
    pub sources: usize,
    pub points: Points,
    pub half_life: Duration,
    pub slow_at: f32,
    pub block_at: f32,
    pub close_at: f32,
    pub block: Duration,
    pub block_longest: Duration,
    pub monitored_at: f32,
    pub suspicious_at: f32,
    pub on_monitored: Vec<Action>,
    pub on_suspicious: Vec<Action>,
    pub user_agents: Vec<String>,
    pub terminal_hours: Option<Hours>,
    pub terminal_networks: Vec<IpNet>,
    pub events_per_minute: u32,
    pub events_kept: Duration,
}

/// What each kind of misdeed weighs.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "every field is documented once, in the list of keys")]
pub struct Points {
    pub bad_credential: f32,
    pub bad_origin: f32,
    pub bad_frames: f32,
    pub flooding: f32,
    pub early_hang_up: f32,
}

/// What is done when a login's standing gets worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Written down, and told on the topic `security`; which is done in any case.
    Watch,
    /// Its requests and messages are served slowly.
    Throttle,
    /// An alert goes out on the topic `alerts`.
    Alert,
    /// The login ends, and its sockets are closed with 1008.
    Close,
    /// As [`Self::Close`], and the user is not let in from that source for a while.
    Block,
}

impl Action {
    /// The word in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Throttle => "throttle",
            Self::Alert => "alert",
            Self::Close => "close",
            Self::Block => "block",
        }
    }
}

/// The text is no action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such action")]
pub struct UnknownAction;

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(word: &str) -> Result<Self, UnknownAction> {
        let all = [Self::Watch, Self::Throttle, Self::Alert, Self::Close, Self::Block];
        all.into_iter().find(|action| action.as_str() == word).ok_or(UnknownAction)
    }
}

/// The hours of a day in UTC, from one minute to another; over midnight when the second is smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    from: u16,
    to: u16,
}

impl Hours {
    /// Whether a moment, in seconds since 1970, is within them.
    #[must_use]
    pub fn contain(self, seconds: u64) -> bool {
        let minute = u16::try_from(seconds % 86_400 / 60).unwrap_or(0);
        if self.from <= self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

/// The text names no hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("hours are written as 06:00-22:00")]
pub struct HoursError;

impl FromStr for Hours {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let moment = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
            (hour < 24 && minute < 60 || hour == 24 && minute == 0).then_some(hour * 60 + minute)
        };
        let both = text.split_once('-').and_then(|(from, to)| Some((moment(from)?, moment(to)?)));
        let (from, to) = both.ok_or(HoursError)?;
        Ok(Self { from, to })
    }
}

impl Values {
    pub(super) fn guarding(&mut self) -> Guarding {
        let networks = "write networks, such as [\"10.0.0.0/8\"]";
        let actions = "write a list of watch, throttle, alert, close and block";
        let hours = self.text("guard.terminal_hours").and_then(|text| match text.parse() {
            Ok(hours) => Some(hours),
            Err(error) => {
                let fix = "write hours in UTC, such as \"06:00-22:00\"";
                self.wrong("guard.terminal_hours", &format!("{text:?}: {error}"), fix);
                None
            }
        });
        let points = Points {
            bad_credential: self.points("guard.points.bad_credential"),
            bad_origin: self.points("guard.points.bad_origin"),
            bad_frames: self.points("guard.points.bad_frames"),
            flooding: self.points("guard.points.flooding"),
            early_hang_up: self.points("guard.points.early_hang_up"),
        };
        let guarding = Guarding {
            penalties: self.switch("guard.penalties"),
            exempt: self.parsed("guard.exempt", networks),
            sources: usize::try_from(self.number("guard.sources")).unwrap_or(usize::MAX),
            points,
            half_life: self.time("guard.half_life"),
            slow_at: self.points("guard.slow_at"),
            block_at: self.points("guard.block_at"),
            close_at: self.points("guard.close_at"),
            block: self.time("guard.block"),
            block_longest: self.time("guard.block_longest"),
            monitored_at: self.points("guard.monitored_at"),
            suspicious_at: self.points("guard.suspicious_at"),
            on_monitored: self.parsed("guard.on_monitored", actions),
            on_suspicious: self.parsed("guard.on_suspicious", actions),
            user_agents: self.list("guard.user_agents"),
            terminal_hours: hours,
            terminal_networks: self.parsed("guard.terminal_networks", networks),
            events_per_minute: self.small("guard.events_per_minute"),
            events_kept: self.time("guard.events_kept"),
        };
        for (key, low, high) in [
            ("guard.block_at", guarding.slow_at, guarding.block_at),
            ("guard.close_at", guarding.block_at, guarding.close_at),
            ("guard.suspicious_at", guarding.monitored_at, guarding.suspicious_at),
        ] {
            if high < low {
                let reason = format!("{high} is less than the step before it, {low}");
                self.wrong(key, &reason, "give each step more points than the one before");
            }
        }
        guarding
    }

    fn points(&self, key: &str) -> f32 {
        // A sum of points; the last digits of a huge one don't matter.
        self.number(key) as f32
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn hours_may_go_over_midnight() {
        let at = |hour: u64| 1_700_000_000 / 86_400 * 86_400 + hour * 3600;
        let day: Hours = "06:00-22:00".parse().unwrap();
        assert!(day.contain(at(6)) && day.contain(at(21)) && !day.contain(at(22)));
        let night: Hours = "22:00-06:00".parse().unwrap();
        assert!(night.contain(at(23)) && night.contain(at(1)) && !night.contain(at(12)));
        assert!("00:00-24:00".parse::<Hours>().unwrap().contain(at(23)));
        for wrong in ["", "6", "06:00", "25:00-26:00", "06:60-07:00", "24:01-02:00"] {
            assert_eq!(wrong.parse::<Hours>(), Err(HoursError), "{wrong}");
        }
        assert_eq!(day.to_string(), "06:00-22:00");
    }

    #[test]
    fn actions_are_words() {
        for word in ["watch", "throttle", "alert", "close", "block"] {
            assert_eq!(word.parse::<Action>().unwrap().as_str(), word);
        }
        assert_eq!("kill".parse::<Action>(), Err(UnknownAction));
    }
}
