//! The requests that go to the provider, in the form in which the library makes them.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use gangplank_certs::{ClientTrust, TrustError};
use http_body_util::Full;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};

use crate::egress::{EgressError, HttpClient, HttpsUrl, UrlError};

/// How long one request may take altogether.
const PATIENCE: Duration = Duration::from_secs(10);

/// Largest answer that is read.
const LARGEST: usize = 512 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error(transparent)]
    Egress(#[from] EgressError),
    #[error("the answer is longer than {LARGEST} bytes")]
    Long,
}

/// Asks, trusting the system's authorities or the configured one.
#[derive(Debug, Clone)]
pub(super) struct Fetcher(HttpClient);

impl Fetcher {
    pub(super) fn new(ca: Option<&[u8]>) -> Result<Self, TrustError> {
        let trust = match ca {
            Some(pem) => ClientTrust::only(pem)?,
            None => ClientTrust::system(),
        };
        // The operator has named the provider, which may well be in a network of their own.
        let inner = [IpNet::from(Ipv4Net::default()), IpNet::from(Ipv6Net::default())];
        Ok(Self(HttpClient::new(&trust, &inner, PATIENCE, LARGEST)?))
    }

    async fn fetch(&self, request: HttpRequest) -> Result<HttpResponse, FetchError> {
        let url: HttpsUrl = request.uri().to_string().parse()?;
        let request = request.map(|body| Full::new(Bytes::from(body)));
        let answer = self.0.send(&url, request).await?;
        if answer.is_cut {
            return Err(FetchError::Long);
        }
        Ok(answer.response.map(|body| body.to_vec()))
    }
}

impl<'c> AsyncHttpClient<'c> for Fetcher {
    type Error = FetchError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, FetchError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.fetch(request))
    }
}
