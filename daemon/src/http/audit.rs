//! The audit.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;

pub(super) async fn list(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let rows = app.store.audit_page(call.person()?.tenant, &call.page()?).await?;
    super::json(StatusCode::OK, &rows)
}
