//! What a person's key may sign: a request to log in by it (RFC 4252 §7), and nothing else.

use gangplank_proto::link::RsaHash;

use super::host_key;

const USERAUTH_REQUEST: u8 = 50;

/// Largest request that is looked at, in bytes.
const REQUEST_BYTES: usize = 64 << 10;

/// Whether `data` is exactly a publickey userauth request of `username` for `ssh-connection`, with
/// the key of `public_line` and a signature algorithm of that key, SHA-1 apart. The form that binds
/// the server's host key (`publickey-hostbound-v00@openssh.com`) counts as well.
///
/// Whoever holds a private key asks this before signing what somebody else made, so that a hostile
/// agent gets nothing signed but a login as this user.
#[must_use]
pub fn check_sign_request(data: &[u8], username: &str, public_line: &str) -> bool {
    request_algorithm(data, username, public_line).is_some()
}

/// As [`check_sign_request`], and answers the hash that an RSA signature is to have.
pub(super) fn request_algorithm(
    data: &[u8],
    username: &str,
    public_line: &str,
) -> Option<Option<RsaHash>> {
    if data.len() > REQUEST_BYTES {
        return None;
    }
    let key = host_key::parse(public_line)?;
    let blob = key.to_bytes().ok()?;
    let mut rest = data;
    let session_id = string(&mut rest)?;
    // The session id is an exchange hash: SHA-1 to SHA-512 (RFC 4253 §7.2).
    if !(20..=64).contains(&session_id.len()) || byte(&mut rest)? != USERAUTH_REQUEST {
        return None;
    }
    if string(&mut rest)? != username.as_bytes() || string(&mut rest)? != b"ssh-connection" {
        return None;
    }
    let bound = match string(&mut rest)? {
        b"publickey" => false,
        b"publickey-hostbound-v00@openssh.com" => true,
        _ => return None,
    };
    if byte(&mut rest)? != 1 {
        return None;
    }
    let algorithm = string(&mut rest)?;
    if string(&mut rest)? != blob {
        return None;
    }
    if bound {
        string(&mut rest)?;
    }
    if !rest.is_empty() {
        return None;
    }
    match algorithm {
        b"rsa-sha2-256" if key.algorithm().is_rsa() => Some(Some(RsaHash::Sha256)),
        b"rsa-sha2-512" if key.algorithm().is_rsa() => Some(Some(RsaHash::Sha512)),
        name if !key.algorithm().is_rsa() && name == key.algorithm().as_str().as_bytes() => {
            Some(None)
        }
        _ => None,
    }
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (first, tail) = rest.split_first()?;
    *rest = tail;
    Some(*first)
}

/// A string of RFC 4251 §5.
fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, tail) = rest.split_first_chunk::<4>()?;
    let (text, tail) = tail.split_at_checked(u32::from_be_bytes(*len) as usize)?;
    *rest = tail;
    Some(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILagOJFgwaMNhBWQINinKOXmqS4Gh5NgxgriXwdOoINJ";

    struct Request<'a> {
        session_id: &'a [u8],
        number: u8,
        user: &'a str,
        service: &'a str,
        method: &'a str,
        signed: u8,
        algorithm: &'a str,
        key: &'a str,
        tail: &'a [u8],
    }

    const GOOD: Request<'_> = Request {
        session_id: &[7; 32],
        number: 50,
        user: "ada",
        service: "ssh-connection",
        method: "publickey",
        signed: 1,
        algorithm: "ssh-ed25519",
        key: KEY,
        tail: b"",
    };

    fn put(data: &mut Vec<u8>, text: &[u8]) {
        data.extend((text.len() as u32).to_be_bytes());
        data.extend(text);
    }

    impl Request<'_> {
        fn data(&self) -> Vec<u8> {
            let mut data = Vec::new();
            put(&mut data, self.session_id);
            data.push(self.number);
            put(&mut data, self.user.as_bytes());
            put(&mut data, self.service.as_bytes());
            put(&mut data, self.method.as_bytes());
            data.push(self.signed);
            put(&mut data, self.algorithm.as_bytes());
            put(&mut data, &host_key::parse(self.key).unwrap().to_bytes().unwrap());
            data.extend(self.tail);
            data
        }

        fn is_taken(&self) -> bool {
            check_sign_request(&self.data(), "ada", KEY)
        }
    }

    #[test]
    fn a_login_is_signed_and_nothing_else() {
        assert!(GOOD.is_taken());
        let mut host = Vec::new();
        put(&mut host, b"the server's key");
        let bound = "publickey-hostbound-v00@openssh.com";
        assert!(Request { method: bound, tail: &host, ..GOOD }.is_taken());
        for wrong in [
            Request { session_id: b"", ..GOOD },
            Request { session_id: &[7; 65], ..GOOD },
            Request { number: 51, ..GOOD },
            Request { user: "bob", ..GOOD },
            Request { service: "ssh-userauth", ..GOOD },
            Request { method: "hostbased", ..GOOD },
            Request { method: bound, ..GOOD },
            Request { tail: &host, ..GOOD },
            Request { signed: 0, ..GOOD },
            Request { algorithm: "ssh-rsa", ..GOOD },
            Request { algorithm: "rsa-sha2-512", ..GOOD },
            Request { key: OTHER, ..GOOD },
            Request { tail: b"x", ..GOOD },
        ] {
            assert!(!wrong.is_taken());
        }
        let sshsig = [b"SSHSIG".as_slice(), &GOOD.data()].concat();
        assert!(!check_sign_request(&sshsig, "ada", KEY));
        assert!(!check_sign_request(&GOOD.data(), "ada", "no key"));
        assert!(!check_sign_request(&[0; REQUEST_BYTES + 1], "ada", KEY));
    }

    proptest! {
        /// No byte of a good request can be changed, save those of the session id.
        #[test]
        fn a_changed_byte_is_noticed(at in 36usize..200, flip in 1u8..) {
            let mut data = GOOD.data();
            prop_assume!(at < data.len());
            if let Some(byte) = data.get_mut(at) {
                *byte ^= flip;
            }
            prop_assert!(!check_sign_request(&data, "ada", KEY));
        }

        /// Nothing that comes makes it panic.
        #[test]
        fn any_bytes_get_an_answer(data in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(!check_sign_request(&data, "ada", KEY));
        }
    }
}
