//! The tokens of a provider: right ones, and those that nobody may take.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::{KeySize, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::SECRET;

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// Nothing; signed by RSA.
    None,
    /// Nothing; signed by an elliptic curve.
    Curve,
    /// It answers another question.
    WrongNonce,
    /// It answers no question.
    NoNonce,
    /// It is signed by nobody.
    NoSignature,
    /// It is signed by somebody else, under the provider's key's name.
    OtherKey,
    /// It is signed by the client's own secret.
    ClientSecret,
    /// It is signed by the provider's public key, as if that were a secret.
    PublicKeyAsSecret,
    /// It was changed after it was signed.
    Changed,
    /// It is for another client.
    OtherAudience,
    /// It is for another client as well.
    MoreAudience,
    /// It says that another provider made it.
    OtherIssuer,
    /// It is too old.
    Expired,
    /// It counts in an hour.
    NotYet,
    /// It is made in an hour.
    Future,
    /// There is none, for the provider refuses.
    Denies,
}

/// The keys of a provider.
#[derive(Debug)]
pub(super) struct Keys {
    name: String,
    rsa: RsaKeyPair,
    curve: EcdsaKeyPair,
}

impl Default for Keys {
    fn default() -> Self {
        let curve = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        Self {
            name: hex::encode(crate::account::random::<4>()),
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"),
            curve: curve.expect("a key"),
        }
    }
}

impl Keys {
    /// What everybody may know of them.
    pub(super) fn public(&self) -> Value {
        let public = self.rsa.public_key();
        let parts = PublicKeyComponents::<Vec<u8>>::from(public);
        // An uncompressed point: a byte that says so, then both coordinates.
        let point = self.curve.public_key().as_ref().to_vec();
        json!({ "keys": [
            { "kty": "RSA", "use": "sig", "alg": "RS256", "kid": format!("{}-rsa", self.name),
              "n": encode(&parts.n), "e": encode(&parts.e) },
            { "kty": "EC", "use": "sig", "alg": "ES256", "kid": format!("{}-ec", self.name),
              "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]) },
        ] })
    }

    /// A token that says this, with what is to be wrong with it.
    pub(super) fn token(&self, twist: Twist, mut claims: Value) -> String {
        match twist {
            Twist::WrongNonce => claims["nonce"] = "another".into(),
            Twist::NoNonce => drop(claims.as_object_mut().expect("claims").remove("nonce")),
            Twist::OtherAudience => claims["aud"] = "somebody-else".into(),
            Twist::MoreAudience => claims["aud"] = json!([claims["aud"], "somebody-else"]),
            Twist::OtherIssuer => claims["iss"] = "https://127.0.0.1:1".into(),
            Twist::Expired => {
                claims["iat"] = (now() - 7200).into();
                claims["exp"] = (now() - 3600).into();
            }
            Twist::NotYet => claims["nbf"] = (now() + 3600).into(),
            Twist::Future => {
                claims["iat"] = (now() + 3600).into();
                claims["exp"] = (now() + 7200).into();
            }
            _ => {}
        }
        let (algorithm, key) = match twist {
            Twist::Curve => ("ES256", "ec"),
            Twist::NoSignature => ("none", "rsa"),
            Twist::ClientSecret | Twist::PublicKeyAsSecret => ("HS256", "rsa"),
            _ => ("RS256", "rsa"),
        };
        let kid = format!("{}-{key}", self.name);
        let head = json!({ "alg": algorithm, "typ": "JWT", "kid": kid }).to_string();
        let text = format!("{}.{}", encode(head.as_bytes()), encode(claims.to_string().as_bytes()));
        let signature = match twist {
            Twist::NoSignature => Vec::new(),
            Twist::Curve => {
                let signed = self.curve.sign(&SystemRandom::new(), text.as_bytes());
                signed.expect("a signature").as_ref().to_vec()
            }
            Twist::ClientSecret => by_secret(SECRET.as_bytes(), &text),
            Twist::PublicKeyAsSecret => by_secret(self.rsa.public_key().as_ref(), &text),
            Twist::OtherKey => Self::default().by_rsa(&text),
            _ => self.by_rsa(&text),
        };
        if twist == Twist::Changed {
            claims["sub"] = "somebody-else".into();
            let changed = encode(claims.to_string().as_bytes());
            return format!("{}.{changed}.{}", encode(head.as_bytes()), encode(&signature));
        }
        format!("{text}.{}", encode(&signature))
    }

    fn by_rsa(&self, text: &str) -> Vec<u8> {
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        self.rsa
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .expect("a signature");
        signature
    }
}

fn by_secret(secret: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs()
}
