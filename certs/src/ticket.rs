//! Keys of session tickets (RFC 8446 section 4.6.1) that rotate and outlive a restart.
//!
//! A ticket is `name (16) | nonce (12) | AES-256-GCM(state) with tag`, the name being the
//! additional data. Two keys are known at a time: one that seals, and the one before it. They lie
//! in a private file, so that after a restart a thousand agents come back by resumption; a ticket
//! still makes fresh keys for every connection, as TLS 1.3 demands.

use crate::error::TicketError;
use crate::file::{self, Existing};
use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use rustls::server::ProducesTickets;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

/// For how long one key seals tickets: six hours. It opens them for six more.
pub const TICKET_KEY_LIFE: Duration = Duration::hours(6);

const NAME_LEN: usize = 16;
const SECRET_LEN: usize = 32;
/// Our sessions carry no client certificates; nothing longer was ever sealed by us.
const MAX_TICKET: usize = 4096;

/// The rotating keys of one daemon.
pub struct TicketKeys {
    ring: ArcSwap<Ring>,
    path: Option<PathBuf>,
}

#[derive(Clone)]
struct Ring {
    current: Arc<Key>,
    previous: Option<Arc<Key>>,
}

struct Key {
    name: [u8; NAME_LEN],
    secret: Zeroizing<[u8; SECRET_LEN]>,
    born: OffsetDateTime,
    aead: RandomizedNonceKey,
}

impl TicketKeys {
    /// Keys that live as long as the process.
    ///
    /// # Errors
    /// [`TicketError::Random`].
    pub fn in_memory(now: OffsetDateTime) -> Result<Self, TicketError> {
        let ring = Ring { current: Arc::new(Key::generate(now)?), previous: None };
        Ok(Self { ring: ArcSwap::from_pointee(ring), path: None })
    }

    /// Loads the keys from `path` (0600), or makes and stores new ones where there are none that
    /// can be used. Losing them costs clients one full handshake, so a damaged file is replaced.
    ///
    /// # Errors
    /// When the file can't be read or written.
    pub fn load_or_create(path: &Path, now: OffsetDateTime) -> Result<Self, TicketError> {
        let stored = match file::read(path) {
            Ok(bytes) => parse(&bytes, now),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => {
                return Err(TicketError::Io { path: path.to_path_buf(), source });
            }
        };
        let mut stored = stored.into_iter().map(Arc::new);
        if let Some(current) = stored.next() {
            let ring = Ring { current, previous: stored.next() };
            let keys = Self { ring: ArcSwap::from_pointee(ring), path: Some(path.to_path_buf()) };
            keys.rotate(now)?;
            return Ok(keys);
        }
        let keys = Self { path: Some(path.to_path_buf()), ..Self::in_memory(now)? };
        keys.store()?;
        Ok(keys)
    }

    /// Makes a new key when the current one has sealed for [`TICKET_KEY_LIFE`], or comes from the
    /// future; to be called every few seconds. Says whether it did. It writes a file: not for an
    /// async thread.
    ///
    /// # Errors
    /// When the new key can't be made or stored; it is used nonetheless when only storing failed.
    pub fn rotate(&self, now: OffsetDateTime) -> Result<bool, TicketError> {
        let ring = self.ring.load_full();
        let age = now - ring.current.born;
        if age >= Duration::ZERO && age < TICKET_KEY_LIFE {
            return Ok(false);
        }
        let previous = (age < TICKET_KEY_LIFE * 2).then(|| Arc::clone(&ring.current));
        self.ring.store(Arc::new(Ring { current: Arc::new(Key::generate(now)?), previous }));
        self.store()?;
        Ok(true)
    }

    fn store(&self) -> Result<(), TicketError> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let ring = self.ring.load();
        let mut text = Zeroizing::new(String::from("gangplank-ticket-keys 1\n"));
        for key in std::iter::once(&ring.current).chain(&ring.previous) {
            let secret = Zeroizing::new(hex::encode(key.secret.as_slice()));
            text.push_str(&key.born.unix_timestamp().to_string());
            text.push(' ');
            text.push_str(&hex::encode(key.name));
            text.push(' ');
            text.push_str(&secret);
            text.push('\n');
        }
        file::write(path, text.as_bytes(), 0o600, Existing::Replace)
            .map_err(|source| TicketError::Io { path: path.clone(), source })
    }
}

impl Key {
    fn generate(now: OffsetDateTime) -> Result<Self, TicketError> {
        let mut name = [0; NAME_LEN];
        let mut secret = Zeroizing::new([0; SECRET_LEN]);
        aws_lc_rs::rand::fill(&mut name).map_err(|_| TicketError::Random)?;
        aws_lc_rs::rand::fill(secret.as_mut_slice()).map_err(|_| TicketError::Random)?;
        Self::new(name, secret, now).ok_or(TicketError::Random)
    }

    fn new(
        name: [u8; NAME_LEN],
        secret: Zeroizing<[u8; SECRET_LEN]>,
        born: OffsetDateTime,
    ) -> Option<Self> {
        let aead = RandomizedNonceKey::new(&AES_256_GCM, secret.as_slice()).ok()?;
        Some(Self { name, secret, born, aead })
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(' ');
        let born = OffsetDateTime::from_unix_timestamp(fields.next()?.parse().ok()?).ok()?;
        let mut name = [0; NAME_LEN];
        hex::decode_to_slice(fields.next()?, &mut name).ok()?;
        let mut secret = Zeroizing::new([0; SECRET_LEN]);
        hex::decode_to_slice(fields.next()?, secret.as_mut_slice()).ok()?;
        Self::new(name, secret, born)
    }
}

/// The keys in a file that are still of use, newest first; none from a damaged one.
fn parse(bytes: &[u8], now: OffsetDateTime) -> Vec<Key> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Vec::new();
    };
    let mut lines = text.lines();
    if lines.next() != Some("gangplank-ticket-keys 1") {
        return Vec::new();
    }
    let keys: Option<Vec<_>> = lines.take(2).map(Key::parse).collect();
    let mut keys = keys.unwrap_or_default();
    keys.retain(|key| (Duration::ZERO..TICKET_KEY_LIFE * 2).contains(&(now - key.born)));
    keys
}

impl ProducesTickets for TicketKeys {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(TICKET_KEY_LIFE.whole_seconds()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let ring = self.ring.load();
        let key = &ring.current;
        let mut sealed = plain.to_vec();
        let nonce = key.aead.seal_in_place_append_tag(Aad::from(key.name), &mut sealed).ok()?;
        let mut ticket = Vec::with_capacity(NAME_LEN + NONCE_LEN + sealed.len());
        ticket.extend_from_slice(&key.name);
        ticket.extend_from_slice(nonce.as_ref());
        ticket.extend_from_slice(&sealed);
        (ticket.len() <= MAX_TICKET).then_some(ticket)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        if ticket.len() > MAX_TICKET {
            return None;
        }
        let (name, rest) = ticket.split_first_chunk::<NAME_LEN>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let ring = self.ring.load();
        // The name is no secret: it travels in the clear.
        let key =
            std::iter::once(&ring.current).chain(&ring.previous).find(|key| key.name == *name)?;
        let mut state = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = key.aead.open_in_place(nonce, Aad::from(*name), &mut state).ok()?.len();
        state.truncate(plain);
        Some(state)
    }
}

impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKeys").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    #[test]
    fn a_ticket_outlives_one_rotation_and_not_two() {
        let keys = TicketKeys::in_memory(START).unwrap();
        let ticket = keys.encrypt(b"state").unwrap();
        assert!(!keys.rotate(START + TICKET_KEY_LIFE - Duration::SECOND).unwrap());
        assert!(keys.rotate(START + TICKET_KEY_LIFE).unwrap());
        assert_eq!(keys.decrypt(&ticket).unwrap(), b"state");
        assert_ne!(keys.encrypt(b"state").unwrap()[..NAME_LEN], ticket[..NAME_LEN]);
        assert!(keys.rotate(START + TICKET_KEY_LIFE * 2).unwrap());
        assert_eq!(keys.decrypt(&ticket), None);
    }

    #[test]
    fn a_long_pause_forgets_all_keys() {
        let keys = TicketKeys::in_memory(START).unwrap();
        let ticket = keys.encrypt(b"state").unwrap();
        keys.rotate(START + TICKET_KEY_LIFE * 2).unwrap();
        assert_eq!(keys.decrypt(&ticket), None);
    }

    #[test]
    fn changed_bytes_anywhere_make_a_ticket_worthless() {
        let keys = TicketKeys::in_memory(START).unwrap();
        let ticket = keys.encrypt(b"state").unwrap();
        for index in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[index] ^= 1;
            assert_eq!(keys.decrypt(&changed), None, "byte {index}");
            assert_eq!(keys.decrypt(&ticket[..index]), None, "length {index}");
        }
        assert_eq!(keys.decrypt(&vec![0; MAX_TICKET + 1]), None);
    }

    #[test]
    fn keys_come_back_from_their_private_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tickets");
        let keys = TicketKeys::load_or_create(&path, START).unwrap();
        let ticket = keys.encrypt(b"state").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);

        let again = TicketKeys::load_or_create(&path, START + TICKET_KEY_LIFE).unwrap();
        assert_eq!(again.decrypt(&ticket).unwrap(), b"state");
        let later = TicketKeys::load_or_create(&path, START + TICKET_KEY_LIFE * 2).unwrap();
        assert_eq!(later.decrypt(&ticket), None);
    }

    #[test]
    fn a_damaged_file_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tickets");
        for damaged in [&b"\xff"[..], b"", b"gangplank-ticket-keys 1\n0 aa bb\n", b"other 2\n"] {
            std::fs::write(&path, damaged).unwrap();
            let keys = TicketKeys::load_or_create(&path, START).unwrap();
            let ticket = keys.encrypt(b"state").unwrap();
            let again = TicketKeys::load_or_create(&path, START).unwrap();
            assert_eq!(again.decrypt(&ticket).unwrap(), b"state");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let keys = TicketKeys::in_memory(START).unwrap();
        assert_eq!(format!("{keys:?}"), "TicketKeys { path: None, .. }");
    }
}
