//! Signatures of what goes to receivers outside, in the form in which internal services sign what
//! comes in: HMAC-SHA256 over `timestamp.body`.

use std::time::Duration;

use gangplank_proto::id::WebhookId;
use gangplank_proto::secret::Secret;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::auth::ServerSecret;
use crate::clock::Timestamp;
use crate::store::Webhook;

/// How long after a change of secrets both sign.
const OVERLAP: Duration = Duration::from_secs(24 * 3600);

/// Signs; knows the secret of every receiver, since each follows from the server's own.
pub(super) struct Signer(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(…)")
    }
}

/// The values of the headers.
pub(super) struct Signatures {
    /// By the secret of now.
    pub(super) current: String,
    /// By the secret before it, for a day after it was changed.
    pub(super) before: Option<String>,
}

impl Signer {
    pub(super) fn new(secret: &ServerSecret) -> Self {
        Self(secret.derive("webhooks 1"))
    }

    /// The secret of a receiver's generation: 64 lowercase hex digits.
    pub(super) fn secret(&self, hook: WebhookId, generation: u32) -> Secret {
        Secret::new(mac(&*self.0, &[hook.to_string().as_bytes(), &generation.to_be_bytes()]))
    }

    pub(super) fn sign(&self, hook: &Webhook, body: &str, now: Timestamp) -> Signatures {
        let sign = |generation| {
            let secret = self.secret(hook.id, generation);
            let timestamp = now.seconds().to_string();
            let parts = [timestamp.as_bytes(), b".", body.as_bytes()];
            format!("sha256={}", mac(secret.expose().as_bytes(), &parts))
        };
        let overlaps = hook.rotated_at.is_some_and(|at| now < at.plus(OVERLAP));
        let before = (overlaps && hook.generation > 1).then(|| sign(hook.generation - 1));
        Signatures { current: sign(hook.generation), before }
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> String {
    // A key of any length will do for HMAC; without one nothing would verify.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    for part in parts {
        mac.update(part);
    }
    hex::encode(mac.finalize().into_bytes())
}
