//! A daemon as the test plays it, and an agent that connects to it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use gangplank_agent::agent::Agent;
use gangplank_agent::config::{Config, Credentials, Level, Local, Server};
use gangplank_agent::dial::proxy::Proxies;
use gangplank_agent::policy::Policy;
use gangplank_agent::update::Keys;
use gangplank_certs::{Authority, ClientTrust, Names, Reloadable, TicketKeys, server_config};
use gangplank_proto::fact::Hello;
use gangplank_proto::frame;
use gangplank_proto::id::{ChannelId, SessionId};
use gangplank_proto::limit;
use gangplank_proto::link::{
    FromAgent, FromTerminal, Keep, Open, PtyRequest, SUBPROTOCOL, Size, ToAgent, ToTerminal,
};
use gangplank_proto::secret::Secret;
use gangplank_proto::server_url::ServerUrl;
use gangplank_proto::settings::Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;

/// How long anything that is going to happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) type Socket = Either<TcpStream, TlsStream<TcpStream>>;

/// Waits for what is going to happen.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("it should have happened by now")
}

/// A listening daemon.
pub(crate) struct Daemon {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    host: &'static str,
}

impl Daemon {
    /// Without TLS.
    pub(crate) async fn plain() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, tls: None, host: "127.0.0.1" }
    }

    /// With a certificate of the authority in `directory`, for `names`.
    pub(crate) async fn tls(directory: &Path, names: &[&str]) -> (Self, String) {
        let now = time::OffsetDateTime::now_utc();
        let names = Names::parse(names).unwrap();
        let authority = Arc::new(Authority::load_or_create(directory, &names, now).unwrap());
        let pem = authority.pem().to_owned();
        let served = Arc::new(Reloadable::from_authority(authority, names, now).unwrap());
        let tickets = Arc::new(TicketKeys::in_memory(now).unwrap());
        let acceptor = TlsAcceptor::from(server_config(served, tickets).unwrap());
        let mut daemon = Self::plain().await;
        daemon.tls = Some(acceptor);
        daemon.host = "localhost";
        (daemon, pem)
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    pub(crate) fn url(&self) -> ServerUrl {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        ServerUrl::parse(&format!("{scheme}://{}:{}", self.host, self.port())).unwrap()
    }

    /// The next connection, with TLS if this daemon speaks it; `None` when the peer breaks it off.
    pub(crate) async fn stream(&self) -> Option<Socket> {
        let (tcp, _) = soon(self.listener.accept()).await.unwrap();
        match &self.tls {
            None => Some(Either::Left(tcp)),
            Some(acceptor) => soon(acceptor.accept(tcp)).await.ok().map(Either::Right),
        }
    }

    /// The next agent: upgraded, its hello read and taken.
    pub(crate) async fn agent(&self) -> Peer {
        let mut headers = None;
        #[expect(clippy::result_large_err, reason = "the library's own type")]
        let look = |request: &Request, mut response: Response| {
            headers = Some(request.headers().clone());
            response.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
            Ok(response)
        };
        let stream = self.stream().await.unwrap();
        let socket = soon(accept_hdr_async(stream, look)).await.unwrap();
        let mut peer = Peer { socket, hello: Hello::default(), headers: headers.unwrap() };
        let first = peer.message().await;
        let FromAgent::Hello(hello) =
            FromAgent::parse(first.to_text().unwrap(), limit::CHANNELS_PER_LINK).unwrap()
        else {
            panic!("no hello");
        };
        peer.hello = *hello;
        let welcome = ToAgent::Welcome(Settings::default()).to_text().unwrap();
        peer.send(Message::text(welcome)).await;
        peer
    }

    /// Answers the next request with these bytes and answers what was asked.
    pub(crate) async fn answer(&self, answer: &str) -> Option<String> {
        let mut stream = self.stream().await?;
        let mut asked = Vec::new();
        let body = loop {
            if soon(stream.read_buf(&mut asked)).await.ok()? == 0 {
                return None;
            }
            if let Some(end) = asked.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = String::from_utf8_lossy(&asked[..body]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
        while asked.len() < body + length {
            soon(stream.read_buf(&mut asked)).await.ok()?;
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        Some(String::from_utf8(asked).unwrap())
    }
}

/// What an agent says.
#[derive(Debug)]
pub(crate) enum Said {
    Word(FromTerminal),
    Data(Bytes),
}

/// The daemon's end of one link.
pub(crate) struct Peer {
    pub(crate) socket: WebSocketStream<Socket>,
    pub(crate) hello: Hello,
    pub(crate) headers: http::HeaderMap,
}

impl Peer {
    pub(crate) async fn send(&mut self, message: Message) {
        soon(self.socket.send(message)).await.unwrap();
    }

    /// The next message that isn't a ping or pong.
    pub(crate) async fn message(&mut self) -> Message {
        loop {
            match soon(self.socket.next()).await.expect("an open link").unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    pub(crate) async fn word(&mut self, channel: u32, word: ToTerminal) {
        let text = ToAgent::Channel(ChannelId(channel), word).to_text().unwrap();
        self.send(Message::text(text)).await;
    }

    pub(crate) async fn data(&mut self, channel: u32, data: &[u8]) {
        self.send(Message::Binary(frame::encode(ChannelId(channel), data))).await;
    }

    pub(crate) async fn connect(&mut self, channel: u32, open: Open) -> SessionId {
        let (window, keep) = (limit::TERMINAL_WINDOW, Keep::default());
        let session_id = SessionId::new();
        self.word(channel, ToTerminal::Connect { session_id, window, open, keep }).await;
        session_id
    }

    /// Shows a terminal that is kept, and answers the offset from which it goes on.
    pub(crate) async fn attach(&mut self, channel: u32, session_id: SessionId, has: u64) -> u64 {
        let (window, keep) = (limit::TERMINAL_WINDOW, Keep::default());
        let attach =
            ToTerminal::Attach { session_id, window, offset: has, unseen: 0, size: None, keep };
        self.word(channel, attach).await;
        self.until(channel, |said| match said {
            Said::Word(FromTerminal::Connected { offset, .. }) => Some(*offset),
            Said::Word(FromTerminal::Error(error)) => panic!("{error}"),
            _ => None,
        })
        .await
    }

    /// The next thing that is said about any channel. Another hello takes the place of the one
    /// before.
    pub(crate) async fn said(&mut self) -> (u32, Said) {
        loop {
            match self.message().await {
                Message::Text(text) => {
                    match FromAgent::parse(&text, limit::CHANNELS_PER_LINK).unwrap() {
                        FromAgent::Channel(ChannelId(id), word) => return (id, Said::Word(word)),
                        FromAgent::Hello(hello) => self.hello = *hello,
                        other => panic!("nobody asked for {other:?}"),
                    }
                }
                Message::Binary(data) => {
                    let (ChannelId(id), data) = frame::decode(data).unwrap();
                    return (id, Said::Data(data));
                }
                other => panic!("neither word nor data: {other:?}"),
            }
        }
    }

    /// The next thing that is said about this channel and fits; all else is passed over, output of
    /// this channel being acknowledged.
    pub(crate) async fn until<T>(
        &mut self,
        channel: u32,
        mut fits: impl FnMut(&Said) -> Option<T>,
    ) -> T {
        let searching = async {
            loop {
                let (id, said) = self.said().await;
                if id != channel {
                    continue;
                }
                if let Said::Data(data) = &said {
                    let bytes = data.len().try_into().unwrap();
                    self.word(channel, ToTerminal::WindowAdjust { bytes }).await;
                }
                if let Some(found) = fits(&said) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, searching).await.expect("it should have been said by now")
    }

    /// Opens something and waits until it is there.
    pub(crate) async fn open(&mut self, channel: u32, open: Open) -> SessionId {
        let session_id = self.connect(channel, open).await;
        self.until(channel, |said| match said {
            Said::Word(FromTerminal::Connected { .. }) => Some(()),
            Said::Word(FromTerminal::Error(error)) => panic!("{error}"),
            _ => None,
        })
        .await;
        session_id
    }

    /// Opens a PTY and waits until its shell answers: what a person's profile does when a shell
    /// starts may take a while, and must not be cut short.
    pub(crate) async fn pty(&mut self, channel: u32) -> SessionId {
        let session_id = self.open(channel, pty()).await;
        self.answers(channel).await;
        session_id
    }

    /// Waits until output of this channel has this text.
    pub(crate) async fn shows(&mut self, channel: u32, text: &str) {
        let mut seen = Vec::new();
        self.until(channel, |said| {
            let Said::Data(data) = said else { return None };
            seen.extend_from_slice(data);
            String::from_utf8_lossy(&seen).contains(text).then_some(())
        })
        .await;
    }

    /// Types a computation and waits for its result.
    pub(crate) async fn answers(&mut self, channel: u32) {
        self.data(channel, b"echo is-$((6*7))-it\r").await;
        self.shows(channel, "is-42-it").await;
    }

    /// The reason with which a channel was closed.
    pub(crate) async fn closed(&mut self, channel: u32) -> gangplank_proto::link::Exit {
        self.until(channel, |said| match said {
            Said::Word(FromTerminal::Close(exit)) => Some(exit.clone()),
            _ => None,
        })
        .await
    }

    /// The close frame of the link, whatever comes before it.
    pub(crate) async fn goodbye(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.message().await {
                let frame = frame.expect("a code");
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    }

    pub(crate) async fn close(&mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code: code.into(), reason: reason.into() };
        soon(self.socket.close(Some(frame))).await.unwrap();
    }
}

pub(crate) fn pty() -> Open {
    Open::Pty {
        username: None,
        pty: PtyRequest { term: "xterm-256color".to_owned(), size: Size::DEFAULT },
    }
}

/// A policy that allows a PTY as the user who runs the test.
pub(crate) fn open_policy() -> Policy {
    let own = gangplank_agent::facts::own_account();
    Policy { pty: true, users: Some(vec![own.name]), ..Policy::default() }
}

pub(crate) fn config(url: ServerUrl, trust: ClientTrust, policy: Policy) -> Config {
    Config {
        path: "agent.toml".into(),
        server: Server {
            url,
            kind: Default::default(),
            trust,
            ca: None,
            proxies: Proxies::default(),
        },
        credentials: Credentials {
            api_id: "gp_0123456789abcdef".parse().unwrap(),
            api_key: Secret::new("key-of-the-test".to_owned()),
        },
        local: Local {
            policy,
            tools: BTreeMap::new(),
            keys: Keys::default(),
            log: Level::Info,
            ssh_dir: "/nonexistent".into(),
            helper: "/nonexistent".into(),
            telemetry: Duration::ZERO,
        },
    }
}

/// An agent that runs; it stops when this is dropped.
pub(crate) struct Running {
    pub(crate) agent: Arc<Agent>,
    pub(crate) stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(agent: Agent) -> Self {
        let (agent, stop) = (Arc::new(agent), CancellationToken::new());
        let (running, token) = (Arc::clone(&agent), stop.clone());
        let task = tokio::spawn(async move {
            running.run(token).await;
        });
        Self { agent, stop, task }
    }

    /// An agent with an open policy at this daemon, and the daemon's end of its link.
    pub(crate) async fn linked(daemon: &Daemon) -> (Self, Peer) {
        let config = config(daemon.url(), ClientTrust::system(), open_policy());
        let running = Self::start(Agent::new(config).unwrap());
        let peer = daemon.agent().await;
        (running, peer)
    }

    /// Waits for the end of an agent that was told to stop.
    pub(crate) async fn ended(mut self) {
        soon(&mut self.task).await.unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
