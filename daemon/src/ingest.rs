//! What devices send of themselves: batches of rows, each of a kind. Rows of a known kind are read
//! into types; others are kept as they came. Whatever a host says is a claim, bounded before it is
//! kept and shown as text only.

use std::time::Duration;

use gangplank_proto::telemetry::{Happening, LogLine, Metrics, ROW, ROWS, VALUES};
use serde::Deserialize;
use serde::de::{Deserializer as _, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::clock::Timestamp;

mod quota;
mod series;

pub use quota::{Quota, Quotas};
pub use series::{Point, Series, Window};

/// Measurements from further ago were waiting too long.
const OLDEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// How far ahead a host's clock may be.
const AHEAD: Duration = Duration::from_secs(600);

/// Longest name of a kind or a measurement, in bytes.
const NAME: usize = 64;

/// Largest measurement: sums of any number of them stay finite.
const LARGEST: f64 = 1e18;

/// Happenings of one batch that subscribers are told of; all of them are kept.
const TOLD: usize = 20;

/// The names under which what every host measures is kept.
pub const KNOWN: [&str; 6] = ["cpu", "memory", "disk", "network_in", "network_out", "dropped"];

/// Why a batch is not taken. Nothing of it is.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum IngestError {
    /// It is not an array of objects.
    #[error("the body is not an array of rows: {0}")]
    Form(String),
    /// It has too many rows.
    #[error("a batch takes {ROWS} rows at most")]
    Rows,
    /// A row is too long.
    #[error("row {0}: a row takes {ROW} bytes at most")]
    Long(usize),
    /// A row can't be understood.
    #[error("row {row}: {why}")]
    Row {
        /// Which, counted from 0.
        row: usize,
        /// What is wrong with it.
        why: String,
    },
}

impl IngestError {
    fn row(row: usize, why: impl ToString) -> Self {
        Self::Row { row, why: why.to_string() }
    }
}

/// A batch that was understood.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// How many rows it has.
    pub rows: usize,
    /// What was measured.
    pub measured: Vec<Measured>,
    /// Rows that are kept as they came.
    pub records: Vec<NewRecord>,
    /// Happenings that subscribers are told of.
    pub told: Vec<Happening>,
}

/// One measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// When.
    pub at: Timestamp,
    /// Values by name.
    pub values: Vec<(String, f64)>,
}

/// A row that is kept as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Its kind.
    pub kind: String,
    /// When it happened.
    pub at: Timestamp,
    /// The row, in JSON.
    pub data: String,
}

impl Batch {
    /// Reads a batch that arrived at `now`.
    ///
    /// # Errors
    /// [`IngestError`] for the first thing that is wrong with it.
    pub fn parse(body: &[u8], now: Timestamp) -> Result<Self, IngestError> {
        let mut rows = Rows::default();
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let read = deserializer.deserialize_seq(&mut rows).and_then(|()| deserializer.end());
        if rows.texts.len() > ROWS {
            return Err(IngestError::Rows);
        }
        read.map_err(|error| IngestError::Form(error.to_string()))?;
        let mut batch = Self { rows: rows.texts.len(), ..Self::default() };
        for (row, text) in rows.texts.into_iter().enumerate() {
            batch.take(row, text.get(), now)?;
        }
        Ok(batch)
    }

    fn take(&mut self, row: usize, text: &str, now: Timestamp) -> Result<(), IngestError> {
        if text.len() > ROW {
            return Err(IngestError::Long(row));
        }
        let Head { kind, at } =
            serde_json::from_str(text).map_err(|error| IngestError::row(row, error))?;
        if !is_name(&kind) {
            return Err(IngestError::row(row, "kind takes 1 to 64 of a-z, 0-9, _, ., :, / and -"));
        }
        let at = moment(at.as_deref(), now).map_err(|why| IngestError::row(row, why))?;
        match kind.as_str() {
            "metrics" => {
                let values = metrics(text).map_err(|why| IngestError::row(row, why))?;
                self.measured.push(Measured { at, values });
                return Ok(());
            }
            "event" => {
                let happening: Happening =
                    serde_json::from_str(text).map_err(|error| IngestError::row(row, error))?;
                if self.told.len() < TOLD {
                    self.told.push(Happening { at: Some(at.to_string()), ..happening });
                }
            }
            "log" => {
                serde_json::from_str::<LogLine>(text)
                    .map_err(|error| IngestError::row(row, error))?;
            }
            _ => {}
        }
        // What could not be read again would be in the way of all that can.
        serde_json::from_str::<Value>(text).map_err(|error| IngestError::row(row, error))?;
        self.records.push(NewRecord { kind, at, data: text.to_owned() });
        Ok(())
    }

    /// Names of the host's own among the measurements.
    pub fn own_names(&self) -> impl Iterator<Item = &str> {
        let names = self.measured.iter().flat_map(|measured| &measured.values);
        names.map(|(name, _)| name.as_str()).filter(|name| !KNOWN.contains(name))
    }
}

#[derive(Deserialize)]
struct Head {
    kind: String,
    #[serde(default)]
    at: Option<String>,
}

/// The texts of the rows. One more than there may be is kept, and no text is copied, so that the
/// longest body costs little more than itself.
#[derive(Default)]
struct Rows<'a> {
    texts: Vec<&'a RawValue>,
}

impl<'de> Visitor<'de> for &mut Rows<'de> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of objects, each with a kind")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(text) = seq.next_element::<&'de RawValue>()? {
            self.texts.push(text);
            if self.texts.len() > ROWS {
                return Err(A::Error::custom("too many rows"));
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// A name that a host gives something: short, plain, and the same in every log.
fn is_name(name: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.:/-".contains(&byte);
    (1..=NAME).contains(&name.len()) && name.bytes().all(plain)
}

/// When something was, as a host says.
fn moment(text: Option<&str>, now: Timestamp) -> Result<Timestamp, &'static str> {
    let Some(text) = text else { return Ok(now) };
    let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "at takes RFC 3339")?;
    let millis = i64::try_from(moment.unix_timestamp_nanos() / 1_000_000);
    let at = Timestamp::from_millis(millis.map_err(|_| "at takes RFC 3339")?);
    // A clock that is wrong must not keep the row from being taken, or it would come again for ever.
    Ok(at.clamp(now.minus(OLDEST), now.plus(AHEAD)))
}

fn metrics(text: &str) -> Result<Vec<(String, f64)>, String> {
    let metrics: Metrics = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut values = Vec::new();
    let mut put = |name: &str, value: Option<f64>| {
        values.extend(value.map(|value| (name.to_owned(), value)));
    };
    let fullest = metrics
        .disk
        .iter()
        .filter_map(|disk| disk.percent())
        .fold(None, |most, disk| Some(most.map_or(disk, |most: f64| most.max(disk))));
    put("cpu", metrics.cpu);
    put("memory", metrics.memory.and_then(|memory| memory.percent()));
    put("disk", fullest);
    put("network_in", metrics.network.map(|network| network.received));
    put("network_out", metrics.network.map(|network| network.sent));
    #[allow(clippy::cast_precision_loss, reason = "a count of lost rows")]
    put("dropped", metrics.dropped.map(|dropped| dropped as f64));
    if metrics.values.values().any(|value| value.abs() > LARGEST)
        || values.iter().any(|(_, value)| *value > LARGEST)
    {
        return Err("a measurement is out of range".to_owned());
    }
    if values.iter().any(|(_, value)| *value < 0.0) {
        return Err("a measurement is below zero".to_owned());
    }
    if metrics.cpu.is_some_and(|cpu| cpu > 100.0) {
        return Err("cpu takes a percentage of all processors".to_owned());
    }
    if metrics.values.len() > VALUES {
        return Err(format!("values takes {VALUES} names at most"));
    }
    for (name, value) in metrics.values {
        if !is_name(&name) || KNOWN.contains(&name.as_str()) {
            return Err(
                "a name in values takes 1 to 64 of a-z, 0-9, _, ., :, / and -, and is none of \
                 what every host measures"
                    .to_owned(),
            );
        }
        values.push((name, value));
    }
    Ok(values)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn parse(body: serde_json::Value) -> Result<Batch, IngestError> {
        Batch::parse(body.to_string().as_bytes(), NOW)
    }

    #[test]
    fn known_kinds_are_read_and_others_kept_as_they_came() {
        let batch = parse(json!([
            { "kind": "metrics", "cpu": 12.5, "memory": { "used": 1, "total": 2 },
              "disk": [{ "used": 1, "total": 4 }, { "used": 3, "total": 4 }],
              "network": { "received": 10.0, "sent": 20.0 }, "values": { "queue/len": 7 } },
            { "kind": "event", "title": "a\u{1b}[2Jb", "severity": "low" },
            { "kind": "log", "message": "<b>'; DROP TABLE hosts" },
            { "kind": "door", "open": true },
        ]))
        .unwrap();
        assert_eq!(batch.rows, 4);
        let values: Vec<_> =
            batch.measured[0].values.iter().map(|(n, v)| (n.as_str(), *v)).collect();
        assert_eq!(
            values,
            [
                ("cpu", 12.5),
                ("memory", 50.0),
                ("disk", 75.0),
                ("network_in", 10.0),
                ("network_out", 20.0),
                ("queue/len", 7.0)
            ]
        );
        assert_eq!(batch.own_names().collect::<Vec<_>>(), ["queue/len"]);
        assert_eq!(batch.records.len(), 3);
        assert!(!batch.told[0].title.as_str().contains('\u{1b}'));
        assert_eq!(batch.records[2].data, r#"{"kind":"door","open":true}"#);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_row() {
        let wrong = |row: serde_json::Value| parse(json!([{ "kind": "x" }, row])).unwrap_err();
        for row in [
            json!({}),
            json!(1),
            json!({ "kind": "" }),
            json!({ "kind": "A" }),
            json!({ "kind": "x", "at": "yesterday" }),
            json!({ "kind": "metrics", "cpu": "12" }),
            json!({ "kind": "metrics", "cpu": 101 }),
            json!({ "kind": "metrics", "network": { "received": -1, "sent": 0 } }),
            json!({ "kind": "metrics", "values": { "cpu": 1 } }),
            json!({ "kind": "metrics", "values": { "a b": 1 } }),
            json!({ "kind": "event" }),
            json!({ "kind": "log" }),
        ] {
            let error = wrong(row.clone());
            assert!(matches!(error, IngestError::Row { row: 1, .. }), "{row}: {error}");
        }
        assert_eq!(wrong(json!({ "kind": "x", "y": "z".repeat(ROW) })), IngestError::Long(1));
        for body in ["", "{}", "[", "[{\"kind\":\"x\"}", "[] []", "null"] {
            let error = Batch::parse(body.as_bytes(), NOW).unwrap_err();
            assert!(matches!(error, IngestError::Form(_)), "{body}: {error}");
        }
        for row in [
            format!("{}1{}", "[".repeat(200), "]".repeat(200)),
            r#""\ud800""#.to_owned(),
            "1e999".to_owned(),
        ] {
            let body = format!(r#"[{{"kind":"x","y":{row}}}]"#);
            let error = Batch::parse(body.as_bytes(), NOW).unwrap_err();
            assert!(matches!(error, IngestError::Row { row: 0, .. }), "{row}: {error}");
        }
        let many = vec![json!({ "kind": "x" }); ROWS + 1];
        assert_eq!(parse(json!(many)), Err(IngestError::Rows));
    }

    #[test]
    fn a_wrong_clock_keeps_no_row_away() {
        let at = |text: &str| parse(json!([{ "kind": "x", "at": text }])).unwrap().records[0].at;
        assert_eq!(at("1970-01-01T00:00:00Z"), NOW.minus(OLDEST));
        assert_eq!(at("2100-01-01T00:00:00Z"), NOW.plus(AHEAD));
        assert_eq!(at("2027-01-15T07:59:00Z"), NOW.minus(Duration::from_secs(60)));
    }
}
