//! The parts that messages are made of, each of which can't be too long.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::fact::is_unfit;

/// Characters of a label at most.
const LABEL: usize = 256;

/// Characters of a line at most.
const LINE: usize = 1024;

/// Items of a list at most.
const ITEMS: usize = 256;

/// Bytes of a time at most.
const TIME: usize = 64;

/// Why a part is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPart {
    /// It says nothing.
    #[error("a text is empty")]
    Empty,
    /// It is too long.
    #[error("a text has more than {0} characters")]
    TooLong(usize),
    /// It has characters that have no place in one line of text.
    #[error("a text has control characters")]
    Unfit,
    /// There are too many.
    #[error("a list has more than {0} items")]
    TooMany(usize),
    /// It is no time.
    #[error("a time is not as in RFC 3339")]
    NoTime,
}

fn fit(text: String, most: usize) -> Result<String, BadPart> {
    if text.trim().is_empty() {
        return Err(BadPart::Empty);
    }
    if text.chars().nth(most).is_some() {
        return Err(BadPart::TooLong(most));
    }
    if text.chars().any(is_unfit) { Err(BadPart::Unfit) } else { Ok(text) }
}

macro_rules! part {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadPart;

            fn try_from(text: String) -> Result<Self, BadPart> {
                $check(text).map(Self)
            }
        }

        impl From<$name> for String {
            fn from(part: $name) -> Self {
                part.0
            }
        }
    };
}

part!(
    /// An id or a word, such as a severity: 1 to 256 characters.
    Label,
    |text| fit(text, LABEL)
);

part!(
    /// A line for people: 1 to 1024 characters, none of which controls anything.
    Line,
    |text| fit(text, LINE)
);

part!(
    /// A moment, as RFC 3339 writes it.
    Instant,
    |text: String| {
        let known = text.len() <= TIME && OffsetDateTime::parse(&text, &Rfc3339).is_ok();
        if known { Ok(text) } else { Err(BadPart::NoTime) }
    }
);

/// Up to 256 items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    try_from = "Vec<T>",
    bound(deserialize = "T: Deserialize<'de>", serialize = "T: Serialize")
)]
#[serde(into = "Vec<T>")]
pub struct List<T: Clone>(Vec<T>);

impl<T: Clone> List<T> {
    /// The items.
    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.0
    }
}

impl<T: Clone> TryFrom<Vec<T>> for List<T> {
    type Error = BadPart;

    fn try_from(items: Vec<T>) -> Result<Self, BadPart> {
        if items.len() > ITEMS { Err(BadPart::TooMany(ITEMS)) } else { Ok(Self(items)) }
    }
}

impl<T: Clone> From<List<T>> for Vec<T> {
    fn from(list: List<T>) -> Self {
        list.0
    }
}

/// An object whose keys are its publisher's business; bounded by the whole message.
pub type Object = Map<String, Value>;
