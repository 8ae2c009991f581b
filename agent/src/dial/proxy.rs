//! Ways around: an HTTP proxy that opens a tunnel by CONNECT (RFC 9110 §9.3.6), and the rules that
//! say which servers are reached without one.

use std::fmt;
use std::io;
use std::net::IpAddr;

use base64::Engine as _;
use gangplank_proto::secret::Secret;
use gangplank_proto::server_url::ServerUrl;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use url::Url;

use crate::config::Environment;

/// Longest answer to CONNECT, in bytes.
const ANSWER_LEN: usize = 8 << 10;

/// A proxy that speaks HTTP.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Value of the `Proxy-Authorization` header.
    authorization: Option<Secret>,
}

/// Why a text is not a proxy. The text isn't shown: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyUrlError {
    /// Not a URL with a host.
    #[error("is not the URL of a proxy")]
    NotAUrl,
    /// A proxy that speaks something else.
    #[error("names a proxy that doesn't speak plain HTTP; the tunnel itself is encrypted")]
    Scheme,
}

/// Why a proxy opened no tunnel.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TunnelError {
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// It wants to know who asks.
    #[error(
        "it wants a user and a password: write them in server.proxy, http://user:password@host:port"
    )]
    Unauthenticated,
    /// It doesn't want to.
    #[error("it answered {0}: ask whoever runs it to allow CONNECT to the server")]
    Refused(u16),
    /// Its answer isn't HTTP.
    #[error("its answer isn't that of an HTTP proxy: check host and port")]
    NotHttp,
}

impl Proxy {
    fn parse(text: &str) -> Result<Self, ProxyUrlError> {
        let text = text.trim();
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&whole).map_err(|_| ProxyUrlError::NotAUrl)?;
        if url.scheme() != "http" {
            return Err(ProxyUrlError::Scheme);
        }
        let host = url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(ProxyUrlError::NotAUrl);
        }
        let authorization = (!url.username().is_empty() || url.password().is_some()).then(|| {
            let plain = format!(
                "{}:{}",
                percent_decode(url.username()),
                percent_decode(url.password().unwrap_or_default())
            );
            let encoded = base64::engine::general_purpose::STANDARD.encode(plain);
            Secret::new(format!("Basic {encoded}"))
        });
        Ok(Self { host, port: url.port().unwrap_or(80), authorization })
    }

    /// Asks the proxy, over a fresh connection to it, for a tunnel to `authority` (`host:port`).
    ///
    /// # Errors
    /// [`TunnelError`] when it gives none.
    pub async fn tunnel<S>(&self, stream: &mut S, authority: &str) -> Result<(), TunnelError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some(authorization) = &self.authorization {
            request.push_str("Proxy-Authorization: ");
            request.push_str(authorization.expose());
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        match read_status(stream).await? {
            200..=299 => Ok(()),
            407 => Err(TunnelError::Unauthenticated),
            status => Err(TunnelError::Refused(status)),
        }
    }
}

/// Reads an HTTP answer up to its empty line and no further: what follows belongs to the tunnel.
async fn read_status<S: AsyncRead + Unpin>(stream: &mut S) -> Result<u16, TunnelError> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= ANSWER_LEN {
            return Err(TunnelError::NotHttp);
        }
        head.push(stream.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head);
    let mut words = text.split_ascii_whitespace();
    match (words.next(), words.next().map(str::parse)) {
        (Some(version), Some(Ok(status))) if version.starts_with("HTTP/1.") => Ok(status),
        _ => Err(TunnelError::NotHttp),
    }
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = (first == b'%').then(|| tail.get(..2)).flatten();
        let digits = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Which proxy, if any, leads to which server.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    https: Option<Proxy>,
    http: Option<Proxy>,
    except: Vec<Except>,
}

/// One rule of `NO_PROXY`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Except {
    Everything,
    Net(IpNet),
    /// The name itself and all below it, on one port or all.
    Name(String, Option<u16>),
}

impl Proxies {
    /// One proxy for every server, as the configuration says.
    ///
    /// # Errors
    /// [`ProxyUrlError`] when `text` names none.
    pub fn one(text: &str) -> Result<Self, ProxyUrlError> {
        let proxy = Proxy::parse(text)?;
        Ok(Self { https: Some(proxy.clone()), http: Some(proxy), except: Vec::new() })
    }

    /// The proxies of the usual variables: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`,
    /// in upper or lower case. This machine itself is never reached by one of them.
    ///
    /// # Errors
    /// The variable's name and [`ProxyUrlError`] when one of them names no proxy.
    pub fn of_environment(from: &Environment) -> Result<Self, (&'static str, ProxyUrlError)> {
        let find = |names: [&'static str; 4]| {
            let set = names.into_iter().find_map(|name| Some((name, from.get(name)?)));
            set.map(|(name, text)| Proxy::parse(text).map_err(|error| (name, error))).transpose()
        };
        let list = from.get("no_proxy").or_else(|| from.get("NO_PROXY")).unwrap_or_default();
        let mut except: Vec<Except> =
            list.split([',', ' ']).filter_map(|rule| Except::parse(rule.trim())).collect();
        except.extend(["localhost", "127.0.0.0/8", "::1"].into_iter().filter_map(Except::parse));
        Ok(Self {
            https: find(["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
            http: find(["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])?,
            except,
        })
    }

    /// The proxy that leads to `server`.
    #[must_use]
    pub fn to(&self, server: &ServerUrl) -> Option<&Proxy> {
        let proxy = if server.is_tls() { &self.https } else { &self.http };
        let excepted = |rule: &Except| rule.covers(server.host(), server.port());
        proxy.as_ref().filter(|_| !self.except.iter().any(excepted))
    }
}

impl Except {
    fn parse(rule: &str) -> Option<Self> {
        if rule.is_empty() {
            return None;
        }
        if rule == "*" {
            return Some(Self::Everything);
        }
        let bare = rule.trim_start_matches('[').trim_end_matches(']');
        if let Ok(net) = bare.parse::<IpNet>() {
            return Some(Self::Net(net));
        }
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Some(Self::Net(address.into()));
        }
        let (name, port) = match rule.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (rule, None),
        };
        let name = name.trim_start_matches('*').trim_start_matches('.');
        Some(Self::Name(name.to_ascii_lowercase(), port))
    }

    fn covers(&self, host: &str, port: u16) -> bool {
        match self {
            Self::Everything => true,
            Self::Net(net) => host.parse::<IpAddr>().is_ok_and(|address| net.contains(&address)),
            Self::Name(name, only) => {
                let host = host.to_ascii_lowercase();
                let below = host.strip_suffix(name.as_str());
                only.is_none_or(|only| only == port)
                    && below.is_some_and(|above| above.is_empty() || above.ends_with('.'))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)], server: &str) -> Option<String> {
        let environment = variables.iter().copied().collect();
        let proxies = Proxies::of_environment(&environment).unwrap();
        proxies.to(&ServerUrl::parse(server).unwrap()).map(ToString::to_string)
    }

    #[test]
    fn the_usual_variables_choose_the_proxy() {
        let both = [("HTTPS_PROXY", "http://tls:1"), ("http_proxy", "plain:2")];
        assert_eq!(chosen(&both, "https://relay.example").as_deref(), Some("tls:1"));
        assert_eq!(chosen(&both, "http://relay.example").as_deref(), Some("plain:2"));
        let all = [("ALL_PROXY", "http://[::2]:3")];
        assert_eq!(chosen(&all, "https://relay.example").as_deref(), Some("[::2]:3"));
        assert_eq!(chosen(&both, "https://localhost:8443"), None);
        assert_eq!(chosen(&both, "https://127.0.0.1:8443"), None);
    }

    #[test]
    fn no_proxy_is_obeyed() {
        for (rules, server, direct) in [
            ("*", "https://relay.example", true),
            ("example", "https://relay.example", true),
            (".example", "https://relay.example", true),
            ("*.example", "https://relay.example", true),
            ("ample", "https://relay.example", false),
            ("other, relay.example", "https://RELAY.example", true),
            ("relay.example:8443", "https://relay.example", false),
            ("relay.example:8443", "https://relay.example:8443", true),
            ("10.0.0.0/8", "https://10.1.2.3", true),
            ("10.0.0.0/8", "https://11.1.2.3", false),
            ("fd00::/8", "https://[fd00::1]:8443", true),
            ("10.1.2.3", "https://10.1.2.3", true),
        ] {
            let variables = [("HTTPS_PROXY", "http://proxy:1"), ("NO_PROXY", rules)];
            assert_eq!(chosen(&variables, server).is_none(), direct, "{rules} and {server}");
        }
    }

    #[test]
    fn a_password_is_sent_and_never_shown() {
        let proxy = Proxy::parse("http://ada:p%40ss%zz@proxy:3128").unwrap();
        let sent = proxy.authorization.as_ref().unwrap();
        assert_eq!(sent.expose(), "Basic YWRhOnBAc3Mleno=", "ada:p@ss%zz");
        assert_eq!(proxy.to_string(), "proxy:3128");
        assert!(!format!("{proxy:?}").contains("YWRh"));
    }

    #[test]
    fn other_proxies_are_refused() {
        assert_eq!(Proxy::parse("socks5://a:1").unwrap_err(), ProxyUrlError::Scheme);
        assert_eq!(Proxy::parse("").unwrap_err(), ProxyUrlError::NotAUrl);
        let named = Proxies::of_environment(&[("https_proxy", "ftp://a")].into_iter().collect());
        assert_eq!(named.unwrap_err().0, "https_proxy");
    }
}
