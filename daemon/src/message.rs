//! Everything that comes from outside as JSON is read here: its size was bounded before, its depth is
//! bounded and its keys are unique, so that no two readers can understand it differently.

use std::collections::HashSet;
use std::fmt;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor,
};

/// The deepest nesting of arrays and objects.
const DEEPEST: usize = 32;

/// Bad messages of one peer after which its socket is closed with 1008.
pub const BAD_MESSAGES: u32 = 3;

/// Why a message is not taken. The text is for whoever sent it, and never longer than a line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MessageError(String);

/// Reads a message.
///
/// # Errors
/// When it is not JSON, is nested too deeply, names a key twice, or is not what is expected.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, MessageError> {
    check(bytes)?;
    serde_json::from_slice(bytes).map_err(explain)
}

/// Checks a message that is read elsewhere.
///
/// # Errors
/// When it is not JSON, is nested too deeply, or names a key twice.
pub fn check(bytes: &[u8]) -> Result<(), MessageError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let checked = Checked { depth: 0 }.deserialize(&mut deserializer);
    checked.and_then(|()| deserializer.end()).map_err(explain)
}

fn explain(error: serde_json::Error) -> MessageError {
    // What was sent may be quoted in it.
    let text: String = error.to_string().chars().take(200).collect();
    MessageError(text.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'"))
}

/// Looks through a value without keeping it.
#[derive(Clone, Copy)]
struct Checked {
    depth: usize,
}

impl Checked {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth >= DEEPEST {
            return Err(E::custom(format!("nested more than {DEEPEST} levels deep")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Checked {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut keys = HashSet::new();
        while let Some(key) = members.next_key::<String>()? {
            if keys.contains(&key) {
                let key: String = key.chars().take(64).collect();
                return Err(A::Error::custom(format!("the key {key:?} is there twice")));
            }
            keys.insert(key);
            members.next_value_seed(inner)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn why(text: &str) -> String {
        parse::<Value>(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_has_one_reading_is_read() {
        let text = r#"{"a":[1,-2,3.5,null,true,"x",{"a":{}}],"b":{"a":1}}"#;
        assert_eq!(parse::<Value>(text.as_bytes()).unwrap().to_string().len(), text.len());
        for scalar in ["1", "\"x\"", "null", "[]", " {} "] {
            parse::<Value>(scalar.as_bytes()).unwrap();
        }
    }

    #[test]
    fn keys_are_unique_however_they_are_written() {
        assert!(why(r#"{"a":1,"a":2}"#).contains("\"a\" is there twice"));
        assert!(why(r#"[{"x":{"role":"viewer","r\u006fle":"admin"}}]"#).contains("role"));
        let long = format!(r#"{{"{0}":1,"{0}":2}}"#, "k".repeat(10_000));
        assert!(why(&long).len() < 300);
    }

    #[test]
    fn depth_is_bounded_and_no_stack_overflows() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        parse::<Value>(nested(DEEPEST).as_bytes()).unwrap();
        assert!(why(&nested(DEEPEST + 1)).contains("deep"));
        assert!(why(&"[".repeat(100_000)).contains("deep"));
        assert!(why(&"{\"a\":".repeat(100_000)).contains("deep"));
    }

    #[test]
    fn what_is_not_json_is_named_in_one_line() {
        for text in ["", " ", "{", "{}{}", "\u{feff}{}", "{\"a\":1,}", "nul", "'x'", "\u{0}"] {
            assert!(!why(text).contains('\n'), "{text}");
        }
        let error = parse::<Value>(b"\"\xff\"").unwrap_err().to_string();
        assert!(!error.is_empty());
        #[derive(Debug, serde::Deserialize)]
        enum Word {}
        let error = parse::<Word>(br#""\u001b[31m\r\nx""#).unwrap_err().to_string();
        assert!(!error.contains(['\u{1b}', '\n', '\r']), "{error:?}");
    }
}
