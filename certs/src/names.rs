//! The names a server is reached by: DNS names and IP addresses, as people write them.

use rustls_pki_types::DnsName;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use thiserror::Error;

/// How many names one certificate may carry.
pub const MAX_NAMES: usize = 64;

/// One name of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// A DNS name, lower case, without a trailing dot, never a wildcard.
    Dns(String),
    /// An IP address; an IPv4 address in IPv6 clothes is kept as IPv4.
    Ip(IpAddr),
}

/// Why a name, or a list of them, can't be served.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NamesError {
    /// Neither a DNS name nor an IP address.
    #[error("`{0}` is neither a DNS name nor an IP address: write it without scheme, port or `*`")]
    Invalid(String),
    /// The list has nothing in it.
    #[error("no name given: name at least one DNS name or IP address")]
    Empty,
    /// The list is longer than [`MAX_NAMES`].
    #[error("{0} names given, at most {MAX_NAMES} are possible: leave some out")]
    TooMany(usize),
}

impl FromStr for Name {
    type Err = NamesError;

    fn from_str(text: &str) -> Result<Self, NamesError> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(Self::Ip(ip.to_canonical()));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        // A name whose last label is a number would be read as an address by browsers.
        let numeric_end =
            name.rsplit('.').next().is_none_or(|last| last.bytes().all(|b| b.is_ascii_digit()));
        if numeric_end || DnsName::try_from(name.as_str()).is_err() {
            // Bounded, since it is going to be printed.
            return Err(NamesError::Invalid(
                text.chars().take(64).flat_map(char::escape_default).collect(),
            ));
        }
        Ok(Self::Dns(name))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

/// A non-empty list of names without doubles, in the order given; the first is the main one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(Vec<Name>);

impl Names {
    /// Parses a list of names.
    ///
    /// # Errors
    /// For an invalid name, an empty list, and more than [`MAX_NAMES`].
    pub fn parse<I>(names: I) -> Result<Self, NamesError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut list = Vec::new();
        for name in names {
            let name = Name::from_str(name.as_ref())?;
            if !list.contains(&name) {
                list.push(name);
            }
        }
        Self::new(list)
    }

    fn new(list: Vec<Name>) -> Result<Self, NamesError> {
        match list.len() {
            0 => Err(NamesError::Empty),
            1..=MAX_NAMES => Ok(Self(list)),
            more => Err(NamesError::TooMany(more)),
        }
    }

    /// The names, the main one first.
    pub fn iter(&self) -> impl Iterator<Item = &Name> {
        self.0.iter()
    }

    /// Whether `name` is one of them.
    #[must_use]
    pub fn contains(&self, name: &Name) -> bool {
        self.0.contains(name)
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            name.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised_and_kept_once() {
        let names = Names::parse([
            "Relay.Example.",
            "relay.example",
            "::ffff:127.0.0.1",
            "127.0.0.1",
            "[::1]",
        ])
        .unwrap();
        assert_eq!(names.to_string(), "relay.example, 127.0.0.1, ::1");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in [
            "",
            "*.example",
            "https://relay",
            "relay:443",
            "a b",
            "1.2.3.4.5",
            "relay\n",
            "-a.example",
            "é.example",
        ] {
            assert!(matches!(Name::from_str(bad), Err(NamesError::Invalid(_))), "{bad:?}");
        }
        assert_eq!(Names::parse::<[&str; 0]>([]), Err(NamesError::Empty));
        let many: Vec<String> = (0..=MAX_NAMES).map(|n| format!("h{n}.example")).collect();
        assert_eq!(Names::parse(many), Err(NamesError::TooMany(MAX_NAMES + 1)));
    }

    #[test]
    fn an_error_never_repeats_control_characters() {
        let text = Name::from_str("a\u{1b}[2Jb").unwrap_err().to_string();
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}
