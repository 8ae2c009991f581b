//! Answers that are given before the router is asked.

use axum::body::Body;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};

/// Why a request doesn't get as far as the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Malformed,
    TargetTooLong,
    TooLarge,
    Version,
    /// A trusted proxy didn't say whom it speaks for.
    Forwarding,
    /// Too many connections of the client that a proxy speaks for.
    Crowded,
    /// No tunnels here.
    Tunnel,
}

const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_TYPE, "application/json"),
    (CONNECTION, "close"),
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
];

impl Refusal {
    /// What the marker with `path` stands for.
    pub(super) fn of_marker(path: &str) -> Self {
        match path {
            "/414" => Self::TargetTooLong,
            "/431" => Self::TooLarge,
            "/505" => Self::Version,
            _ => Self::Malformed,
        }
    }

    /// The answer, after which the connection is closed.
    pub(super) fn answer(self) -> Response<Body> {
        let (status, code, text) = match self {
            Self::Malformed => (StatusCode::BAD_REQUEST, "malformed", "malformed request"),
            Self::TargetTooLong => (StatusCode::URI_TOO_LONG, "too_long", "address too long"),
            Self::TooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "too_large",
                "too many or too long header fields",
            ),
            Self::Version => {
                (StatusCode::HTTP_VERSION_NOT_SUPPORTED, "wrong_version", "HTTP/1.1 is spoken here")
            }
            Self::Forwarding => (
                StatusCode::BAD_REQUEST,
                "forwarding_unclear",
                "the proxy has to send X-Forwarded-Proto and X-Forwarded-For",
            ),
            Self::Crowded => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_connections", "too many connections")
            }
            Self::Tunnel => (StatusCode::METHOD_NOT_ALLOWED, "wrong_method", "no tunnels here"),
        };
        let body = format!(r#"{{"error":"{text}","code":"{code}"}}"#);
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        for (name, value) in HEADERS {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        if self == Self::Crowded {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
