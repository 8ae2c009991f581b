//! One HTTP exchange with somebody outside: TLS always (1.2 at least), no redirect followed, bounded in time and in
//! what is read, to addresses only that may be dialled.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gangplank_certs::{ClientTrust, TrustError};
use gangplank_proto::error::OpenError;
use gangplank_terminal::dial;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use url::Url;

use super::address::{is_inner, is_never};

/// Longest URL, in bytes.
const LONGEST: usize = 2048;

/// A URL that may be fetched: `https`, a host, no credentials, no fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpsUrl(Url);

/// The text is no such URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write an https:// URL with a host, without credentials or fragment")]
pub struct UrlError;

impl FromStr for HttpsUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let url = Url::parse(text).map_err(|_| UrlError)?;
        let nobody = url.username().is_empty() && url.password().is_none();
        let fine = url.scheme() == "https" && url.has_host() && nobody && url.fragment().is_none();
        if fine && url.as_str().len() <= LONGEST { Ok(Self(url)) } else { Err(UrlError) }
    }
}

impl HttpsUrl {
    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Scheme, host and port: what may be shown where the path may be a secret.
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }

    fn path(&self) -> String {
        let query = self.0.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query}", self.0.path())
    }

    fn authority(&self) -> String {
        let port = self.0.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", self.host())
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EgressError {
    /// The name leads nowhere, or only where we may not go; or nobody answers there.
    #[error("{}", .0.message)]
    Dial(OpenError),
    /// No TLS.
    #[error("no TLS: {0}")]
    Tls(std::io::Error),
    /// The host can't have a certificate.
    #[error("the host can't be the name of a TLS server")]
    Name,
    /// The request can't be made.
    #[error("the request can't be made: {0}")]
    Request(#[from] http::Error),
    /// It broke.
    #[error("the connection broke: {0}")]
    Http(#[from] hyper::Error),
    /// It took too long.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

/// An answer, as far as it was read.
#[derive(Debug)]
pub struct Answer {
    /// Status, headers and the beginning of the body.
    pub response: Response<Bytes>,
    /// Whether there is more of the body than was read.
    pub is_cut: bool,
}

/// Asks others. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpClient {
    tls: Arc<ClientConfig>,
    /// Loopback and private networks that may be dialled all the same.
    inner: Arc<[IpNet]>,
    wait: Duration,
    longest: usize,
}

impl HttpClient {
    /// Asks those whom `trust` believes. Loopback and private addresses only within `inner`; each
    /// exchange within `wait`; `longest` bytes of an answer's body at most.
    ///
    /// # Errors
    /// When what is trusted can't be used.
    pub fn new(
        trust: &ClientTrust,
        inner: &[IpNet],
        wait: Duration,
        longest: usize,
    ) -> Result<Self, TrustError> {
        Ok(Self { tls: trust.config_for_others()?, inner: inner.into(), wait, longest })
    }

    /// Sends a request, whose method, headers and body are given, to a URL.
    ///
    /// # Errors
    /// [`EgressError`] when there is no answer, of whatever status.
    pub async fn send(
        &self,
        url: &HttpsUrl,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Answer, EgressError> {
        *request.uri_mut() = url.path().parse().map_err(http::Error::from)?;
        let host = http::HeaderValue::from_str(&url.authority()).map_err(http::Error::from)?;
        request.headers_mut().insert(header::HOST, host);
        let close = http::HeaderValue::from_static("close");
        request.headers_mut().insert(header::CONNECTION, close);
        let exchange = tokio::time::timeout(self.wait, self.exchange(url, request));
        exchange.await.unwrap_or(Err(EgressError::Timeout(self.wait)))
    }

    async fn exchange(
        &self,
        url: &HttpsUrl,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, EgressError> {
        let name = ServerName::try_from(url.host().trim_matches(['[', ']']).to_owned());
        let name = name.map_err(|_| EgressError::Name)?;
        let stream = self.dial(url).await.map_err(EgressError::Dial)?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector.connect(name, stream).await.map_err(EgressError::Tls)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let exchange = async {
            let (head, mut body) = sender.send_request(request).await?.into_parts();
            let (mut read, mut is_cut) = (BytesMut::new(), false);
            while let Some(frame) = body.frame().await {
                let Ok(data) = frame?.into_data() else { continue };
                let room = self.longest.saturating_sub(read.len());
                is_cut = data.len() > room;
                read.extend_from_slice(data.get(..room).unwrap_or(&data));
                if is_cut {
                    break;
                }
            }
            let response = Response::from_parts(head, read.freeze());
            Ok(Answer { response, is_cut })
        };
        tokio::pin!(exchange, connection);
        tokio::select! {
            biased;
            answer = &mut exchange => answer,
            ended = &mut connection => {
                ended?;
                exchange.await
            }
        }
    }

    async fn dial(&self, url: &HttpsUrl) -> Result<TcpStream, OpenError> {
        let deadline = Instant::now() + self.wait;
        let (host, port) = (url.host(), url.port());
        let found = dial::resolve(host, port, deadline).await?;
        let ips = found.into_iter().map(|address| address.ip());
        let allowed: Vec<_> = ips.filter(|ip| self.may_dial(*ip)).collect();
        if allowed.is_empty() {
            return Err(dial::not_allowed(host));
        }
        dial::dial(host, port, Some(&allowed), deadline).await
    }

    fn may_dial(&self, ip: IpAddr) -> bool {
        let named = || self.inner.iter().any(|network| network.contains(&ip));
        !is_never(ip) && (!is_inner(ip) || named())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_plain_https() {
        let url = "https://hooks.example.com:8443/in?x=1".parse::<HttpsUrl>().unwrap();
        assert_eq!(
            (url.authority(), url.path()),
            ("hooks.example.com:8443".into(), "/in?x=1".into())
        );
        assert_eq!(url.origin(), "https://hooks.example.com:8443");
        for wrong in [
            "http://example.com/",
            "file:///etc/passwd",
            "gopher://example.com/",
            "https://user:secret@example.com/",
            "https://user@example.com/",
            "https://example.com/#x",
            "example.com",
            &format!("https://example.com/{}", "x".repeat(LONGEST)),
        ] {
            assert_eq!(wrong.parse::<HttpsUrl>(), Err(UrlError), "{wrong}");
        }
    }

    #[tokio::test]
    async fn addresses_are_judged_however_they_are_written() {
        let trust = ClientTrust::dangerous_skip_verify();
        let client = HttpClient::new(&trust, &[], Duration::from_secs(5), 1024).unwrap();
        for url in [
            "https://127.0.0.1/",
            "https://localhost/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0.0.0.0/",
            "https://169.254.169.254/latest/meta-data/",
            "https://10.0.0.1/",
            "https://[fd00:ec2::254]/",
        ] {
            let request = Request::new(Full::default());
            let error = client.send(&url.parse().unwrap(), request).await.unwrap_err();
            assert!(matches!(&error, EgressError::Dial(_)), "{url}: {error}");
            assert!(error.to_string().contains("not allowed"), "{url}: {error}");
        }
    }
}
