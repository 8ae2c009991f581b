//! Getting files over HTTP, bounded in length and time. Whoever sends them is not believed: that is
//! for [`super::check`].

use std::time::Duration;

use bytes::Bytes;
use gangplank_proto::limit;
use http::header::{self, HeaderMap};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::dial::Dialer;
use crate::dial::exchange::ExchangeError;
use crate::facts::VERSION;

/// Without a byte for so long a connection is given up.
const STALL: Duration = Duration::from_secs(30);

/// Why something can't be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The exchange.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// There is none.
    #[error("there is no signed release for this host there (404)")]
    Missing,
    /// Another answer. One that leads elsewhere is not followed.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// A manifest or a signature of a length that none has.
    #[error("the answer is too long")]
    TooLong,
}

impl FetchError {
    /// Whether the same request may fare better.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Exchange(error) => error.is_passing(),
            Self::Status(status) => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Missing | Self::TooLong => false,
        }
    }
}

impl From<hyper::Error> for FetchError {
    fn from(error: hyper::Error) -> Self {
        ExchangeError::from(error).into()
    }
}

/// An answer that is still coming.
#[derive(Debug)]
pub struct Download {
    /// Where in the file it begins.
    pub start: u64,
    body: Incoming,
    _connection: AbortOnDropHandle<()>,
}

/// A small file as a whole.
///
/// # Errors
/// [`FetchError`].
pub async fn small(dialer: &Dialer, path: &str) -> Result<Vec<u8>, FetchError> {
    let Download { body, _connection, .. } = program(dialer, path, 0).await?;
    let body = Limited::new(body, limit::RELEASE_MANIFEST).collect();
    let body = timeout(STALL, body).await.map_err(|_| ExchangeError::Timeout)?;
    body.map(|body| body.to_bytes().to_vec()).map_err(|error| {
        match error.downcast::<hyper::Error>() {
            Ok(error) => FetchError::from(*error),
            Err(_) => FetchError::TooLong,
        }
    })
}

/// Begins to fetch a file, from a byte on if the server can do that.
///
/// # Errors
/// [`FetchError`].
pub async fn program(dialer: &Dialer, path: &str, from: u64) -> Result<Download, FetchError> {
    let url = dialer.url();
    let mut request = Request::get(path)
        .header(header::HOST, url.authority())
        .header(header::USER_AGENT, format!("gangplank-agent/{VERSION}"))
        .header(header::CONNECTION, "close");
    if from > 0 {
        request = request.header(header::RANGE, format!("bytes={from}-"));
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(ExchangeError::from)?;
    let stream = dialer.dial().await.map_err(ExchangeError::from)?.stream;
    let asked = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = AbortOnDropHandle::new(tokio::spawn(async {
            // Who reads the body hears of a break.
            let _ = connection.await;
        }));
        Ok::<_, hyper::Error>((sender.send_request(request).await?, connection))
    };
    let answered = timeout(limit::ESTABLISH, asked).await.map_err(|_| ExchangeError::Timeout)?;
    let (answer, connection) = answered?;
    let (head, body) = answer.into_parts();
    let start = match head.status {
        StatusCode::OK => 0,
        StatusCode::PARTIAL_CONTENT if begins_at(&head.headers) == Some(from) => from,
        StatusCode::NOT_FOUND => return Err(FetchError::Missing),
        status => return Err(FetchError::Status(status)),
    };
    Ok(Download { start, body, _connection: connection })
}

/// The first byte that `Content-Range` names (RFC 9110 §14.4).
fn begins_at(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

impl Download {
    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        loop {
            let frame = timeout(STALL, self.body.frame()).await;
            let Some(frame) = frame.map_err(|_| ExchangeError::Timeout)? else { return Ok(None) };
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data));
            }
        }
    }
}
