//! A certificate chain and its private key, checked against each other.

use crate::error::LoadError;
use crate::fingerprint::Fingerprint;
use crate::names::Name;
use crate::{file, provider};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};

/// A chain, leaf first, with the key of the leaf. Its debug form shows no key.
#[derive(Debug)]
pub struct Identity {
    key: Arc<CertifiedKey>,
    from: OffsetDateTime,
    until: OffsetDateTime,
    /// Wildcards as they are written.
    names: Vec<String>,
}

impl Identity {
    /// Loads a chain and its key from two PEM files (they may be one).
    ///
    /// # Errors
    /// When a file can't be read or understood, the key is open to others, the two don't belong
    /// together, or `now` lies outside the certificate's life. Each names the file and one fix.
    pub fn load(certificate: &Path, key: &Path, now: OffsetDateTime) -> Result<Self, LoadError> {
        let chain = read_chain(certificate)?;
        let private = read_key(key)?;
        let leaf = chain.first().and_then(|leaf| {
            let (_, parsed) = x509_parser::parse_x509_certificate(leaf).ok()?;
            let validity = parsed.validity();
            Some((
                validity.not_before.to_datetime(),
                validity.not_after.to_datetime(),
                names(&parsed),
            ))
        });
        let Some((from, until, names)) = leaf else {
            return Err(LoadError::Certificate { path: certificate.to_path_buf() });
        };
        if now < from || now > until {
            return Err(LoadError::NotValidNow { path: certificate.to_path_buf(), from, until });
        }
        let pair =
            CertifiedKey::from_der(chain, private, &provider()).map_err(|error| match error {
                TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => LoadError::Mismatch {
                    certificate: certificate.to_path_buf(),
                    key: key.to_path_buf(),
                },
                TlsError::InvalidCertificate(_) => {
                    LoadError::Certificate { path: certificate.to_path_buf() }
                }
                _ => LoadError::Key { path: key.to_path_buf() },
            })?;
        Ok(Self { key: Arc::new(pair), from, until, names })
    }

    pub(crate) fn of(key: Arc<CertifiedKey>, from: OffsetDateTime, until: OffsetDateTime) -> Self {
        let names = key
            .cert
            .first()
            .and_then(|leaf| x509_parser::parse_x509_certificate(leaf).ok())
            .map(|(_, parsed)| names(&parsed))
            .unwrap_or_default();
        Self { key, from, until, names }
    }

    /// The first moment of its life.
    #[must_use]
    pub fn from(&self) -> OffsetDateTime {
        self.from
    }

    /// The last moment of its life.
    #[must_use]
    pub fn until(&self) -> OffsetDateTime {
        self.until
    }

    /// The leaf's fingerprint; `None` only for an empty chain, which is never loaded.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.key.cert.first().map(Fingerprint::of)
    }

    /// Whether clients accept it for `name`; a wildcard stands for exactly one label.
    #[must_use]
    pub fn covers(&self, name: &Name) -> bool {
        let name = name.to_string();
        self.names.iter().any(|own| match own.strip_prefix("*.") {
            Some(base) => name.split_once('.').is_some_and(|(_, rest)| rest == base),
            None => *own == name,
        })
    }

    pub(crate) fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    let bytes =
        file::read(path).map_err(|source| LoadError::Io { path: path.to_path_buf(), source })?;
    match CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>() {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(LoadError::Certificate { path: path.to_path_buf() }),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, LoadError> {
    let io = |source| LoadError::Io { path: path.to_path_buf(), source };
    let bytes = file::read(path).map_err(io)?;
    if file::exposure(path).map_err(io)? != 0 {
        return Err(LoadError::Exposed { path: path.to_path_buf() });
    }
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| LoadError::Key { path: path.to_path_buf() })
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for extension in certificate.extensions() {
        let ParsedExtension::SubjectAlternativeName(alternatives) = extension.parsed_extension()
        else {
            continue;
        };
        for name in &alternatives.general_names {
            match name {
                GeneralName::DNSName(name) => names.push(name.to_ascii_lowercase()),
                GeneralName::IPAddress(bytes) => names.extend(ip(bytes).map(|ip| ip.to_string())),
                _ => {}
            }
        }
    }
    names
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| IpAddr::from(v6).to_canonical())
}
