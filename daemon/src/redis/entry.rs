//! An entry of the stream as a message of the channel.
//!
//! An entry says its parts as fields of its own, or all of them in one field as a JSON object. What
//! the channel has no part for goes into `details`.

use std::collections::HashMap;

use ::redis::streams::StreamId;
use ::redis::{Value as Field, from_redis_value_ref};
use gangplank_proto::channel::{self, Channel, Rejected};
use gangplank_proto::strict;
use serde_json::{Map, Value};

use crate::clock::Timestamp;

/// Fields any of which may hold the whole message as JSON, when it is the only one.
const WHOLE: [&str; 4] = ["data", "payload", "event", "message"];

/// Parts that a message of the channel has.
const PARTS: [&str; 6] = ["agent", "action", "case_id", "details", "duration_ms", "timestamp"];

/// Why an entry is no step of an investigator.
#[derive(Debug, thiserror::Error)]
pub(super) enum EntryError {
    /// It is not text.
    #[error("a field is not text")]
    NotText,
    /// It has no fields, as one that was deleted.
    #[error("it has no fields")]
    Empty,
    /// It is none.
    #[error(transparent)]
    Rejected(#[from] Rejected),
}

/// The message that an entry stands for.
pub(super) fn thought(entry: &StreamId) -> Result<Value, EntryError> {
    let mut parts = match whole(&entry.map)? {
        Some(parts) => parts,
        None => flat(&entry.map)?,
    };
    if parts.is_empty() {
        return Err(EntryError::Empty);
    }
    let mut details = match parts.remove("details") {
        Some(Value::Object(details)) => details,
        Some(Value::Null) | None => Map::new(),
        Some(other) => Map::from_iter([("details".to_owned(), other)]),
    };
    let others: Vec<_> =
        parts.keys().filter(|name| !PARTS.contains(&name.as_str())).cloned().collect();
    for name in others {
        if let Some(value) = parts.remove(&name) {
            details.entry(name).or_insert(value);
        }
    }
    parts.insert("details".to_owned(), Value::Object(details));
    parts.entry("duration_ms").or_insert_with(|| 0.into());
    if parts.get("timestamp").is_none_or(Value::is_null) {
        parts.insert("timestamp".to_owned(), moment(&entry.id).to_string().into());
    }
    let message = Value::Object(parts);
    // Once more as text: its size counts, and everything in it.
    Ok(Channel::AgentThoughts.parse(message.to_string().as_bytes())?)
}

/// The object that the only field holds.
fn whole(fields: &HashMap<String, Field>) -> Result<Option<Map<String, Value>>, EntryError> {
    let (Some((name, field)), 1) = (fields.iter().next(), fields.len()) else { return Ok(None) };
    if !WHOLE.contains(&name.as_str()) {
        return Ok(None);
    }
    let text = text(field)?;
    match strict::parse(text.as_bytes(), channel::BOUNDS) {
        Ok(Value::Object(parts)) => Ok(Some(parts)),
        Ok(_) => Ok(None),
        Err(error) => Err(Rejected::from(error).into()),
    }
}

/// Every field a part; details and numbers as what they say.
fn flat(fields: &HashMap<String, Field>) -> Result<Map<String, Value>, EntryError> {
    let mut parts = Map::new();
    for (name, field) in fields {
        let text = text(field)?;
        let said = match name.as_str() {
            "details" => strict::parse(text.as_bytes(), channel::BOUNDS).ok(),
            "duration_ms" => text.parse::<f64>().ok().map(Value::from),
            // A program that has no case says so by an empty field.
            "case_id" if text.is_empty() => Some(Value::Null),
            _ => None,
        };
        parts.insert(name.clone(), said.unwrap_or(Value::String(text)));
    }
    Ok(parts)
}

fn text(field: &Field) -> Result<String, EntryError> {
    from_redis_value_ref::<String>(field).map_err(|_| EntryError::NotText)
}

/// When Redis took an entry, which its id begins with in milliseconds.
fn moment(id: &str) -> Timestamp {
    let millis = id.split('-').next().and_then(|millis| millis.parse().ok());
    Timestamp::from_millis(millis.unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn entry(fields: &[(&str, &str)]) -> StreamId {
        let field = |text: &str| Field::BulkString(text.as_bytes().to_vec());
        let map = fields.iter().map(|(name, text)| ((*name).to_owned(), field(text))).collect();
        StreamId { id: "1700000000000-3".to_owned(), map, ..StreamId::default() }
    }

    #[test]
    fn fields_are_parts_and_others_are_details() {
        let thought = thought(&entry(&[
            ("agent", "triage"),
            ("action", "looked up the sender"),
            ("case_id", "C-7"),
            ("details", r#"{"sender":"<b>x</b>"}"#),
            ("duration_ms", "12.5"),
            ("model", "m1"),
        ]))
        .unwrap();
        assert_eq!(thought["details"]["sender"], "<b>x</b>");
        assert_eq!(thought["details"]["model"], "m1");
        assert_eq!(thought["duration_ms"], 12.5);
        assert_eq!(thought["timestamp"], "2023-11-14T22:13:20Z");
    }

    #[test]
    fn one_field_may_hold_it_all() {
        let text = r#"{"agent":"a","action":"b","case_id":null,"score":3,
            "timestamp":"2026-01-02T03:04:05Z"}"#;
        let thought = thought(&entry(&[("data", text)])).unwrap();
        assert_eq!(thought["details"]["score"], 3);
        assert_eq!(thought["timestamp"], "2026-01-02T03:04:05Z");
    }

    #[test]
    fn what_is_no_step_is_told() {
        for wrong in [
            &[][..],
            &[("agent", "a")],
            &[("agent", "a\u{1b}[31m"), ("action", "b")],
            &[("data", "{\"agent\":\"a\",\"agent\":\"b\"}")],
            &[("data", "[1]")],
            &[("agent", "a"), ("action", "b"), ("timestamp", "yesterday")],
        ] {
            thought(&entry(wrong)).unwrap_err();
        }
        let bytes = Field::BulkString(vec![0xff]);
        let map = HashMap::from([("agent".to_owned(), bytes)]);
        let entry = StreamId { id: "1-1".to_owned(), map, ..StreamId::default() };
        assert!(matches!(thought(&entry), Err(EntryError::NotText)));
    }
}
