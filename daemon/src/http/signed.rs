//! Messages of internal services that are signed: HMAC-SHA256 over the time and the body's bytes as
//! they came, so that a body which was read and written again is another one.

use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, Mac as _};
use http::{HeaderMap, StatusCode, header};
use sha2::Sha256;

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;
use crate::clock::Timestamp;
use crate::store::Delivery;

/// The header with the signature.
pub(super) const SIGNATURE: &str = "x-signature";

/// How far a message's time may be from ours, in either direction.
const WINDOW: Duration = Duration::from_secs(5 * 60);

/// How long a message is remembered: for longer than its time can be right.
pub const REMEMBERED: Duration = Duration::from_secs(15 * 60);

/// Longest name of a message, in bytes.
const LONGEST_ID: usize = 128;

/// A message that its sender has signed.
pub(super) struct Signed {
    pub(super) delivery: Delivery,
    pub(super) body: Bytes,
}

/// What the head says about the signature.
struct Claimed<'a> {
    signature: &'a str,
    timestamp: &'a str,
    id: &'a str,
}

/// Reads a signed message of so many bytes at most.
///
/// # Errors
/// 401 for whatever is wrong with its signature or its time; before that 415 for a body that is
/// packed, and 413 for one that is too large.
pub(super) async fn read(app: &App, call: &mut Call, limit: usize) -> Result<Signed, Refusal> {
    let headers = call.headers.clone();
    let claimed = claimed(&headers).ok_or_else(|| refused(app, call))?;
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Refusal::new(status, "packed", "a signed body has no content encoding"));
    }
    let body = call.bytes_within(limit).await?;
    let config = app.config();
    let secret = config.internal.hmac_secret.as_ref().map(|secret| secret.expose());
    let right = secret.is_some_and(|secret| {
        verifies(secret.as_bytes(), &claimed, &body) && timely(claimed.timestamp, app.clock.now())
    });
    if !right {
        return Err(refused(app, call));
    }
    let (id, signature) = (claimed.id.to_owned(), claimed.signature.to_owned());
    Ok(Signed { delivery: Delivery { id, signature }, body })
}

fn refused(app: &App, call: &Call) -> Refusal {
    app.guard.failed(call.peer.addr, "signature");
    Refusal::unauthenticated()
}

/// The three headers, each once and in its form.
fn claimed(headers: &HeaderMap) -> Option<Claimed<'_>> {
    let signature = one(headers, SIGNATURE)?.strip_prefix("sha256=")?;
    let timestamp = one(headers, "x-timestamp")?;
    let id = one(headers, "x-delivery-id")?;
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let form = signature.len() == 64
        && signature.bytes().all(hex)
        && (1..=LONGEST_ID).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_graphic());
    form.then_some(Claimed { signature, timestamp, id })
}

fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn verifies(secret: &[u8], claimed: &Claimed<'_>, body: &[u8]) -> bool {
    // With an empty secret everybody could sign.
    if secret.is_empty() {
        return false;
    }
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return false };
    mac.update(claimed.timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    // Compares in constant time.
    hex::decode(claimed.signature).is_ok_and(|signature| mac.verify_slice(&signature).is_ok())
}

fn timely(timestamp: &str, now: Timestamp) -> bool {
    let digits = !timestamp.is_empty() && timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = timestamp.parse::<u64>().ok().filter(|_| digits);
    seconds.is_some_and(|seconds| now.seconds().abs_diff(seconds) <= WINDOW.as_secs())
}
