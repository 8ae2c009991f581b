//! The opening handshake of a WebSocket (RFC 6455 §4.2), on the server's side.

use std::future::Future;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;
use crate::socket::Socket;

/// The connection below a socket of ours.
pub type Stream = TokioIo<hyper::upgrade::Upgraded>;

/// Checks that a request is an opening handshake that we can take.
///
/// # Errors
/// 400 when it is malformed, 426 when it isn't one or is of another version.
pub fn check(method: &Method, version: Version, headers: &HeaderMap) -> Result<(), Refusal> {
    if method != Method::GET || version != Version::HTTP_11 {
        return Err(Refusal::bad_request("a WebSocket is opened by GET over HTTP/1.1"));
    }
    let one_token = |name, wanted: &str| {
        let mut tokens = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        tokens.any(|list| list.split(',').any(|token| token.trim().eq_ignore_ascii_case(wanted)))
    };
    let upgrade =
        one(headers, header::UPGRADE).map(|value| value.eq_ignore_ascii_case("websocket"));
    if upgrade != Some(true) || !one_token(header::CONNECTION, "upgrade") {
        return Err(upgrade_required("this is a WebSocket; open it with an upgrade"));
    }
    if one(headers, header::SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(upgrade_required("only version 13 of the WebSocket protocol is spoken here"));
    }
    let length = headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    if length || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Refusal::bad_request("an opening handshake has no body"));
    }
    let key = one(headers, header::SEC_WEBSOCKET_KEY).unwrap_or_default();
    use base64::Engine as _;
    let key = base64::engine::general_purpose::STANDARD.decode(key);
    if key.is_ok_and(|key| key.len() == 16) {
        Ok(())
    } else {
        Err(Refusal::bad_request("Sec-WebSocket-Key is not 16 bytes in base64"))
    }
}

/// The value of a header that must be there once.
fn one(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}

fn upgrade_required(message: &str) -> Refusal {
    let mut refusal = Refusal::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", message);
    let version = HeaderValue::from_static("13");
    refusal.header = Some(Box::new((header::SEC_WEBSOCKET_VERSION, version)));
    refusal
}

/// Whether the client offers a subprotocol.
#[must_use]
pub fn offers(headers: &HeaderMap, subprotocol: &str) -> bool {
    let lists = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut lists = lists.iter().filter_map(|value| value.to_str().ok());
    lists.any(|list| list.split(',').any(|offer| offer.trim() == subprotocol))
}

/// Uses the caller's ticket up, answers 101 and runs `serve` on the socket, in a task of the
/// daemon's own.
///
/// # Errors
/// 400 when the connection can't be taken over, 401 when the ticket is gone.
pub async fn accept<F, T>(
    app: &Arc<App>,
    call: &mut Call,
    subprotocol: Option<&'static str>,
    serve: F,
) -> Result<Response, Refusal>
where
    F: FnOnce(Socket<Stream>) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    take(app, call, (subprotocol, false), serve).await
}

/// The same for a client that listens and hardly says anything.
///
/// # Errors
/// As [`accept`].
pub async fn accept_listener<F, T>(
    app: &Arc<App>,
    call: &mut Call,
    serve: F,
) -> Result<Response, Refusal>
where
    F: FnOnce(Socket<Stream>) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    take(app, call, (None, true), serve).await
}

async fn take<F, T>(
    app: &Arc<App>,
    call: &mut Call,
    (subprotocol, listens): (Option<&'static str>, bool),
    serve: F,
) -> Result<Response, Refusal>
where
    F: FnOnce(Socket<Stream>) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let Some(upgrade) = call.upgrade.take() else {
        return Err(Refusal::bad_request("this connection can't be upgraded"));
    };
    call.use_ticket(app).await?;
    let key = call.headers.get(header::SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
    let accept = derive_accept_key(key.unwrap_or_default());
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(subprotocol) = subprotocol {
        let value = HeaderValue::from_static(subprotocol);
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, value);
    }
    let limits = &app.config().limits;
    let message = usize::try_from(limits.message).unwrap_or(usize::MAX);
    let blame = (app.guard.clone(), call.peer.addr);
    let place = call.about().map(|about| app.inspector.enter(about));
    let blamed = async move |mut socket: Socket<Stream>| {
        socket.reader.blame(blame.0, blame.1);
        if let Some(place) = &place {
            socket.shown(&place.slot);
        }
        serve(socket).await;
        drop(place);
    };
    let sizes = (message, listens);
    app.tracker.spawn(run(upgrade, sizes, limits.heartbeat, blamed));
    Ok(response)
}

async fn run<F, T>(
    upgrade: OnUpgrade,
    (message, listens): (usize, bool),
    heartbeat: std::time::Duration,
    serve: F,
) where
    F: FnOnce(Socket<Stream>) -> T,
    T: Future<Output = ()>,
{
    match upgrade.await {
        Ok(upgraded) => {
            let stream = TokioIo::new(upgraded);
            let socket = match listens {
                true => Socket::listening(stream, message, heartbeat).await,
                false => Socket::new(stream, message, heartbeat).await,
            };
            serve(socket).await;
        }
        Err(error) => tracing::debug!(%error, "the peer left before the upgrade"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn handshake() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        headers.insert(header::SEC_WEBSOCKET_KEY, key);
        headers
    }

    fn status(change: impl FnOnce(&mut HeaderMap)) -> u16 {
        let mut headers = handshake();
        change(&mut headers);
        let checked = check(&Method::GET, Version::HTTP_11, &headers);
        checked.map_or_else(|refusal| refusal.status.as_u16(), |()| 101)
    }

    #[test]
    fn only_a_whole_handshake_is_taken() {
        assert_eq!(status(|_| {}), 101);
        assert_eq!(status(|h| drop(h.remove(header::UPGRADE))), 426);
        let version = HeaderValue::from_static("8");
        assert_eq!(status(|h| drop(h.insert(header::SEC_WEBSOCKET_VERSION, version))), 426);
        assert_eq!(status(|h| drop(h.remove(header::SEC_WEBSOCKET_KEY))), 400);
        let short = HeaderValue::from_static("AAAA");
        assert_eq!(status(|h| drop(h.insert(header::SEC_WEBSOCKET_KEY, short))), 400);
        let twice = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(status(|h| assert!(h.append(header::SEC_WEBSOCKET_KEY, twice))), 400);
        let body = HeaderValue::from_static("5");
        assert_eq!(status(|h| drop(h.insert(header::CONTENT_LENGTH, body))), 400);
        let list = HeaderValue::from_static("websocket, h2c");
        assert_eq!(status(|h| drop(h.insert(header::UPGRADE, list))), 426);
        assert_eq!(check(&Method::POST, Version::HTTP_11, &handshake()).unwrap_err().status, 400);
        assert_eq!(check(&Method::GET, Version::HTTP_10, &handshake()).unwrap_err().status, 400);
    }
}
