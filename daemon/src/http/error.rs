//! The one place where a refusal becomes an HTTP status and the body that clients read.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::store::StoreError;

/// A refused or failed request: status, a code for programs, a text for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// `code` of the body, in snake case.
    pub code: &'static str,
    /// `error` of the body.
    pub message: String,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// `Allow` of a 405, `Sec-WebSocket-Version` of a 426.
    pub header: Option<Box<(header::HeaderName, HeaderValue)>>,
}

impl Refusal {
    /// A refusal in full.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None, header: None }
    }

    /// 400: the request can't be understood.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// 401: no credential, or one that does not count. Always the same bytes.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "authentication required")
    }

    /// 403: the person may not do this.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "your role does not allow this")
    }

    /// 403: the person has to enrol a second factor before anything else.
    #[must_use]
    pub fn enrolment() -> Self {
        let message = "your organisation wants a second factor: set one up on your account page";
        Self::new(StatusCode::FORBIDDEN, "second_factor_required", message)
    }

    /// 403: not from a page of ours.
    #[must_use]
    pub fn origin() -> Self {
        let message = "this origin may not use Gangplank; add it to auth.origins if it should";
        Self::new(StatusCode::FORBIDDEN, "origin_not_allowed", message)
    }

    /// 404: it does not exist, or belongs to somebody else. Always the same bytes.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "not found")
    }

    /// 409: it is in the way of something that exists.
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 413: the body is too large.
    #[must_use]
    pub fn too_large() -> Self {
        let message = "the body is larger than this route takes";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// 415: the body is not of a form that this route takes.
    #[must_use]
    pub fn wrong_type(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong_type", message)
    }

    /// 429: too much; try again later.
    #[must_use]
    pub fn too_many(message: impl Into<String>, retry_after: u64) -> Self {
        let mut refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message);
        refusal.retry_after = Some(retry_after.max(1));
        refusal
    }

    /// 503: not now.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        let mut refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
        refusal.retry_after = Some(1);
        refusal
    }

    /// Whether somebody unknown is refused, who may have to wait for the answer.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED || self.code == "origin_not_allowed"
    }

    /// 500: our fault; what it was is in the log.
    #[must_use]
    pub fn internal() -> Self {
        let message = "something went wrong on our side";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Invalid(message) => return Self::bad_request(message),
            StoreError::Exists(what) => return Self::conflict(format!("{what} exists already")),
            StoreError::Refused(message) => return Self::conflict(message),
            StoreError::NotConsented(message) => {
                return Self::new(StatusCode::FORBIDDEN, "approval_refused", message);
            }
            _ => {}
        }
        tracing::error!(%error, "the store failed");
        Self::unavailable("the store can't be reached right now")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.message, "code": self.code }).to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(header) = self.header {
            let (name, value) = *header;
            headers.insert(name, value);
        }
        response
    }
}
