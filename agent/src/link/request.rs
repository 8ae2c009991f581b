//! One HTTP request to the daemon, with this host's own credential.

use std::time::Duration;

use gangplank_proto::limit;
use http::{Method, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;

use crate::config::Credentials;
use crate::dial::Dialer;
use crate::dial::exchange::{self, ExchangeError, exchange};

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The exchange.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// Another answer than the one that is waited for.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// An answer that a daemon doesn't give.
    #[error("the server's answer can't be understood")]
    Answer,
}

impl From<http::Error> for RequestError {
    fn from(error: http::Error) -> Self {
        ExchangeError::from(error).into()
    }
}

/// Sends a request and takes the answer's body, when the status is 200.
pub(super) async fn request(
    dialer: &Dialer,
    credentials: &Credentials,
    method: Method,
    path: &str,
    body: Vec<u8>,
    wait: Duration,
) -> Result<Bytes, RequestError> {
    let key = format!("{}.{}", credentials.api_id.as_str(), credentials.api_key.expose());
    let request = exchange::request(dialer, method, path)
        .header("x-device-key", exchange::secret(&key)?)
        .body(Full::new(Bytes::from(body)))?;
    let answer = exchange(dialer, request, limit::MESSAGE, limit::ESTABLISH + wait).await?;
    match answer.status() {
        StatusCode::OK => Ok(answer.into_body()),
        other => Err(RequestError::Status(other)),
    }
}
