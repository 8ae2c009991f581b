//! A person's private key: read, shown as its public line, and used to sign logins.

use std::fmt;

use gangplank_proto::link::RsaHash;
use gangplank_proto::secret::Secret;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode as _;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::ssh_key::{self, Kdf};
use russh::keys::{self, Algorithm, HashAlg, PrivateKey, PublicKey};

use super::userauth;

/// Longest text that is read as a key, in bytes.
const TEXT_BYTES: usize = 64 << 10;

/// Rounds of bcrypt that are spent on a passphrase: `ssh-keygen` makes 16 or 24; 1024 take seconds.
const BCRYPT_ROUNDS: u32 = 1024;

/// Why a text is not a usable private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Nothing in the text is a private key.
    #[error("this is not a private key")]
    NotAPrivateKey,
    /// It is the public half.
    #[error("this is a public key; the private one is needed")]
    PublicKey,
    /// It is encrypted, and no passphrase was given.
    #[error("this key needs its passphrase")]
    NeedsPassphrase,
    /// The passphrase doesn't open it.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// A kind of key or of encryption that is not supported.
    #[error(
        "this kind of private key is not supported: use Ed25519, ECDSA or RSA in OpenSSH's form"
    )]
    Unsupported,
    /// Its passphrase is made costlier than is reasonable.
    #[error("this key's passphrase takes too many rounds to check")]
    TooCostly,
    /// The key could not make a signature.
    #[error("this key can't sign")]
    CantSign,
}

/// A private key that is ready to sign. Not printed by `Debug`; wiped when dropped.
#[derive(Clone)]
pub struct UserKey(PrivateKey);

impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserKey({})", self.0.algorithm())
    }
}

impl UserKey {
    /// Reads a key in OpenSSH's form, PKCS#8, PKCS#1, SEC1 or PuTTY's form. Opening an encrypted
    /// key takes up to seconds of computing: async callers run this on a blocking thread.
    ///
    /// # Errors
    /// [`KeyError`], each in words for the person who gave the key.
    pub fn parse(text: &Secret, passphrase: Option<&Secret>) -> Result<Self, KeyError> {
        let text = text.expose().trim();
        if text.len() > TEXT_BYTES {
            return Err(KeyError::NotAPrivateKey);
        }
        let passphrase = passphrase.map(Secret::expose).filter(|phrase| !phrase.is_empty());
        if !text.contains("PRIVATE KEY-----") && !text.starts_with("PuTTY-User-Key-File-") {
            let public = PublicKey::from_openssh(text).is_ok() || text.contains("PUBLIC KEY-----");
            return Err(if public { KeyError::PublicKey } else { KeyError::NotAPrivateKey });
        }
        let key = if text.contains("-----BEGIN OPENSSH PRIVATE KEY-----") {
            openssh(text, passphrase)?
        } else {
            other(text, passphrase)?
        };
        match key.algorithm() {
            Algorithm::Ed25519 | Algorithm::Ecdsa { .. } | Algorithm::Rsa { .. } => Ok(Self(key)),
            _ => Err(KeyError::Unsupported),
        }
    }

    /// The public half as an OpenSSH line without a comment.
    ///
    /// # Errors
    /// [`KeyError::Unsupported`] when it has no such form.
    pub fn public_line(&self) -> Result<String, KeyError> {
        let bare = PublicKey::new(self.0.public_key().key_data().clone(), "");
        let line = bare.to_openssh().map_err(|_| KeyError::Unsupported)?;
        Ok(line.trim().to_owned())
    }

    /// Signs `data` and answers the signature blob (RFC 4253 §6.6). `hash` is for RSA keys only,
    /// whose signatures are SHA-512 without it. Data that somebody else made goes through
    /// [`Self::sign_login`] instead.
    ///
    /// # Errors
    /// [`KeyError::CantSign`] when the key is broken.
    pub fn sign(&self, data: &[u8], hash: Option<RsaHash>) -> Result<Vec<u8>, KeyError> {
        let signature = match self.0.key_data() {
            KeypairData::Rsa(rsa) => {
                let hash = match hash {
                    Some(RsaHash::Sha256) => HashAlg::Sha256,
                    Some(RsaHash::Sha512) | None => HashAlg::Sha512,
                };
                (rsa, Some(hash)).try_sign(data)
            }
            _ => self.0.try_sign(data),
        };
        let signature: ssh_key::Signature = signature.map_err(|_| KeyError::CantSign)?;
        let mut blob = Vec::new();
        signature.encode(&mut blob).map_err(|_| KeyError::CantSign)?;
        Ok(blob)
    }

    /// Signs `data` if it is a login of `username` by this key ([`userauth::check_sign_request`]),
    /// with the hash that the request itself names.
    ///
    /// # Errors
    /// [`KeyError::CantSign`] when it is anything else.
    pub fn sign_login(&self, data: &[u8], username: &str) -> Result<Vec<u8>, KeyError> {
        let hash = userauth::request_algorithm(data, username, &self.public_line()?)
            .ok_or(KeyError::CantSign)?;
        self.sign(data, hash)
    }
}

fn openssh(text: &str, passphrase: Option<&str>) -> Result<PrivateKey, KeyError> {
    let key = PrivateKey::from_openssh(text).map_err(|error| match error {
        ssh_key::Error::AlgorithmUnknown | ssh_key::Error::AlgorithmUnsupported { .. } => {
            KeyError::Unsupported
        }
        _ => KeyError::NotAPrivateKey,
    })?;
    if !key.is_encrypted() {
        return Ok(key);
    }
    let passphrase = passphrase.ok_or(KeyError::NeedsPassphrase)?;
    if let Kdf::Bcrypt { rounds, .. } = key.kdf()
        && *rounds > BCRYPT_ROUNDS
    {
        return Err(KeyError::TooCostly);
    }
    key.decrypt(passphrase).map_err(|_| KeyError::WrongPassphrase)
}

fn other(text: &str, passphrase: Option<&str>) -> Result<PrivateKey, KeyError> {
    let encrypted = text.contains("ENCRYPTED") || text.contains("Encryption: aes");
    if encrypted && passphrase.is_none() {
        return Err(KeyError::NeedsPassphrase);
    }
    keys::decode_secret_key(text, passphrase.filter(|_| encrypted)).map_err(|error| match error {
        keys::Error::KeyIsEncrypted => KeyError::NeedsPassphrase,
        keys::Error::UnsupportedKeyType { .. } | keys::Error::UnknownAlgorithm(_) => {
            KeyError::Unsupported
        }
        _ if encrypted => KeyError::WrongPassphrase,
        _ => KeyError::NotAPrivateKey,
    })
}
