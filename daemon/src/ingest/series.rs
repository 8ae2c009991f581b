//! Measurements over time, as few points as a chart can show.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::store::{Reading, Readings};

/// Points of one series at most.
const POINTS: u32 = 288;

const MINUTE: Duration = Duration::from_secs(60);

/// From when until when, in which steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The beginning of the first step.
    pub from: Timestamp,
    /// The end.
    pub to: Timestamp,
    /// The length of a step: whole minutes.
    pub step: Duration,
}

impl Window {
    /// The steps from one moment until a later one.
    #[must_use]
    pub fn new(from: Timestamp, to: Timestamp) -> Self {
        let minutes = to.since(from).as_secs().div_ceil(60).div_ceil(u64::from(POINTS)).max(1);
        let step = MINUTE.saturating_mul(u32::try_from(minutes).unwrap_or(u32::MAX));
        let mut window = Self { from, to, step };
        window.from = window.start(from);
        window
    }

    fn start(self, at: Timestamp) -> Timestamp {
        let step = i64::try_from(self.step.as_millis()).unwrap_or(i64::MAX).max(1);
        Timestamp::from_millis(at.millis() - at.millis().rem_euclid(step))
    }
}

/// One name's measurements.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// The name.
    pub metric: String,
    /// What it is counted in, as far as is known.
    pub unit: Option<&'static str>,
    /// Steps in which something was measured, oldest first.
    pub points: Vec<Point>,
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// When it began.
    pub at: Timestamp,
    /// The mean.
    pub mean: f64,
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

impl Series {
    /// The measurements of one name.
    #[must_use]
    pub fn of(metric: &str, rows: &[(Timestamp, Readings)], window: Window) -> Self {
        let mut steps: BTreeMap<Timestamp, Reading> = BTreeMap::new();
        for (at, readings) in rows {
            let Some(reading) = readings.get(metric) else { continue };
            let step = steps.entry(window.start(*at));
            step.and_modify(|before| *before = before.with(*reading)).or_insert(*reading);
        }
        let point = |(at, reading): (Timestamp, Reading)| {
            let (mean, low, high) = (reading.mean(), reading.2, reading.3);
            Point { at, mean: short(mean), low: short(low), high: short(high) }
        };
        let unit = match metric {
            "cpu" | "memory" | "disk" => Some("percent"),
            "network_in" | "network_out" => Some("bytes_per_second"),
            "dropped" => Some("rows"),
            _ => None,
        };
        Self { metric: metric.to_owned(), unit, points: steps.into_iter().map(point).collect() }
    }
}

/// Two places behind the point are more than anybody sees.
fn short(value: f64) -> f64 {
    let shortened = (value * 100.0).round() / 100.0;
    if shortened.is_finite() { shortened } else { value }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_millis(minute * 60_000)
    }

    #[test]
    fn a_day_has_as_many_points_as_it_may_and_a_year_too() {
        let day = Window::new(at(3), at(3 + 1440));
        assert_eq!((day.step, day.from), (5 * MINUTE, at(0)));
        let year = Window::new(at(0), at(365 * 1440));
        let rows: Vec<_> = (0..365 * 24)
            .map(|hour| (at(hour * 60), [("cpu".to_owned(), Reading(1, 1.0, 1.0, 1.0))].into()))
            .collect();
        let series = Series::of("cpu", &rows, year);
        assert!(series.points.len() <= POINTS as usize + 1, "{}", series.points.len());
        assert_eq!(Window::new(at(0), at(1)).step, MINUTE);
    }

    #[test]
    fn what_falls_into_one_step_is_put_together() {
        let reading = |value: f64| -> Readings {
            [("cpu".to_owned(), Reading(1, value, value, value))].into()
        };
        let rows = [
            (at(0), reading(1.0)),
            (at(4), reading(2.0)),
            (at(5), reading(7.0)),
            (at(6), Readings::new()),
        ];
        let series = Series::of("cpu", &rows, Window::new(at(0), at(1440)));
        assert_eq!(
            series.points,
            [
                Point { at: at(0), mean: 1.5, low: 1.0, high: 2.0 },
                Point { at: at(5), mean: 7.0, low: 7.0, high: 7.0 },
            ]
        );
        assert_eq!(Series::of("memory", &rows, Window::new(at(0), at(9))).points, []);
    }
}
