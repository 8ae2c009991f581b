//! Listening sockets: accept, count, TLS, strict heads, one deadline; then the router.
//!
//! ```text
//!  accept ── counted (Admission) ── task ─┬─ TLS handshake ─┐
//!                                         └─ (plain) ───────┴─ Strict ── hyper ── router
//!            └─────────────── one deadline: `establish` ──────────────────┘
//! ```
//!
//! The accept loop never waits for a peer, and a connection counts against its source until the
//! gate says that it is authenticated. `Strict` lets through only heads that have one
//! reading, so nothing behind it, hyper included, has to guess where a request ends. The router
//! finds in each request's extensions a [`Peer`] and the connection's `Arc<`[`Admission`]`>`;
//! forwarding headers never get there.

mod admission;
mod backoff;
mod body;
mod connection;
mod head;
mod inherited;
mod proxy;
mod quiet;
mod redirect;
mod refusal;
mod service;
mod socket;
mod strict;
#[cfg(test)]
mod tests;

pub use admission::{Admission, Admissions};
pub use connection::Cut;
pub use inherited::{Inherited, InheritedError};
pub use proxy::Proxies;
pub use redirect::Target;
pub use socket::BindError;

use axum::Router;
use backoff::Backoff;
use connection::Connection;
use gangplank_proto::limit;
use quiet::Quiet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What bounds connections before anybody is known; the owner may change it while serving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerLimits {
    /// From accept to the first complete request head, or to the answer of an upgrade.
    pub establish: Duration,
    /// For how long a connection may wait for its next request head.
    pub keep_alive: Duration,
    /// From a request's head to the end of its body.
    pub body: Duration,
    /// For how long a peer may take nothing of what is sent to it, after an upgrade too.
    pub stalled: Duration,
    /// Connections of one source (IPv4 address, IPv6 /64) that aren't authenticated yet.
    pub pending_per_ip: usize,
    /// The same over all sources.
    pub pending: usize,
    /// Connections of all kinds, upgraded ones included.
    pub connections: usize,
    /// Bytes of one request head.
    pub head: usize,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            establish: limit::ESTABLISH,
            keep_alive: Duration::from_secs(30),
            body: Duration::from_secs(60),
            stalled: Duration::from_secs(60),
            pending_per_ip: 512,
            pending: 8192,
            connections: 32_768,
            head: 32 << 10,
        }
    }
}

/// Which socket a request came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListenerKind {
    /// TLS by ourselves.
    Tls,
    /// Plain, answers with a redirect to TLS and nothing else.
    Redirect,
    /// Plain, from named proxies that speak TLS for us.
    BehindProxy,
    /// Plain, for a lab.
    Plain,
}

/// Who sent a request, and over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client's address; behind a proxy the one that the proxy saw. Never IPv4 in IPv6.
    pub addr: IpAddr,
    /// The port of the other end of our own socket.
    pub port: u16,
    /// Whether the client's bytes travelled under TLS.
    pub secure: bool,
    /// The socket it came in by.
    pub listener: ListenerKind,
}

/// What a listener does with those who connect.
#[derive(Clone, Debug)]
pub enum Mode {
    /// TLS, then the router.
    Tls(Arc<rustls::ServerConfig>),
    /// 308 to the same path under TLS; credentials are noticed, never read.
    Redirect(Target),
    /// The router, for these proxies alone.
    BehindProxy(Proxies),
    /// The router.
    Plain,
}

impl Mode {
    fn kind(&self) -> ListenerKind {
        match self {
            Self::Tls(_) => ListenerKind::Tls,
            Self::Redirect(_) => ListenerKind::Redirect,
            Self::BehindProxy(_) => ListenerKind::BehindProxy,
            Self::Plain => ListenerKind::Plain,
        }
    }
}

/// A bound socket that doesn't accept yet.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    addr: SocketAddr,
    mode: Mode,
}

impl Listener {
    /// Binds `addr`; port 0 takes a free one. Must be called in a Tokio runtime.
    ///
    /// # Errors
    /// When the address is taken, isn't ours or isn't allowed, with one fix.
    pub fn bind(addr: SocketAddr, mode: Mode) -> Result<Self, BindError> {
        let socket = socket::bind(addr)?;
        let addr = socket.local_addr().map_err(|source| BindError::new(addr, source))?;
        Ok(Self { socket, addr, mode })
    }

    /// Takes over a socket that already listens (see [`Inherited`]). Must be called in a Tokio
    /// runtime.
    ///
    /// # Errors
    /// When the socket can't be used.
    pub fn from_std(socket: std::net::TcpListener, mode: Mode) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let socket = TcpListener::from_std(socket)?;
        let addr = socket.local_addr()?;
        Ok(Self { socket, addr, mode })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it does with those who connect.
    #[must_use]
    pub fn kind(&self) -> ListenerKind {
        self.mode.kind()
    }

    /// Accepts until `shutdown`; every connection is a task of `tracker`, which finishes the
    /// request it is at and then closes. Upgraded connections belong to those who upgraded them.
    ///
    /// `admissions` is shared by all listeners of a daemon.
    pub async fn serve(
        self,
        router: Router,
        limits: watch::Receiver<ListenerLimits>,
        admissions: Arc<Admissions>,
        shutdown: CancellationToken,
        tracker: TaskTracker,
    ) {
        let serving = Arc::new(Serving {
            mode: self.mode,
            router,
            admissions,
            shutdown: shutdown.clone(),
            refused: Quiet::default(),
            clear: Quiet::default(),
        });
        tracing::info!(addr = %self.addr, kind = ?serving.mode.kind(), "listening");
        let mut backoff = Backoff::default();
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, addr)) => {
                    backoff.reset();
                    let limits = limits.borrow().clone();
                    if let Some(connection) = Connection::admit(&serving, stream, addr, limits) {
                        tracker.spawn(connection.run());
                    }
                }
                Err(error) => {
                    let Some(pause) = backoff.after(&error) else { continue };
                    tracing::error!(addr = %self.addr, %error, "accept failed, pausing");
                    tokio::select! {
                        () = shutdown.cancelled() => break,
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            }
        }
        tracing::info!(addr = %self.addr, "no longer listening");
    }
}

/// What the connections of one listener share.
struct Serving {
    mode: Mode,
    router: Router,
    admissions: Arc<Admissions>,
    shutdown: CancellationToken,
    /// Connections that were refused for their number.
    refused: Quiet,
    /// Credentials seen in the clear.
    clear: Quiet,
}
