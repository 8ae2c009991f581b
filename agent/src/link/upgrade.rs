//! The opening handshake: this host's credential in, a WebSocket out.

use std::time::Duration;

use gangplank_proto::fact::FactText;
use gangplank_proto::limit;
use gangplank_proto::link::SUBPROTOCOL;
use gangplank_terminal::gathering::GATHERED;
use http::header::{self, HeaderMap, HeaderValue, InvalidHeaderValue};
use http::{Request, Response};
use tokio_tungstenite::tungstenite::error::{ProtocolError, SubProtocolError};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config, tungstenite};

use super::Loss;
use crate::config::Credentials;
use crate::dial::{DialError, Dialer, Stream};
use crate::facts::VERSION;

/// Bytes read at once: an idle link costs little, a busy one is read often.
const READ_BUFFER: usize = 4 << 10;

/// An open WebSocket.
pub type Connected = WebSocketStream<Stream>;

/// Why there is no link, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No connection at all.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The server doesn't know this host or its key.
    #[error(
        "the server refused this host's credentials: the host was removed there or its key \
         renewed; enrol it again with `gangplank-agent enroll`"
    )]
    Unauthenticated,
    /// The server refuses for another reason.
    #[error("the server answered {status}{}", said(message))]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it said.
        message: FactText,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// A server that isn't Gangplank's.
    #[error(
        "the server doesn't speak {SUBPROTOCOL}: check that server.url leads to a Gangplank daemon"
    )]
    Subprotocol,
    /// No answer to the upgrade.
    #[error("the server did not answer the upgrade within {limit:?}", limit = limit::ESTABLISH)]
    Timeout,
    /// A credential that no header can carry.
    #[error("the credentials have characters that no header can carry: enrol this host again")]
    Credential(#[from] InvalidHeaderValue),
    /// The handshake broke.
    #[error("the upgrade failed: {0}")]
    Handshake(tungstenite::Error),
}

fn said(message: &FactText) -> String {
    if message.is_empty() { String::new() } else { format!(": {}", message.as_str()) }
}

impl ConnectError {
    /// Whether it looks as if something on the way took no upgrade, rather than the daemon refusing
    /// this host or being busy.
    #[must_use]
    pub fn is_no_upgrade(&self) -> bool {
        match self {
            Self::Refused { status, .. } => !matches!(status, 401 | 403 | 429 | 503),
            Self::Handshake(tungstenite::Error::Protocol(_)) | Self::Subprotocol => true,
            _ => false,
        }
    }

    /// What it means for the next attempt.
    #[must_use]
    pub fn loss(&self) -> Loss {
        match self {
            Self::Unauthenticated => Loss::Refused,
            Self::Refused { retry_after: Some(wait), .. } => Loss::RetryIn(*wait),
            _ => Loss::Broken,
        }
    }
}

/// Dials and upgrades, to the subprotocol of that kind of server.
///
/// # Errors
/// [`ConnectError`].
pub async fn connect(
    dialer: &Dialer,
    credentials: &Credentials,
) -> Result<Connected, ConnectError> {
    let request = request(dialer, credentials)?;
    let dialled = dialer.dial().await?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(GATHERED)
        .max_write_buffer_size(2 * limit::MESSAGE)
        .max_message_size(Some(limit::MESSAGE))
        .max_frame_size(Some(limit::MESSAGE));
    let upgrade = client_async_with_config(request, dialled.stream, Some(config));
    let upgraded = tokio::time::timeout(limit::ESTABLISH, upgrade).await;
    let (socket, _) = upgraded.map_err(|_| ConnectError::Timeout)?.map_err(refused)?;
    Ok(socket)
}

fn request(dialer: &Dialer, credentials: &Credentials) -> Result<Request<()>, ConnectError> {
    let url = dialer.url();
    let mut key = HeaderValue::from_str(credentials.api_key.expose())?;
    key.set_sensitive(true);
    let mut request = Request::get(url.agent_socket())
        .header(header::HOST, url.authority())
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, generate_key())
        .header(header::USER_AGENT, format!("gangplank-agent/{VERSION}"))
        .header("x-api-id", credentials.api_id.as_str())
        .header("x-api-key", key);
    if let Some(name) = dialer.kind().subprotocol() {
        request = request.header(header::SEC_WEBSOCKET_PROTOCOL, name);
    }
    request.body(()).map_err(|error| ConnectError::Handshake(error.into()))
}

fn refused(error: tungstenite::Error) -> ConnectError {
    match error {
        tungstenite::Error::Http(answer) if answer.status() == 401 => ConnectError::Unauthenticated,
        tungstenite::Error::Http(answer) => ConnectError::Refused {
            status: answer.status().as_u16(),
            message: message(&answer),
            retry_after: retry_after(answer.headers()),
        },
        tungstenite::Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(
            SubProtocolError::NoSubProtocol | SubProtocolError::InvalidSubProtocol,
        )) => ConnectError::Subprotocol,
        other => ConnectError::Handshake(other),
    }
}

/// The text of an error body, as far as it came with the head.
fn message(answer: &Response<Option<Vec<u8>>>) -> FactText {
    #[derive(serde::Deserialize)]
    struct Body {
        error: String,
    }
    let body = answer.body().as_deref().and_then(|body| serde_json::from_slice::<Body>(body).ok());
    body.map(|body| body.error.into()).unwrap_or_default()
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3), a minute at most.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds.min(60)))
}
