//! Hours of the day, at a fixed distance from UTC.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// Minutes of a day.
const DAY: i64 = 24 * 60;

/// The farthest from UTC that any place is.
const FARTHEST: i64 = 14 * 60;

/// From one time of day to another, over midnight when the second is the earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Hours {
    /// First minute of the day that counts.
    from: i64,
    /// First minute that doesn't any more.
    to: i64,
    /// Minutes ahead of UTC.
    offset: i64,
}

/// As people write it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    from: String,
    to: String,
    #[serde(default = "utc")]
    utc_offset: String,
}

fn utc() -> String {
    "+00:00".to_owned()
}

/// The text names no hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("hours take from and to such as 18:00, which differ, and utc_offset such as +01:00")]
pub struct HoursError;

impl Hours {
    /// Whether a moment is within them.
    #[must_use]
    pub fn contain(&self, moment: Timestamp) -> bool {
        let minute = (moment.millis().div_euclid(60_000) + self.offset).rem_euclid(DAY);
        if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

/// Minutes of `HH:MM`.
fn minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hours) || !digits(minutes) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

impl TryFrom<Written> for Hours {
    type Error = HoursError;

    fn try_from(written: Written) -> Result<Self, HoursError> {
        let from = minutes(&written.from).ok_or(HoursError)?;
        let to = minutes(&written.to).ok_or(HoursError)?;
        let (sign, rest) = match written.utc_offset.as_bytes().first() {
            Some(b'+') => (1, written.utc_offset.get(1..)),
            Some(b'-') => (-1, written.utc_offset.get(1..)),
            _ => return Err(HoursError),
        };
        let offset = rest.and_then(minutes).filter(|offset| *offset <= FARTHEST);
        let offset = sign * offset.ok_or(HoursError)?;
        if from == to {
            return Err(HoursError);
        }
        Ok(Self { from, to, offset })
    }
}

impl From<Hours> for Written {
    fn from(Hours { from, to, offset }: Hours) -> Self {
        let clock = |minutes: i64| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        let sign = if offset < 0 { '-' } else { '+' };
        let utc_offset = format!("{sign}{}", clock(offset.abs()));
        Self { from: clock(from), to: clock(to), utc_offset }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(hour: i64, minute: i64) -> Timestamp {
        Timestamp::from_millis((20_000 * DAY + hour * 60 + minute) * 60_000)
    }

    #[test]
    fn hours_may_reach_over_midnight_and_lie_elsewhere() {
        let text = json!({ "from": "18:00", "to": "08:30", "utc_offset": "+02:00" });
        let night: Hours = serde_json::from_value(text.clone()).unwrap();
        assert_eq!(serde_json::to_value(night).unwrap(), text);
        assert!(night.contain(at(16, 0)) && night.contain(at(23, 59)) && night.contain(at(6, 29)));
        assert!(!night.contain(at(15, 59)) && !night.contain(at(6, 30)));
        let day: Hours = serde_json::from_value(json!({ "from": "09:00", "to": "17:00" })).unwrap();
        assert!(day.contain(at(9, 0)) && !day.contain(at(17, 0)) && !day.contain(at(8, 59)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for (from, to, offset) in [
            ("24:00", "08:00", "+00:00"),
            ("8:00", "09:00", "+00:00"),
            ("08:60", "09:00", "+00:00"),
            ("08:00", "08:00", "+00:00"),
            ("08:00", "09:00", "02:00"),
            ("08:00", "09:00", "+15:00"),
            ("08:00", "09:00", "+é"),
        ] {
            let text = json!({ "from": from, "to": to, "utc_offset": offset });
            assert!(serde_json::from_value::<Hours>(text).is_err(), "{from} {to} {offset}");
        }
    }
}
