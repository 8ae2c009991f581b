//! Texts of several lines from a host.

use serde::{Deserialize, Serialize};

use crate::fact::is_unfit;

/// Characters kept of one text.
const CHARS: usize = 4096;

/// A text of several lines from a host, such as how to put something right. Control and
/// direction-changing characters other than line feed and tabulator are replaced, and what is longer
/// than 4096 characters is cut as it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct LongText(String);

impl LongText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for LongText {
    fn from(text: &str) -> Self {
        let fit = |c| if is_unfit(c) && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c };
        let text = text.trim();
        let end = text.char_indices().nth(CHARS).map_or(text.len(), |(end, _)| end);
        // Trimmed once more, so that reading it again changes nothing.
        Self(text.get(..end).unwrap_or(text).trim_end().chars().map(fit).collect())
    }
}

impl From<String> for LongText {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<LongText> for String {
    fn from(text: LongText) -> Self {
        text.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_and_controls_go() {
        let text = LongText::from(" a\n\tb\u{1b}[0m\u{202e}c\r\n");
        assert_eq!(text.as_str(), "a\n\tb\u{fffd}[0m\u{fffd}c");
    }

    #[test]
    fn a_text_that_was_cut_is_not_cut_again() {
        let text = LongText::from(format!("{} y", "ä".repeat(CHARS - 1)));
        assert_eq!(text.as_str().chars().count(), CHARS - 1);
        assert_eq!(LongText::from(text.as_str()), text);
    }
}
