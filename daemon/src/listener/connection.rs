//! One connection from accept to its end, or to its upgrade.

use super::admission::{Admission, Place};
use super::service::Service;
use super::strict::Strict;
use super::{ListenerLimits, Mode, Peer, Serving, socket};
use crate::guard::Misdeed;
use gangplank_terminal::read_ahead::ReadAhead;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// What rustls may hold of our bytes for a slow reader, beside what it is sending.
const TLS_BUFFER: usize = 16 << 10;
/// hyper accepts no smaller buffer.
const SMALLEST_HEAD: usize = 8192;

/// Breaks a connection that takes nothing of a long answer. Each request's extensions have one.
#[derive(Clone, Debug)]
pub struct Cut(CancellationToken);

impl Cut {
    /// Breaks it.
    pub fn cut(&self) {
        self.0.cancel();
    }
}

/// A connection that was counted.
pub(super) struct Connection {
    serving: Arc<Serving>,
    stream: TcpStream,
    peer: Peer,
    place: Place,
    admission: Admission,
    limits: ListenerLimits,
    deadline: Instant,
}

impl Connection {
    /// Counts the connection, or drops it: it comes from where nobody is let in, or there are too
    /// many. Dropping costs the least of all answers, and nothing was read that could be answered.
    pub(super) fn admit(
        serving: &Arc<Serving>,
        stream: TcpStream,
        addr: SocketAddr,
        limits: ListenerLimits,
    ) -> Option<Self> {
        let now = Instant::now();
        let peer = Peer {
            addr: addr.ip().to_canonical(),
            port: addr.port(),
            secure: matches!(serving.mode, Mode::Tls(_)),
            listener: serving.mode.kind(),
        };
        let source = match &serving.mode {
            Mode::BehindProxy(proxies) if !proxies.trusts(peer.addr) => {
                if let Some(left_out) = serving.refused.say(now) {
                    tracing::warn!(peer = %peer.addr, left_out, "refused: no proxy of ours");
                }
                return None;
            }
            // A proxy's clients are counted one by one when they are known.
            Mode::BehindProxy(_) => None,
            _ if serving.admissions.is_closed(peer.addr) => return None,
            _ => Some(peer.addr),
        };
        let counted = serving.admissions.place(limits.connections).and_then(|place| {
            let admissions = &serving.admissions;
            let admission = admissions.admit(source, limits.pending_per_ip, limits.pending)?;
            Some((place, admission))
        });
        let Some((place, admission)) = counted else {
            if let Some(left_out) = serving.refused.say(now) {
                tracing::warn!(peer = %peer.addr, left_out, "refused: too many connections");
            }
            return None;
        };
        let deadline = now + limits.establish;
        let serving = Arc::clone(serving);
        Some(Self { serving, stream, peer, place, admission, limits, deadline })
    }

    /// Serves the connection until it ends or is upgraded.
    pub(super) async fn run(self) {
        let peer = self.peer;
        if let Err(error) = socket::tune(&self.stream) {
            tracing::debug!(peer = %peer.addr, %error, "socket options");
        }
        let Mode::Tls(config) = &self.serving.mode else {
            let (stream, rest) = self.split();
            return rest.serve(stream).await;
        };
        let acceptor = TlsAcceptor::from(Arc::clone(config));
        let (stream, rest) = self.split();
        let stream = ReadAhead::new(stream);
        let accept = acceptor.accept_with(stream, |tls| tls.set_buffer_limit(Some(TLS_BUFFER)));
        let handshake = tokio::select! {
            biased;
            () = rest.serving.shutdown.cancelled() => return,
            handshake = timeout_at(rest.deadline, accept) => handshake,
        };
        match handshake {
            Ok(Ok(stream)) => rest.serve(stream).await,
            Ok(Err(error)) => {
                rest.serving.admissions.misdeed(peer.addr, Misdeed::EarlyHangUp);
                tracing::debug!(peer = %peer.addr, %error, "handshake failed");
            }
            Err(_) => {
                rest.serving.admissions.misdeed(peer.addr, Misdeed::EarlyHangUp);
                tracing::debug!(peer = %peer.addr, "handshake timed out");
            }
        }
    }

    fn split(self) -> (TcpStream, Http) {
        let Self { serving, stream, peer, place, admission, limits, deadline } = self;
        (stream, Http { serving, peer, place, admission, limits, deadline })
    }
}

/// A connection whose bytes are HTTP.
struct Http {
    serving: Arc<Serving>,
    peer: Peer,
    place: Place,
    admission: Admission,
    limits: ListenerLimits,
    deadline: Instant,
}

impl Http {
    async fn serve<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { serving, peer, place, admission, limits, deadline } = self;
        let shutdown = serving.shutdown.clone();
        let established = CancellationToken::new();
        let max_head = limits.head.max(SMALLEST_HEAD);
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(limits.keep_alive)
            .max_headers(100)
            .max_buf_size(max_head);
        let patience = limits.stalled;
        let cut = CancellationToken::new();
        let tokens = (established.clone(), Cut(cut.clone()));
        // Behind a proxy, connections are the proxy's own business.
        let direct = !matches!(serving.mode, Mode::BehindProxy(_));
        let admissions = Arc::clone(&serving.admissions);
        let hung_up = || {
            if direct {
                admissions.misdeed(peer.addr, Misdeed::EarlyHangUp);
            }
        };
        let service = Service::new(serving, peer, admission, limits, tokens);
        let service = service_fn(move |request: http::Request<Incoming>| {
            let answer = service.clone().answer(request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let io = TokioIo::new(Strict::new(stream, max_head, patience, place));
        let mut connection = pin!(builder.serve_connection(io, service).with_upgrades());
        tokio::select! {
            biased;
            () = established.cancelled() => {}
            // Nobody has asked for anything yet.
            () = shutdown.cancelled() => return,
            () = sleep_until(deadline) => {
                hung_up();
                tracing::debug!(peer = %peer.addr, "no request in time");
                return;
            }
            result = connection.as_mut() => {
                if !established.is_cancelled() {
                    hung_up();
                }
                return ended(peer, result);
            }
        }
        tokio::select! {
            biased;
            () = cut.cancelled() => return,
            () = shutdown.cancelled() => {}
            result = connection.as_mut() => return ended(peer, result),
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            biased;
            () = cut.cancelled() => {}
            result = connection => ended(peer, result),
        }
    }
}

fn ended(peer: Peer, result: hyper::Result<()>) {
    if let Err(error) = result {
        // The peer's doing; hyper's errors hold no bytes of the connection.
        tracing::debug!(peer = %peer.addr, %error, "connection ended");
    }
}
