//! One HTTP exchange with the server, over a connection of its own: whatever stands between may cut
//! idle ones.

use std::time::Duration;

use http::header::{self, HeaderValue};
use http::request::Builder;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::{DialError, Dialer};
use crate::facts::VERSION;

/// Why an exchange came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The request can't be made.
    #[error("the request can't be made: {0}")]
    Request(#[from] http::Error),
    /// It broke.
    #[error("the connection broke: {0}")]
    Http(#[from] hyper::Error),
    /// No answer.
    #[error("no answer in time")]
    Timeout,
    /// An answer that breaks off or is longer than any that is waited for.
    #[error("the server's answer can't be understood")]
    Answer,
}

impl ExchangeError {
    /// Whether the same exchange may fare better.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Dial(_) | Self::Http(_) | Self::Timeout => true,
            Self::Request(_) | Self::Answer => false,
        }
    }
}

/// A request for a path of the server, without what says who asks.
#[must_use]
pub fn request(dialer: &Dialer, method: Method, path: &str) -> Builder {
    let url = dialer.url();
    Request::builder()
        .method(method)
        .uri(url.path(path))
        .header(header::HOST, url.authority())
        .header(header::USER_AGENT, format!("gangplank-agent/{VERSION}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
}

/// A header that no log shows.
///
/// # Errors
/// When it has characters that no header has.
pub fn secret(text: &str) -> Result<HeaderValue, http::Error> {
    let mut value = HeaderValue::from_str(text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Sends a request and reads the answer, `longest` bytes of body at most. Once connected, all of it
/// has to happen within `wait`.
///
/// # Errors
/// [`ExchangeError`], whatever the answer's status.
pub async fn exchange(
    dialer: &Dialer,
    request: Request<Full<Bytes>>,
    longest: usize,
    wait: Duration,
) -> Result<Response<Bytes>, ExchangeError> {
    let stream = dialer.dial().await?.stream;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, longest).collect().await;
        let body = body.map_err(|_| ExchangeError::Answer)?.to_bytes();
        Ok(Response::from_parts(head, body))
    };
    let both = async {
        tokio::pin!(exchange, connection);
        tokio::select! {
            biased;
            answer = &mut exchange => answer,
            ended = &mut connection => {
                ended?;
                exchange.await
            }
        }
    };
    tokio::time::timeout(wait, both).await.unwrap_or(Err(ExchangeError::Timeout))
}
