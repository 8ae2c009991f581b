//! WebSocket clients whose opening handshake is the test's to choose.

use std::{fmt, io, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use crate::{
    account::random,
    http::{Answer, Client, Wire, parse_answer, parse_head},
};

/// How long an opening handshake or a message may take.
const ANSWER: Duration = Duration::from_secs(30);

/// An opening handshake that is about to be sent.
#[derive(Debug)]
pub struct Upgrade<'a> {
    client: &'a Client,
    path: String,
    version: &'static str,
    protocol: Option<String>,
    headers: Vec<(String, String)>,
}

impl Client {
    /// Prepares an opening handshake, with this client's origin and login.
    pub fn upgrade(&self, path: &str) -> Upgrade<'_> {
        Upgrade {
            client: self,
            path: path.to_owned(),
            version: "13",
            protocol: None,
            headers: Vec::new(),
        }
    }
}

impl Upgrade<'_> {
    /// Offers one subprotocol.
    #[must_use]
    pub fn protocol(mut self, protocol: &str) -> Self {
        self.protocol = Some(protocol.to_owned());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Asks for another version of the protocol than 13.
    #[must_use]
    pub fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    /// Sends the handshake.
    ///
    /// # Errors
    /// The refusal, read to its end: the daemon must close the connection after it.
    ///
    /// # Panics
    /// When the daemon can't be reached, or says neither yes nor no in time.
    pub async fn open(self) -> Result<Socket, Box<Answer>> {
        timeout(ANSWER, self.handshake())
            .await
            .expect("an answer to the opening handshake in time")
            .expect("the daemon can be reached")
    }

    async fn handshake(self) -> io::Result<Result<Socket, Box<Answer>>> {
        let key = STANDARD.encode(random::<16>());
        let mut request = format!(
            "GET {} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: {}\r\nSec-WebSocket-Key: {key}\r\n",
            self.path, self.version
        );
        let mut head = self.client.head();
        head.extend(self.protocol.map(|name| ("Sec-WebSocket-Protocol".to_owned(), name)));
        head.extend(self.headers);
        for (name, value) in head {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");

        let mut wire = self.client.dial().await?;
        wire.write_all(request.as_bytes()).await?;
        wire.flush().await?;
        let mut read = Vec::new();
        let end = loop {
            if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if wire.read_buf(&mut read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let (status, headers) = parse_head(&read[..end]).ok_or(io::ErrorKind::InvalidData)?;
        if status.as_u16() != 101 {
            let _ = wire.read_to_end(&mut read).await;
            self.client.sees_no_secret(&read);
            return Ok(Err(Box::new(parse_answer(&read).ok_or(io::ErrorKind::InvalidData)?)));
        }
        assert_eq!(headers["sec-websocket-accept"], derive_accept_key(key.as_bytes()));
        let text =
            |name: &str| headers.get(name).map(|value| value.to_str().expect("text").to_owned());
        let (protocol, extensions) =
            (text("sec-websocket-protocol"), text("sec-websocket-extensions"));
        // The tests send what is over the daemon's limits, so this side has none that matter.
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let rest = read.split_off(end + 4);
        let stream =
            WebSocketStream::from_partially_read(wire, rest, Role::Client, Some(config)).await;
        Ok(Ok(Socket { stream, protocol, extensions }))
    }
}

/// An open WebSocket.
pub struct Socket {
    stream: WebSocketStream<Box<dyn Wire>>,
    protocol: Option<String>,
    extensions: Option<String>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

/// What comes out of a socket.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Bytes),
    /// The closing handshake.
    Closed(Closed),
}

/// How a socket ended. A connection that broke without a closing handshake has code 1006.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Close code.
    pub code: u16,
    /// Reason.
    pub reason: String,
}

impl Socket {
    /// The subprotocol that the daemon chose.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// The connection below. Nothing must have been read before.
    pub fn into_wire(self) -> Box<dyn Wire> {
        self.stream.into_inner()
    }

    /// The extensions that the daemon agreed to.
    pub fn extensions(&self) -> Option<&str> {
        self.extensions.as_deref()
    }

    /// Sends a text message.
    pub async fn text(&mut self, text: &str) {
        self.message(Message::text(text)).await;
    }

    /// Sends a JSON object as a text message.
    pub async fn json(&mut self, value: &Value) {
        self.text(&value.to_string()).await;
    }

    /// Sends a binary message.
    pub async fn binary(&mut self, bytes: impl Into<Bytes>) {
        self.message(Message::Binary(bytes.into())).await;
    }

    /// Sends a ping.
    pub async fn ping(&mut self) {
        self.message(Message::Ping(Bytes::new())).await;
    }

    /// Starts the closing handshake.
    pub async fn close(&mut self, code: u16) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
        self.message(Message::Close(Some(frame))).await;
    }

    /// Sends any message. A peer that has gone shows itself at the next read, not here.
    pub async fn message(&mut self, message: Message) {
        let _ = timeout(ANSWER, self.stream.send(message)).await.expect("the peer reads");
    }

    /// Sends bytes that need not be frames. A peer that has gone shows itself at the next read.
    pub async fn raw(&mut self, bytes: &[u8]) {
        let wire = self.stream.get_mut();
        let sent = async {
            wire.write_all(bytes).await?;
            wire.flush().await
        };
        let _ = timeout(ANSWER, sent).await.expect("the peer reads");
    }

    /// The next message.
    ///
    /// # Panics
    /// When none comes in time.
    pub async fn next(&mut self) -> Incoming {
        self.next_within(ANSWER).await.expect("a message in time")
    }

    /// The next message, if one comes within `limit`.
    pub async fn next_within(&mut self, limit: Duration) -> Option<Incoming> {
        timeout(limit, self.read()).await.ok()
    }

    async fn read(&mut self) -> Incoming {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Incoming::Text(text.as_str().to_owned()),
                Some(Ok(Message::Binary(bytes))) => return Incoming::Binary(bytes),
                Some(Ok(Message::Close(frame))) => {
                    let (code, reason) = frame.map_or((1005, String::new()), |frame| {
                        (frame.code.into(), frame.reason.as_str().to_owned())
                    });
                    // Reading on lets the closing handshake finish.
                    while let Some(Ok(_)) = self.stream.next().await {}
                    return Incoming::Closed(Closed { code, reason });
                }
                Some(Ok(_)) => {}
                Some(Err(Error::Capacity(error))) => panic!("{error}"),
                Some(Err(error)) => {
                    return Incoming::Closed(Closed { code: 1006, reason: error.to_string() });
                }
                None => {
                    return Incoming::Closed(Closed {
                        code: 1006,
                        reason: "no close frame".into(),
                    });
                }
            }
        }
    }

    /// The next JSON text message.
    ///
    /// # Panics
    /// When something else comes, or nothing in time.
    pub async fn next_json(&mut self) -> Value {
        match self.next().await {
            Incoming::Text(text) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("expected a text message, not {other:?}"),
        }
    }

    /// Reads the bare stream, answering no ping, until the daemon ends the socket. Nothing must have
    /// been read before.
    ///
    /// # Panics
    /// When it is still open after `limit`.
    pub async fn ended_in_silence(mut self, limit: Duration) -> Closed {
        let mut bytes = Vec::new();
        let read = timeout(limit, self.stream.get_mut().read_to_end(&mut bytes));
        let _ = read.await.unwrap_or_else(|_| panic!("still open after {limit:?}"));
        let mut rest = bytes.as_slice();
        // Frames of a server have no mask (RFC 6455 §5.1), and the ones awaited here are short.
        while let [first, length, following @ ..] = rest {
            let (payload, next) = match usize::from(*length) {
                126 => {
                    let (head, following) = following.split_at(2);
                    let length = u16::from_be_bytes([head[0], head[1]]);
                    following.split_at(usize::from(length))
                }
                length => following.split_at(length),
            };
            if first & 0x0f == 8 {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                let reason = String::from_utf8_lossy(&payload[2..]).into_owned();
                return Closed { code, reason };
            }
            rest = next;
        }
        Closed { code: 1006, reason: "no close frame".into() }
    }

    /// How the socket ends; what comes before is thrown away.
    ///
    /// # Panics
    /// When it is still open after `limit`.
    pub async fn closed(&mut self, limit: Duration) -> Closed {
        let end = async {
            loop {
                if let Incoming::Closed(closed) = self.read().await {
                    return closed;
                }
            }
        };
        timeout(limit, end).await.unwrap_or_else(|_| panic!("still open after {limit:?}"))
    }
}
