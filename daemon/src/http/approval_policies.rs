//! What needs the consent of a second person.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;
use crate::approval::NewPolicy;
use crate::store::StoreError;

pub(super) async fn list(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let items = app.store.approval_policies(call.person()?.tenant).await?;
    super::json(StatusCode::OK, &json!({ "items": items, "next_cursor": null }))
}

pub(super) async fn create(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let what: NewPolicy = call.json().await?;
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let policy = app.store.create_approval_policy(tenant, &by, what).await?;
    super::json(StatusCode::CREATED, &policy)
}

pub(super) async fn patch(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let said: Map<String, Value> = call.json().await?;
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let mut wrong = None;
    let change = |what: NewPolicy| match changed(&what, said) {
        Ok(what) => Ok(what),
        Err(error) => {
            wrong = Some(Refusal::bad_request(error.to_string()));
            Err(StoreError::Invalid("the policy can't be read"))
        }
    };
    let id = call.param("policy_id")?;
    let patched = app.store.patch_approval_policy(tenant, &by, id, change).await;
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    super::json(StatusCode::OK, &patched?.ok_or_else(Refusal::not_found)?)
}

/// A policy with the fields that were said in place of its own.
fn changed(what: &NewPolicy, said: Map<String, Value>) -> Result<NewPolicy, serde_json::Error> {
    let mut fields = serde_json::to_value(what)?;
    if let Value::Object(fields) = &mut fields {
        fields.extend(said);
    }
    serde_json::from_value(fields)
}

pub(super) async fn delete(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let deleted = app.store.delete_approval_policy(tenant, &by, call.param("policy_id")?).await?;
    super::done(deleted)
}
