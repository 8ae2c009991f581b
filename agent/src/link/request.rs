//! One HTTP request to the daemon, with this host's own credential.

use std::time::Duration;

use gangplank_proto::limit;
use http::header::{self, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::config::Credentials;
use crate::dial::{DialError, Dialer};
use crate::facts::VERSION;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The credentials or the path can't be sent.
    #[error("the request can't be made: {0}")]
    Request(#[from] http::Error),
    /// The exchange broke.
    #[error("the connection broke: {0}")]
    Http(#[from] hyper::Error),
    /// No answer.
    #[error("no answer in time")]
    Timeout,
    /// Another answer than the one that is waited for.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// An answer that a daemon doesn't give.
    #[error("the server's answer can't be understood")]
    Answer,
}

/// Sends a request and takes the answer's body, when the status is 200. The connection is its own:
/// whatever stands between may cut idle ones.
pub(super) async fn request(
    dialer: &Dialer,
    credentials: &Credentials,
    method: Method,
    path: &str,
    body: Vec<u8>,
    wait: Duration,
) -> Result<Bytes, RequestError> {
    let url = dialer.url();
    let key = format!("{}.{}", credentials.api_id.as_str(), credentials.api_key.expose());
    let mut key = HeaderValue::from_str(&key).map_err(http::Error::from)?;
    key.set_sensitive(true);
    let request = Request::builder()
        .method(method)
        .uri(url.path(path))
        .header(header::HOST, url.authority())
        .header(header::USER_AGENT, format!("gangplank-agent/{VERSION}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
        .header("x-device-key", key)
        .body(Full::new(Bytes::from(body)))?;
    let stream = dialer.dial().await?.stream;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        if head.status != StatusCode::OK {
            return Err(RequestError::Status(head.status));
        }
        let body = Limited::new(body, limit::MESSAGE).collect().await;
        body.map(|body| body.to_bytes()).map_err(|_| RequestError::Answer)
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
    let limit = limit::ESTABLISH + wait;
    tokio::time::timeout(limit, both).await.unwrap_or(Err(RequestError::Timeout))
}
