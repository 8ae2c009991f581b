//! What holds for every request and every answer: the `Host` check and the security headers.

use axum::extract::Request;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use super::error::Refusal;
use crate::app::App;
use crate::listener::{ListenerKind, Peer};

/// Answers 421 to requests for names that aren't ours, so that a name that somebody else points at
/// us opens nothing (DNS rebinding).
pub(super) fn check_host(app: &App, request: &Request) -> Result<(), Refusal> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(Refusal::bad_request("more than one Host"));
    }
    let authority = match (request.uri().authority(), first) {
        (Some(authority), _) => Some(authority.as_str()),
        (None, Some(host)) => host.to_str().ok(),
        (None, None) => None,
    };
    if authority.is_some_and(|authority| app.names().is_authority(authority)) {
        return Ok(());
    }
    let message = "this is not a name of this server; add it to server.names if it should be";
    Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", message))
}

/// What of a request decides about headers of its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    secure: bool,
    localhost: bool,
}

impl Asked {
    pub(super) fn of(request: &Request) -> Self {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let name = host.and_then(|host| host.split(':').next()).unwrap_or_default();
        Self {
            secure: request.extensions().get::<Peer>().is_some_and(|peer| peer.secure),
            localhost: name.eq_ignore_ascii_case("localhost"),
        }
    }
}

/// Sends a client whose bytes reached the proxy in cleartext to the encrypted address. Nothing of
/// its request is looked at.
pub(super) fn redirect(request: &Request) -> Option<Response> {
    let peer = request.extensions().get::<Peer>()?;
    if peer.listener != ListenerKind::BehindProxy || peer.secure {
        return None;
    }
    let host = request.headers().get(header::HOST)?.to_str().ok()?;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let location = HeaderValue::from_str(&format!("https://{host}{path}")).ok()?;
    let mut response = Response::default();
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Some(response)
}

/// Puts the security headers on an answer.
pub(super) fn secure(asked: Asked, mut response: Response) -> Response {
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, gangplank_console::CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            header::HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    // A browser that once pinned `localhost` to TLS would refuse every other program there.
    if asked.secure && !asked.localhost {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}
