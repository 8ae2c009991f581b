//! A report in a given size: what matters least goes first.

use super::{LongText, Report, RuleOutcome, RuleResult};

/// Characters of a text that was shortened.
const SHORT: usize = 400;

impl Report {
    /// Shortens the report until it has at most so many bytes of JSON: first go the texts about
    /// what needs nobody, then all texts are cut, then they go too, and at last rules from the end.
    /// Counts and score stay those of all rules.
    #[must_use]
    pub fn fit(mut self, bytes: usize) -> Self {
        let steps: [fn(&mut RuleResult); 3] = [
            |rule| {
                if !matters(rule.result) {
                    silence(rule);
                }
            },
            |rule| {
                rule.rationale = cut(&rule.rationale);
                rule.fix = cut(&rule.fix);
            },
            silence,
        ];
        for step in steps {
            if self.length() <= bytes {
                return self;
            }
            self.rules.iter_mut().for_each(step);
        }
        while self.length() > bytes && !self.rules.is_empty() {
            self.rules.truncate(self.rules.len() / 2);
        }
        self
    }

    fn length(&self) -> usize {
        serde_json::to_vec(self).map_or(usize::MAX, |text| text.len())
    }
}

fn matters(outcome: RuleOutcome) -> bool {
    matches!(outcome, RuleOutcome::Fail | RuleOutcome::Error | RuleOutcome::Unknown)
}

fn silence(rule: &mut RuleResult) {
    (rule.rationale, rule.fix) = (LongText::default(), LongText::default());
}

fn cut(text: &LongText) -> LongText {
    let text = text.as_str();
    match text.char_indices().nth(SHORT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
        None => text.into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::scan::{Scan, Severity};

    fn rule(result: RuleOutcome) -> RuleResult {
        RuleResult {
            id: "a".into(),
            title: "A title".into(),
            severity: Severity::High,
            result,
            rationale: "x".repeat(1000).into(),
            fix: "ä".repeat(1000).into(),
        }
    }

    #[test]
    fn what_matters_stays_longest() {
        let rules = vec![rule(RuleOutcome::Fail), rule(RuleOutcome::Pass)];
        let report = Report::new(Scan::default(), rules);
        let length = report.length();
        assert_eq!(report.clone().fit(length), report);

        let texts = |bytes: usize| -> Vec<usize> {
            let fitted = report.clone().fit(bytes);
            assert!(fitted.length() <= bytes);
            assert_eq!(fitted.scan, report.scan);
            fitted.rules.iter().map(|rule| rule.fix.as_str().chars().count()).collect()
        };
        assert_eq!(texts(length - 1), [1000, 0]);
        assert_eq!(texts(3000), [401, 0]);
        assert_eq!(texts(1000), [0, 0]);
        assert_eq!(texts(report.clone().fit(1000).length() - 1), [0]);
        assert!(report.clone().fit(0).rules.is_empty());
    }
}
