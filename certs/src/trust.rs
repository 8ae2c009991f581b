//! TLS as a client speaks it: whom it believes.

use crate::error::TrustError;
use crate::fingerprint::Fingerprint;
use crate::provider;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme, SupportedProtocolVersion,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;

/// What a client trusts when it talks to a daemon.
#[derive(Clone, Debug)]
pub struct ClientTrust(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System,
    Only(Vec<CertificateDer<'static>>),
    Pinned(Fingerprint),
    Nobody,
}

impl ClientTrust {
    /// The system's CA certificates.
    #[must_use]
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// The CA certificates in `pem`, and nothing else.
    ///
    /// # Errors
    /// [`TrustError::Pem`] when there is none in it, or one that can't be used.
    pub fn only(pem: &[u8]) -> Result<Self, TrustError> {
        let anchors: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|_| TrustError::Pem)?;
        roots(&anchors)?;
        Ok(Self(Kind::Only(anchors)))
    }

    /// The one CA with this fingerprint, and nothing else; the server has to send it along in its
    /// chain, as one with an authority of its own does.
    #[must_use]
    pub fn pinned(ca: Fingerprint) -> Self {
        Self(Kind::Pinned(ca))
    }

    /// Anybody at all: whoever sits on the way reads and changes everything, credentials too. For
    /// a lab; refused in production by those who read the configuration.
    #[must_use]
    pub fn dangerous_skip_verify() -> Self {
        Self(Kind::Nobody)
    }

    /// Whether the server's certificate is checked at all.
    #[must_use]
    pub fn verifies(&self) -> bool {
        !matches!(self.0, Kind::Nobody)
    }

    /// The client's settings for a daemon: TLS 1.3 alone, HTTP/1.1 alone, no early data.
    ///
    /// # Errors
    /// [`TrustError::System`] when the system has no CA certificates.
    pub fn config(&self) -> Result<Arc<ClientConfig>, TrustError> {
        self.config_at(Arc::new(DefaultTimeProvider))
    }

    /// As [`config`](Self::config), by another clock.
    ///
    /// # Errors
    /// As there.
    pub fn config_at(&self, clock: Arc<dyn TimeProvider>) -> Result<Arc<ClientConfig>, TrustError> {
        self.speaking(&[&rustls::version::TLS13], clock)
    }

    /// The same for servers of others, some of which speak nothing newer than TLS 1.2.
    ///
    /// # Errors
    /// As there.
    pub fn config_for_others(&self) -> Result<Arc<ClientConfig>, TrustError> {
        let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
        self.speaking(&versions, Arc::new(DefaultTimeProvider))
    }

    fn speaking(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        clock: Arc<dyn TimeProvider>,
    ) -> Result<Arc<ClientConfig>, TrustError> {
        let mut config = ClientConfig::builder_with_details(provider(), clock)
            .with_protocol_versions(versions)?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier()?)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.enable_early_data = false;
        Ok(Arc::new(config))
    }

    fn verifier(&self) -> Result<Arc<dyn ServerCertVerifier>, TrustError> {
        Ok(match &self.0 {
            Kind::System => Arc::new(
                rustls_platform_verifier::Verifier::new(provider())
                    .map_err(|_| TrustError::System)?,
            ),
            Kind::Only(anchors) => webpki(roots(anchors)?, provider()).map_err(TrustError::Tls)?,
            Kind::Pinned(ca) => Arc::new(Pinned { ca: *ca, provider: provider() }),
            Kind::Nobody => Arc::new(Unchecked { provider: provider() }),
        })
    }
}

fn roots(anchors: &[CertificateDer<'static>]) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    for anchor in anchors {
        roots.add(anchor.clone()).map_err(|_| TrustError::Pem)?;
    }
    if roots.is_empty() { Err(TrustError::Pem) } else { Ok(roots) }
}

fn webpki(
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| TlsError::General(error.to_string()))
}

/// Accepts what the CA with one fingerprint vouches for; that CA comes with the chain.
#[derive(Debug)]
struct Pinned {
    ca: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let ca = intermediates
            .iter()
            .find(|certificate| Fingerprint::of(certificate) == self.ca)
            .ok_or(TlsError::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned())?;
        webpki(roots, Arc::clone(&self.provider))?.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Accepts every certificate; the handshake's signature is still checked, so that the key that
/// was used is at least the certificate's.
#[derive(Debug)]
struct Unchecked {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
