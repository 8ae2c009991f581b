//! Unguessable texts: tokens, keys, passwords, and the fast hash under which tokens are stored.

use gangplank_proto::secret::Secret;
use sha2::{Digest, Sha256};

/// The operating system would not give random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes: {0}")]
pub struct RandomError(#[from] getrandom::Error);

/// `N` bytes from the operating system's generator.
///
/// # Errors
/// When the operating system has none to give.
pub fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// 32 random bytes as 64 lowercase hex digits: the form of tickets, sessions and API keys.
///
/// # Errors
/// When the operating system has no random bytes.
pub fn token() -> Result<Secret, RandomError> {
    Ok(Secret::new(hex::encode(bytes::<32>()?)))
}

/// A password for a person to copy once: 20 letters and digits that can't be mistaken for one
/// another, in groups of five; 100 bits.
///
/// # Errors
/// When the operating system has no random bytes.
pub fn password() -> Result<Secret, RandomError> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut text = String::with_capacity(23);
    for (index, byte) in bytes::<20>()?.into_iter().enumerate() {
        if index > 0 && index % 5 == 0 {
            text.push('-');
        }
        text.extend(LETTERS.get(usize::from(byte % 32)).map(|letter| char::from(*letter)));
    }
    Ok(Secret::new(text))
}

/// What is stored of a random token. A plain SHA-256 is enough, because nobody can guess 256 bits;
/// a password never goes this way.
#[must_use]
pub fn token_hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_passwords_have_their_form() {
        let token = token().unwrap();
        assert_eq!(token.expose().len(), 64);
        assert!(token.expose().chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')));
        let password = password().unwrap();
        assert_eq!(password.expose().len(), 23);
        assert_eq!(password.expose().split('-').count(), 4);
    }
}
