//! A listener with a small router, and clients that speak raw bytes.

use crate::listener::{Admission, Admissions, Listener, ListenerKind, ListenerLimits, Mode, Peer};
use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::routing::{get, post};
use hyper_util::rt::TokioIo;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Far longer than anything here takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Rig {
    pub(super) addr: SocketAddr,
    pub(super) admissions: Arc<Admissions>,
    /// Requests that reached the router.
    pub(super) routed: Arc<AtomicUsize>,
    pub(super) shutdown: CancellationToken,
    pub(super) tracker: TaskTracker,
    limits: watch::Sender<ListenerLimits>,
}

impl Rig {
    pub(super) fn start(mode: Mode, limits: ListenerLimits) -> Self {
        let routed = Arc::new(AtomicUsize::new(0));
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), mode).unwrap();
        let (limits, watched) = watch::channel(limits);
        let rig = Self {
            addr: listener.local_addr(),
            admissions: Arc::new(Admissions::default()),
            routed: Arc::clone(&routed),
            shutdown: CancellationToken::new(),
            tracker: TaskTracker::new(),
            limits,
        };
        rig.tracker.spawn(listener.serve(
            router(routed),
            watched,
            Arc::clone(&rig.admissions),
            rig.shutdown.clone(),
            rig.tracker.clone(),
        ));
        rig
    }

    pub(super) fn plain(limits: ListenerLimits) -> Self {
        Self::start(Mode::Plain, limits)
    }

    pub(super) fn limit(&self, limits: ListenerLimits) {
        self.limits.send(limits).unwrap();
    }

    pub(super) fn routed(&self) -> usize {
        self.routed.load(Ordering::SeqCst)
    }

    pub(super) async fn connect(&self) -> TcpStream {
        self.connect_from("127.0.0.1").await
    }

    pub(super) async fn connect_from(&self, source: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(source.parse::<IpAddr>().unwrap(), 0)).unwrap();
        socket.connect(self.addr).await.unwrap()
    }

    /// Sends `text` on a new connection and returns all that comes until it is closed.
    pub(super) async fn ask(&self, text: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        rest(&mut stream).await
    }

    /// Waits until `condition` holds for the counts.
    pub(super) async fn until(&self, condition: impl Fn(&Admissions) -> bool) {
        let start = Instant::now();
        while !condition(&self.admissions) {
            assert!(start.elapsed() < PATIENCE, "{:?}", self.admissions);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn router(routed: Arc<AtomicUsize>) -> Router {
    let count = |State(routed): State<Arc<AtomicUsize>>,
                 request: Request,
                 next: axum::middleware::Next| async move {
        routed.fetch_add(1, Ordering::SeqCst);
        next.run(request).await
    };
    Router::new()
        .route("/", get(who))
        .route("/echo", post(|body: String| async { body }))
        .route(
            "/login",
            get(|Extension(admission): Extension<Arc<Admission>>| async move {
                admission.release();
                "welcome"
            }),
        )
        .route("/socket", get(socket))
        .route("/refused", get(|| async { StatusCode::UNAUTHORIZED }))
        .route(
            "/endless",
            get(|| async {
                let pieces = futures_util::stream::repeat_with(|| {
                    Ok::<_, std::convert::Infallible>(bytes::Bytes::from_static(&[b'x'; 16 << 10]))
                });
                Body::from_stream(pieces)
            }),
        )
        .route("/never", get(std::future::pending::<()>))
        .layer(axum::middleware::from_fn_with_state(routed, count))
}

async fn who(Extension(peer): Extension<Peer>, headers: HeaderMap) -> String {
    let claims = headers.keys().filter(|name| name.as_str().contains("forwarded")).count();
    let Peer { addr, secure, listener, .. } = peer;
    let kind = match listener {
        ListenerKind::Tls => "tls",
        ListenerKind::Redirect => "redirect",
        ListenerKind::BehindProxy => "behind_proxy",
        ListenerKind::Plain => "plain",
    };
    format!("{addr} {secure} {kind} {claims}")
}

/// An upgrade to a protocol that echoes.
async fn socket(mut request: Request) -> Response<Body> {
    let upgrade = hyper::upgrade::on(&mut request);
    let echo = async move {
        let mut stream = TokioIo::new(upgrade.await.unwrap());
        let mut bytes = [0; 64];
        while let Ok(len @ 1..) = stream.read(&mut bytes).await {
            stream.write_all(&bytes[..len]).await.unwrap();
        }
    };
    #[allow(clippy::disallowed_methods, reason = "ends with its connection")]
    tokio::spawn(echo);
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, "echo")
        .body(Body::empty())
        .unwrap()
}

/// All that comes until the other side closes, a reset included.
pub(super) async fn rest<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match timeout(PATIENCE, stream.read(&mut chunk)).await.expect("closed in time") {
            Ok(0) | Err(_) => return String::from_utf8(bytes).unwrap(),
            Ok(len) => bytes.extend_from_slice(&chunk[..len]),
        }
    }
}

/// Sends a request on a connection that is kept, and returns the answer up to `end`.
pub(super) async fn exchange<S>(stream: &mut S, request: &str, end: &str) -> String
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = String::new();
    let mut chunk = [0; 4096];
    while !answer.contains(end) {
        let len = timeout(PATIENCE, stream.read(&mut chunk)).await.expect("answered").unwrap();
        assert_ne!(len, 0, "closed after {answer:?}");
        answer.push_str(std::str::from_utf8(&chunk[..len]).unwrap());
    }
    answer
}

pub(super) const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
pub(super) const UPGRADE: &str =
    "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
