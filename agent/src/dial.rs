//! From a server's address to a byte stream that leads there and nowhere else: names, addresses,
//! proxies, TCP, TLS. Every failure says what to do about it.

pub mod exchange;
pub mod proxy;
mod tcp;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gangplank_certs::TrustError;
use gangplank_proto::limit;
use gangplank_proto::server_url::ServerUrl;
use gangplank_terminal::read_ahead::ReadAhead;
use rustls::{CertificateError, ClientConfig};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use crate::config::{Server, ServerKind};
use proxy::{Proxies, TunnelError};

pub(crate) use tcp::resolve;

/// A connection to the server, encrypted or (in a lab) not.
pub type Stream = Either<TcpStream, TlsStream<ReadAhead<TcpStream>>>;

/// Opens connections to one server.
#[derive(Debug, Clone)]
pub struct Dialer {
    url: ServerUrl,
    kind: ServerKind,
    /// Made once, so that sessions resume and the system's CAs are read once. Absent without TLS.
    tls: Option<Arc<ClientConfig>>,
    verifies: bool,
    ca: Option<PathBuf>,
    proxies: Proxies,
}

/// A fresh connection and how it came about.
#[derive(Debug)]
pub struct Dialled {
    /// The connection.
    pub stream: Stream,
    /// Address that TCP reached: the server's or the proxy's.
    pub address: SocketAddr,
}

/// Why there is no connection, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The name leads nowhere.
    #[error("{host} can't be resolved ({source}): check the name and this host's DNS")]
    Resolve {
        /// The server's or the proxy's name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Nobody answers there.
    #[error(
        "no connection to {host} port {port} ({source}): check that the server runs, the port, \
         and the firewalls between"
    )]
    Connect {
        /// The server's or the proxy's name.
        host: String,
        /// Its port.
        port: u16,
        /// What the last attempt said.
        source: io::Error,
    },
    /// It took too long.
    #[error("{0} did not answer within {limit:?}: check the firewalls between", limit = limit::ESTABLISH)]
    Timeout(String),
    /// The proxy opened no tunnel.
    #[error("the proxy {proxy} opened no tunnel: {source}")]
    Proxy {
        /// Its host and port.
        proxy: String,
        /// What went wrong.
        source: TunnelError,
    },
    /// The certificate is signed by somebody else.
    #[error(
        "the server's certificate isn't signed by {}: {}",
        ca.as_ref().map_or("a CA that this host trusts".to_owned(), |ca| format!("the CA in {}", ca.display())),
        if ca.is_some() { "put there the CA that the server shows at /ca.pem, after comparing its fingerprint" }
        else { "if the server has a CA of its own, get it (/ca.pem), compare its fingerprint, and name it with --ca" }
    )]
    UnknownIssuer {
        /// The file with the only trusted CA, if one is named.
        ca: Option<PathBuf>,
    },
    /// The certificate is for another name.
    #[error(
        "the server's certificate isn't for {host}{}: use a name that it is for",
        presented(names)
    )]
    Name {
        /// The name that was asked for.
        host: String,
        /// What the certificate is for, if it says so.
        names: Vec<String>,
    },
    /// The certificate is out of its time.
    #[error("the server's certificate is not valid now: renew it, or correct this host's clock")]
    Expired,
    /// The peer doesn't speak TLS 1.3.
    #[error(
        "no TLS with {host} port {port} ({source}): check that the server speaks TLS 1.3 there"
    )]
    Tls {
        /// The server's name.
        host: String,
        /// Its port.
        port: u16,
        /// What went wrong.
        source: io::Error,
    },
    /// The name in the URL can't be in a certificate.
    #[error("{0} can't be the name of a TLS server: correct server.url")]
    ServerName(String),
}

fn presented(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(" but for {}", names.join(", ")) }
}

impl Dialer {
    /// Prepares connections to `server`.
    ///
    /// # Errors
    /// [`TrustError`] when what is to be trusted can't be used.
    pub fn new(server: &Server) -> Result<Self, TrustError> {
        let tls = server.url.is_tls().then(|| server.trust.config()).transpose()?;
        Ok(Self {
            url: server.url.clone(),
            kind: server.kind,
            tls,
            verifies: server.trust.verifies(),
            ca: server.ca.clone(),
            proxies: server.proxies.clone(),
        })
    }

    /// The server.
    #[must_use]
    pub fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// What the server is.
    #[must_use]
    pub fn kind(&self) -> ServerKind {
        self.kind
    }

    /// Whether nobody on the way can read or change what is sent.
    #[must_use]
    pub fn secure(&self) -> bool {
        self.tls.is_some() && self.verifies
    }

    /// The proxy on the way, as `host:port`.
    #[must_use]
    pub fn proxy(&self) -> Option<String> {
        self.proxies.to(&self.url).map(ToString::to_string)
    }

    /// Opens a connection, each step within [`limit::ESTABLISH`].
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn dial(&self) -> Result<Dialled, DialError> {
        let (host, port) = (self.url.host(), self.url.port());
        let tcp = match self.proxies.to(&self.url) {
            None => tcp::connect(host, port).await?,
            Some(proxy) => {
                let mut tcp = tcp::connect(&proxy.host, proxy.port).await?;
                let authority = self.authority();
                within(proxy.to_string(), async {
                    let opened = proxy.tunnel(&mut tcp, &authority).await;
                    opened.map_err(|source| DialError::Proxy { proxy: proxy.to_string(), source })
                })
                .await?;
                tcp
            }
        };
        let failed = |source| DialError::Connect { host: host.to_owned(), port, source };
        let address = tcp.peer_addr().map_err(failed)?;
        let Some(config) = &self.tls else {
            return Ok(Dialled { stream: Either::Left(tcp), address });
        };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| DialError::ServerName(host.to_owned()))?;
        let tls = within(self.authority(), async {
            let connected =
                TlsConnector::from(Arc::clone(config)).connect(name, ReadAhead::new(tcp)).await;
            connected.map_err(|error| self.tls_error(error))
        });
        Ok(Dialled { stream: Either::Right(tls.await?), address })
    }

    /// Host and port, always both.
    fn authority(&self) -> String {
        let (host, port) = (self.url.host(), self.url.port());
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    fn tls_error(&self, source: io::Error) -> DialError {
        let host = self.url.host().to_owned();
        let inner = source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner {
            Some(rustls::Error::InvalidCertificate(wrong)) => match wrong {
                CertificateError::NotValidForName => DialError::Name { host, names: Vec::new() },
                CertificateError::NotValidForNameContext { presented, .. } => {
                    DialError::Name { host, names: presented.clone() }
                }
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => DialError::Expired,
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    DialError::UnknownIssuer { ca: self.ca.clone() }
                }
                _ => DialError::Tls { host, port: self.url.port(), source },
            },
            _ => DialError::Tls { host, port: self.url.port(), source },
        }
    }
}

async fn within<T>(
    peer: String,
    step: impl Future<Output = Result<T, DialError>>,
) -> Result<T, DialError> {
    let limit: Duration = limit::ESTABLISH;
    tokio::time::timeout(limit, step).await.unwrap_or(Err(DialError::Timeout(peer)))
}
