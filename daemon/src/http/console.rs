//! The console's files, out of the program itself: there is no directory to climb out of.

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use gangplank_console::Asset;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;

pub(super) async fn page(_app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    Ok(answer(gangplank_console::index(), &call.headers))
}

pub(super) async fn asset(_app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let path = call.uri.path();
    let found = gangplank_console::asset(path).or_else(|| gangplank_console::page(path));
    let asset = found.ok_or_else(Refusal::not_found)?;
    Ok(answer(asset, &call.headers))
}

fn answer(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let fresh = known.is_some_and(|tags| tags.split(',').any(|tag| weak(tag) == asset.etag));
    let (body, encoding) = if fresh { (&[][..], None) } else { encoded(asset, headers) };
    let mut response = Response::new(Bytes::from_static(body).into());
    if fresh {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let cache = if asset.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    let answered = response.headers_mut();
    answered.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    answered.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    answered.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    // The tag names the bytes before compression, so it is sent weak (RFC 9110 §8.8.3).
    if let Ok(tag) = HeaderValue::from_str(&format!("W/{}", asset.etag)) {
        answered.insert(header::ETAG, tag);
    }
    if let Some(encoding) = encoding {
        answered.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

fn weak(tag: &str) -> &str {
    tag.trim().trim_start_matches("W/")
}

/// The smallest form that the client takes.
fn encoded(asset: &'static Asset, headers: &HeaderMap) -> (&'static [u8], Option<&'static str>) {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let accepted = accepted.unwrap_or_default();
    let takes = |wanted: &str| {
        accepted.split(',').any(|offer| {
            let mut parts = offer.trim().split(';');
            let named = parts.next().is_some_and(|name| name.trim().eq_ignore_ascii_case(wanted));
            named && !parts.any(|weight| matches!(weight.trim(), "q=0" | "q=0.0"))
        })
    };
    match (asset.brotli, asset.gzip) {
        (Some(bytes), _) if takes("br") => (bytes, Some("br")),
        (_, Some(bytes)) if takes("gzip") => (bytes, Some("gzip")),
        _ => (asset.bytes, None),
    }
}
