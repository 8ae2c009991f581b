//! Enrolment: a one-time token in, this host's own credential out, and a configuration file.
//!
//! The token is sent only over a connection whose other end is proven to be the server, and
//! nothing is spent before it is certain that the answer can be kept.

mod write;

use std::time::Duration;

use gangplank_proto::fact::FactText;
use gangplank_proto::id::ApiId;
use gangplank_proto::limit;
use gangplank_proto::secret::Secret;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use serde::Deserialize;

use crate::config::Credentials;
use crate::dial::exchange::{self, ExchangeError, exchange};
use crate::dial::{DialError, Dialer};
use crate::facts::Introduction;
use crate::link::retry_after;

pub use write::{WriteError, allow_updates, write_config};

/// Longest token, in bytes.
const TOKEN_LEN: usize = 512;

/// Longest answer, in bytes.
const ANSWER_LEN: usize = 64 << 10;

/// What a server answers to a registration.
#[derive(Debug, Clone, Deserialize)]
pub struct Registered {
    /// The host's id.
    pub host_id: FactText,
    /// Public half of its credential.
    pub api_id: ApiId,
    /// Secret half.
    pub api_key: Secret,
    /// Whether it waits until somebody accepts it.
    #[serde(default)]
    pub pending: bool,
}

/// Why a host isn't enrolled, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnrollError {
    /// The text is not a token.
    #[error("there is no token in it: give what `gangplankd token create` printed, and only that")]
    Token,
    /// The token would travel in the clear.
    #[error(
        "{0} has no TLS, so anybody on the way could take the token: write it with https:// \
         (or, in a lab, add --insecure)"
    )]
    Cleartext(String),
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The server doesn't know the token.
    #[error(
        "the server doesn't take this token: it was used, has expired, or was revoked; make a new \
         one with `gangplankd token create`"
    )]
    Unauthenticated,
    /// The server knows the token, but this host may not be enrolled by it.
    #[error("the server refuses to enrol this host{}", said(.0))]
    Forbidden(FactText),
    /// The server knows this host already.
    #[error("the server knows this host already{}: remove it there first", said(.0))]
    Conflict(FactText),
    /// Too many registrations.
    #[error("too many registrations at once: try again in {} s", .0.as_secs())]
    TooMany(Duration),
    /// Not a Gangplank daemon, or one behind another path.
    #[error("there is no /api/v1/devices/register at the server: check the URL and its path")]
    NotFound,
    /// Another answer.
    #[error("the server answered {status}{}", said(message))]
    Status {
        /// HTTP status.
        status: u16,
        /// What it said.
        message: FactText,
    },
    /// The answer is not what a daemon answers.
    #[error("the server's answer can't be understood: check that the URL leads to a daemon")]
    Answer,
    /// The exchange broke.
    #[error("the connection broke: {0}; try again, with a new token if this one was used")]
    Http(#[from] hyper::Error),
    /// No answer.
    #[error("no answer within {limit:?}; try again, with a new token if this one was used",
        limit = limit::ESTABLISH)]
    Timeout,
    /// The request can't be made.
    #[error("the request can't be made: {0}")]
    Request(#[from] http::Error),
}

impl From<ExchangeError> for EnrollError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Dial(error) => Self::Dial(error),
            ExchangeError::Request(error) => Self::Request(error),
            ExchangeError::Http(error) => Self::Http(error),
            ExchangeError::Timeout => Self::Timeout,
            ExchangeError::Answer => Self::Answer,
        }
    }
}

fn said(message: &FactText) -> String {
    if message.is_empty() { String::new() } else { format!(" ({})", message.as_str()) }
}

/// Reads what a token file holds.
///
/// # Errors
/// [`EnrollError::Token`] when that isn't one word.
pub fn token(text: &str) -> Result<Secret, EnrollError> {
    let token = text.trim();
    let fit = token.len() <= TOKEN_LEN && token.bytes().all(|byte| byte.is_ascii_graphic());
    if token.is_empty() || !fit {
        return Err(EnrollError::Token);
    }
    Ok(Secret::new(token.to_owned()))
}

/// Registers this host (`POST /api/v1/devices/register`). `insecure` allows a lab's server without
/// TLS. Who was known there before, with `before`, comes in as the same host.
///
/// # Errors
/// [`EnrollError`].
pub async fn register(
    dialer: &Dialer,
    token: &Secret,
    introduction: &Introduction,
    before: Option<&Credentials>,
    insecure: bool,
) -> Result<Registered, EnrollError> {
    let url = dialer.url();
    if !url.is_tls() && !insecure {
        return Err(EnrollError::Cleartext(url.to_string()));
    }
    let body = serde_json::to_vec(introduction).map_err(|_| EnrollError::Answer)?;
    let mut request = exchange::request(dialer, Method::POST, "/api/v1/devices/register")
        .header("x-provisioning-key", exchange::secret(token.expose())?);
    if let Some(Credentials { api_id, api_key }) = before {
        let key = format!("{}.{}", api_id.as_str(), api_key.expose());
        request = request.header("x-device-key", exchange::secret(&key)?);
    }
    let request = request.body(Full::new(Bytes::from(body)))?;
    read(exchange(dialer, request, ANSWER_LEN, limit::ESTABLISH).await?)
}

fn read(answer: Response<Bytes>) -> Result<Registered, EnrollError> {
    let (head, body) = answer.into_parts();
    let message = || message(&body);
    match head.status {
        StatusCode::CREATED => serde_json::from_slice(&body).map_err(|_| EnrollError::Answer),
        StatusCode::UNAUTHORIZED => Err(EnrollError::Unauthenticated),
        StatusCode::FORBIDDEN => Err(EnrollError::Forbidden(message())),
        StatusCode::CONFLICT => Err(EnrollError::Conflict(message())),
        StatusCode::NOT_FOUND => Err(EnrollError::NotFound),
        StatusCode::TOO_MANY_REQUESTS => {
            let wait = retry_after(&head.headers);
            Err(EnrollError::TooMany(wait.unwrap_or(Duration::from_secs(60))))
        }
        status => Err(EnrollError::Status { status: status.as_u16(), message: message() }),
    }
}

fn message(body: &[u8]) -> FactText {
    #[derive(Deserialize)]
    struct Body {
        error: String,
    }
    serde_json::from_slice::<Body>(body).map(|body| body.error.into()).unwrap_or_default()
}
