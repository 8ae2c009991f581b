//! How a scan is summed up.

use serde::{Deserialize, Serialize};

use super::RuleOutcome;

/// Rules by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// The host complies.
    pub pass: u32,
    /// It does not.
    pub fail: u32,
    /// The check broke.
    pub error: u32,
    /// The check could not tell.
    pub unknown: u32,
    /// The rule is not for such a host.
    pub notapplicable: u32,
    /// There is no check that a program could do.
    pub notchecked: u32,
    /// The profile leaves it out.
    pub notselected: u32,
    /// It says something, without judging.
    pub informational: u32,
    /// It failed and was put right.
    pub fixed: u32,
}

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, outcome: RuleOutcome) {
        let count = match outcome {
            RuleOutcome::Pass => &mut self.pass,
            RuleOutcome::Fail => &mut self.fail,
            RuleOutcome::Error => &mut self.error,
            RuleOutcome::Unknown => &mut self.unknown,
            RuleOutcome::Notapplicable => &mut self.notapplicable,
            RuleOutcome::Notchecked => &mut self.notchecked,
            RuleOutcome::Notselected => &mut self.notselected,
            RuleOutcome::Informational => &mut self.informational,
            RuleOutcome::Fixed => &mut self.fixed,
        };
        *count = count.saturating_add(1);
    }

    /// What was passed of what was judged, in percent. A check that broke or could not tell counts
    /// against the host: not to know is not to comply. None when nothing was judged.
    #[must_use]
    pub fn score(&self) -> Option<f64> {
        let passed = f64::from(self.pass) + f64::from(self.fixed);
        let judged =
            passed + f64::from(self.fail) + f64::from(self.error) + f64::from(self.unknown);
        (judged > 0.0).then(|| passed / judged * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_judged_does_not_count() {
        let counts = Counts { pass: 2, fixed: 1, fail: 1, notapplicable: 9, ..Counts::default() };
        assert_eq!(counts.score(), Some(75.0));
        let counts = Counts { pass: 1, error: 1, unknown: 2, ..Counts::default() };
        assert_eq!(counts.score(), Some(25.0));
        assert_eq!(Counts { notapplicable: 24, ..Counts::default() }.score(), None);
    }

    #[test]
    fn no_number_of_rules_is_too_large() {
        let mut counts = Counts { pass: u32::MAX, ..Counts::default() };
        counts.add(RuleOutcome::Pass);
        assert_eq!(counts.score(), Some(100.0));
    }
}
