//! What anybody may ask: health, and what is needed to trust us.

use std::sync::Arc;

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;

pub(super) async fn health(_app: Arc<App>, _call: Call) -> Result<Response, Refusal> {
    super::json(StatusCode::OK, &json!({ "status": "ok" }))
}

pub(super) async fn ready(app: Arc<App>, _call: Call) -> Result<Response, Refusal> {
    if app.is_stopping() {
        return Err(Refusal::unavailable("the daemon is stopping"));
    }
    app.store.check().await?;
    super::json(StatusCode::OK, &json!({ "status": "ok" }))
}

pub(super) async fn trust(app: Arc<App>, _call: Call) -> Result<Response, Refusal> {
    let Some(trust) = &app.trust else { return Err(Refusal::not_found()) };
    super::json(
        StatusCode::OK,
        &json!({
            "ca_pem": trust.ca_pem,
            "ca_fingerprint": trust.fingerprint,
            "names": app.names().hosts().collect::<Vec<_>>(),
        }),
    )
}

pub(super) async fn ca(app: Arc<App>, _call: Call) -> Result<Response, Refusal> {
    let Some(trust) = &app.trust else { return Err(Refusal::not_found()) };
    let mut response = Response::new(trust.ca_pem.clone().into());
    let kind = HeaderValue::from_static("application/x-pem-file");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}
