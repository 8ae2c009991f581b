//! A server of files, which does with them what the test wants.

use std::sync::{Arc, Mutex};

use gangplank_certs::{Authority, Names, Reloadable, TicketKeys, server_config};
use gangplank_proto::server_url::ServerUrl;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// What is answered to a request: the whole answer, after which the connection ends.
type Answer = Box<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

/// A server; it ends when this is dropped.
pub(crate) struct Server {
    pub(crate) url: ServerUrl,
    asked: Arc<Mutex<Vec<String>>>,
    _task: AbortOnDropHandle<()>,
}

impl Server {
    /// Without TLS.
    pub(crate) async fn plain(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(None, Box::new(answer)).await
    }

    /// With a certificate of an authority of its own, which comes along.
    pub(crate) async fn tls(
        answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
    ) -> (Self, String) {
        let now = time::OffsetDateTime::now_utc();
        let directory = tempfile::tempdir().unwrap();
        let names = Names::parse(&["localhost"]).unwrap();
        let authority = Arc::new(Authority::load_or_create(directory.path(), &names, now).unwrap());
        let pem = authority.pem().to_owned();
        let served = Arc::new(Reloadable::from_authority(authority, names, now).unwrap());
        let tickets = Arc::new(TicketKeys::in_memory(now).unwrap());
        let acceptor = TlsAcceptor::from(server_config(served, tickets).unwrap());
        (Self::start(Some(acceptor), Box::new(answer)).await, pem)
    }

    async fn start(tls: Option<TlsAcceptor>, answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = ServerUrl::parse(&format!("{scheme}://localhost:{port}")).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                match &tls {
                    None => serve(tcp, &heard, &answer).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(tcp).await {
                            serve(stream, &heard, &answer).await;
                        }
                    }
                }
            }
        });
        Self { url, asked, _task: AbortOnDropHandle::new(task) }
    }

    /// The requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    heard: &Mutex<Vec<String>>,
    answer: &Answer,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let answer = answer(&head);
    heard.lock().unwrap().push(head);
    // A client that has heard enough may leave.
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
}

/// A whole answer.
pub(crate) fn ok(body: &[u8]) -> Vec<u8> {
    answer("200 OK", "", body.len(), body)
}

/// An answer that promises `length` bytes.
pub(crate) fn answer(status: &str, headers: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// The first byte that a request wants.
pub(crate) fn from(head: &str) -> Option<usize> {
    let lower = head.to_lowercase();
    let range = lower.split("\r\nrange: bytes=").nth(1)?;
    range.split('-').next()?.parse().ok()
}
