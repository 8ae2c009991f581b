//! JSON from outside, read strictly: bounded in bytes and depth, and no key twice in an object, since
//! two readers of such a text may see two different things (RFC 8259 §4).

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};

/// How much of a key is repeated in an error.
const SHOWN: usize = 64;

/// What a text may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of the text.
    pub bytes: usize,
    /// Objects and arrays within each other; 1 for one that holds none.
    pub depth: usize,
}

/// Why a text is not taken.
#[derive(Debug, thiserror::Error)]
pub enum StrictError {
    /// It is longer than that.
    #[error("it has more than {0} bytes")]
    TooLarge(usize),
    /// It isn't JSON, is nested too deeply, or has a key twice.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// Reads a text.
///
/// # Errors
/// [`StrictError`] when it is out of bounds, not JSON, or has a key twice.
pub fn parse(text: &[u8], bounds: Bounds) -> Result<Value, StrictError> {
    if text.len() > bounds.bytes {
        return Err(StrictError::TooLarge(bounds.bytes));
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Strict { left: bounds.depth }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// A value that may hold so many levels of objects and arrays.
#[derive(Clone, Copy)]
struct Strict {
    left: usize,
}

impl Strict {
    fn below<E: serde::de::Error>(self) -> Result<Self, E> {
        let left = self.left.checked_sub(1);
        Ok(Self { left: left.ok_or_else(|| E::custom("it is nested too deeply"))? })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(below)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut object = Map::new();
        while let Some(Key(key)) = pairs.next_key()? {
            if object.contains_key(&key) {
                let shown: String = key.chars().take(SHOWN).collect();
                return Err(A::Error::custom(format!("the key {shown:?} is there twice")));
            }
            object.insert(key, pairs.next_value_seed(below)?);
        }
        Ok(Value::Object(object))
    }
}

#[derive(Deserialize)]
struct Key(String);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const BOUNDS: Bounds = Bounds { bytes: 1 << 20, depth: 4 };

    fn refused(text: &str) -> String {
        parse(text.as_bytes(), BOUNDS).unwrap_err().to_string()
    }

    #[test]
    fn what_two_readers_could_see_differently_is_refused() {
        let fine = parse(br#"{"a":[1,-2,0.5,"x",null,true],"b":{"a":{}}}"#, BOUNDS).unwrap();
        assert_eq!(fine, json!({ "a": [1, -2, 0.5, "x", null, true], "b": { "a": {} } }));
        assert!(refused(r#"{"a":1,"a":1}"#).contains("twice"));
        // The same key in another spelling.
        assert!(refused(r#"{"a":1,"b":{"\u0061":1,"a":2}}"#).contains("twice"));
        assert!(refused("[[[[[1]]]]]").contains("deeply"));
        assert!(refused(&"[".repeat(100_000)).contains("deeply"));
        assert!(refused("{} {}").contains("trailing"));
        let long = " ".repeat(BOUNDS.bytes + 1);
        assert!(matches!(parse(long.as_bytes(), BOUNDS), Err(StrictError::TooLarge(_))));
        assert!(refused("{\"a\":NaN}").contains("expected"));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_unambiguous_is_read_as_everybody_reads_it(value in any_value()) {
            prop_assert_eq!(parse(value.to_string().as_bytes(), BOUNDS).unwrap(), value);
        }

        #[test]
        fn no_bytes_do_harm(text in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&text, BOUNDS);
        }
    }
}
