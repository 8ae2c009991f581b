//! The own certificate authority: one file, one purpose, a handful of names.
//!
//! The directory holds `authority.pem` (certificate and key, 0600, the truth) and `ca.pem` (the
//! certificate alone, for people and clients; written again when it is missing or differs). One
//! file for the pair means that no crash can separate the two.

use crate::constraint::{self, Permitted};
use crate::error::AuthorityError;
use crate::file::{self, Existing};
use crate::fingerprint::Fingerprint;
use crate::names::{Name, Names};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

/// How long an authority lives: ten years.
pub const CA_LIFE: Duration = Duration::days(3650);
/// Clients' clocks may be behind by this much.
const BACKDATED: Duration = Duration::DAY;

const PAIR: &str = "authority.pem";
const PUBLIC: &str = "ca.pem";

/// A certificate authority (ECDSA P-256) that can vouch for the names of one server only.
pub struct Authority {
    certificate: CertificateDer<'static>,
    pem: String,
    path: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    permitted: Permitted,
    until: OffsetDateTime,
}

impl Authority {
    /// Loads the authority in `dir`, or makes it (and the directory, for this user alone) for
    /// `names` when there is none. Two processes that do this at once end up with the same one.
    ///
    /// # Errors
    /// When a file can't be read, written or understood, is open to others, is out of its time,
    /// or when the authority was made for other names: a new one is never made by itself then,
    /// because every client would have to trust it anew.
    pub fn load_or_create(
        dir: &Path,
        names: &Names,
        now: OffsetDateTime,
    ) -> Result<Self, AuthorityError> {
        let path = dir.join(PAIR);
        if let Some(authority) = Self::load(dir, names, now)? {
            return Ok(authority);
        }
        file::private_dir(dir).map_err(|source| io_error(dir, source))?;
        match file::write(&path, generate(names, now)?.as_bytes(), 0o600, Existing::Keep) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(io_error(&path, error));
            }
            _ => {}
        }
        let missing = || io_error(&path, io::ErrorKind::NotFound.into());
        Self::load(dir, names, now)?.ok_or_else(missing)
    }

    /// Makes a new authority in place of the one in `dir`, which nobody vouches for any more:
    /// every client has to trust the new one. Only on somebody's explicit wish.
    ///
    /// # Errors
    /// When a file can't be written; the old authority is still there then.
    pub fn replace(dir: &Path, names: &Names, now: OffsetDateTime) -> Result<Self, AuthorityError> {
        let path = dir.join(PAIR);
        file::private_dir(dir).map_err(|source| io_error(dir, source))?;
        file::write(&path, generate(names, now)?.as_bytes(), 0o600, Existing::Replace)
            .map_err(|source| io_error(&path, source))?;
        let missing = || io_error(&path, io::ErrorKind::NotFound.into());
        Self::load(dir, names, now)?.ok_or_else(missing)
    }

    fn load(
        dir: &Path,
        names: &Names,
        now: OffsetDateTime,
    ) -> Result<Option<Self>, AuthorityError> {
        let path = dir.join(PAIR);
        let bytes = match file::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(&path, error)),
        };
        let mode = std::fs::metadata(&path).map_err(|source| io_error(&path, source))?.mode();
        if mode & 0o077 != 0 {
            return Err(AuthorityError::Exposed { path });
        }
        let authority = Self::parse(path, &bytes, now)?;
        authority.check_names(names)?;
        let public = dir.join(PUBLIC);
        let current = file::read(&public).is_ok_and(|old| *old == authority.pem.as_bytes());
        if !current {
            file::write(&public, authority.pem.as_bytes(), 0o644, Existing::Replace)
                .map_err(|source| io_error(&public, source))?;
        }
        Ok(Some(authority))
    }

    fn parse(path: PathBuf, bytes: &[u8], now: OffsetDateTime) -> Result<Self, AuthorityError> {
        let malformed = |what| AuthorityError::Malformed { path: path.clone(), what };
        let certificate =
            CertificateDer::from_pem_slice(bytes).map_err(|_| malformed("no certificate in it"))?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(bytes)
            .map_err(|_| malformed("no private key in it"))?;
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256)
            .map_err(|_| malformed("the private key isn't an ECDSA P-256 key"))?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate)
            .map_err(|_| malformed("the certificate can't be read"))?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(malformed("key and certificate don't belong together"));
        }
        let (from, until) =
            (parsed.validity().not_before.to_datetime(), parsed.validity().not_after.to_datetime());
        if now < from || now > until {
            return Err(AuthorityError::NotValidNow { path, from, until });
        }
        let permitted = Permitted::read(&parsed);
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        let pem = certificate_text(bytes).ok_or_else(|| malformed("no certificate in it"))?;
        Ok(Self { certificate, pem, path, issuer, permitted, until })
    }

    /// Whether the authority can vouch for all of `names`.
    ///
    /// # Errors
    /// [`AuthorityError::NamesNotCovered`] with those that it can't vouch for.
    pub fn check_names(&self, names: &Names) -> Result<(), AuthorityError> {
        let missing = self.permitted.missing(names);
        match Names::parse(missing.into_iter().map(Name::to_string)) {
            Err(_) => Ok(()),
            Ok(missing) => {
                Err(AuthorityError::NamesNotCovered { path: self.path.clone(), missing })
            }
        }
    }

    /// The certificate in PEM: what clients are told to trust.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The file that holds [`pem`](Self::pem) alone.
    #[must_use]
    pub fn pem_path(&self) -> PathBuf {
        self.path.with_file_name(PUBLIC)
    }

    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The certificate's fingerprint, which people compare before they trust it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    /// The last moment of the authority's life.
    #[must_use]
    pub fn until(&self) -> OffsetDateTime {
        self.until
    }

    pub(crate) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("path", &self.path)
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

/// A new authority: certificate and key in PEM.
fn generate(names: &Names, now: OffsetDateTime) -> Result<Zeroizing<String>, AuthorityError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "Gangplank");
    // Two authorities of one name confuse browsers, so each carries a piece of its key's hash.
    let hash = Sha256::digest(key.subject_public_key_info());
    let id = hex::encode(hash).chars().take(8).collect::<String>();
    subject.push(DnType::CommonName, format!("Gangplank authority {id}"));
    params.distinguished_name = subject;
    params.not_before = now - BACKDATED;
    params.not_after = now + CA_LIFE;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.name_constraints = Some(constraint::of(names));
    let certificate = params.self_signed(&key)?;
    let key = Zeroizing::new(key.serialize_pem());
    Ok(Zeroizing::new(format!("{}{}", certificate.pem(), key.as_str())))
}

/// The certificate's part of a PEM text, unchanged.
fn certificate_text(bytes: &[u8]) -> Option<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let text = std::str::from_utf8(bytes).ok()?;
    let from = text.find("-----BEGIN CERTIFICATE-----")?;
    let until = text.find(END)? + END.len();
    Some(format!("{}\n", text.get(from..until)?))
}

fn io_error(path: &Path, source: io::Error) -> AuthorityError {
    AuthorityError::Io { path: path.to_path_buf(), source }
}
