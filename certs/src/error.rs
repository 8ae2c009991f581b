//! What can go wrong here, each with the file it is about and one thing to do.

use crate::names::Names;
use std::io;
use std::path::PathBuf;
use thiserror::Error;
use time::OffsetDateTime;

/// The own certificate authority can't be made, loaded or used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// A file can't be read or written.
    #[error("{path}: {source}: check that the directory exists and belongs to the daemon's user", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read or write the file that holds the key.
    #[error("{path}: the authority's key is open to others: run `chmod 600 {path}`", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The file isn't a certificate and a P-256 key in PEM.
    #[error("{path}: {what}: restore the file from a backup, or remove it to make a new authority that every client must trust anew", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The authority's own life is over, or hasn't begun.
    #[error("{path}: the authority is valid from {from} to {until} only: check this machine's clock, or remove the file to make a new authority that every client must trust anew", path = path.display())]
    NotValidNow {
        /// The file.
        path: PathBuf,
        /// First moment of its life.
        from: OffsetDateTime,
        /// Last moment of its life.
        until: OffsetDateTime,
    },
    /// The authority can't vouch for all names that are configured now.
    #[error("{path}: the authority was made for other names and can't vouch for {missing}: take them out of the configuration, or remove the file to make a new authority that every client must trust anew", path = path.display())]
    NamesNotCovered {
        /// The file.
        path: PathBuf,
        /// The names that it can't vouch for.
        missing: Names,
    },
    /// The library refused to make a certificate.
    #[error("a certificate could not be made: {0}")]
    Make(#[from] rcgen::Error),
    /// The library refused to use a certificate that was just made.
    #[error("a certificate that was just made can't be used: {0}")]
    Use(#[from] rustls::Error),
}

/// A certificate chain and its key can't be used as they are.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file can't be read.
    #[error("{path}: {source}: check the path and that the daemon's user may read it", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner and its group may read the key, or others than the owner write it.
    #[error("{path}: the key is open to others: run `chmod 640 {path}`", path = path.display())]
    Exposed {
        /// The key's file.
        path: PathBuf,
    },
    /// No certificate in the file, or none that can be read.
    #[error("{path}: no usable certificate: give the chain in PEM, the server's own certificate first", path = path.display())]
    Certificate {
        /// The certificate's file.
        path: PathBuf,
    },
    /// No private key in the file, or one of a kind that isn't known.
    #[error("{path}: no usable private key: give an unencrypted ECDSA, Ed25519 or RSA key in PEM", path = path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
    },
    /// The key is not the one the certificate was issued for.
    #[error("{key}: not the key of the certificate in {certificate}: give the pair that belongs together", key = key.display(), certificate = certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The certificate's life is over, or hasn't begun.
    #[error("{path}: valid from {from} to {until} only: renew the certificate, or check this machine's clock", path = path.display())]
    NotValidNow {
        /// The certificate's file.
        path: PathBuf,
        /// First moment of its life.
        from: OffsetDateTime,
        /// Last moment of its life.
        until: OffsetDateTime,
    },
}

/// A served certificate couldn't be renewed; the one before stays in use.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The given files are no good now.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The own authority couldn't issue a leaf.
    #[error(transparent)]
    Issue(#[from] AuthorityError),
}

/// The keys of session tickets can't be loaded, stored or made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TicketError {
    /// The file can't be read or written.
    #[error("{path}: {source}: check that the directory exists and belongs to the daemon's user", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system has no random numbers.
    #[error("no random numbers from the system")]
    Random,
}

/// What a client was told to trust can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The PEM text holds no certificate that can be a trust anchor.
    #[error("no usable CA certificate in the given PEM text: give the server's CA as it shows it")]
    Pem,
    /// The system has no CA certificates, or they can't be read.
    #[error(
        "this system has no usable CA certificates: install the package `ca-certificates`, or name the server's CA"
    )]
    System,
    /// The library refused the settings.
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
}
