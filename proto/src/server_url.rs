//! An agent's server URL and the socket and HTTP addresses that follow from it.

use url::Url;

/// Why a server URL can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerUrlError {
    /// Not a URL at all.
    #[error("'{0}' is not a server URL; write it like https://relay.example.com")]
    NotAUrl(String),
    /// A scheme that no server speaks.
    #[error("'{0}' is not a scheme for a server; use https:// (or http:// in a lab)")]
    Scheme(String),
    /// User name, password, query or fragment, which have no place here.
    #[error("a server URL has no user, password, query or fragment")]
    Extras,
}

/// Where an agent finds its daemon: scheme, host, port and path prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    /// Always `https` or `http`, never with a trailing slash in its path.
    base: Url,
}

impl ServerUrl {
    /// Reads what people write. `https`/`wss` and no scheme at all mean TLS, `http`/`ws` mean none;
    /// port and path prefix are kept, a trailing slash is dropped.
    ///
    /// # Errors
    /// [`ServerUrlError`] with a text for the person who wrote it.
    pub fn parse(text: &str) -> Result<Self, ServerUrlError> {
        let wrong = || ServerUrlError::NotAUrl(text.escape_debug().to_string());
        let text = text.trim();
        if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(wrong());
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "https" | "wss" => "https",
            "http" | "ws" => "http",
            other => return Err(ServerUrlError::Scheme(other.escape_debug().to_string())),
        };
        if rest.contains(['?', '#', '@']) {
            return Err(ServerUrlError::Extras);
        }
        let mut base = Url::parse(&format!("{scheme}://{rest}")).map_err(|_| wrong())?;
        if base.host_str().is_none_or(str::is_empty) || rest.starts_with('/') {
            return Err(wrong());
        }
        // Only now: `/.`, `/..` and a backslash, too, become a slash at the end.
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&path);
        Ok(Self { base })
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// Host name or address; an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    /// Host and, where it isn't the scheme's own, port, as the `Host` header has it.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        self.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The port, given or the scheme's own.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.base.port_or_known_default().unwrap_or(443)
    }

    /// Path of `suffix` (which starts with a slash) below the URL's own prefix.
    #[must_use]
    pub fn path(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.base.path().trim_end_matches('/'))
    }

    /// URL of the agent socket.
    #[must_use]
    pub fn agent_socket(&self) -> String {
        let scheme = if self.is_tls() { "wss" } else { "ws" };
        format!("{scheme}://{}{}", self.authority(), self.path("/api/v1/agents/ws"))
    }
}

impl std::fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.base.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_contract() {
        for (given, socket) in [
            ("https://relay.example.com", "wss://relay.example.com/api/v1/agents/ws"),
            ("http://relay.example.com:8080", "ws://relay.example.com:8080/api/v1/agents/ws"),
            ("wss://relay.example.com/", "wss://relay.example.com/api/v1/agents/ws"),
            ("ws://127.0.0.1:3000", "ws://127.0.0.1:3000/api/v1/agents/ws"),
            ("relay.example.com:8443", "wss://relay.example.com:8443/api/v1/agents/ws"),
            ("relay.example.com", "wss://relay.example.com/api/v1/agents/ws"),
            ("HTTPS://relay.example.com/a/b/", "wss://relay.example.com/a/b/api/v1/agents/ws"),
            ("https://[::1]:8443/", "wss://[::1]:8443/api/v1/agents/ws"),
        ] {
            assert_eq!(ServerUrl::parse(given).unwrap().agent_socket(), socket, "{given}");
        }
        let six = ServerUrl::parse("[::1]:8443").unwrap();
        assert_eq!((six.host(), six.port(), six.authority().as_str()), ("::1", 8443, "[::1]:8443"));
    }

    #[test]
    fn one_server_is_one_url() {
        for path in ["/a/", "/a//", "/a/.", "/a/b/..", "/a\\"] {
            let server = ServerUrl::parse(&format!("https://relay.example.com{path}")).unwrap();
            assert_eq!(server, ServerUrl::parse("https://relay.example.com/a").unwrap(), "{path}");
        }
    }

    #[test]
    fn anything_else_is_a_clear_error() {
        for wrong in ["", " ", "https://", "https:///x", "a b", "https://a\nb", "https://a:99999"] {
            assert!(
                matches!(ServerUrl::parse(wrong), Err(ServerUrlError::NotAUrl(_))),
                "{wrong:?}"
            );
        }
        assert_eq!(ServerUrl::parse("ftp://a"), Err(ServerUrlError::Scheme("ftp".to_owned())));
        for extra in ["https://u:p@a", "https://a?x=1", "https://a#b"] {
            assert_eq!(ServerUrl::parse(extra), Err(ServerUrlError::Extras), "{extra}");
        }
    }
}
