//! What a PatchMon server is told and asked by HTTP.

use std::time::Duration;

use gangplank_proto::limit;
use http::{Method, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::config::Credentials;
use crate::dial::Dialer;
use crate::dial::exchange::{self, ExchangeError, exchange};
use crate::link::Loss;

/// For an answer; a server may take its time over a long upload.
const PATIENCE: Duration = Duration::from_secs(120);

/// Tries of a post that came to nothing, with a wait between them, as PatchMon's own agent has it.
const TRIES: u32 = 3;
const BETWEEN: Duration = Duration::from_secs(2);

/// Minutes between two reports where the server says nothing.
const INTERVAL: u32 = 60;

/// Why the server could not be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The exchange.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// It doesn't know this host or its key.
    #[error("the PatchMon server refused this host's credentials")]
    Unauthenticated,
    /// It refuses for another reason.
    #[error("the PatchMon server answered {0}")]
    Status(StatusCode),
}

impl ServerError {
    /// What it means for the next attempt.
    pub(super) fn loss(&self) -> Loss {
        if matches!(self, Self::Unauthenticated) { Loss::Refused } else { Loss::Broken }
    }
}

impl From<http::Error> for ServerError {
    fn from(error: http::Error) -> Self {
        ExchangeError::from(error).into()
    }
}

/// A PatchMon server, as this host.
#[derive(Debug, Clone)]
pub(super) struct Server {
    dialer: Dialer,
    credentials: Credentials,
}

impl Server {
    pub(super) fn new(dialer: Dialer, credentials: Credentials) -> Self {
        Self { dialer, credentials }
    }

    /// Says that this host is here. Its credentials are good if that goes well.
    pub(super) async fn ping(&self) -> Result<(), ServerError> {
        self.send(Method::POST, "/api/v1/hosts/ping", b"{}".to_vec()).await.map(|_| ())
    }

    /// Minutes between two reports.
    pub(super) async fn interval(&self) -> u32 {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            update_interval: u32,
        }
        let answer = self.send(Method::GET, "/api/v1/settings/update-interval", Vec::new()).await;
        let read = |body: Bytes| serde_json::from_slice::<Answer>(&body).ok();
        // One that doesn't say has PatchMon's own default.
        answer.ok().and_then(read).map_or(INTERVAL, |answer| answer.update_interval)
    }

    /// Posts, and tries again when that comes to nothing.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<(), ServerError> {
        let body = body.to_string().into_bytes();
        let mut tries = 1;
        loop {
            match self.send(Method::POST, path, body.clone()).await {
                Err(ServerError::Exchange(error)) if tries < TRIES => {
                    tracing::debug!(%error, path, "a post came to nothing");
                    tries += 1;
                    tokio::time::sleep(BETWEEN).await;
                }
                done => return done.map(|_| ()),
            }
        }
    }

    async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Bytes, ServerError> {
        let request = exchange::request(&self.dialer, method, path)
            .header("x-api-id", self.credentials.api_id.as_str())
            .header("x-api-key", exchange::secret(self.credentials.api_key.expose())?)
            .body(Full::new(Bytes::from(body)))?;
        let answer = exchange(&self.dialer, request, limit::MESSAGE, PATIENCE).await?;
        match answer.status() {
            status if status.is_success() => Ok(answer.into_body()),
            StatusCode::UNAUTHORIZED => Err(ServerError::Unauthenticated),
            other => Err(ServerError::Status(other)),
        }
    }
}
