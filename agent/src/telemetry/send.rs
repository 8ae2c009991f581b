//! Sending a batch.

use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;

use super::spool::Waiting;
use crate::config::Credentials;
use crate::dial::Dialer;
use crate::dial::exchange::{self, ExchangeError, exchange};
use crate::link::{Loss, retry_after};

/// How long an answer may take: a daemon waits for its disk before it says that it can't write.
const ANSWER: Duration = Duration::from_secs(30);

/// Longest answer, in bytes.
const ANSWER_LEN: usize = 64 << 10;

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// The daemon has it.
    Taken,
    /// The daemon will never take it.
    Refused,
    /// It is to be sent again.
    Later(Loss),
}

pub(super) async fn send(dialer: &Dialer, credentials: &Credentials, batch: &Waiting) -> Sent {
    match post(dialer, credentials, batch).await {
        Ok(sent) => sent,
        Err(error) => {
            tracing::debug!(%error, "measurements wait");
            Sent::Later(Loss::Broken)
        }
    }
}

async fn post(
    dialer: &Dialer,
    credentials: &Credentials,
    batch: &Waiting,
) -> Result<Sent, ExchangeError> {
    let key = format!("{}.{}", credentials.api_id.as_str(), credentials.api_key.expose());
    let request = exchange::request(dialer, Method::POST, "/v1/ingest")
        .header("x-device-key", exchange::secret(&key)?)
        .header("idempotency-key", &batch.name)
        .body(Full::new(Bytes::from(batch.body.clone())))?;
    let answer = exchange(dialer, request, ANSWER_LEN, ANSWER).await?;
    let status = answer.status();
    Ok(match status {
        _ if status.is_success() => Sent::Taken,
        StatusCode::BAD_REQUEST
        | StatusCode::CONFLICT
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY => {
            tracing::warn!(%status, "the server refuses measurements; they are thrown away");
            Sent::Refused
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
            tracing::debug!(%status, "measurements wait");
            Sent::Later(Loss::Refused)
        }
        _ => {
            tracing::debug!(%status, "measurements wait");
            Sent::Later(retry_after(answer.headers()).map_or(Loss::Broken, Loss::RetryIn))
        }
    })
}
