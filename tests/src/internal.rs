//! An internal service: it signs what it says, or proves itself by the token of all services.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::{
    account::{canary, random},
    daemon::Daemon,
    http::{Answer, Client},
};

/// A service, and the daemon that knows its secrets.
#[derive(Debug)]
pub struct Service {
    /// Its daemon.
    pub daemon: Daemon,
    secret: String,
    token: String,
}

/// A message, every part of which can be made wrong.
#[derive(Debug, Clone)]
pub struct Message {
    /// `X-Signature`.
    pub signature: String,
    /// `X-Timestamp`.
    pub timestamp: String,
    /// `X-Delivery-Id`.
    pub delivery: String,
    /// The body.
    pub body: Value,
}

impl Service {
    /// Starts a daemon that knows a new service, with further settings.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let secret = format!("{}-{}", canary("hmac"), hex::encode(random::<16>()));
        let token = format!("{}-{}", canary("token"), hex::encode(random::<16>()));
        let own = [("internal.hmac_secret", secret.as_str()), ("internal.token", token.as_str())];
        let settings: Vec<_> = own.iter().chain(settings).copied().collect();
        let daemon = Daemon::with(&settings);
        Self { daemon, secret, token }
    }

    /// A client that carries the token.
    pub fn client(&self) -> Client {
        self.daemon.client().with_origin(None).with_header("X-Internal-Token", &self.token)
    }

    /// Signs a body, as it is right, so many seconds from now.
    pub fn sign(&self, body: &Value, seconds: i64) -> Message {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let timestamp = now.checked_add_signed(seconds).expect("a time").to_string();
        let delivery = hex::encode(random::<16>());
        let signature = self.signature(&timestamp, &body.to_string());
        Message { signature, timestamp, delivery, body: body.clone() }
    }

    /// The signature over a time and a body's text.
    pub fn signature(&self, timestamp: &str, body: &str) -> String {
        signature(&self.secret, timestamp, body)
    }

    /// Sends a message as a license.
    pub async fn license(&self, message: &Message) -> Answer {
        let client = self.daemon.client().with_origin(None);
        let headers = [
            ("X-Signature", &message.signature),
            ("X-Timestamp", &message.timestamp),
            ("X-Delivery-Id", &message.delivery),
        ];
        let client = headers
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .fold(client, |client, (name, value)| client.with_header(name, value));
        client.send("POST", "/internal/license/refresh", Some(message.body.clone())).await
    }
}

/// The signature by any secret.
///
/// # Panics
/// Never: HMAC takes keys of any length.
pub fn signature(secret: &str, timestamp: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(format!("{timestamp}.{body}").as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}
