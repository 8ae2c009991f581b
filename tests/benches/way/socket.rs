//! WebSockets of the load generator: the same for every way that has one.

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use gangplank_tests::http::{Client, Wire};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, client::IntoClientRequest as _, protocol::WebSocketConfig},
};

/// An open WebSocket.
pub(crate) type Socket = WebSocketStream<Box<dyn Wire>>;

/// Opens a WebSocket.
pub(crate) async fn open(
    client: &Client,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<Socket> {
    let mut request = format!("ws://{}{path}", client.authority()).into_client_request()?;
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse()?);
    }
    let buffers = WebSocketConfig::default().read_buffer_size(16 << 10).write_buffer_size(0);
    let wire = client.dial().await.with_context(|| client.authority())?;
    let (socket, _) = client_async_with_config(request, wire, Some(buffers)).await?;
    Ok(socket)
}

/// The next message. Cancel safe.
pub(crate) async fn next(socket: &mut Socket) -> Result<Message> {
    match socket.next().await {
        Some(Ok(Message::Close(frame))) => bail!("closed: {frame:?}"),
        Some(message) => Ok(message?),
        None => bail!("the socket ended"),
    }
}
