//! One SSH target of a policy: a host and a port, or every port.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A host that may be reached, and on which port.
///
/// Names are compared as names and addresses as addresses: `localhost`, `127.0.0.1` and `::1` are
/// three targets, because what a name leads to isn't the policy's to guess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    host: Host,
    /// Every port when absent.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    /// Lowercase, without a trailing dot.
    Name(String),
}

/// Why a text is not a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// No port.
    #[error("'{0}' has no port; write it like localhost:22, [::1]:22 or host.example:*")]
    NoPort(String),
    /// A port that isn't one.
    #[error("'{0}' is not a port; it is a number from 1 to 65535, or * for every port")]
    Port(String),
    /// A host that isn't one.
    #[error("'{0}' is not a host; give a name, an IPv4 address or an IPv6 address in brackets")]
    Host(String),
}

impl Target {
    pub(super) fn own_sshd() -> Self {
        Self { host: Host::Name("localhost".to_owned()), port: Some(22) }
    }

    /// Whether a request for `host` and `port` is a request for this target.
    #[must_use]
    pub fn covers(&self, host: &str, port: u16) -> bool {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        port != 0
            && self.port.is_none_or(|own| own == port)
            && Host::parse(bare).is_some_and(|host| host == self.host)
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse() {
            return Some(Self::Address(address));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let whole = !name.is_empty() && name.len() <= 253 && name.chars().all(fit);
        whole.then_some(Self::Name(name))
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let shown = |part: &str| part.escape_debug().to_string();
        let no_port = || TargetError::NoPort(shown(text));
        let (host, port) = text.rsplit_once(':').ok_or_else(no_port)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(no_port)?,
            // A bare IPv6 address: its last group is not a port.
            None if host.contains(':') => return Err(no_port()),
            None => host,
        };
        let host = Host::parse(host).ok_or_else(|| TargetError::Host(shown(host)))?;
        let port = match port {
            "*" => None,
            number => match number.parse() {
                Ok(port) if port != 0 => Some(port),
                _ => return Err(TargetError::Port(shown(number))),
            },
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            Host::Address(address) => write!(f, "{address}")?,
            Host::Name(name) => f.write_str(name)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => f.write_str(":*"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_form_covers_what_it_says() {
        for (target, host, port, covered) in [
            ("localhost:22", "localhost", 22, true),
            ("localhost:22", "LOCALHOST.", 22, true),
            ("localhost:22", "localhost", 2222, false),
            ("localhost:22", "127.0.0.1", 22, false),
            ("localhost:22", "localhost.example", 22, false),
            ("127.0.0.1:*", "127.0.0.1", 65535, true),
            ("127.0.0.1:*", "127.0.0.1", 0, false),
            ("127.0.0.1:22", "127.1", 22, false),
            ("127.0.0.1:22", "::ffff:127.0.0.1", 22, false),
            ("[::1]:22", "::1", 22, true),
            ("[::1]:22", "[0:0::1]", 22, true),
            ("[::1]:22", "localhost", 22, false),
            ("db.example:22", "db.example ", 22, false),
        ] {
            let parsed: Target = target.parse().unwrap();
            assert_eq!(parsed.covers(host, port), covered, "{target} and {host}:{port}");
            assert_eq!(parsed.to_string(), target);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for no_port in ["", "localhost", "::1", "[::1]", "::1:22", "[::1:22"] {
            assert!(matches!(no_port.parse::<Target>(), Err(TargetError::NoPort(_))), "{no_port}");
        }
        for port in ["a:", "a:0", "a:65536", "a:ssh", "a:-1"] {
            assert!(matches!(port.parse::<Target>(), Err(TargetError::Port(_))), "{port}");
        }
        for host in [":22", "*:22", "a b:22", "a/b:22", "ä:22", "a\n:22"] {
            assert!(matches!(host.parse::<Target>(), Err(TargetError::Host(_))), "{host:?}");
        }
    }
}
