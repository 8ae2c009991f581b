//! Values as they are written: durations, sizes, numbers, lists.

use std::time::Duration;

use gangplank_proto::secret::Secret;

use super::key::Form;

/// A value as it was found, before anybody knows whether it fits.
#[derive(Debug, Clone)]
pub(super) enum Raw {
    /// From a variable or flag, where everything is text.
    Untyped(Secret),
    /// A TOML string.
    Text(Secret),
    /// A TOML integer.
    Number(i64),
    /// A TOML boolean.
    Switch(bool),
    /// A TOML array of strings.
    List(Vec<String>),
    /// Anything else, by the name of its type.
    Other(&'static str),
}

/// A value of the form that its key takes.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Switch(bool),
    Number(u64),
    Time(Duration),
    List(Vec<String>),
    Secret(Secret),
}

/// The value, or why it isn't one and what would be.
pub(super) fn parse(form: Form, raw: &Raw) -> Result<Value, (String, String)> {
    let parsed = match (form, raw) {
        (Form::Text, Raw::Text(text) | Raw::Untyped(text)) => {
            Some(Value::Text(text.expose().to_owned()))
        }
        (Form::Secret, Raw::Text(text) | Raw::Untyped(text)) => Some(Value::Secret(text.clone())),
        (Form::Choice(words), Raw::Text(text) | Raw::Untyped(text)) => {
            words.contains(&text.expose()).then(|| Value::Text(text.expose().to_owned()))
        }
        (Form::Switch, Raw::Switch(on)) => Some(Value::Switch(*on)),
        (Form::Switch, Raw::Untyped(text)) => match text.expose() {
            "true" | "1" => Some(Value::Switch(true)),
            "false" | "0" => Some(Value::Switch(false)),
            _ => None,
        },
        (Form::Number(low, high), Raw::Number(number)) => {
            within(u64::try_from(*number).ok(), low, high).map(Value::Number)
        }
        (Form::Number(low, high), Raw::Untyped(text)) => {
            within(text.expose().parse().ok(), low, high).map(Value::Number)
        }
        (Form::Time(low, high), Raw::Text(text) | Raw::Untyped(text)) => {
            within(parse_duration(text.expose()), low, high).map(Value::Time)
        }
        (Form::Size(low, high), Raw::Number(number)) => {
            within(u64::try_from(*number).ok(), low, high).map(Value::Number)
        }
        (Form::Size(low, high), Raw::Text(text) | Raw::Untyped(text)) => {
            within(parse_size(text.expose()), low, high).map(Value::Number)
        }
        (Form::List, Raw::List(items)) => Some(Value::List(items.clone())),
        (Form::List, Raw::Untyped(text)) => {
            let items = text.expose().split(',').map(str::trim).filter(|item| !item.is_empty());
            Some(Value::List(items.map(str::to_owned).collect()))
        }
        _ => None,
    };
    parsed.ok_or_else(|| (format!("{} is not what it takes", shown(form, raw)), wanted(form)))
}

/// Reads a duration: a whole number and `ms`, `s`, `m`, `h` or `d`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let number = number.parse::<u64>().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// Writes a duration in the largest unit that says it exactly.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")]
        .into_iter()
        .find(|(unit, _)| millis.is_multiple_of(*unit))
        .map_or_else(|| format!("{millis}ms"), |(unit, name)| format!("{}{name}", millis / unit))
}

/// Reads a size: a whole number of bytes, or of `KiB`, `MiB` or `GiB`.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let shift = match unit.trim() {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Writes a size in the largest unit that says it exactly.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    [(30, "GiB"), (20, "MiB"), (10, "KiB")]
        .into_iter()
        .find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift)
        .map_or_else(|| format!("{bytes} B"), |(shift, name)| format!("{} {name}", bytes >> shift))
}

fn within<T: PartialOrd>(value: Option<T>, low: T, high: T) -> Option<T> {
    value.filter(|value| *value >= low && *value <= high)
}

fn shown(form: Form, raw: &Raw) -> String {
    match raw {
        _ if form == Form::Secret => "the value".to_owned(),
        Raw::Text(text) | Raw::Untyped(text) => format!("{:?}", text.expose()),
        Raw::Number(number) => number.to_string(),
        Raw::Switch(on) => on.to_string(),
        Raw::List(_) => "a list".to_owned(),
        Raw::Other(kind) => format!("a value of type {kind}"),
    }
}

fn wanted(form: Form) -> String {
    match form {
        Form::Text => "write a text in quotes".to_owned(),
        Form::Secret => {
            "write a text in quotes, or name a file that holds it in KEY_file".to_owned()
        }
        Form::Choice(words) => format!("write one of {}", words.join(", ")),
        Form::Switch => "write true or false".to_owned(),
        Form::Number(low, high) => format!("write a whole number from {low} to {high}"),
        Form::Time(low, high) => format!(
            "write a duration from {} to {}, such as \"30s\", \"15m\" or \"1h\"",
            show_duration(low),
            show_duration(high)
        ),
        Form::Size(low, high) => {
            format!(
                "write a size from {} to {}, such as \"1 MiB\"",
                show_size(low),
                show_size(high)
            )
        }
        Form::List => "write a list of texts, such as [\"one\", \"two\"]".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_and_written() {
        for (text, millis) in
            [("0s", 0), ("30s", 30_000), ("15m", 900_000), ("1h", 3_600_000), ("7d", 604_800_000)]
        {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(text), Some(duration));
            assert_eq!(show_duration(duration), text);
        }
        for wrong in ["", "5", "s", "1.5h", "-1s", "1 h", "1w", "99999999999999999999s"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
        for (text, bytes) in [("1 MiB", 1 << 20), ("256 KiB", 256 << 10), ("2 GiB", 2 << 30)] {
            assert_eq!(parse_size(text), Some(bytes));
            assert_eq!(show_size(bytes), text);
        }
        assert_eq!(parse_size("1048576"), Some(1 << 20));
        for wrong in ["", "1MB", "MiB", "-1", "99999999999999999999", "18446744073709551615 GiB"] {
            assert_eq!(parse_size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_default_is_of_its_form() {
        for key in super::super::key::KEYS {
            if !key.default.is_empty() {
                let raw = Raw::Untyped(Secret::new(key.default.to_owned()));
                assert!(parse(key.form, &raw).is_ok(), "{}", key.path);
            }
        }
    }
}
