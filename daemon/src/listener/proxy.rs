//! Who a client is when a proxy stands in front.

use http::header::{FORWARDED, HeaderMap, HeaderName};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The networks whose hosts may say who the client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxies(Vec<IpNet>);

/// A trusted proxy said nothing, or nothing that can be used, about whom it speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unclear;

impl Proxies {
    /// Trusts the hosts of `networks`.
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    pub(super) fn trusts(&self, addr: IpAddr) -> bool {
        let addr = addr.to_canonical();
        self.0.iter().any(|network| network.contains(&addr))
    }

    /// The client that `proxy` speaks for, and whether it came by TLS: the right-most hop that
    /// isn't one of the proxies, since all before it is the client's own claim. Where all hops
    /// are proxies the first of them is the client; without any the proxy itself is.
    pub(super) fn client(
        &self,
        proxy: IpAddr,
        headers: &HeaderMap,
    ) -> Result<(IpAddr, bool), Unclear> {
        let mut protos = headers.get_all(PROTO).iter();
        let secure = match (protos.next().map(|value| value.as_bytes()), protos.next()) {
            (Some(proto), None) if proto.eq_ignore_ascii_case(b"https") => true,
            (Some(proto), None) if proto.eq_ignore_ascii_case(b"http") => false,
            _ => return Err(Unclear),
        };
        let mut client = proxy;
        for value in headers.get_all(FOR).iter().rev() {
            for hop in value.to_str().map_err(|_| Unclear)?.rsplit(',') {
                client = parse(hop.trim()).ok_or(Unclear)?;
                if !self.trusts(client) {
                    return Ok((client, secure));
                }
            }
        }
        Ok((client, secure))
    }
}

/// An address, with or without port.
fn parse(hop: &str) -> Option<IpAddr> {
    let plain = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    let addr = plain.parse().or_else(|_| hop.parse::<SocketAddr>().map(|addr| addr.ip()));
    addr.ok().map(|addr: IpAddr| addr.to_canonical())
}

/// Takes away all that claims who the client is, so that nothing behind can believe it.
pub(super) fn strip(headers: &mut HeaderMap) {
    headers.remove(FORWARDED);
    for name in [
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-server",
        "x-forwarded-prefix",
        "x-forwarded-ssl",
        "x-original-url",
        "x-rewrite-url",
        "x-real-ip",
        "x-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
    ] {
        headers.remove(name);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn client(fields: &[(&'static str, &str)]) -> Result<(String, bool), Unclear> {
        let proxies =
            Proxies::new(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let proxy = "10.0.0.1".parse().unwrap();
        proxies.client(proxy, &headers).map(|(addr, secure)| (addr.to_string(), secure))
    }

    #[test]
    fn the_last_hop_that_is_no_proxy_is_the_client() {
        let https = ("x-forwarded-proto", "https");
        let hops = |text| client(&[https, ("x-forwarded-for", text)]).unwrap().0;
        assert_eq!(hops("192.0.2.7"), "192.0.2.7");
        assert_eq!(hops("1.1.1.1, 192.0.2.7, 10.0.0.9"), "192.0.2.7");
        assert_eq!(hops("garbage, 192.0.2.7"), "192.0.2.7");
        assert_eq!(hops("10.0.0.3, 10.0.0.2"), "10.0.0.3");
        assert_eq!(hops("[2001:db8::1]:4711"), "2001:db8::1");
        assert_eq!(hops("192.0.2.7:4711"), "192.0.2.7");
        assert_eq!(hops("::ffff:192.0.2.7"), "192.0.2.7");
        let split =
            client(&[https, ("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2")]);
        assert_eq!(split.unwrap().0, "2.2.2.2");
        assert_eq!(client(&[https]).unwrap().0, "10.0.0.1");
    }

    #[test]
    fn the_proxy_has_to_say_how_the_client_came() {
        assert!(client(&[("x-forwarded-proto", "HTTPS")]).unwrap().1);
        assert!(!client(&[("x-forwarded-proto", "http")]).unwrap().1);
        assert_eq!(client(&[]), Err(Unclear));
        assert_eq!(client(&[("x-forwarded-proto", "https, http")]), Err(Unclear));
        let twice = [("x-forwarded-proto", "https"), ("x-forwarded-proto", "https")];
        assert_eq!(client(&twice), Err(Unclear));
        let bad = [("x-forwarded-proto", "https"), ("x-forwarded-for", "unknown")];
        assert_eq!(client(&bad), Err(Unclear));
    }
}
