//! A PatchMon server, as far as its agents can tell: their socket and the calls that they make,
//! written from the outside. In cleartext, as in a lab.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::derive_accept_key, protocol::Role},
};

use crate::eventually;

/// For an agent to come, or to say something.
const PATIENCE: Duration = Duration::from_secs(30);

/// Largest message that such a server takes (2.1).
const MESSAGE: usize = 524_288;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// v1.4: greets.
    V14,
    /// v2.1: doesn't, but pings.
    V21,
}

/// A call that an agent made.
#[derive(Debug, Clone)]
pub struct Posted {
    /// Method and path.
    pub call: String,
    /// Its body; null when there was none.
    pub body: Value,
}

/// A running server that takes one credential.
#[derive(Debug)]
pub struct PatchmonServer {
    port: u16,
    posted: Arc<Mutex<VecDeque<Posted>>>,
    sockets: mpsc::Receiver<AgentSocket>,
    accepting: JoinHandle<()>,
}

/// An agent's socket, as its server has it.
#[derive(Debug)]
pub struct AgentSocket(WebSocketStream<TcpStream>);

struct Serving {
    version: Version,
    credential: (String, String),
    posted: Arc<Mutex<VecDeque<Posted>>>,
    sockets: mpsc::Sender<AgentSocket>,
}

impl Drop for PatchmonServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl PatchmonServer {
    /// Starts one that knows one host.
    pub async fn start(version: Version, api_id: &str, api_key: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let posted = Arc::new(Mutex::default());
        let (sender, sockets) = mpsc::channel(4);
        let serving = Arc::new(Serving {
            version,
            credential: (api_id.to_owned(), api_key.to_owned()),
            posted: Arc::clone(&posted),
            sockets: sender,
        });
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self { port, posted, sockets, accepting }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The next agent's socket.
    pub async fn agent(&mut self) -> AgentSocket {
        let come = timeout(PATIENCE, self.sockets.recv()).await;
        come.expect("an agent in time").expect("a server")
    }

    /// The first body that was posted to `path` and is still unseen.
    pub async fn posted(&self, path: &str) -> Value {
        let call = format!("POST {path}");
        eventually::until(PATIENCE, &call, || async {
            let mut posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
            let at = posted.iter().position(|one| one.call == call)?;
            posted.remove(at).map(|one| one.body)
        })
        .await
    }

    /// Forgets what was posted so far.
    pub fn forget(&self) {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl AgentSocket {
    /// Sends an order.
    pub async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.expect("the agent reads");
    }

    /// The next message of a type.
    ///
    /// # Panics
    /// When none comes, or one that such a server doesn't take.
    pub async fn next(&mut self, kind: &str) -> Value {
        loop {
            let message = timeout(PATIENCE, self.0.next()).await;
            let message = message.unwrap_or_else(|_| panic!("no {kind} in time"));
            match message.expect("an open socket").expect("a message") {
                Message::Text(text) => {
                    assert!(text.len() < MESSAGE, "{} bytes", text.len());
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    if message["type"] == kind {
                        return message;
                    }
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?} before {kind}"),
            }
        }
    }
}

async fn serve(stream: TcpStream, serving: Arc<Serving>) {
    let mut stream = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let field = |name: &str| {
        let fields = head.iter().filter_map(|line| line.split_once(':'));
        let mut found = fields.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim().to_owned())
    };
    let length = field("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("the body");
    let call = head.first().and_then(|line| line.rsplit_once(' ')).map_or("", |(call, _)| call);
    let known = (field("x-api-id"), field("x-api-key"));
    if known != (Some(serving.credential.0.clone()), Some(serving.credential.1.clone())) {
        return answer(stream, "401 Unauthorized", &json!({ "error": "Invalid credentials" }))
            .await;
    }
    if call == "GET /api/v1/agents/ws" {
        assert_eq!(field("sec-websocket-protocol"), None, "PatchMon knows no subprotocol");
        assert_eq!(field("origin"), None);
        let key = derive_accept_key(field("sec-websocket-key").expect("a key").as_bytes());
        let mut stream = stream.into_inner();
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {key}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("the agent reads");
        let mut socket =
            AgentSocket(WebSocketStream::from_raw_socket(stream, Role::Server, None).await);
        match serving.version {
            Version::V14 => socket.say(json!({ "type": "connected" })).await,
            Version::V21 => {
                socket.0.send(Message::Ping(Default::default())).await.expect("the agent reads");
            }
        }
        let _ = serving.sockets.send(socket).await;
        return;
    }
    let body =
        if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).expect("JSON") };
    let said = match call {
        "GET /api/v1/settings/update-interval" => json!({ "updateInterval": 60 }),
        _ => json!({ "message": "ok" }),
    };
    let posted = Posted { call: call.to_owned(), body };
    serving.posted.lock().unwrap_or_else(PoisonError::into_inner).push_back(posted);
    answer(stream, "200 OK", &said).await;
}

async fn answer(mut stream: BufReader<TcpStream>, status: &str, body: &Value) {
    let body = body.to_string();
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    // An agent that went needs no answer.
    let _ = stream.write_all(text.as_bytes()).await;
}
