//! Rows that devices send: one array at a time, committed before the answer.

use std::io::Read as _;
use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, StatusCode, header};
use sha2::{Digest as _, Sha256};

use super::error::Refusal;
use super::gate::Call;
use super::no_content;
use crate::app::App;
use crate::event::Topic;
use crate::ingest::{Batch, IngestError, Quota};
use crate::store::{HostState, Ingested, Limits, Names, Parcel};

/// What a batch may come to when it is unpacked, in times of what a body may have.
const EXPANSION: usize = 8;

/// Longest `Idempotency-Key`.
const KEY: usize = 128;

/// How a body is packed.
#[derive(Clone, Copy)]
enum Packed {
    Not,
    Gzip,
}

pub(super) async fn take(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let agent = call.agent()?.clone();
    if agent.state == HostState::Pending {
        let message = "this host waits until somebody accepts it";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "pending", message));
    }
    let packed = form(&call.headers)?;
    let key = key(&call.headers)?;
    let longest = call.body_limit().saturating_mul(EXPANSION);
    let body = call.bytes().await?;
    // Not before all of it is here: who sends slowly keeps nobody waiting.
    let crowded = || Refusal::unavailable("too many batches are being read; try again");
    let turn = app.quotas.turn().await.ok_or_else(crowded)?;
    let now = app.clock.now();
    let read = tokio::task::spawn_blocking(move || {
        let body = unpack(body, packed, longest)?;
        let batch = Batch::parse(&body, now).map_err(refusal)?;
        Ok::<_, Refusal>((body.len() as u64, hex::encode(Sha256::digest(&body)), batch))
    });
    let (bytes, hash, batch) = read.await.map_err(|error| {
        tracing::error!(%error, "a batch could not be read");
        Refusal::internal()
    })??;
    drop(turn);
    let config = app.config().ingest;
    let came = Quota { rows: batch.rows as u64, bytes };
    let of_host = Quota { rows: config.rows_per_host, bytes: config.bytes_per_host };
    let (tenant, host) = (agent.tenant, agent.host);
    let own = app.store.limits_of(tenant).await?;
    let of_tenant = Quota {
        rows: Limits::within(config.rows_per_tenant, own.max_rows_per_minute),
        bytes: Limits::within(config.bytes_per_tenant, own.max_bytes_per_minute),
    };
    if let Err(wait) = app.quotas.take((tenant, host), came, of_host, of_tenant) {
        let message = "more than this host or its tenant may send in a minute";
        return Err(Refusal::too_many(message, wait.as_secs() + 1));
    }
    let names = Names { of_host: config.names_per_host, of_tenant: config.names_per_tenant };
    let parcel = Parcel { key, hash, batch };
    match app.store.ingest(tenant, host, parcel, names, now).await? {
        Ingested::Kept(told) => {
            if let Some(seq) = told {
                app.events.tell(tenant, Topic::Hosts, seq);
            }
            no_content()
        }
        Ingested::Before => no_content(),
        Ingested::OtherBody => {
            Err(Refusal::conflict("another batch was taken under this Idempotency-Key"))
        }
        Ingested::Names => {
            let message = "the batch measures more names than this host or its tenant may have";
            Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "too_many_names", message))
        }
        Ingested::NoHost => Err(Refusal::unauthenticated()),
    }
}

/// Checks that the body is JSON, and finds out how it is packed.
fn form(headers: &HeaderMap) -> Result<Packed, Refusal> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let kind = text(header::CONTENT_TYPE).and_then(|kind| kind.split(';').next()).unwrap_or("");
    if !kind.trim().eq_ignore_ascii_case("application/json") {
        return Err(Refusal::wrong_type("Content-Type takes application/json"));
    }
    match text(header::CONTENT_ENCODING).map(str::to_ascii_lowercase).as_deref() {
        None | Some("identity") => Ok(Packed::Not),
        Some("gzip") => Ok(Packed::Gzip),
        Some(_) => Err(Refusal::wrong_type("Content-Encoding takes gzip, or nothing")),
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().unwrap_or("");
    if (1..=KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Some(key.to_owned()));
    }
    Err(Refusal::bad_request("Idempotency-Key takes 1 to 128 printable characters without spaces"))
}

/// Unpacks a body, and stops as soon as it is longer than it may be.
fn unpack(body: Bytes, packed: Packed, longest: usize) -> Result<Bytes, Refusal> {
    match packed {
        Packed::Not => Ok(body),
        Packed::Gzip => {
            let mut unpacked = Vec::new();
            let mut decoder = MultiGzDecoder::new(&body[..]).take(longest as u64 + 1);
            decoder
                .read_to_end(&mut unpacked)
                .map_err(|_| Refusal::bad_request("the body is not what gzip makes"))?;
            if unpacked.len() > longest { Err(Refusal::too_large()) } else { Ok(unpacked.into()) }
        }
    }
}

fn refusal(error: IngestError) -> Refusal {
    match error {
        IngestError::Rows | IngestError::Long(_) => {
            Refusal { message: error.to_string(), ..Refusal::too_large() }
        }
        error => Refusal::bad_request(error.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn a_bomb_is_put_down_before_it_is_large() {
        let packed = gzip(&vec![b' '; 10 << 20]);
        assert!(packed.len() < 64 << 10);
        let refused = unpack(packed, Packed::Gzip, 1 << 20).unwrap_err();
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(unpack(gzip(b"[]"), Packed::Gzip, 2).unwrap(), "[]");
        let cut = gzip(b"[{}]").slice(..12);
        assert_eq!(unpack(cut, Packed::Gzip, 99).unwrap_err().status, StatusCode::BAD_REQUEST);
    }
}
