//! The plain socket that only says where TLS is.

use axum::body::Body;
use http::header::{AUTHORIZATION, CONNECTION, COOKIE, HOST, HeaderMap, LOCATION};
use http::uri::Authority;
use http::{HeaderValue, Response, StatusCode, Uri};

/// Where TLS is: a name for those who asked for none of ours, and the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    names: Vec<String>,
    port: u16,
}

impl Target {
    /// Sends clients to the name they asked for when it is one of `names`, else to the first of
    /// them; `names` are written as in a URL (IPv6 in brackets) and aren't empty.
    #[must_use]
    pub fn new(names: Vec<String>, port: u16) -> Self {
        Self { names, port }
    }

    /// The answer to a request: 308 to the same path and query, or 421 when there is no name.
    pub(super) fn answer(&self, headers: &HeaderMap, uri: &Uri) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        match self.location(headers, uri) {
            Some(location) => {
                *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
                response.headers_mut().insert(LOCATION, location);
            }
            None => *response.status_mut() = StatusCode::MISDIRECTED_REQUEST,
        }
        response
    }

    fn location(&self, headers: &HeaderMap, uri: &Uri) -> Option<HeaderValue> {
        let asked = headers
            .get(HOST)
            .and_then(|host| host.to_str().ok())
            .and_then(|host| host.parse::<Authority>().ok());
        let asked = asked.as_ref().map(Authority::host);
        let known =
            asked.and_then(|asked| self.names.iter().find(|name| name.eq_ignore_ascii_case(asked)));
        let name = known.or(self.names.first())?;
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let location = match self.port {
            443 => format!("https://{name}{path}"),
            port => format!("https://{name}:{port}{path}"),
        };
        HeaderValue::try_from(location).ok()
    }
}

/// Whether a request carries a credential, which everybody on the way has read then.
pub(super) fn carries_credential(headers: &HeaderMap, uri: &Uri) -> bool {
    let named = ["x-api-key", "x-device-key", "x-provisioning-key", "x-internal-token"];
    headers.contains_key(AUTHORIZATION)
        || headers.contains_key(COOKIE)
        || named.iter().any(|name| headers.contains_key(*name))
        || uri.query().is_some_and(|query| {
            query.split('&').any(|pair| pair.starts_with("token=") || pair.starts_with("ticket="))
        })
}
