//! An HTTP client that hides nothing: every request is a connection of its own, and every header
//! that matters to the daemon is the caller's to choose.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use gangplank_certs::ClientTrust;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// A connection to the daemon.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// One way to a daemon, with or without a login.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    /// Name in the TLS handshake and, with the port, in `Host`.
    host: String,
    tls: Option<Arc<ClientConfig>>,
    from: IpAddr,
    origin: Option<String>,
    cookie: Option<String>,
    bearer: Option<String>,
    extra: Vec<(String, String)>,
    watched: bool,
}

/// A complete answer.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header fields.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it isn't.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value, empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap_or(""))
    }

    /// Itself, when the status is the one expected.
    ///
    /// # Panics
    /// When it is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// Checks that this is the contract's error body.
    ///
    /// # Panics
    /// When it isn't.
    #[track_caller]
    pub fn refused(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.text());
        let body = self.json();
        assert!(body["error"].is_string() && body["code"].is_string(), "{body}");
    }
}

impl Client {
    /// A client of the daemon at `url` that trusts the CA in `ca` (PEM) and nothing else.
    pub fn new(url: &str, ca: &[u8]) -> Self {
        let tls = ClientTrust::only(ca).expect("a CA").config().expect("a client configuration");
        let mut client = Self::plain(url.trim_start_matches("https://"));
        client.tls = Some(tls);
        client.origin = Some(url.trim_end_matches('/').to_owned());
        client
    }

    /// A client without TLS of the listener at `authority` (`HOST:PORT`).
    pub fn plain(authority: &str) -> Self {
        let authority = authority.trim_end_matches('/');
        let (host, port) = authority.rsplit_once(':').expect("HOST:PORT");
        let port = port.parse().expect("a port");
        let address = host.parse().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Self {
            address: SocketAddr::new(address, port),
            host: host.to_owned(),
            tls: None,
            from: Ipv4Addr::LOCALHOST.into(),
            origin: None,
            cookie: None,
            bearer: None,
            extra: Vec::new(),
            watched: false,
        }
    }

    /// The same way from another loopback address.
    #[must_use]
    pub fn from_address(mut self, last: u8) -> Self {
        self.from = Ipv4Addr::new(127, 0, 0, last).into();
        self
    }

    /// The same way, to a daemon in none of whose answers there may be a secret that a test made.
    #[must_use]
    pub fn watched(mut self) -> Self {
        self.watched = true;
        self
    }

    /// The same way with another `Origin`, or none.
    #[must_use]
    pub fn with_origin(mut self, origin: Option<&str>) -> Self {
        self.origin = origin.map(str::to_owned);
        self
    }

    /// The same way with one more header on each request.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.extra.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same way under another name in `Host` (the port stays).
    #[must_use]
    pub fn with_host(mut self, host: &str) -> Self {
        self.host = host.to_owned();
        self
    }

    /// The same way with a Bearer token instead of a cookie.
    #[must_use]
    pub fn with_bearer(mut self, token: &str) -> Self {
        self.bearer = Some(token.to_owned());
        self.cookie = None;
        self
    }

    /// The same way without a login.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        self.cookie = None;
        self.bearer = None;
        self
    }

    /// `HOST:PORT`.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.address.port())
    }

    /// The `Cookie` header, if there is a login.
    pub fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    /// Header lines that each request carries, as they go over the wire.
    pub fn head(&self) -> Vec<(String, String)> {
        let mut head = vec![("Host".to_owned(), self.authority())];
        let own = [("Origin", &self.origin), ("Cookie", &self.cookie)];
        for (name, value) in own {
            if let Some(value) = value {
                head.push((name.to_owned(), value.clone()));
            }
        }
        if let Some(token) = &self.bearer {
            head.push(("Authorization".to_owned(), format!("Bearer {token}")));
        }
        head.extend(self.extra.iter().cloned());
        head
    }

    /// Opens a connection, with TLS unless this is a plain client.
    ///
    /// # Errors
    /// What TCP or TLS says.
    pub async fn dial(&self) -> io::Result<Box<dyn Wire>> {
        let socket = TcpSocket::new_v4()?;
        if self.from != IpAddr::V4(Ipv4Addr::LOCALHOST) {
            socket.bind(SocketAddr::new(self.from, 0))?;
        }
        let tcp = socket.connect(self.address).await?;
        tcp.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Box::new(tcp)),
            Some(config) => {
                // The certificate is always checked for the address dialled: a wrong `Host` is a
                // matter of HTTP.
                let name = ServerName::from(self.address.ip());
                let tls = TlsConnector::from(Arc::clone(config)).connect(name, tcp).await?;
                Ok(Box::new(tls))
            }
        }
    }

    /// The certificate that the daemon shows, in DER; empty when the handshake fails.
    pub async fn leaf(&self) -> Vec<u8> {
        let Some(config) = &self.tls else { return Vec::new() };
        let Ok(tcp) = TcpStream::connect(self.address).await else { return Vec::new() };
        let connector = TlsConnector::from(Arc::clone(config));
        let Ok(tls) = connector.connect(ServerName::from(self.address.ip()), tcp).await else {
            return Vec::new();
        };
        let shown = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
        shown.map(|leaf| leaf.to_vec()).unwrap_or_default()
    }

    /// Logs in; later requests carry the session's cookie.
    ///
    /// # Panics
    /// When the daemon refuses.
    pub async fn login(&self, username: &str, password: &str) -> Self {
        let answer = self.try_login(username, password).await.expect(200);
        let mut client = self.clone();
        client.cookie = Some(session_cookie(&answer));
        client
    }

    /// Asks for a login and returns whatever is answered.
    pub async fn try_login(&self, username: &str, password: &str) -> Answer {
        let body = json!({ "username": username, "password": password });
        self.post("/api/v1/auth/login", body).await
    }

    /// Sends a GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    /// Sends a POST with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, Some(body)).await
    }

    /// Sends a PATCH with a JSON body.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send("PATCH", path, Some(body)).await
    }

    /// Sends a DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None).await
    }

    /// The value of a header that was added; empty when there is none.
    pub fn extra(&self, name: &str) -> &str {
        let mut extra = self.extra.iter();
        extra.find(|(added, _)| added == name).map_or("", |(_, value)| value)
    }

    /// Sends a body as it is, with the headers that were added and no others about it.
    ///
    /// # Panics
    /// When no complete answer comes in time.
    pub async fn send_bytes(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        for (name, value) in self.head() {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let raw = self.raw(&[request.as_bytes(), body].concat()).await;
        parse_answer(&raw).unwrap_or_else(|| {
            panic!("{method} {path}: no HTTP in {:?}", String::from_utf8_lossy(&raw))
        })
    }

    /// Sends bytes and hangs up without waiting for anything.
    ///
    /// # Panics
    /// When the daemon can't be reached.
    pub async fn break_off(&self, bytes: &[u8]) {
        let mut wire = self.dial().await.expect("the daemon can be reached");
        wire.write_all(bytes).await.expect("the daemon reads");
        wire.flush().await.expect("the daemon reads");
        let _ = wire.shutdown().await;
    }

    /// Sends any request.
    ///
    /// # Panics
    /// When no complete answer comes in time.
    pub async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        for (name, value) in self.head() {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            request.push_str("Content-Type: application/json\r\n");
        }
        if !body.is_empty() || method != "GET" {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(&body);
        let raw = self.raw(request.as_bytes()).await;
        parse_answer(&raw).unwrap_or_else(|| {
            panic!("{method} {path}: no HTTP in {:?}", String::from_utf8_lossy(&raw))
        })
    }

    /// Sends bytes and returns all that comes until the daemon closes.
    ///
    /// # Panics
    /// When it can't be reached or doesn't close in time.
    pub async fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let exchange = async {
            let mut wire = self.dial().await?;
            wire.write_all(bytes).await?;
            wire.flush().await?;
            let mut answer = Vec::new();
            // A peer that closes without close_notify still said what it said.
            let _ = wire.read_to_end(&mut answer).await;
            io::Result::Ok(answer)
        };
        let answer = timeout(ANSWER, exchange)
            .await
            .expect("the daemon closes the connection in time")
            .expect("the daemon can be reached");
        self.sees_no_secret(&answer);
        answer
    }

    /// Looks for a test's secret in what a watched daemon answered.
    pub(crate) fn sees_no_secret(&self, answer: &[u8]) {
        let text = String::from_utf8_lossy(answer);
        assert!(!self.watched || !text.contains("CANARY-"), "a secret was answered: {text}");
    }
}

/// The cookie of the session that a login's answer starts.
///
/// # Panics
/// When there is none.
#[track_caller]
pub fn session_cookie(answer: &Answer) -> String {
    let set = answer.headers.get_all("set-cookie").iter();
    set.filter_map(|value| value.to_str().ok())
        .find(|value| value.starts_with("__Host-session="))
        .and_then(|value| value.split(';').next())
        .expect("a session cookie")
        .to_owned()
}

/// Splits an answer that ends with its connection.
pub(crate) fn parse_answer(raw: &[u8]) -> Option<Answer> {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (status, headers) = parse_head(&raw[..end])?;
    let mut body = raw[end + 4..].to_vec();
    if headers.get("transfer-encoding").is_some_and(|value| value == "chunked") {
        body = unchunk(&body)?;
    }
    Some(Answer { status: status.as_u16(), headers, body })
}

/// Reads status line and header fields, without the empty line at their end.
pub(crate) fn parse_head(head: &[u8]) -> Option<(StatusCode, HeaderMap)> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).ok()?,
            HeaderValue::from_str(value.trim()).ok()?,
        );
    }
    Some((status, headers))
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..end]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        rest = &rest[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}
