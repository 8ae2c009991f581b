//! Passwords: argon2id for new ones, bcrypt for imported ones until their first good login.
//!
//! Hashing is slow on purpose, so it runs off the async threads and only a few at a time; everybody
//! else keeps working meanwhile.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::{
    self, Decimal, Ident, Output, ParamsString, PasswordHash, PasswordHasher, PasswordVerifier,
    Salt, SaltString,
};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use gangplank_proto::secret::Secret;
use tokio::sync::Semaphore;

use crate::random;

/// Longest password that is taken, in bytes. argon2 uses all of them.
pub const LONGEST_PASSWORD: usize = 1024;

/// Shortest new password, in characters.
pub const SHORTEST_PASSWORD: usize = 8;

/// bcrypt sees no further than this many bytes, so a longer password can't be right for its hashes.
const BCRYPT_BYTES: usize = 72;

/// A well-formed hash of no password, with the parameters of new hashes: what is verified for users
/// who don't exist, so that they take as long as those who do.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why a password was not hashed or verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// Too short or too long to be a new password.
    #[error("a password has at least 8 characters and at most 1024 bytes")]
    Length,
    /// The hash function or the random generator failed.
    #[error("passwords can't be hashed: {0}")]
    Hash(String),
}

/// What verifying said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Wrong.
    Wrong,
    /// Right.
    Right,
    /// Right, and the hash should be made anew in the current form.
    RightButOld,
}

/// Hashes and verifies passwords, a bounded number at once.
#[derive(Debug, Clone)]
pub struct Passwords {
    permits: Arc<Semaphore>,
    /// What the hashes of before were computed in, as many as there are permits.
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
}

impl Passwords {
    /// At most `parallel` hashes are computed at once; each takes 19 MiB.
    #[must_use]
    pub fn new(parallel: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(parallel.max(1))), memory: Arc::default() }
    }

    /// The hash to keep of a new password, in PHC form.
    ///
    /// # Errors
    /// [`PasswordError::Length`] when it is too short or too long.
    pub async fn hash(&self, password: &Secret) -> Result<String, PasswordError> {
        let text = password.expose();
        if text.chars().count() < SHORTEST_PASSWORD || text.len() > LONGEST_PASSWORD {
            return Err(PasswordError::Length);
        }
        self.hash_any(password).await
    }

    /// The hash of a password that was accepted before, whatever its length.
    pub(super) async fn hash_any(&self, password: &Secret) -> Result<String, PasswordError> {
        let password = password.clone();
        self.off_thread(move |memory| {
            let salt = random::bytes::<16>().map_err(|e| PasswordError::Hash(e.to_string()))?;
            let salt = SaltString::encode_b64(&salt).map_err(failed)?;
            let argon2 = Argon2In(RefCell::new(memory));
            let hash = argon2.hash_password(password.expose().as_bytes(), &salt);
            Ok(hash.map_err(failed)?.to_string())
        })
        .await?
    }

    /// Compares a password with a hash, or with nobody's: the same work either way.
    ///
    /// # Errors
    /// When the machine fails; never because of what was typed.
    pub async fn verify(
        &self,
        password: &Secret,
        hash: Option<&str>,
    ) -> Result<Verdict, PasswordError> {
        let password = password.clone();
        let hash = hash.map(str::to_owned);
        self.off_thread(move |memory| verify(password.expose(), hash.as_deref(), memory)).await
    }

    async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let stopped = |cause: &dyn std::fmt::Display| PasswordError::Hash(cause.to_string());
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await.map_err(|error| stopped(&error))?;
        let memory = Arc::clone(&self.memory);
        tokio::task::spawn_blocking(move || {
            // The permit goes with the work: a caller who gives up does not free the processor.
            let _permit = permit;
            let kept = || memory.lock().unwrap_or_else(PoisonError::into_inner);
            let mut blocks = kept().pop().unwrap_or_default();
            let done = work(&mut blocks);
            kept().push(blocks);
            done
        })
        .await
        .map_err(|error| stopped(&error))
    }
}

/// argon2 in memory that is used again and again. Many threads take turns at hashing, and the
/// allocator would keep the memory of a hash for each of them.
struct Argon2In<'m>(RefCell<&'m mut Vec<Block>>);

impl PasswordHasher for Argon2In<'_> {
    type Params = Params;

    fn hash_password<'a>(
        &self,
        password: &[u8],
        salt: impl Into<Salt<'a>>,
    ) -> password_hash::Result<PasswordHash<'a>> {
        self.hash_password_customized(password, None, None, Params::default(), salt)
    }

    fn hash_password_customized<'a>(
        &self,
        password: &[u8],
        algorithm: Option<Ident<'a>>,
        version: Option<Decimal>,
        params: Params,
        salt: impl Into<Salt<'a>>,
    ) -> password_hash::Result<PasswordHash<'a>> {
        let algorithm = algorithm.map(Algorithm::try_from).transpose()?.unwrap_or_default();
        let version = version.map(Version::try_from).transpose()?.unwrap_or_default();
        let salt = salt.into();
        let mut buffer = [0; Salt::MAX_LENGTH];
        let bytes = salt.decode_b64(&mut buffer)?;
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let mut blocks = self.0.borrow_mut();
        blocks.resize(params.block_count(), Block::new());
        let written = ParamsString::try_from(&params)?;
        let argon2 = Argon2::new(algorithm, version, params);
        let output = Output::init_with(length, |out| {
            Ok(argon2.hash_password_into_with_memory(
                password,
                bytes,
                out,
                blocks.as_mut_slice(),
            )?)
        })?;
        Ok(PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: written,
            salt: Some(salt),
            hash: Some(output),
        })
    }
}

fn failed(error: argon2::password_hash::Error) -> PasswordError {
    PasswordError::Hash(error.to_string())
}

fn verify(password: &str, hash: Option<&str>, memory: &mut Vec<Block>) -> Verdict {
    let too_long = password.len() > LONGEST_PASSWORD;
    match hash {
        Some(hash) if is_bcrypt(hash) && password.len() <= BCRYPT_BYTES => {
            match bcrypt::verify(password, hash) {
                Ok(true) => Verdict::RightButOld,
                Ok(false) | Err(_) => Verdict::Wrong,
            }
        }
        Some(hash) if !is_bcrypt(hash) && !too_long => {
            let Ok(parsed) = PasswordHash::new(hash) else {
                return nobody(password, memory);
            };
            let argon2 = Argon2In(RefCell::new(memory));
            match argon2.verify_password(password.as_bytes(), &parsed) {
                Ok(()) if outdated(&parsed) => Verdict::RightButOld,
                Ok(()) => Verdict::Right,
                Err(_) => Verdict::Wrong,
            }
        }
        _ => nobody(password, memory),
    }
}

/// Works as long as for somebody, to say no.
fn nobody(password: &str, memory: &mut Vec<Block>) -> Verdict {
    let bytes = password.as_bytes();
    let bytes = bytes.get(..LONGEST_PASSWORD).unwrap_or(bytes);
    if let Ok(parsed) = PasswordHash::new(NOBODY) {
        // Nobody's hash is no password's; the result is of no interest, only the time.
        let _ = Argon2In(RefCell::new(memory)).verify_password(bytes, &parsed);
    }
    Verdict::Wrong
}

fn is_bcrypt(hash: &str) -> bool {
    ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix))
}

fn outdated(hash: &PasswordHash<'_>) -> bool {
    let current = PasswordHash::new(NOBODY);
    !current.is_ok_and(|now| {
        hash.algorithm == now.algorithm && hash.version == now.version && hash.params == now.params
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_long_password_counts_to_its_last_byte() {
        let passwords = Passwords::new(2);
        let long = "x".repeat(100);
        let hash = passwords.hash(&secret(&long)).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let verify = async |text: &str| passwords.verify(&secret(text), Some(&hash)).await.unwrap();
        assert_eq!(verify(&long).await, Verdict::Right);
        assert_eq!(verify(&format!("{}y", "x".repeat(99))).await, Verdict::Wrong);
        assert_eq!(verify(&"x".repeat(72)).await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn bcrypt_is_verified_up_to_72_bytes_and_no_further() {
        let passwords = Passwords::new(1);
        let full = "p".repeat(72);
        let hash = bcrypt::hash(&full, 4).unwrap();
        for prefix in ["$2a$", "$2b$", "$2y$"] {
            let hash = hash.replacen("$2b$", prefix, 1);
            let verify =
                async |text: &str| passwords.verify(&secret(text), Some(&hash)).await.unwrap();
            assert_eq!(verify(&full).await, Verdict::RightButOld);
            // A truncating comparison would take this one.
            assert_eq!(verify(&format!("{full}q")).await, Verdict::Wrong);
            assert_eq!(verify("p").await, Verdict::Wrong);
        }
    }

    #[tokio::test]
    async fn memory_is_used_again_and_changes_no_hash() {
        let passwords = Passwords::new(2);
        let salt = SaltString::encode_b64(&[7; 16]).unwrap();
        let hash = Argon2::default().hash_password(b"the same", &salt).unwrap().to_string();
        for _ in 0..3 {
            for (text, verdict) in [("the same", Verdict::Right), ("another", Verdict::Wrong)] {
                let (one, other) = (secret(text), secret("nobody's"));
                let both = tokio::join!(
                    passwords.verify(&one, Some(&hash)),
                    passwords.verify(&other, None)
                );
                assert_eq!((both.0.unwrap(), both.1.unwrap()), (verdict, Verdict::Wrong));
            }
        }
        let kept = passwords.memory.lock().unwrap();
        assert!((1..=2).contains(&kept.len()), "{}", kept.len());
    }

    #[tokio::test]
    async fn nobody_has_no_password() {
        let passwords = Passwords::new(1);
        for text in ["", "password", &"x".repeat(5000)] {
            assert_eq!(passwords.verify(&secret(text), None).await.unwrap(), Verdict::Wrong);
            let broken = passwords.verify(&secret(text), Some("plain")).await.unwrap();
            assert_eq!(broken, Verdict::Wrong);
        }
        // The parameters must be those of new hashes, or timing tells who exists.
        let new = passwords.hash(&secret("long enough")).await.unwrap();
        assert!(!outdated(&PasswordHash::new(&new).unwrap()));
    }

    #[tokio::test]
    async fn new_passwords_are_neither_too_short_nor_too_long() {
        let passwords = Passwords::new(1);
        for wrong in ["seven77", &"x".repeat(1025)] {
            let result = passwords.hash(&secret(wrong)).await;
            assert!(matches!(result, Err(PasswordError::Length)));
        }
    }
}
