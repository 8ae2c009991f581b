//! Where a release comes from: the daemon, or an address that somebody gave. Either only carries it.

use gangplank_certs::{ClientTrust, TrustError};
use gangplank_proto::release::{Target, Version};
use gangplank_proto::server_url::{ServerUrl, ServerUrlError};

use super::check::{Refusal, Release};
use super::fetch::{self, Download, FetchError};
use super::key::{KeyError, Keys};
use crate::config::{Server, ServerKind};
use crate::dial::Dialer;

/// Why there is no release to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// An address that isn't one.
    #[error("url: {0}")]
    Url(#[from] ServerUrlError),
    /// Without TLS.
    #[error("url: a release is fetched over https:// only")]
    Cleartext,
    /// Nothing to trust.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Not fetched.
    #[error("{what}: {source}")]
    Fetch {
        /// Which file.
        what: &'static str,
        /// Why.
        source: FetchError,
    },
    /// Fetched, and not believed.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Where the three files of a release are.
#[derive(Debug)]
pub struct Source {
    dialer: Dialer,
    program: String,
    manifest: String,
    signature: String,
}

impl Source {
    /// The daemon, with the newest that it has, or with one version.
    #[must_use]
    pub fn daemon(dialer: Dialer, target: Target, version: Option<Version>) -> Self {
        let version = version.map(|version| format!("&version={version}")).unwrap_or_default();
        let path = |file: &str| {
            dialer.url().path(&format!("/api/v1/agent/{file}?target={target}{version}"))
        };
        let (program, manifest, signature) =
            (path("download"), path("manifest"), path("signature"));
        Self { dialer, program, manifest, signature }
    }

    /// An address of the program; its manifest and the signature lie beside it. Another server than the
    /// daemon must have a certificate of one of the system's authorities.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn url(text: &str, server: &Server) -> Result<Self, SourceError> {
        let url = ServerUrl::parse(text)?;
        if !text.starts_with("https://") {
            return Err(SourceError::Cleartext);
        }
        let (program, manifest, signature) =
            (url.path(""), url.path(".json"), url.path(".json.minisig"));
        let same = (url.host(), url.port()) == (server.url.host(), server.url.port());
        let trust = if same { server.trust.clone() } else { ClientTrust::system() };
        let ca = server.ca.clone().filter(|_| same);
        let there =
            Server { url, kind: ServerKind::Gangplank, trust, ca, proxies: server.proxies.clone() };
        Ok(Self { dialer: Dialer::new(&there)?, program, manifest, signature })
    }

    /// The signed manifest. Without a key nobody is asked.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn release(&self, keys: &Keys) -> Result<Release, SourceError> {
        if keys.is_empty() {
            return Err(Refusal::from(KeyError::NoKeys).into());
        }
        let failed = |what| move |source| SourceError::Fetch { what, source };
        let text =
            fetch::small(&self.dialer, &self.manifest).await.map_err(failed("the manifest"))?;
        let signature =
            fetch::small(&self.dialer, &self.signature).await.map_err(failed("the signature"))?;
        let signature =
            String::from_utf8(signature).map_err(|_| Refusal::from(KeyError::Malformed))?;
        Ok(Release::verify(keys, text, signature)?)
    }

    /// Begins to fetch the program, from a byte on.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn program(&self, from: u64) -> Result<Download, FetchError> {
        fetch::program(&self.dialer, &self.program, from).await
    }
}
