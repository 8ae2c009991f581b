//! A receiver of webhooks: an HTTPS server with a certificate of its own, which takes what comes, or
//! behaves badly.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use crate::{eventually, scratch};

/// What a receiver does with what comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manner {
    /// Takes it.
    Take,
    /// Answers this status, such as `500 Internal Server Error`.
    Refuse(&'static str),
    /// Sends it elsewhere.
    Redirect(String),
    /// Never answers.
    Hang,
    /// Takes it, and answers without an end.
    Endless,
}

/// Something that came.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its headers, by lower-case name.
    pub headers: HashMap<String, String>,
    /// Its body, as it came.
    pub body: String,
}

impl Received {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

#[derive(Debug)]
struct Seen {
    manner: Mutex<Manner>,
    received: Mutex<Vec<Received>>,
    connections: AtomicUsize,
}

/// A running receiver.
#[derive(Debug)]
pub struct Receiver {
    port: u16,
    ca: PathBuf,
    seen: Arc<Seen>,
    accepting: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The certificate of receivers in one test, for `127.0.0.1`.
#[derive(Debug)]
pub struct Certificate {
    file: PathBuf,
    server: Arc<ServerConfig>,
}

impl Certificate {
    /// Makes one.
    pub fn new() -> Self {
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let file = scratch::directory().join("receiver.pem");
        fs::write(&file, made.cert.pem()).expect("our own directory");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let server = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a pair");
        Self { file, server: Arc::new(server) }
    }

    /// Its file.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

impl Default for Certificate {
    fn default() -> Self {
        Self::new()
    }
}

impl Receiver {
    /// Starts one.
    pub async fn start(certificate: &Certificate) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::new(Seen {
            manner: Mutex::new(Manner::Take),
            received: Mutex::default(),
            connections: AtomicUsize::new(0),
        });
        let (tls, serving) =
            (TlsAcceptor::from(Arc::clone(&certificate.server)), Arc::clone(&seen));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(tls.clone(), stream, Arc::clone(&serving)));
            }
        });
        Self { port, ca: certificate.file.clone(), seen, accepting }
    }

    /// A URL of it.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}/hook", self.port)
    }

    /// The file of its certificate.
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// Behaves like this from now on.
    pub fn behave(&self, manner: Manner) {
        *self.seen.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// Everything that came so far, refused or not.
    pub fn received(&self) -> Vec<Received> {
        self.seen.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }

    /// Waits until so many have come.
    pub async fn until(&self, count: usize) -> Vec<Received> {
        eventually::until(Duration::from_secs(30), "deliveries", || async {
            let received = self.received();
            (received.len() >= count).then_some(received)
        })
        .await
    }
}

async fn serve(tls: TlsAcceptor, stream: TcpStream, seen: Arc<Seen>) {
    let Ok(stream) = tls.accept(stream).await else { return };
    let mut stream = BufReader::new(stream);
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).await.is_err() {
        return;
    }
    let body = String::from_utf8(body).expect("text");
    let manner = seen.manner.lock().unwrap_or_else(PoisonError::into_inner).clone();
    seen.received.lock().unwrap_or_else(PoisonError::into_inner).push(Received { headers, body });
    let empty = "Content-Length: 0\r\nConnection: close\r\n\r\n";
    let answer = match manner {
        Manner::Take => "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_owned(),
        Manner::Refuse(status) => format!("HTTP/1.1 {status}\r\n{empty}"),
        Manner::Redirect(to) => format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\n{empty}"),
        Manner::Hang => return std::future::pending().await,
        Manner::Endless => "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_owned(),
    };
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.flush().await;
    if answer.starts_with("HTTP/1.1 200") {
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    }
    let _ = stream.shutdown().await;
}
