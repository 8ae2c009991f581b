//! A client of Chromium's DevTools protocol, as small as the tests need it: one caller, calls in
//! order, events kept until somebody looks.

use std::{fmt, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

/// How long the browser may take over one call.
const ANSWER: Duration = Duration::from_secs(60);

/// A connection to a browser, attached to one of its pages.
pub struct DevTools {
    socket: WebSocketStream<TcpStream>,
    next_id: u64,
    session: Option<String>,
    events: Vec<Value>,
}

impl fmt::Debug for DevTools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevTools").field("session", &self.session).finish_non_exhaustive()
    }
}

impl DevTools {
    /// Connects to the browser's own endpoint.
    pub async fn connect(port: u16, path: &str) -> Self {
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.expect("the browser listens");
        // Screenshots are larger than any message of ours.
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let url = format!("ws://127.0.0.1:{port}{path}");
        let (socket, _) =
            client_async_with_config(url, tcp, Some(config)).await.expect("a WebSocket");
        Self { socket, next_id: 0, session: None, events: Vec::new() }
    }

    /// Opens a new page and sends all later calls to it.
    pub async fn open_page(&mut self) {
        self.session = None;
        let target = self.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call("Target.attachToTarget", attach).await;
        self.session = attached["sessionId"].as_str().map(str::to_owned);
    }

    /// Calls a method and returns its result.
    ///
    /// # Panics
    /// When the browser answers with an error, or not in time.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        match self.try_call(method, params).await {
            Ok(result) => result,
            Err(error) => panic!("{method}: {error}"),
        }
    }

    /// Calls a method.
    ///
    /// # Errors
    /// What the browser says against it.
    ///
    /// # Panics
    /// When the browser doesn't answer in time.
    pub async fn try_call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.next_id += 1;
        let id = self.next_id;
        let mut call = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = &self.session {
            call["sessionId"] = session.as_str().into();
        }
        self.socket.send(Message::text(call.to_string())).await.expect("the browser lives");
        loop {
            let mut message = timeout(ANSWER, self.receive())
                .await
                .unwrap_or_else(|_| panic!("{method}: no answer in {ANSWER:?}"));
            if message["id"] == id {
                return match message.get_mut("error") {
                    Some(error) => Err(error.take()),
                    None => Ok(message["result"].take()),
                };
            }
            self.events.push(message);
        }
    }

    /// All events since the start, oldest first.
    pub fn events(&self) -> &[Value] {
        &self.events
    }

    async fn receive(&mut self) -> Value {
        loop {
            match self.socket.next().await.expect("the browser lives").expect("a message") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                _ => continue,
            }
        }
    }
}
