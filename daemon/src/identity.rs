//! By which names the daemon goes: what a `Host` header may say, and which pages are ours.

use std::collections::BTreeSet;

use crate::listener::ListenerKind;

/// The names and the origins that follow from listeners and configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnNames {
    hosts: BTreeSet<String>,
    origins: BTreeSet<String>,
    /// Whether `*` was configured, which production refuses.
    any: bool,
}

/// A listener by what matters for names.
#[derive(Debug, Clone, Copy)]
pub struct Door {
    /// Its address.
    pub addr: std::net::SocketAddr,
    /// Its kind.
    pub kind: ListenerKind,
}

impl OwnNames {
    /// Joins `server.names`, the listeners' own addresses and the configured origins.
    #[must_use]
    pub fn new(names: &[String], doors: &[Door], origins: &[String]) -> Self {
        let mut own = Self::default();
        own.origins.extend(origins.iter().cloned());
        own.any = origins.iter().any(|origin| origin == "*");
        for door in doors {
            let mut local: BTreeSet<String> = names.iter().map(|name| bracketed(name)).collect();
            if door.addr.ip().is_loopback() {
                let loopback = ["localhost", "127.0.0.1", "[::1]"];
                local.extend(loopback.into_iter().map(str::to_owned));
            }
            if !door.addr.ip().is_unspecified() {
                local.insert(bracketed(&door.addr.ip().to_string()));
            }
            let port = door.addr.port();
            for name in &local {
                match door.kind {
                    ListenerKind::Tls => own.add("https", name, port, 443),
                    ListenerKind::Plain => own.add("http", name, port, 80),
                    // The port is the proxy's, which is the scheme's own unless it is named in
                    // auth.origins.
                    ListenerKind::BehindProxy => own.add("https", name, 443, 443),
                    ListenerKind::Redirect => {}
                }
            }
            own.hosts.extend(local);
        }
        for origin in origins {
            if let Some(host) =
                url::Url::parse(origin).ok().and_then(|u| u.host_str().map(bracketed))
            {
                own.hosts.insert(host);
            }
        }
        own
    }

    fn add(&mut self, scheme: &str, name: &str, port: u16, default: u16) {
        let own = if port == default {
            format!("{scheme}://{name}")
        } else {
            format!("{scheme}://{name}:{port}")
        };
        self.origins.insert(own);
    }

    /// Whether an `Origin` header, byte for byte, is one of ours.
    #[must_use]
    pub fn is_origin(&self, origin: &str) -> bool {
        self.any || self.origins.contains(origin)
    }

    /// The names, as a URL has them.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(String::as_str)
    }

    /// Whether an authority (`host` or `host:port`) names us, whatever its port: the port may be a
    /// proxy's.
    #[must_use]
    pub fn is_authority(&self, authority: &str) -> bool {
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => host,
            _ => authority,
        };
        self.hosts.contains(&host.to_ascii_lowercase())
    }
}

/// A name as a URL has it: IPv6 addresses in brackets.
fn bracketed(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    if name.contains(':') && !name.starts_with('[') { format!("[{name}]") } else { name }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn own() -> OwnNames {
        let addr = "127.0.0.1:8443".parse().unwrap();
        let doors = [Door { addr, kind: ListenerKind::Tls }];
        OwnNames::new(
            &["relay.example.com".to_owned()],
            &doors,
            &["https://else.example".to_owned()],
        )
    }

    #[test]
    fn origins_are_compared_byte_for_byte() {
        let own = own();
        for ours in [
            "https://relay.example.com:8443",
            "https://localhost:8443",
            "https://127.0.0.1:8443",
            "https://[::1]:8443",
            "https://else.example",
        ] {
            assert!(own.is_origin(ours), "{ours}");
        }
        for foreign in [
            "null",
            "",
            "https://relay.example.com",
            "http://relay.example.com:8443",
            "https://relay.example.com:8443/",
            "https://relay.example.com:8443.evil",
            "https://RELAY.example.com:8443",
            "https://evilrelay.example.com:8443",
        ] {
            assert!(!own.is_origin(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_host_header_must_name_us() {
        let own = own();
        for ours in ["relay.example.com", "Relay.Example.com:8443", "127.0.0.1:8443", "[::1]:1"] {
            assert!(own.is_authority(ours), "{ours}");
        }
        for foreign in ["", "evil.example", "relay.example.com.", "127.0.0.1.nip.io", "::1"] {
            assert!(!own.is_authority(foreign), "{foreign}");
        }
    }
}
